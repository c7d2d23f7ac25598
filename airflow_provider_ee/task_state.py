"""What Airflow says of a task instance now, on any of its versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

LIVING = frozenset(
    {"running", "scheduled", "queued", "up_for_retry", "up_for_reschedule", "deferred", "superseded"}
)
"""A task in one of these states goes on, or is run again by itself."""


class TaskNames(NamedTuple):
    """Which task instance; ``map_index`` is -1 where it is not mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


def state_on_airflow3(names: TaskNames, get_task_states: Callable[..., Any] | None = None) -> str | None:
    """The state; None where the task instance was cleared or deleted."""
    if get_task_states is None:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        get_task_states = RuntimeTaskInstance.get_task_states
    states = get_task_states(
        dag_id=names.dag_id,
        map_index=names.map_index if names.map_index >= 0 else None,
        task_ids=[names.task_id],
        run_ids=[names.run_id],
    )
    return _text(next(iter(states.get(names.run_id, {}).values()), None))


def state_in_database(names: TaskNames) -> tuple[str | None, int]:
    """On Airflow 2: the state, and the number of the try that is in it."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        row = session.query(TaskInstance.state, TaskInstance.try_number).filter_by(**names._asdict()).one_or_none()
    return (None, 0) if row is None else (_text(row.state), row.try_number)


def _text(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))
