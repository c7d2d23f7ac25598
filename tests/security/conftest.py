"""Servers that credentials must not reach, and credentials that would be worth something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from listening import Listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Somebody else."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def another_listener() -> Iterator[Listener]:
    """Somebody else still."""
    listener = Listener()
    yield listener
    listener.close()
