"""One try of an export task: from a checked request to the Operation that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_ee.earthengine.errors import (
    EarthEngineError,
    OperationTimeoutError,
    RequestError,
    SupersededError,
    error_from_operation,
)
from airflow_provider_ee.earthengine.made_request import MakeRequest
from airflow_provider_ee.earthengine.submission import (
    GRACE,
    LONGEST_WAIT_FOR_ROOM,
    Postponed,
    Submission,
)
from airflow_provider_ee.earthengine.waiting import WaitEnd, wait_for_operation
from airflow_provider_ee.operators.kill_switch import KillSwitch, undisturbed
from airflow_provider_ee.operators.task_try import FINAL
from airflow_provider_ee.outcome import TaskKilledError, airflow_exception

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.client import EarthEngineClient
    from airflow_provider_ee.earthengine.operation import Operation
    from airflow_provider_ee.operators.task_try import TaskTry


@dataclass(frozen=True)
class Waiting:
    """Whether and how long a task waits for its export. Times are seconds.

    ``execution_timeout`` counts where the task is deferred: Airflow 3 does not look after it there. Airflow 2
    does, so a triggerer has to come first, by ``head_start``.
    ``list_grace`` are the pauses between looks for an operation that a list does not show yet.
    """

    for_completion: bool = False
    deferrable: bool = False
    poll_interval: float = 30.0
    timeout: float | None = None
    execution_timeout: float | None = None
    head_start: float = 0.0
    max_eecu_seconds: float | None = None
    cancel_on_kill: bool = True
    list_grace: Sequence[float] = GRACE

    @property
    def room_timeout(self) -> float:
        """Seconds that a full queue is waited for."""
        timeout = self.limit[0] if self.deferrable else self.timeout
        return min(timeout or LONGEST_WAIT_FOR_ROOM, LONGEST_WAIT_FOR_ROOM)

    @property
    def limit(self) -> tuple[float | None, str]:
        """The shorter limit on the time of a task that is deferred, and its name."""
        limits = []
        if self.timeout is not None:
            limits.append((self.timeout, f"wait_timeout={self.timeout:g}"))
        if self.execution_timeout is not None:
            head_start = min(self.head_start, self.execution_timeout / 2)
            limits.append((self.execution_timeout - head_start, f"execution_timeout={self.execution_timeout:g}"))
        return min(limits, default=(None, ""))


class Deferral(Exception):  # noqa: N818 (nothing is wrong)
    """The task goes on in the triggerer.

    :param carried: what the worker that goes on with the try must know.
    :param operation: what is waited for; None: room in the queue.
    :param room_delay: seconds until the queue is tried again.
    :param deadline: when the wait is over, in seconds since the epoch by the service's clock.
    :param seconds_left: until then.
    :param limit: what has set it.
    """

    def __init__(
        self,
        carried: dict[str, Any],
        *,
        operation: Operation | None = None,
        room_delay: float | None = None,
        deadline: float | None = None,
        seconds_left: float | None = None,
        limit: str = "",
    ) -> None:
        super().__init__(operation.name if operation else "room in the queue")
        self.carried, self.operation, self.room_delay = carried, operation, room_delay
        self.deadline, self.seconds_left, self.limit = deadline, seconds_left, limit


class ExportRun:
    """Submits, waits if it is asked to, and leaves no export running that nobody waits for.

    A task that is deferrable raises ``Deferral`` where it would wait, and goes on in another run, of the same try.

    :param client: where to export.
    :param task_try: what Airflow knows of this try.
    :param deployment: the connection's word for this Airflow.
    :param waiting: whether and how long.
    :param kill_switch: pressed when Airflow asks the task to end.
    :param request: makes the request; where that fails, an earlier try's export is cleaned up too.
    :param submitted: called with the operation as soon as it is known, and whether an earlier try has started it.
    """

    def __init__(
        self,
        client: EarthEngineClient,
        task_try: TaskTry,
        deployment: str,
        waiting: Waiting,
        kill_switch: KillSwitch,
        log: Any,
        *,
        request: MakeRequest,
        submitted: Callable[[Operation, bool], None],
    ) -> None:
        self._client, self._task_try, self._waiting = client, task_try, waiting
        self._kill_switch, self._log = kill_switch, log
        self._request, self._submitted = request, submitted
        self._began = kill_switch.monotonic()
        self._submission = Submission(
            client,
            task_try.memory,
            kill_switch,
            task_try.attempt(deployment),
            room_timeout=waiting.room_timeout,
            postpones=waiting.deferrable,
            repeats=client.num_retries,
            grace=waiting.list_grace,
            final=(RequestError, *FINAL),
            log=log,
        )

    def run(self) -> Operation:
        """The Operation as submitted; where the task waits, as it ended.

        :raises EarthEngineError: if there is none, or it did not succeed.
        :raises Deferral: if the task goes on elsewhere.
        """
        with self._guarded():
            self._kill_switch.sleep(0)
            operation = self._finish(self._start(self._submission.start))
        return self._succeeded(operation)

    def go_on_with_room(self, carried: Mapping[str, Any]) -> Operation:
        """Submit once more, after a wait for room; else as ``run``."""
        with self._guarded():
            self._submission.go_on(carried, None)
            operation = self._finish(self._start(self._submission.start_again))
        return self._succeeded(operation)

    def go_on_after_wait(self, carried: Mapping[str, Any], end: WaitEnd) -> Operation:
        """The Operation as the triggerer has seen it; else as ``run``."""
        with self._guarded():
            (operation,) = end.operations
            self._submission.go_on(carried, operation)
            if end.error:
                raise end.error
            operation = self._finish(operation)
        return self._succeeded(operation)

    def break_off(self, error: BaseException, name: str | None) -> Operation:
        """The wait has ended in a way of Airflow's own, with nothing told of the export, which may have ended too.

        :param name: of the operation, if it is known.
        :raises BaseException: the error, if the export has not ended.
        """
        with self._guarded():
            operation = self._submission.recover(name)
            if operation is None or not operation.done:
                raise error
            operation = self._finish(operation)
        return self._succeeded(operation)

    def _start(self, start: Callable[[MakeRequest], Operation]) -> Operation:
        try:
            operation = start(self._request)
        except Postponed as postponed:
            self._check_running()
            raise self._deferral(room_delay=postponed.delay) from None
        self._submitted(operation, self._submission.adopted)
        return operation

    def _finish(self, operation: Operation) -> Operation:
        self._kill_switch.sleep(0)
        if self._waiting.for_completion:
            operation = self._wait(operation)
            while operation.state == "CANCELLED" and self._submission.adopted:
                self._log.info("Operation %s was cancelled for an earlier try", operation.name)
                self._check_time(operation)
                operation = self._wait(self._start(self._submission.start_another))
        self._cancel_leftovers()
        if not operation.done:
            self._kill_switch.sleep(0)
            self._check_alive()
        return operation

    def _succeeded(self, operation: Operation) -> Operation:
        if self._waiting.for_completion and (failure := error_from_operation(operation)):
            raise failure
        return operation

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """However the body ends, no export is left running that nobody waits for."""
        try:
            yield
        except Deferral:
            raise
        except BaseException as end:
            with undisturbed():
                self._kill_switch.disarm()
                self._clean_up(end)
                self._cancel_leftovers()
            raise

    def _check_running(self) -> None:
        """What is left to a triggerer is cancelled by it only if Airflow takes the deferral."""
        if not self._task_try.is_running():
            raise TaskKilledError("Airflow has ended this task while it started its export.")

    def _check_alive(self) -> None:
        """A worker that was frozen for long may have been given up, and what it returns is not heard."""
        if not self._task_try.is_alive():
            raise TaskKilledError("Airflow has ended this task while it started its export.")

    def _wait(self, operation: Operation) -> Operation:
        if self._waiting.deferrable:
            return operation if operation.done else self._defer(operation)
        with self._kill_switch.interruptible():
            return wait_for_operation(
                self._client,
                operation,
                self._kill_switch,
                poll_interval=self._waiting.poll_interval,
                timeout=self._waiting.timeout,
                began=self._began,
                max_eecu_seconds=self._waiting.max_eecu_seconds,
                log=self._log,
            )

    def _defer(self, operation: Operation) -> NoReturn:
        deferral = self._deferral(operation=operation)
        self._cancel_leftovers()
        self._log.info("Waiting in the triggerer for operation %s", operation.name)
        self._kill_switch.sleep(0)
        self._check_running()
        raise deferral

    def _deferral(self, **what: Any) -> Deferral:
        timeout, limit = self._waiting.limit
        if timeout is None:
            return Deferral(self._submission.carried(), **what)
        return Deferral(
            self._submission.carried(),
            deadline=self._submission.time.began_at() + timeout,
            seconds_left=max(0.0, timeout - self._submission.time.waited()),
            limit=limit,
            **what,
        )

    def _check_time(self, operation: Operation) -> None:
        """No export is started of which nobody would wait for the end."""
        timeout, limit = self._waiting.limit
        if timeout is not None and self._submission.time.is_over(timeout):
            raise OperationTimeoutError(
                f"Operation {operation.name} has been cancelled, and {limit} seconds are over.", operation
            )

    def _clean_up(self, end: BaseException) -> None:
        """Cancel the export unless somebody goes on with it."""
        submission = self._submission
        killed = self._kill_switch.pressed or isinstance(end, TaskKilledError)
        try:
            if killed and not self._waiting.cancel_on_kill:
                self._log.info("The export is left running, since cancel_on_kill is false")
            elif self._is_followed(end):
                self._log.info("What has been started, if anything, is left to the next try")
            elif self._task_try.is_replaced():
                submission.stand_aside()
            else:
                operation = submission.operation or self._found_unanswered()
                if operation:
                    submission.cancel(operation, "which nobody would wait for")
        except Exception as error:
            name = submission.operation.name if submission.operation else "that was perhaps started"
            self._log.error("The export %s may run on, since it could not be cancelled: %s", name, error)

    def _found_unanswered(self) -> Operation | None:
        operation = self._submission.find_unanswered()
        # Looking takes its time, in which another try may have come and gone on with what is found.
        return None if operation and self._task_try.is_replaced() else operation

    def _is_followed(self, end: BaseException) -> bool:
        if isinstance(end, SupersededError):
            return False  # the one that follows may be a clear's, which does not want this export
        if not isinstance(end, EarthEngineError):
            return self._task_try.is_followed(end)
        exception = airflow_exception(end)
        exception.__cause__ = end  # as a retry policy will see it
        return self._task_try.is_followed(exception)

    def _cancel_leftovers(self) -> None:
        try:
            self._submission.cancel_leftovers()
        except TaskKilledError:
            raise
        except EarthEngineError as error:
            self._log.warning(
                "Exports of cleared tries may be left, since they could not be looked for: %s", error
            )
