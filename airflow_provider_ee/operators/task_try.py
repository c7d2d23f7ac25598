"""What Airflow knows of the try of a task that runs, on any of its versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_ee.earthengine.attempt import Attempt
from airflow_provider_ee.earthengine.errors import SupersededError, TransientError
from airflow_provider_ee.earthengine.mark import task_key
from airflow_provider_ee.task_state import LIVING, TaskNames, state_in_database, state_on_airflow3

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

RECORD_KEY = "ee_export"
"""Key of the task state store under which an export task keeps its record."""

FINAL = (AirflowFailException, AirflowSkipException, AirflowSensorTimeout)
"""With these a task ends, however many retries it has."""

# What the API server answers to a try that it has put another in the place of.
_GONE = frozenset({403, 404, 409, 410})
_REPLACED = "Airflow has put another try in the place of this one, which stops."


class TaskTry:
    """The try that runs: its place in the history of its task, and what Airflow says of it now.

    :param context: of the task.
    :param task: the operator.
    """

    def __init__(self, context: Context, task: BaseOperator) -> None:
        self._context, self._task = context, task
        self._ti: Any = context["ti"]
        self.try_number = int(getattr(self._ti, "try_number", 1))
        self.max_tries = int(getattr(self._ti, "max_tries", 0))
        store = context.get("task_state_store")
        self.memory: _NoMemory | _StoredMemory = _NoMemory(self) if store is None else _StoredMemory(store)

    @property
    def names(self) -> TaskNames:
        """Which task instance it is a try of."""
        run_id = getattr(self._ti, "run_id", None) or self._context.get("run_id") or ""
        map_index = int(getattr(self._ti, "map_index", -1))
        return TaskNames(self._task.dag_id, str(run_id), self._task.task_id, map_index)

    def attempt(self, deployment: str) -> Attempt:
        """The try as the service shall know it.

        A clear raises ``max_tries``; retries, another queueing and an edit of ``retries`` do not.
        """
        return Attempt(
            key=task_key(deployment, *self.names),
            generation=self.max_tries,
            try_number=self.try_number,
            maybe_cleared=self.try_number > 1 and self.max_tries != int(self._task.retries or 0),
        )

    def is_followed(self, exception: BaseException) -> bool:
        """Whether another try comes after this one, which ends with an exception."""
        if not self.is_alive():
            return False
        if isinstance(exception, FINAL) or not 0 < self.try_number <= self.max_tries:
            return False
        policy = getattr(self._task, "retry_policy", None)
        if policy is None:
            return True
        try:
            decision = policy.evaluate(exception, self.try_number, self.max_tries, self._context)
        except Exception:
            return True  # so does Airflow
        return str(decision.action.value) != "fail"

    def is_alive(self) -> bool:
        """Whether nobody has cleared, marked or deleted the task; assumed where Airflow does not tell."""
        try:
            return self.state() in LIVING
        except Exception:
            return True

    def is_running(self) -> bool:
        """Whether Airflow would take what this try does next; assumed where Airflow does not tell."""
        try:
            return self.state() == "running"
        except Exception:
            return True

    def is_replaced(self) -> bool:
        """Whether another try is in the place of this one, and goes on with its export or has returned it.

        Where the task has failed nobody goes on. Where it was cleared and has not begun anew, the next try waits
        until what this one cancels has ended. Assumed where Airflow does not tell.
        """
        try:
            state = self.state()
        except Exception:
            return not self.memory.lasts or not self.memory.is_open()
        if state == "superseded":
            return True
        if state not in LIVING and state != "success":
            return False
        if self.memory.lasts:
            return not self.memory.is_open()
        # Of a success Airflow 3.0 to 3.2 does not tell whether it is another try's, or a user's mark on this one.
        return state != "running" and (state in LIVING or not self._state_tells_tries)

    @property
    def _state_tells_tries(self) -> bool:
        return not hasattr(self._ti, "get_task_states")

    def state(self) -> str | None:
        """The state of the task instance, as Airflow has it now; None where it was cleared or deleted."""
        if not self._state_tells_tries:  # Airflow 3
            return state_on_airflow3(self.names, self._ti.get_task_states)
        if not hasattr(self._ti, "refresh_from_db") or getattr(self._ti, "test_mode", False):
            return "running"
        state, try_number = self._state_in_database()
        if try_number not in (0, self.try_number) and state not in (None, "failed"):
            return "superseded"  # a word of ours: what the task is now, another try has made it
        # dag.test() runs tasks without marking them as running.
        return "running" if state in ("scheduled", "queued") else state

    def _state_in_database(self) -> tuple[str | None, int]:
        return state_in_database(self.names)


class _NoMemory:
    """Before Airflow 3.3 nothing is kept; that the task is still running is all that can be asked."""

    lasts = False

    def __init__(self, task_try: TaskTry) -> None:
        self._task_try = task_try

    def read(self) -> None:
        return None

    def is_open(self) -> bool:
        return True

    def write(self, record: Mapping[str, Any]) -> None:
        try:
            state = self._task_try.state()
        except Exception as error:
            raise TransientError(
                f"Airflow does not tell the state of this task, so nothing is sent: {error}."
            ) from error
        if state != "running":
            raise SupersededError(f"Airflow has this task as {state or 'cleared'}, so this try of it stops.")


class _StoredMemory:
    """The task state store of Airflow 3.3: kept over tries, and closed to a try that has been replaced."""

    lasts = True

    def __init__(self, store: Any) -> None:
        self._store = store
        self._written: Mapping[str, Any] | None = None

    def is_open(self) -> bool:
        """Whether this try is still the one that Airflow has; told by writing once more what it wrote last."""
        try:
            if self._written is not None:
                self.write(self._written)
        except SupersededError:
            return False
        except TransientError:
            return True
        return True

    def read(self) -> Any:
        try:
            return self._store.get(RECORD_KEY)
        except Exception as error:
            if _status_of(error) in _GONE:
                raise SupersededError(_REPLACED) from error
            raise TransientError(f"Airflow's task state store could not be read: {error}.") from error

    def write(self, record: Mapping[str, Any]) -> None:
        self._written = record
        try:
            self._store.set(RECORD_KEY, dict(record))
        except Exception as error:
            if _status_of(error) in _GONE:
                raise SupersededError(_REPLACED) from error
            raise TransientError(
                f"Airflow's task state store could not be written, so nothing is sent: {error}."
            ) from error


def _status_of(error: Exception) -> int | None:
    """What the API server answered, as the supervisor passes it on, or by itself where there is no supervisor."""
    detail = getattr(getattr(error, "error", None), "detail", None)
    if isinstance(detail, Mapping):
        return detail.get("status_code")
    return getattr(getattr(error, "response", None), "status_code", None)
