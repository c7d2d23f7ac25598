"""Exports whose tasks stumble, are replaced, or wait within limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import DAG, AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor
from airflow_provider_ee.triggers.operation import EEOperationTrigger

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


class BreakingTrigger(EEOperationTrigger):
    """Fails on the first try."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise RuntimeError("the trigger has broken")
        yield


class BrokenExport(EEImageExportOperator):
    """The trigger of its first try breaks."""

    def defer(self, *, trigger: BaseTrigger, **arguments: Any) -> NoReturn:
        if self.tried == 1:
            trigger = BreakingTrigger(**trigger.serialize()[1])
        super().defer(trigger=trigger, **arguments)

    def execute(self, context: Any) -> dict[str, Any]:
        self.tried = context["ti"].try_number
        return super().execute(context)


def deferred(task_id: str, **arguments: Any) -> EEImageExportOperator:
    return export(EEImageExportOperator, task_id, deferrable=True, **{"poll_interval": 0.2, **arguments})


with DAG("deferred", schedule=None, start_date=datetime(2020, 1, 1), default_args={"retries": 0}):
    waits = deferred("waits")
    EEOperationSensor(task_id="sees", operation=waits.output, deferrable=True, poke_interval=0.2)
    EEOperationSensor(
        task_id="sees_all", operation=[waits.output, waits.output], deferrable=True, poke_interval=0.2
    )
    only_starts = deferred("starts", wait_for_completion=False, poll_interval=None)
    EEOperationSensor(task_id="sees_end", operation=only_starts.output, deferrable=True, poke_interval=0.2)
    deferred("endless", wait_timeout=1)
    deferred("dear", max_eecu_seconds=0.5, retries=1)
    deferred("skipped", skip_if_empty=True)
    deferred("faulty", retries=1)
    export(BrokenExport, "broken", deferrable=True, poll_interval=0.2, retries=1)
