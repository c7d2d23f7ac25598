"""Somebody who waits for operations that a poller looks at."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.errors import EarthEngineError, TransientError
from airflow_provider_ee.earthengine.operation import Operation, operation_id

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.polling import Poller

Look = Operation | EarthEngineError
"""What a sweep has for a watch."""

# Seconds after which a watch is told that no look could be had at the moment that it asked for.
_LATE = 30.0


class Watch:
    """Somebody who waits for operations.

    Its judge is told each look and comes to an end some time. It is called in the context of whoever waits, so it
    writes into the right log; only its end wakes them. Thousands that were woken at each look would be much work,
    for the garbage collector above all.

    :param names: of the operations.
    :param interval: seconds between two looks.
    :param not_before: moment of the event loop's clock before which nothing is told.
    :param judge: called with this watch, the name of an operation, and the look; returns an end, or None to go on.
    """

    def __init__(
        self, poller: Poller, names: Iterable[str], interval: float, not_before: float, judge: Judge
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.interval = interval
        self.due = self.not_before = not_before
        self.seen_at = float("-inf")
        self.failed = False
        self.awaited = {operation_id(name): name for name in names}
        """What is still waited for: id -> name."""
        self.poller = poller
        self._judge, self._context = judge, contextvars.copy_context()
        self._end: asyncio.Future[Any] = self._loop.create_future()
        self._alarm: asyncio.TimerHandle | None = None

    async def end(self) -> Any:
        """What the judge has come to."""
        return await self._end

    def look_by(self, moment: float) -> None:
        """Look sooner than after the interval.

        :param moment: of the event loop's clock; soon after it a look is told in any case, be it only that there
            was none.
        """
        if moment < self.due:
            self.due = max(moment, self.not_before)
            self.poller.hurry(self.due)
        late = max(moment, self._loop.time()) + _LATE
        if self._alarm is None or abs(self._alarm.when() - late) > 1.0:
            self._stop_alarm()
            self._alarm = self._loop.call_at(late, self._tell_late)

    def drop(self, name: str) -> None:
        """Wait for it no longer."""
        self.poller.forget(self, self.awaited.pop(operation_id(name)))

    def leave(self) -> None:
        """Wait no longer."""
        self._stop_alarm()
        self.poller.leave(self)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.leave()

    def tell(self, identity: str, look: Look, *, at: float, own: bool) -> None:
        """Hand over a look, made in the sweep that began at a moment; a failure may be its own, or everybody's."""
        if at < self.not_before:
            return
        self.due = at + self.interval
        if isinstance(look, Operation):
            self.failed, self.seen_at = False, at
        else:
            self.failed = self.failed or own
        self._ask_judge(self.awaited[identity], look)

    def tell_broken(self, error: BaseException) -> None:
        """There will be no looks any more."""
        if not self._end.done():
            self._end.set_exception(error)

    def _tell_late(self) -> None:
        self._alarm = None
        for name in list(self.awaited.values()):
            self._ask_judge(name, TransientError("No look could be had in time."))

    def _ask_judge(self, name: str, look: Look) -> None:
        if self._end.done():
            return
        try:
            end = self._context.run(self._judge, self, name, look)
        except Exception as error:
            self._end.set_exception(error)
        else:
            if end is not None:
                self._end.set_result(end)

    def _stop_alarm(self) -> None:
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None


Judge = Callable[[Watch, str, Look], Any]
