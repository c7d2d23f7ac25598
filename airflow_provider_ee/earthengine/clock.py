"""The time that waits are measured by."""

from __future__ import annotations

import random
import time
from typing import Protocol


def jitter() -> float:
    """What to stretch a pause by, so that those who failed together do not come back together."""
    return random.uniform(1.0, 1.25)  # noqa: S311 (nothing is secret about it)


class Clock(Protocol):
    """What time it is, and how to let it pass."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds, of a clock that never jumps."""

    def sleep(self, seconds: float) -> None:
        """Let time pass; may raise where the waiting is to end. 0 asks only whether it is."""


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)
