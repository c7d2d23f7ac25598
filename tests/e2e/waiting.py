"""Waiting for what other processes do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

LOOK_EVERY = 0.4
PATIENCE = 90.0
interrupted = threading.Event()
"""Set when the run is over: no scenario waits any longer."""


def wait_for(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until a condition holds, and return what it came to; ``what`` may have a part to fill in.

    :raises AssertionError: if that takes too long.
    """
    began = time.monotonic()
    while not (found := condition()):
        if interrupted.wait(LOOK_EVERY):
            raise AssertionError(f"interrupted while waiting for {what}")
        assert time.monotonic() - began < patience, f"waited {patience:.0f} s in vain for {what}"
    return found
