"""Exports whose tasks stumble, are replaced, or wait within limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowException

from airflow_provider_ee.operators.export import EEImageExportOperator

GRID = {
    "crsCode": "EPSG:32719",
    "affineTransform": {"scaleX": 10.0, "translateX": 600000.0, "scaleY": -10.0, "translateY": 4700020.0},
    "dimensions": {"width": 30, "height": 20},
}
IMAGE = {
    "result": "0",
    "values": {
        "0": {
            "functionInvocationValue": {
                "functionName": "Image.constant",
                "arguments": {"value": {"constantValue": 7}},
            }
        }
    },
}


class StumblingExport(EEImageExportOperator):
    """Its first try fails after the export has been started."""

    def execute(self, context: Any) -> dict[str, Any]:
        operation = super().execute(context)
        if context["ti"].try_number == 1:
            raise AirflowException("stumbled")
        return operation


class ReplacedExport(EEImageExportOperator):
    """Airflow puts another try in its place before it has sent anything, as a clear of a running task does."""

    def execute(self, context: Any) -> dict[str, Any]:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        if context["ti"].try_number > 1:
            return super().execute(context)
        with create_session() as session:
            row = (
                session.query(TaskInstance)
                .filter_by(dag_id=self.dag_id, task_id=self.task_id, run_id=context["ti"].run_id)
                .one()
            )
            if hasattr(row, "prepare_db_for_next_try"):
                row.prepare_db_for_next_try(session)
            row.state = "restarting"
        return super().execute(context)


def export(cls: type[EEImageExportOperator], task_id: str, **arguments: Any) -> EEImageExportOperator:
    return cls(
        task_id=task_id,
        expression=IMAGE,
        grid=GRID,
        destination=f"gs://bucket/{task_id}",
        retry_delay=timedelta(0),
        **arguments,
    )


with DAG("exactly_once", schedule=None, start_date=datetime(2020, 1, 1), default_args={"retries": 0}):
    export(EEImageExportOperator, "waits", wait_for_completion=True, poll_interval=0.2)
    export(StumblingExport, "stumbles", retries=1)
    export(ReplacedExport, "replaced")
    export(EEImageExportOperator, "endless", wait_for_completion=True, poll_interval=0.2, wait_timeout=1)
    export(
        EEImageExportOperator, "dear", wait_for_completion=True, poll_interval=0.2, max_eecu_seconds=0.5, retries=1
    )
    export(
        EEImageExportOperator,
        "skipped",
        wait_for_completion=True,
        poll_interval=timedelta(seconds=0.2),
        skip_if_empty=True,
    )
    export(EEImageExportOperator, "faulty", wait_for_completion=True, poll_interval=0.2, retries=1)
