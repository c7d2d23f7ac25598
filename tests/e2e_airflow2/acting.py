"""A user of Airflow 2.11, in a process of its own: does what its web pages do, by the functions that they call.

Each line that is read is ``[act, arguments]`` in JSON, and is answered with one: ``{"came_to": …}``, or
``{"error": …}``. The acts are those of ``user.ApiUser``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Airflow logs to it

from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
from airflow.api.common.trigger_dag import trigger_dag
from airflow.jobs.job import Job
from airflow.models import DAG, DagBag, DagModel, DagRun, TaskInstance, Trigger, XCom
from airflow.models.errors import ParseImportError
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.log.log_reader import TaskLogReader
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import delete


def knows_the_dags() -> bool:
    with create_session() as session:
        for broken in session.query(ParseImportError):
            raise RuntimeError(broken.stacktrace)
    last = "sensor_timeout"
    return bool(SerializedDagModel.has_dag(last) and DagModel.get_current(last))


def triggerers() -> list[int]:
    with create_session() as session:
        return [job.id for job in session.query(Job).filter_by(job_type="TriggererJob")]


def start_run(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
    trigger_dag(dag_id, run_id, conf, replace_microseconds=False)


def end_run(dag_id: str, run_id: str) -> None:
    if states(dag_id, run_id):
        set_dag_run_state_to_failed(dag=_dag(dag_id), run_id=run_id, commit=True)


def delete_run(dag_id: str, run_id: str) -> None:
    with create_session() as session:
        for kind in (TaskInstance, DagRun):
            session.execute(delete(kind).where(kind.dag_id == dag_id, kind.run_id == run_id))


def states(dag_id: str, run_id: str) -> dict[int, str | None]:
    with create_session() as session:
        found = session.query(TaskInstance.map_index, TaskInstance.state).filter_by(dag_id=dag_id, run_id=run_id)
        return {index: state and str(state) for index, state in found}


def task(dag_id: str, run_id: str, map_index: int) -> dict[str, Any] | None:
    with create_session() as session:
        found = _instance(session, dag_id, run_id, map_index)
        if found is None:
            return None
        trigger = session.get(Trigger, found.trigger_id) if found.trigger_id else None
        return {
            "state": found.state and str(found.state),
            "try_number": found.try_number,
            "pid": found.pid,
            "trigger": trigger and {"id": trigger.id, "triggerer_id": trigger.triggerer_id},
        }


def mark(dag_id: str, run_id: str, map_index: int, state: str) -> None:
    indexes = None if map_index < 0 else [map_index]
    _dag(dag_id).set_task_instance_state(
        task_id="task", map_indexes=indexes, run_id=run_id, state=TaskInstanceState(state)
    )


def clear(dag_id: str, run_id: str, map_index: int) -> None:
    with create_session() as session:
        date = session.query(DagRun.execution_date).filter_by(dag_id=dag_id, run_id=run_id).scalar()
        which = "task" if map_index < 0 else ("task", map_index)
        cleared = _dag(dag_id).clear(start_date=date, end_date=date, task_ids=[which], session=session)
        assert cleared == 1, cleared


def xcom(dag_id: str, run_id: str, map_index: int, key: str) -> Any:
    with create_session() as session:
        return XCom.get_value(
            ti_key=TaskInstance.key.fget(_instance(session, dag_id, run_id, map_index)), key=key, session=session
        )


def log(dag_id: str, run_id: str, map_index: int, try_number: int) -> str:
    with create_session() as session:
        instance = _instance(session, dag_id, run_id, map_index)
        hosts, _ = TaskLogReader().read_log_chunks(instance, try_number, {"download_logs": True})
    return "\n".join(text for host in hosts for _, text in host)


def _dag(dag_id: str) -> DAG:
    return DagBag(read_dags_from_db=True).get_dag(dag_id)


def _instance(session: Any, dag_id: str, run_id: str, map_index: int) -> TaskInstance | None:
    names = {"dag_id": dag_id, "run_id": run_id, "task_id": "task", "map_index": map_index}
    return session.query(TaskInstance).filter_by(**names).one_or_none()


if __name__ == "__main__":
    for line in sys.stdin:
        act, arguments = json.loads(line)
        try:
            answer = {"came_to": globals()[act](*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
