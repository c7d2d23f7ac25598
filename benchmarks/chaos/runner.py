"""What Airflow does with a task inside of the worker's process: on 3.3 by its own task runner.

On 2.11 the runner cannot be had without a database, and a few lines stand for it: the handler of SIGTERM calls
``on_kill`` and then raises, wherever the task happens to be.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from benchmarks.chaos import wire
from benchmarks.chaos.tasks import DAG_ID, TASK_ID


def warm_up() -> None:
    """Import what runs tasks."""
    if wire.AIRFLOW3:
        import airflow.sdk.execution_time.task_runner
        import airflow.sdk.plugins_manager
        import structlog

        airflow.sdk.plugins_manager.integrate_macros_plugins()
        structlog.configure(
            processors=[
                structlog.processors.TimeStamper(fmt="%H:%M:%S.%f"),
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(key_order=["timestamp", "event"]),
            ],
        )
    else:
        import logging

        import airflow.models.taskinstance

        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, force=True)


def run(channel: socket.socket, job: Mapping[str, Any], operator: Any) -> int:
    """Run a task to its end; the exit status of the process is returned."""
    if wire.AIRFLOW3:
        return _run_as_airflow_3(channel, job, operator)
    return _run_as_airflow_2(channel, job, operator)


def _run_as_airflow_3(channel: socket.socket, job: Mapping[str, Any], operator: Any) -> int:
    import uuid
    from datetime import datetime, timezone

    import structlog
    from airflow.sdk.api.datamodels._generated import DagRun, TaskInstance, TaskInstanceState, TIRunContext
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import CommsDecoder

    task_runner.SUPERVISOR_COMMS = CommsDecoder(socket=channel)
    now = datetime.now(timezone.utc)
    dag_run = DagRun(
        dag_id=DAG_ID, run_id=job["run_id"], logical_date=now, data_interval_start=now, data_interval_end=now,
        run_after=now, start_date=now, end_date=None, run_type="manual", state="running",
        consumed_asset_events=[], partition_key=None,
    )  # fmt: skip
    row = TaskInstance(
        id=uuid.UUID(job["ti_id"]),
        task_id=TASK_ID,
        dag_id=DAG_ID,
        run_id=job["run_id"],
        try_number=job["try_number"],
        map_index=job["map_index"],
        dag_version_id=uuid.uuid4(),
    )
    from_server = TIRunContext(
        dag_run=dag_run,
        max_tries=job["max_tries"],
        should_retry=job["should_retry"],
        xcom_keys_to_clear=job["stale_xcoms"],
    )
    ti = task_runner.RuntimeTaskInstance.model_construct(
        **row.model_dump(exclude_unset=True),
        task=operator,
        bundle_instance=None,
        _ti_context_from_server=from_server,
        max_tries=job["max_tries"],
        start_date=now,
        state=TaskInstanceState.RUNNING,
        sentry_integration="",
    )
    log = structlog.get_logger("task")
    context = ti.get_template_context()
    state, _, error = task_runner.run(ti, context, log)
    context["exception"] = error
    task_runner.finalize(ti, state, context, log, error)
    return 1 if ti._terminal_state_send_failed else 0


class _TaskInstance2:
    """What a task may ask its instance on 2.11; the state comes by a message, not from a database."""

    def __init__(self, channel: socket.socket, job: Mapping[str, Any]) -> None:
        self._channel = channel
        self.run_id, self.map_index = job["run_id"], job["map_index"]
        self.try_number, self.max_tries = job["try_number"], job["max_tries"]

    def ask(self, **message: Any) -> Any:
        wire.send(self._channel, [1, message])
        answer = wire.receive(self._channel)
        if answer is None:
            raise ConnectionError("the database is gone")
        if answer[2]:
            raise RuntimeError(f"the database refused: {answer[2]}")
        return answer[1]

    def xcom_push(self, key: str, value: Any) -> None:
        self.ask(type="SetXCom", key=key, value=value, map_index=self.map_index)

    def refresh_from_db(self) -> None:
        """Tells that there is a database."""

    # The session that the provider asks for the row

    def query(self, *columns: Any) -> _TaskInstance2:
        return self

    def filter_by(self, **key: Any) -> _TaskInstance2:
        return self

    def one_or_none(self) -> Any:
        row = self.ask(type="GetTaskStates")
        (state,) = row["task_states"][self.run_id].values()
        return SimpleNamespace(state=state, try_number=row["try_number"])


def _run_as_airflow_2(channel: socket.socket, job: Mapping[str, Any], operator: Any) -> int:
    from airflow.exceptions import AirflowFailException, AirflowTaskTerminated
    from airflow.utils import session

    ti = _TaskInstance2(channel, job)
    context = {"ti": ti, "run_id": job["run_id"], "params": {}, "ds": "2020-01-15"}
    parent = os.getpid()

    def terminate(*_: Any) -> None:
        if os.getpid() == parent:
            operator.on_kill()
            raise AirflowTaskTerminated("Task received SIGTERM signal")

    session.create_session = lambda: nullcontext(ti)
    signal.signal(signal.SIGTERM, terminate)
    try:
        operator.render_template_fields(context)
        result = operator.execute(context)
        ti.xcom_push("return_value", result)
        ti.ask(type="SucceedTask", state="success")
    except BaseException as error:
        import traceback

        traceback.print_exc()
        fails = isinstance(error, AirflowFailException) or not job["should_retry"]
        try:
            ti.ask(type="TaskState" if fails else "RetryTask", state="failed" if fails else "up_for_retry")
        except Exception:
            return 1
        return 1
    return 0
