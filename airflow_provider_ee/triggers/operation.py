"""EEOperationTrigger: wait for operations of Earth Engine in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_ee import metrics
from airflow_provider_ee.earthengine.errors import (
    EarthEngineError,
    OperationError,
    OperationFailedError,
    TransientError,
    error_from_operation,
)
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.pollers import Caller, Pollers, pollers
from airflow_provider_ee.earthengine.polling import Service
from airflow_provider_ee.earthengine.waiting import REFUSALS_TOLERATED, Wait, WaitEnd
from airflow_provider_ee.earthengine.watch import Judge, Look, Watch
from airflow_provider_ee.provider_info import DEFAULT_CONNECTION
from airflow_provider_ee.task_state import LIVING, TaskNames, state_in_triggerer

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.client import EarthEngineClient

FIRST_LOOK = 10.0
"""Seconds before the first look: Airflow may fail a task whose trigger fires while its worker still ends."""

_SHORTEST_INTERVAL = 1.0  # seconds
_GOES_ON = LIVING | {"restarting"}
_HAS_ON_KILL = hasattr(BaseTrigger, "on_kill")  # Airflow 3.3


# Kept, since an event loop does not keep its tasks.
_cancelling: set[asyncio.Task[None]] = set()


class EEOperationTrigger(BaseTrigger):
    """Wait until operations have ended, together with all others in this triggerer; or for room in the queue.

    Its event is what ``WaitEnd`` makes, and what was carried.

    REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list,
    https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get

    :param operations: names ``projects/PROJECT/operations/ID``; none where room is waited for.
    :param ee_conn_id: Airflow connection.
    :param project_id: Cloud project, instead of the connection's.
    :param impersonation_chain: service account to act as, or a list that ends with it.
    :param poll_interval: seconds between two looks.
    :param deadline: when the wait is over, in seconds since the epoch by the service's clock.
    :param limit: what has set the deadline: ``wait_timeout=3600``.
    :param max_eecu_seconds: compute after which the wait is over.
    :param owner: ``TaskNames`` of the task that has started the operation, which is cancelled when a limit is
        passed or when Airflow has ended the task; None: whoever waits does not own what it waits for.
    :param skip_empty: an operation that found no valid pixel does not end the wait for the others.
    :param room_delay: seconds to wait for room in the queue.
    :param carried: handed over with the event.
    """

    def __init__(
        self,
        *,
        operations: Sequence[str] = (),
        ee_conn_id: str = DEFAULT_CONNECTION,
        project_id: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        poll_interval: float = 30.0,
        deadline: float | None = None,
        limit: str = "",
        max_eecu_seconds: float | None = None,
        owner: Mapping[str, Any] | None = None,
        skip_empty: bool = False,
        room_delay: float | None = None,
        carried: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = list(operations)
        self.ee_conn_id = ee_conn_id
        self.project_id = project_id
        chain = impersonation_chain
        self.impersonation_chain = chain if chain is None or isinstance(chain, str) else list(chain)
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.limit = limit
        self.max_eecu_seconds = max_eecu_seconds
        self.owner = owner
        self.skip_empty = skip_empty
        self.room_delay = room_delay
        self.carried = carried

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another process makes the same trigger."""
        return (
            "airflow_provider_ee.triggers.operation.EEOperationTrigger",
            {
                "operations": self.operations,
                "ee_conn_id": self.ee_conn_id,
                "project_id": self.project_id,
                "impersonation_chain": self.impersonation_chain,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "limit": self.limit,
                "max_eecu_seconds": self.max_eecu_seconds,
                "owner": None if self.owner is None else dict(self.owner),
                "skip_empty": self.skip_empty,
                "room_delay": self.room_delay,
                "carried": None if self.carried is None else dict(self.carried),
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and tell how it has ended."""
        if self.room_delay is not None:
            await asyncio.sleep(max(self.room_delay, self._first_look))
            yield TriggerEvent({"room": True, "carried": self.carried})
            return
        try:
            end = await self._wait()
        except asyncio.CancelledError:
            if not _HAS_ON_KILL:
                await self._cancel_if_abandoned()
            raise
        yield TriggerEvent({**end.to_event(), "carried": self.carried})

    async def on_kill(self) -> None:
        """Cancel the operation where Airflow has ended the task.

        Airflow calls this also where it has only given the trigger to another triggerer. It waits for half a
        minute; what has not been done by then goes on.
        """
        cancelling = asyncio.ensure_future(self._cancel_if_abandoned())
        _cancelling.add(cancelling)
        cancelling.add_done_callback(_cancelling.discard)
        await asyncio.shield(cancelling)

    @property
    def _in_triggerer(self) -> bool:
        return self.trigger_id is not None  # dag.test() runs triggers without one, one after the other

    @property
    def _first_look(self) -> float:
        return FIRST_LOOK if self._in_triggerer else 0.0

    async def _wait(self) -> WaitEnd:
        waits = {
            name: Wait(
                Operation({"name": name}), limit=self.limit, max_eecu_seconds=self.max_eecu_seconds, log=self.log
            )
            for name in self.operations
        }

        def judge(watch: Watch, name: str, look: Look) -> WaitEnd | None:
            wait, now = waits[name], asyncio.get_running_loop().time()
            wait.until = self._until(watch.poller.service)
            try:
                if isinstance(look, EarthEngineError):
                    wait.failed(look, now)
                else:
                    wait.saw(look, now)
            except (OperationError, TransientError) as error:
                return WaitEnd([each.operation for each in waits.values()], error)
            if isinstance(look, Operation) and look.done:
                watch.drop(name)
                if not watch.awaited or self._is_failure(look):
                    return WaitEnd([each.operation for each in waits.values()])
            elif wait.until is not None:
                watch.look_by(wait.until)
            return None

        with await self._watch(judge) as watch:
            if (until := self._until(watch.poller.service)) is not None:
                watch.look_by(until)
            end: WaitEnd = await watch.end()
        if not isinstance(end.error, OperationError):
            return end
        last = await self._seen_again(end.error.operation)
        return WaitEnd([last]) if last.done else WaitEnd([await self._stop(last)], end.error)

    async def _seen_again(self, operation: Operation) -> Operation:
        """As it is now: while this process stood still, it may have ended in time."""
        try:
            return await _pollers().look(self._connection, self._open, operation.name)
        except EarthEngineError:
            return operation

    def _until(self, service: Service) -> float | None:
        """The deadline by the event loop's clock; the machine's may be wrong, and the service's not be known."""
        if self.deadline is None or service.answered_at is None:
            return None
        left = self.deadline - (time.time() + service.clock_offset)
        return asyncio.get_running_loop().time() + left

    def _is_failure(self, operation: Operation) -> bool:
        failure = error_from_operation(operation)
        empty = isinstance(failure, OperationFailedError) and failure.empty
        return failure is not None and not (empty and self.skip_empty)

    # The connection

    async def _watch(self, judge: Judge) -> Watch:
        """Watch the operations; a connection that cannot be opened for minutes is given up."""
        now = asyncio.get_running_loop().time
        began = now()
        interval = max(self.poll_interval, _SHORTEST_INTERVAL if self._in_triggerer else 0.01)
        while True:
            try:
                return await _pollers().watch(
                    self._connection, self._open, self.operations, interval, judge, first_look=self._first_look
                )
            except Exception as error:
                if now() - began >= REFUSALS_TOLERATED:
                    raise
                self.log.warning("The connection could not be opened, trying again: %s", error)
            await asyncio.sleep(min(interval, 30.0))

    @property
    def _connection(self) -> tuple[str, str | None, str]:
        return self.ee_conn_id, self.project_id, repr(self.impersonation_chain)

    async def _open(self) -> tuple[Caller, EarthEngineClient]:
        from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

        hook = EarthEngineHook(self.ee_conn_id, self.project_id, self.impersonation_chain)
        return await hook.open_for_polling()

    # The end of what is waited for

    async def _stop(self, operation: Operation) -> Operation:
        if not await self._cancel(operation.name):
            return operation
        metadata = {**operation.resource.get("metadata", {}), "state": "CANCELLING"}
        return Operation({**operation.resource, "metadata": metadata})

    async def _cancel_if_abandoned(self) -> None:
        if self.owner is None or not self.operations:
            return
        try:
            state = await self._task_state()
        except Exception as error:
            self.log.warning(
                "Left %s to the next try: the task's state is not told: %s", self.operations[0], error
            )
            return
        if state in _GOES_ON:
            self.log.info("Left %s to whoever goes on with the task, which is %s", self.operations[0], state)
            return
        for name in self.operations:
            await self._cancel(name)

    async def _cancel(self, name: str) -> bool:
        try:
            await _pollers().cancel(self._connection, self._open, name)
        except EarthEngineError as error:
            self.log.error("Operation %s may run on, since it could not be cancelled: %s", name, error)
            return False
        self.log.info("Cancelled operation %s", name)
        return True

    async def _task_state(self) -> str | None:
        return await state_in_triggerer(TaskNames(**dict(self.owner or {})))


def _pollers() -> Pollers:
    """Those of the triggerer."""
    return pollers(metrics.swept)
