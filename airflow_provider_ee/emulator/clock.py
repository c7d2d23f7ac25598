"""The time that the emulator lives in: real time, moved forward by tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone


class Clock:
    """Seconds since the epoch. ``source`` is what passes by itself; a constant one moves only by ``advance``."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.ahead = 0.0
        """Seconds that have been advanced, altogether."""

    def now(self) -> float:
        """The current time in seconds since the epoch."""
        return self._source() + self.ahead

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.ahead += seconds


def timestamp(seconds: float) -> str:
    """RFC 3339, as the service writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
