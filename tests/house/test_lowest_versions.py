"""What is said to be the lowest version of each dependency is the one that Airflow 2.11 is tested with."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

tomllib = pytest.importorskip("tomllib")  # since Python 3.11

PROJECT = Path(__file__).parents[2]
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
EXTRAS = METADATA["optional-dependencies"]
OF_USERS = [text for extra, texts in EXTRAS.items() if extra not in ("lint", "test") for text in texts]


@pytest.mark.parametrize("lock", ["airflow2.txt", "airflow2-python3.10.txt"])
@pytest.mark.parametrize("text", [*METADATA["dependencies"], *OF_USERS])
def test_is_tested(lock: str, text: str) -> None:
    requirement = Requirement(text)
    (bound,) = [bound for bound in requirement.specifier if bound.operator == ">="]
    pinned = dict(line.split("==") for line in (PROJECT / "requirements" / lock).read_text().split())
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    tested = versions[canonicalize_name(requirement.name)]
    assert Version(tested) == Version(bound.version), f"{text} is tested with {tested} at the lowest."
