"""The export task that is put under fire, with its times made short."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmarks.chaos.service import PROJECT

LIST_GRACE = (0.1, 0.2, 0.4, 0.8)
TIME_LIMIT = 1.0
"""Seconds after which a worker gives a request up."""
DAG_ID = "chaos"
TASK_ID = "export"

EXPRESSION = {
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
GRID = {
    "crsCode": "EPSG:32719",
    "affineTransform": {"scaleX": 10.0, "translateX": 600000.0, "scaleY": -10.0, "translateY": 4700020.0},
    "dimensions": {"width": 3, "height": 2},
}


def describe(map_index: int) -> str:
    """The description that a task gives its export, and that faults are matched by."""
    return f"chaos-{map_index}-"


def pattern(map_index: int) -> str:
    """Matches the description of a task's exports, with the mark and without."""
    return f"^chaos-{map_index}-"


def warm_up() -> None:
    """Import whatever a worker needs, once for all, and make the provider's waits short."""
    import airflow_provider_ee.earthengine.grid
    import airflow_provider_ee.earthengine.validation
    import airflow_provider_ee.hooks.earth_engine
    import airflow_provider_ee.operators.export
    import airflow_provider_ee.operators.export_run
    import airflow_provider_ee.operators.task_try  # noqa: F401
    from airflow_provider_ee.earthengine import client, submission

    submission._LONGEST_BACKOFF = 0.2
    submission._FIRST_WAIT_FOR_ROOM, submission._MOST_WAIT_FOR_ROOM = 0.2, 0.4
    client._wait = lambda state: 0.1


def connect(url: str, token: str | None) -> None:
    """Define the connection, as an environment variable."""
    import json

    extra: dict[str, Any] = {"project": PROJECT, "api_endpoint": url, "timeout": TIME_LIMIT, "num_retries": 5}
    extra |= {"token": token} if token else {"anonymous": True}
    connection = {"conn_type": "earth_engine", "extra": extra}
    os.environ["AIRFLOW_CONN_EARTH_ENGINE_DEFAULT"] = json.dumps(connection)


def build(job: Mapping[str, Any]) -> Any:
    """The operator of a job, in a DAG."""
    from airflow.providers.common.compat.sdk import DAG

    common = {"task_id": TASK_ID, "dag": DAG(DAG_ID, schedule=None), "retries": job["retries"]}
    if job["who"] != "ours":
        from benchmarks.chaos import rivals

        return rivals.build(job, **common)
    from airflow_provider_ee.operators.export import EEImageExportOperator

    waiting = {"wait_for_completion": True, "poll_interval": 0.05} if job["wait"] else {}
    operator = EEImageExportOperator(
        expression=EXPRESSION,
        grid=GRID,
        destination="gs://bucket/chaos/",
        description=describe(job["map_index"]),
        **waiting,
        **common,
    )
    operator.list_grace = LIST_GRACE
    return operator
