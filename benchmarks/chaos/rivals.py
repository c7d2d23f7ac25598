"""Other ways to export, put under the same fire."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos import wire
from benchmarks.chaos.scenarios import Case, without_user
from benchmarks.chaos.service import PROJECT
from benchmarks.chaos.tasks import EXPRESSION, GRID, TIME_LIMIT, describe

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Rival:
    """A way to export, and the steps that it has."""

    who: str
    title: str
    steps: tuple[str, ...]
    per_cell: int = 3

    def cases(self) -> Iterator[Case]:
        """What it is put through."""
        return without_user(self.per_cell, self.who, self.steps)


RIVALS = {
    rival.who: rival
    for rival in (
        Rival(
            "python",
            "ee.batch.Export and a polling loop in a PythonOperator",
            ("request", "answer", "poll", "finish"),
        ),
        Rival(
            "mixin",
            "Airflow's ResumableJobMixin, a fresh request id for each submission",
            ("request", "answer", "name", "poll", "finish"),
        ),
    )
    if rival.who == "python" or wire.AIRFLOW3
}


def build(job: Mapping[str, Any], **common: Any) -> Any:
    """The operator of a rival."""
    return {"python": _python, "mixin": _mixin}[job["who"]](job, common)


def _python(job: Mapping[str, Any], common: dict[str, Any]) -> Any:
    """As people write it today."""
    try:
        from airflow.providers.standard.operators.python import PythonOperator
    except ImportError:
        from airflow.operators.python import PythonOperator

    def export() -> str:
        import ee
        from google.auth.credentials import AnonymousCredentials

        ee.Initialize(AnonymousCredentials(), url=job["url"], project=PROJECT)
        ee.data.setDeadline(TIME_LIMIT * 1000)
        task = ee.batch.Export.image.toCloudStorage(
            image=ee.Image.constant(7),
            description=describe(job["map_index"]),
            bucket="bucket",
            fileNamePrefix="chaos",
            crs="EPSG:32719",
            crsTransform=[10, 0, 600000, 0, -10, 4700020],
            dimensions="3x2",
        )
        task.start()
        while task.active():
            time.sleep(_POLL_SECONDS)
        status = task.status()
        if status["state"] != "COMPLETED":
            raise RuntimeError(f"the export has ended as {status['state']}")
        return f"projects/{PROJECT}/operations/{task.id}"

    return PythonOperator(python_callable=export, **common)


def _mixin(job: Mapping[str, Any], common: dict[str, Any]) -> Any:
    """As Airflow's own providers do it for other services, on_kill among it."""
    from airflow.sdk import BaseOperator
    from airflow.sdk.bases.resumablejobmixin import ResumableJobMixin

    from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

    class ResumableExport(ResumableJobMixin, BaseOperator):
        external_id_key = "operation"
        name: str | None = None
        hook: Any = None

        def execute(self, context: Any) -> Any:
            self.hook = EarthEngineHook()
            self.hook.client  # noqa: B018 (a hook made in on_kill would wait for the connection for ever)
            return self.execute_resumable(context)

        def submit_job(self, context: Any) -> str:
            body = {
                "expression": EXPRESSION,
                "grid": GRID,
                "description": describe(job["map_index"]),
                "requestId": str(uuid.uuid4()),
                "fileExportOptions": {
                    "fileFormat": "GEO_TIFF",
                    "cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "chaos"},
                },
            }
            self.name = self.hook.export_image(body)["name"]
            return self.name

        def get_job_status(self, external_id: Any, context: Any) -> str:
            return str(self.hook.get_operation(external_id)["metadata"]["state"])

        def is_job_active(self, status: str) -> bool:
            return status in ("PENDING", "RUNNING")

        def is_job_succeeded(self, status: str) -> bool:
            return status == "SUCCEEDED"

        def poll_until_complete(self, external_id: Any, context: Any) -> Any:
            self.name = external_id
            final = self.hook.wait_for_operation(external_id, poll_interval=_POLL_SECONDS)
            if final["metadata"]["state"] != "SUCCEEDED":
                raise RuntimeError(f"the export has ended as {final['metadata']['state']}")
            return external_id

        def get_job_result(self, external_id: Any, context: Any) -> Any:
            return external_id

        def on_kill(self) -> None:
            if self.name:
                self.hook.cancel_operation(self.name)

    return ResumableExport(**common)
