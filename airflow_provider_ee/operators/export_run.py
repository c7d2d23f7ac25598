"""One try of an export task: from a checked request to the Operation that it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.errors import (
    EarthEngineError,
    SupersededError,
    error_from_operation,
)
from airflow_provider_ee.earthengine.submission import GRACE, LONGEST_WAIT_FOR_ROOM, Submission
from airflow_provider_ee.earthengine.waiting import wait_for_operation
from airflow_provider_ee.operators.kill_switch import KillSwitch, undisturbed
from airflow_provider_ee.outcome import TaskKilledError, airflow_exception

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.client import EarthEngineClient
    from airflow_provider_ee.earthengine.messages import PreparedRequest
    from airflow_provider_ee.earthengine.operation import Operation
    from airflow_provider_ee.operators.task_try import TaskTry


@dataclass(frozen=True)
class Waiting:
    """Whether and how long a task waits for its export. Times are seconds.

    ``list_grace`` are the pauses between looks for an operation that a list does not show yet.
    """

    for_completion: bool = False
    poll_interval: float = 30.0
    timeout: float | None = None
    max_eecu_seconds: float | None = None
    cancel_on_kill: bool = True
    list_grace: Sequence[float] = GRACE


class ExportRun:
    """Submits, waits if it is asked to, and leaves no export running that nobody waits for.

    :param client: where to export.
    :param task_try: what Airflow knows of this try.
    :param deployment: the connection's word for this Airflow.
    :param waiting: whether and how long.
    :param kill_switch: pressed when Airflow asks the task to end.
    """

    def __init__(
        self,
        client: EarthEngineClient,
        task_try: TaskTry,
        deployment: str,
        waiting: Waiting,
        kill_switch: KillSwitch,
        log: Any,
    ) -> None:
        self._client, self._task_try, self._waiting = client, task_try, waiting
        self._kill_switch, self._log = kill_switch, log
        self._submission = Submission(
            client,
            task_try.memory,
            kill_switch,
            task_try.attempt(deployment),
            room_timeout=min(waiting.timeout or LONGEST_WAIT_FOR_ROOM, LONGEST_WAIT_FOR_ROOM),
            repeats=client.num_retries,
            grace=waiting.list_grace,
            log=log,
        )

    def run(self, request: Callable[[], PreparedRequest], submitted: Callable[[Operation], None]) -> Operation:
        """The Operation as submitted; where the task waits, as it ended.

        :param request: makes the request; where that fails, an earlier try's export is cleaned up too.
        :param submitted: called as soon as the operation is known.
        :raises EarthEngineError: if there is none, or it did not succeed.
        """
        began, submission = self._kill_switch.monotonic(), self._submission
        try:
            self._kill_switch.sleep(0)
            operation = submission.start(request())
            submitted(operation)
            self._kill_switch.sleep(0)
            if self._waiting.for_completion:
                operation = self._wait(operation, began)
                while operation.state == "CANCELLED" and submission.adopted:
                    self._log.info("Operation %s was cancelled for an earlier try", operation.name)
                    operation = submission.start_another()
                    submitted(operation)
                    operation = self._wait(operation, began)
            self._cancel_leftovers()
            if not operation.done:
                self._kill_switch.sleep(0)
                self._check_alive()
        except BaseException as end:
            with undisturbed():
                self._kill_switch.disarm()
                self._clean_up(end)
                self._cancel_leftovers()
            raise
        if self._waiting.for_completion and (failure := error_from_operation(operation)):
            raise failure
        return operation

    def _check_alive(self) -> None:
        """A worker that was frozen for long may have been given up, and what it returns is not heard."""
        if not self._task_try.is_alive():
            raise TaskKilledError("Airflow has ended this task while it started its export.")

    def _wait(self, operation: Operation, began: float) -> Operation:
        said = ""

        def say(seen: Operation) -> None:
            nonlocal said
            if seen.summary() != said:
                said = seen.summary()
                self._log.info("Operation %s: %s, %.1f EECU-seconds", seen.name, said, seen.eecu_seconds)

        with self._kill_switch.interruptible():
            return wait_for_operation(
                self._client,
                operation,
                self._kill_switch,
                poll_interval=self._waiting.poll_interval,
                timeout=self._waiting.timeout,
                began=began,
                max_eecu_seconds=self._waiting.max_eecu_seconds,
                seen=say,
                log=self._log,
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
                operation = submission.operation or submission.find_unanswered()
                if operation and not operation.done:
                    submission.cancel(operation, "which nobody would wait for")
        except Exception as error:
            name = submission.operation.name if submission.operation else "that was perhaps started"
            self._log.error("The export %s may run on, since it could not be cancelled: %s", name, error)

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
