"""A folder to evaluate expressions in."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation_support import Workplace


@pytest.fixture
def workplace(real_client: None, tmp_path: Path) -> Workplace:
    """An empty catalog and output, and the client to build expressions with."""
    return Workplace(tmp_path)
