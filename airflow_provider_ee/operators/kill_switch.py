"""Airflow's request that a task ends, which may come at any moment, in a signal handler."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_ee.earthengine.clock import SystemClock
from airflow_provider_ee.outcome import TaskKilledError

_SLICE = 0.5  # seconds; Airflow gives a task that is to end five


class KillSwitch(SystemClock):
    """The time of this machine, which stops passing when the task is to end.

    A request that waits for its answer is left to wait: what it has started must become known. The kill is obeyed
    at the next sleep; or at once, wherever a wait has been opened with ``interruptible``. Where what it raises is
    swallowed, as a handler of logs does, it is obeyed at the next one.
    """

    def __init__(self) -> None:
        self.pressed = False
        self.disarmed = False
        self._waiting_thread: int | None = None

    def press(self) -> None:
        """Ask the task to end.

        :raises TaskKilledError: where it can.
        """
        self.pressed = True
        if self._waiting_thread == threading.get_ident():
            self._obey()

    def sleep(self, seconds: float) -> None:
        """Let time pass.

        :raises TaskKilledError: if the task is to end.
        """
        until = self.monotonic() + seconds
        while True:
            self._obey()
            left = until - self.monotonic()
            if left <= 0:
                return
            super().sleep(min(left, _SLICE))

    def disarm(self) -> None:
        """From now on time passes: the task is about to end anyway."""
        self.disarmed = True

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Nothing is under way in the body whose outcome must be known."""
        self._waiting_thread = threading.get_ident()
        try:
            self._obey()
            yield
        finally:
            self._waiting_thread = None

    def _obey(self) -> None:
        if self.pressed and not self.disarmed:
            raise TaskKilledError("Airflow has asked this task to end.")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep signals out of the body: in the middle of it Airflow would raise a timeout, or Airflow 2 a kill."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGALRM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
