"""A process that runs triggers.

What runs is the real ``EEOperationTrigger`` and the real ``Poller``, on an event loop in the world's time; around
them is what Airflow's triggerer does: it takes over triggers, hands on their events, and cancels those that it has
no more. Airflow takes a trigger that is given to another triggerer for one that a user has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from earthengine.exactly_once_faults import (
    ACTIONS_DEFERRED,
    FREEZING_TRIGGERER,
    NOBODY_THERE,
    NOT_TOLD,
    TRIGGERER_TIMEOUT,
)
from earthengine.exactly_once_service import EPOCH, TRIP, Export, TriggererLine
from earthengine.exactly_once_worker import SilentLog

from airflow_provider_ee.earthengine.pollers import Caller
from airflow_provider_ee.triggers.operation import EEOperationTrigger

if TYPE_CHECKING:
    from earthengine.exactly_once_airflow import Airflow, TriggerRow

ROUND = 1.0  # of its main loop
HANDED_ON = 0.5  # an event
ON_KILL_TIMEOUT = 30.0
STOPPING = 2.0

_BY_A_USER = "as if by a user"


class CountedLoop(asyncio.AbstractEventLoop):
    """An event loop whose callbacks are events of the world."""

    def __init__(self, triggerer: Triggerer) -> None:
        self._triggerer = triggerer
        self._tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        return self._triggerer.world.now + 5_000.0

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return self._triggerer.dead

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        return self.call_at(self.time(), callback, *args, context=context)

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._triggerer.after(when - self.time(), lambda: self._run(handle))
        return handle

    def _run(self, handle: asyncio.TimerHandle) -> None:
        if handle.cancelled():
            return
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **_: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        task = asyncio.Task(coro, loop=self)
        self._tasks.append(task)
        return task

    def discard(self) -> None:
        """Let go of what never ends, in an order of its own."""
        asyncio._set_running_loop(self)
        for task in self._tasks:
            if not task.done() and (coroutine := task.get_coro()):
                coroutine.close()
        asyncio._set_running_loop(None)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if "handle" in context:  # a callback has failed; that a task was left alone is a triggerer's death
            raise context["exception"]


class SimulatedTrigger(EEOperationTrigger):
    """The real one, whose connection and whose task are the model's."""

    triggerer: Triggerer

    @property
    def log(self) -> Any:  # type: ignore[override]
        return SilentLog(self.triggerer.world, f"trigger in {self.triggerer}")

    async def _open(self) -> tuple[Caller, Any]:
        await asyncio.sleep(0.1)
        if self.triggerer.meets("opening", "unavailable"):
            raise ConnectionError("Airflow does not tell the connection")
        return Caller("endpoint", "p", "somebody"), self.triggerer.line

    async def _task_state(self) -> str | None:
        airflow = self.triggerer.world.airflow
        fault = self.triggerer.meets("state of the task", "die", "unavailable", *ACTIONS_DEFERRED)
        await asyncio.sleep(0.1)
        if fault == "unavailable":
            self.triggerer.was_not_told()
            raise ConnectionError("Airflow does not answer")
        self.triggerer.was_told(airflow.state)
        return airflow.state


