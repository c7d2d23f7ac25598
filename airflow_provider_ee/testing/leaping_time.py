"""Time that leaps where something waits: a DAG that looks every half a minute for a day is tested in seconds.

What leaps is the time that operators, sensors and triggers wait by, together with the emulator's. All other time,
Airflow's above all, is that of the machine.
"""

from __future__ import annotations

import asyncio
import importlib
import selectors
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from airflow_provider_ee.emulator.clock import Clock

# The modules that read the time, or sleep, where an export is waited for.
_MODULES = (
    "airflow_provider_ee.earthengine.client",
    "airflow_provider_ee.earthengine.clock",
    "airflow_provider_ee.triggers.operation",
    "tenacity.nap",
)
_SENSOR_MODULES = ("airflow.sdk.bases.sensor", "airflow.sensors.base")  # of Airflow 3 and 2
_SHORTEST_LEAP = 1e-3  # seconds; of less nothing is left beside the seconds since the epoch


class LeapingTime:
    """Stands for the module ``time``: that of the machine, and the seconds that were leapt over.

    :param clock: that of the emulator.
    :param advance: moves it on.
    """

    def __init__(self, clock: Clock, advance: Callable[[float], None]) -> None:
        self._clock, self._advance = clock, advance

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._clock.ahead

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic() + self._clock.ahead

    def sleep(self, seconds: float) -> None:
        """Let seconds pass at once."""
        if seconds > 0:
            self._advance(max(seconds, _SHORTEST_LEAP))

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @contextmanager
    def in_modules(self) -> Iterator[None]:
        """While the body lasts, operators, sensors and the hook leap over what they wait for."""
        modules = [importlib.import_module(name) for name in _MODULES]
        modules.append(_first_module(_SENSOR_MODULES))
        replaced = [(module, module.__dict__["time"]) for module in modules]
        for module, _ in replaced:
            module.__dict__["time"] = self
        try:
            yield
        finally:
            for module, original in replaced:
                module.__dict__["time"] = original

    @contextmanager
    def in_triggers(self) -> Iterator[None]:
        """While the body lasts, triggers of ours do so too, each in the event loop that Airflow runs it in."""
        from airflow_provider_ee.triggers.operation import EEOperationTrigger

        run = EEOperationTrigger.run

        async def leaping_run(trigger: EEOperationTrigger) -> AsyncIterator[Any]:
            loop = asyncio.get_running_loop()
            if isinstance(loop, EventLoop):
                loop.leaps = True
            async for event in run(trigger):
                yield event

        policy = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(_Policy(self))
        try:
            with mock.patch.object(EEOperationTrigger, "run", leaping_run):
                yield
        finally:
            asyncio.set_event_loop_policy(policy)


class _Selector(selectors.DefaultSelector):
    """Where nothing happens before the next moment that somebody waits for, that moment is now."""

    loop: EventLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0 or not self.loop.leaps:
            return super().select(timeout)
        while _at_work():
            if ready := super().select(0.05):
                return ready
        ready = super().select(0)
        if not ready:
            self.loop.leaping.sleep(timeout)
        return ready


class EventLoop(asyncio.SelectorEventLoop):
    """The event loop that Airflow runs a trigger in; time leaps once that is one of ours."""

    def __init__(self, leaping: LeapingTime) -> None:
        self.leaping, self.leaps = leaping, False
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.leaping.monotonic()


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, leaping: LeapingTime) -> None:
        super().__init__()
        self._leaping = leaping

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return EventLoop(self._leaping)


def _at_work() -> bool:
    """Whether a request is under way, for which the event loop waits: no time may pass meanwhile."""
    return any(thread.name == "earth-engine" for thread in threading.enumerate())


def _first_module(names: tuple[str, ...]) -> Any:
    for name in names[:-1]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return importlib.import_module(names[-1])
