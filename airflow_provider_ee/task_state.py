"""What Airflow says of a task instance now, on any of its versions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from airflow_provider_ee.earthengine.aside import in_thread

_PATIENCE = 10.0  # seconds

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


def state_on_airflow3(names: TaskNames, get_task_states: Callable[..., Any]) -> str | None:
    """In a worker of Airflow 3: the state; None where the task instance was cleared or deleted."""
    return _state_of(names, get_task_states(**_wanted(names)))


async def state_in_triggerer(names: TaskNames) -> str | None:
    """In a triggerer, whose event loop is not blocked: the state; None where it was cleared or deleted."""
    try:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import GetTaskStates
    except ImportError:
        return (await in_thread(state_in_database, names))[0]
    channel: Any = task_runner.SUPERVISOR_COMMS
    answer = channel.asend(GetTaskStates(**_wanted(names)))
    if hasattr(channel, "start_reader"):
        # While a triggerer shuts down nobody may answer. Before 3.2 an answer must be read by who has asked.
        answer = asyncio.wait_for(answer, _PATIENCE)
    return _state_of(names, (await answer).task_states)


def state_in_database(names: TaskNames) -> tuple[str | None, int]:
    """On Airflow 2: the state, and the number of the try that is in it."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        row = session.query(TaskInstance.state, TaskInstance.try_number).filter_by(**names._asdict()).one_or_none()
    return (None, 0) if row is None else (_text(row.state), row.try_number)


def _wanted(names: TaskNames) -> dict[str, Any]:
    return {
        "dag_id": names.dag_id,
        "map_index": names.map_index if names.map_index >= 0 else None,
        "task_ids": [names.task_id],
        "run_ids": [names.run_id],
    }


def _state_of(names: TaskNames, states: Any) -> str | None:
    return _text(next(iter(states.get(names.run_id, {}).values()), None))


def _text(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))
