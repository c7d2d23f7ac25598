"""Say which files of the package have grown too long for one reason to exist.

Usage: python tools/house.py (part of `make lint`; the arrows between modules are in pyproject.toml)
"""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LINES = 500


def too_long(package: Path) -> list[str]:
    """A sentence for each file with more than LINES lines."""
    files = sorted(package.rglob("*.py"))
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    return [
        f"{path.relative_to(package.parent)} has {length} lines; {LINES} is the most, so give it one reason less."
        for path, length in lengths.items()
        if length > LINES
    ]


if __name__ == "__main__":
    if sentences := too_long(PROJECT / "airflow_provider_ee"):
        sys.exit("\n".join(sentences))
