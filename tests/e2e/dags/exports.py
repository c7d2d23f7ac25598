"""The tasks that the scenarios play with: each DAG has one, called ``task``."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from failing_trigger import FailingTrigger

from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor

GRID = {
    "crsCode": "EPSG:32719",
    "affineTransform": {"scaleX": 10.0, "translateX": 600000.0, "scaleY": -10.0, "translateY": 4700020.0},
    "dimensions": {"width": 30, "height": 20},
}
CONSTANT = {"functionName": "Image.constant", "arguments": {"value": {"constantValue": 7}}}
IMAGE = {"result": "0", "values": {"0": {"functionInvocationValue": CONSTANT}}}

# The description begins with the run, by which a scenario knows its exports.
COMMON: dict[str, Any] = {
    "task_id": "task",
    "expression": IMAGE,
    "grid": GRID,
    "description": "{{ run_id }}-{{ ti.map_index }}",
    "deferrable": True,
    "poll_interval": 1,
    "retry_delay": timedelta(seconds=1),
}
TO_BUCKET = {"destination": "gs://bucket/{{ run_id }}/{{ ti.map_index }}"}


class StoppedBeforeDeferring(EEImageExportOperator):
    """Its first try hangs when it has an export, and has not told Airflow yet that it waits."""

    def defer(self, **arguments: Any) -> None:
        if self.first_try:
            time.sleep(3600)
        super().defer(**arguments)

    def execute(self, context: Any) -> Any:
        self.first_try = context["ti"].try_number == 1
        return super().execute(context)


class FailingWhileDeferred(EEImageExportOperator):
    """The trigger of its first try raises."""

    def defer(self, *, trigger: Any, **arguments: Any) -> None:
        super().defer(trigger=FailingTrigger() if self.first_try else trigger, **arguments)

    def execute(self, context: Any) -> Any:
        self.first_try = context["ti"].try_number == 1
        return super().execute(context)


class DeferredWithTimeout(EEImageExportOperator):
    """Airflow ends its wait, as it does where an operator hands a timeout to ``defer``."""

    def defer(self, *, timeout: Any = None, **arguments: Any) -> None:
        super().defer(timeout=timedelta(seconds=5), **arguments)


def export(name: str, operator: type[EEImageExportOperator] = EEImageExportOperator, **arguments: Any) -> None:
    with DAG(name, schedule=None, start_date=datetime(2020, 1, 1), catchup=False):
        operator(**{**COMMON, **TO_BUCKET, **arguments})


export("waits")
export("waits_and_retries", retries=1)
export("holds_a_slot", deferrable=None, wait_for_completion=True, retries=1)
export("wait_timeout", wait_timeout=20, retries=1)
export("execution_timeout", execution_timeout=timedelta(seconds=20), retries=0)
export("execution_timeout_and_retries", execution_timeout=timedelta(seconds=20), retries=1)
export("deferral_timeout", DeferredWithTimeout)
export("stopped_before_deferring", StoppedBeforeDeferring, retries=1)
export("failing_while_deferred", FailingWhileDeferred, retries=1)
export("full_queue", ee_conn_id="small")
export("one_process", description="one-process")
export("survives_kill", cancel_on_kill=False)

for name, size, arguments in (
    ("mapped", 3, {}),
    ("quick", 6, {}),
    ("crowd", 40, {"ee_conn_id": "crowd", "poll_interval": 2}),
):
    with DAG(name, schedule=None, start_date=datetime(2020, 1, 1), catchup=False):
        EEImageExportOperator.partial(**{**COMMON, **arguments}).expand(
            destination=[f"gs://bucket/{{{{ run_id }}}}/{number}" for number in range(size)]
        )

for name, timeout in (("sensor", 600), ("sensor_timeout", 15)):
    with DAG(name, schedule=None, start_date=datetime(2020, 1, 1), catchup=False):
        EEOperationSensor(
            task_id="task", operation="{{ dag_run.conf['operation'] }}", deferrable=True, poke_interval=1,
            timeout=timeout,
        )  # fmt: skip