class Triggerer:
    """A process."""

    def __init__(self, airflow: Airflow, name: str) -> None:
        self.world, self._airflow, self._name = airflow.world, airflow, name
        self.cancelled: list[Export] = []
        self.dead = self.stopping = False
        self.frozen_until = 0.0
        self.ahead = self.world.scenario.triggerers_ahead
        self.line = TriggererLine(self)
        self._loop = CountedLoop(self)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._waiting: dict[int, TriggerRow] = {}
        self._knows_the_end = False

    def __str__(self) -> str:
        return f"triggerer {self._name}"

    def clock(self) -> float:
        return EPOCH + self.world.now + self.ahead

    @property
    def is_up(self) -> bool:
        return not (self.dead or self.stopping)

    def hears_of(self, row: TriggerRow | None) -> bool:
        """Whether it waits for a trigger, and so is told where a user has ended its task."""
        return row is not None and self.is_up and row.number in self._waiting

    # Its main loop

    def will_look(self) -> None:
        self.after(ROUND, self._look)

    def _look(self) -> None:
        if not self.is_up:
            return
        airflow = self._airflow
        airflow.clean_unused_triggers()
        row = airflow.trigger
        if row and row.triggerer is None:
            row.triggerer = self
        mine = {row.number} if row and row.triggerer is self else set()
        for number in set(self._running) - mine:
            self._cancel(number)
        if row:
            for number in mine - set(self._running):
                self._running[number] = self._loop.create_task(self._run_trigger(row))

    def _cancel(self, number: int) -> None:
        task = self._running.pop(number)
        if not task.done():
            self.world.tell(f"{self} cancels trigger {number}, which it has no more")
            task.cancel(_BY_A_USER)

    async def _run_trigger(self, row: TriggerRow) -> None:
        trigger = SimulatedTrigger(**row.deferred.trigger)
        trigger.triggerer, trigger.trigger_id = self, row.number
        self._waiting[row.number] = row
        self.world.tell(f"{self} runs trigger {row.number}")
        if not trigger.operations:
            self._loop.call_later(5.0, self._meet_while_room_is_waited_for, row)
        try:
            async for event in trigger.run():
                self.after(HANDED_ON, self._hand_on(row, event.payload))
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (_BY_A_USER,) and self.world.scenario.remembers:
                with suppress(Exception):
                    await asyncio.wait_for(trigger.on_kill(), ON_KILL_TIMEOUT)
            self._has_cleaned_up()
            raise
        except Exception as error:
            self.world.tell(f"trigger {row.number} has broken: {error!r}")
            self.after(HANDED_ON, lambda: self._airflow.submit_failure(row))
        finally:
            self._waiting.pop(row.number, None)

    def _hand_on(self, row: TriggerRow, payload: dict[str, Any]) -> Callable[[], None]:
        def hand_on() -> None:
            self.meets("event", "die", "mark failed")
            if not self.dead:
                self._airflow.submit_event(row, payload)

        return hand_on

    def _meet_while_room_is_waited_for(self, row: TriggerRow) -> None:
        if self._airflow.trigger is row and row.number in self._waiting:
            self.meets("wait for room", "die", "stop", *FREEZING_TRIGGERER, *ACTIONS_DEFERRED)

    def break_triggers(self) -> None:
        """By a fault of ours, or of Airflow's: what they wait for raises what nobody expects."""
        for task in self._running.values():
            if awaited := getattr(task, "_fut_waiter", None):
                awaited.set_exception(ZeroDivisionError())

    def discard(self) -> None:
        """The history has ended."""
        self.dead = True
        self._loop.discard()

    # What it is told of a task that it cancels for

    def was_told(self, state: str | None) -> None:
        self._knows_the_end = state in (None, "failed", "success")

    def was_not_told(self) -> None:
        self._airflow.excuses.add(NOT_TOLD)

    def could_not(self, excuse: str) -> None:
        """It knows that it is to cancel, and cannot."""
        if self._knows_the_end:
            self._airflow.excuses.add(excuse)
        self._knows_the_end = False

    def _has_cleaned_up(self) -> None:
        if self._knows_the_end and self._airflow.state in ("failed", "success", None):
            self._airflow.had_a_last_word = True
        self._knows_the_end = False

    # What may happen to it

    def meets(self, label: str, *kinds: str) -> str | None:
        """The fault that strikes here, if it is not dealt with."""
        if self._airflow.state != "deferred":
            kinds = tuple(kind for kind in kinds if kind not in ACTIONS_DEFERRED)
        kind = self.world.choose(f"{self}: {label}", kinds)
        if kind == "die":
            self.die()
        elif kind == "stop":
            self._stop()
        elif kind in FREEZING_TRIGGERER:
            self._freeze(FREEZING_TRIGGERER[kind])
        elif kind in ACTIONS_DEFERRED:
            self._airflow.act(kind)
        else:
            return kind
        return None

    def die(self) -> None:
        if self.dead:
            return
        self.dead = True
        self.world.tell(f"{self} died")
        if self._airflow.state != "deferred":
            self._airflow.excuses.add(NOBODY_THERE)
        if self._airflow.state == "deferred" and (kind := self.world.choose("no triggerer", ACTIONS_DEFERRED)):
            self._airflow.act(kind)
        self.world.after(TRIGGERER_TIMEOUT, self._lose_triggers)
        self.world.after(self.world.scenario.triggerer_back, self._airflow.start_triggerer)

    def _stop(self) -> None:
        """SIGTERM, which ends its triggers with nothing said."""
        self.stopping = True
        self.world.tell(f"{self} is stopped")
        for task in self._running.values():
            task.cancel()
        self._lose_triggers()
        self.after(STOPPING, self.die)

    def _freeze(self, seconds: float) -> None:
        self.frozen_until = self.world.now + seconds
        if seconds >= TRIGGERER_TIMEOUT:
            self.world.after(TRIGGERER_TIMEOUT, self._lose_triggers)
        self.will_look()

    def _lose_triggers(self) -> None:
        row = self._airflow.trigger
        if row and row.triggerer is self:
            row.triggerer = None
            self._airflow.look_at_triggers()

    # Time

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something then, or when it goes on after having been frozen."""
        if not self.dead:
            self.world.after(seconds, lambda: self._do(action))

    def _do(self, action: Callable[[], None]) -> None:
        if self.dead:
            return
        if self.world.now < self.frozen_until:
            self.after(self.frozen_until - self.world.now, action)
            return
        action()

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the service; the answer comes as from another thread, whoever has stopped waiting for it."""
        fault = self.line.meets(function.__name__, *arguments)
        answer = self._loop.create_future()

        def arrive() -> None:
            result, error = None, None
            try:
                self.line.suffer(fault, *arguments)
                result = function(*arguments)
            except Exception as raised:
                error = raised
            self.after(TRIP, lambda: settle(result, error))

        def settle(result: Any, error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        if fault == "die, request arrives":
            self.die()
        if not self.dead or fault == "die, request arrives":
            self.world.after(TRIP, arrive)
        return await answer


def call_in_triggerer(function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
    """Stands for ``in_thread``."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountedLoop)
    return loop._triggerer.call(function, *arguments)
