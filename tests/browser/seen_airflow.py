"""An Airflow with pages, the example DAGs and an emulator that wants a token, each in processes of its own."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import requests
from backends import Backend
from cluster import PROJECT, QUICK, Cluster
from local_airflow import BIN, Process, free_port
from user import ApiUser

# On a busy machine nothing is taken for dead.
PATIENT = {
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60",
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "60",
}
EXAMPLES = PROJECT / "example_dags"
DAG_ID = "example_ee_image_export"
ASSET_DAGS = Path(__file__).parent / "dags" / "asset_dags.py"
ASSET_DAG_IDS = ("map_vegetation", "use_vegetation")
EXPORT_SECONDS = 3600
"""How long an export runs by the emulator's clock."""


class Onlooker(ApiUser):
    """Asks only whether there is something to look at."""

    def knows_the_dags(self) -> bool:
        """Whether they are parsed."""
        return all(self._api.ask("GET", f"dags/{dag_id}") for dag_id in (DAG_ID, *ASSET_DAG_IDS))


class SeenAirflow(Cluster):
    """No connection is defined and every DAG is paused: all else is left to whoever looks at the pages.

    The DAGs are the example, as it stands, and two about an asset.

    ``token`` is the only one that the emulator accepts.
    """

    kind = "browser"
    pictures = PROJECT / ".build" / "browser"
    settings = {
        **QUICK,
        **PATIENT,
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    }

    def __init__(self) -> None:
        super().__init__(Backend("sqlite"))
        self.dags = self.home / "dags"

    def end_exports(self) -> None:
        """Let time pass for the emulator until what runs there has ended."""
        self._emulator("POST", "clock", {"advance_seconds": EXPORT_SECONDS})

    def only_export(self) -> dict[str, Any]:
        """The one operation that there is."""
        (operation,) = self._emulator("GET", "operations")["operations"]
        found: dict[str, Any] = operation
        return found

    def _start_services(self) -> dict[str, dict[str, Any]]:
        from airflow_provider_ee.emulator.sample import write_sample

        self.token, port = secrets.token_urlsafe(24), free_port()
        self.emulator_url = f"http://127.0.0.1:{port}"
        self.dags.mkdir()
        for dag in (EXAMPLES / f"{DAG_ID}.py", EXAMPLES / "ndvi.json", ASSET_DAGS):
            shutil.copy(dag, self.dags)
        catalog, output = self.home / "catalog", self.home / "output"
        write_sample(catalog)
        command = [BIN / "ee-emulator", "serve", "--port", str(port), "--catalog", catalog, "--output", output]
        command += ["--task-seconds", str(EXPORT_SECONDS), "--token", f"reader={self.token}"]
        emulator = Process(command, dict(os.environ), self.logs / "emulator.log")
        self._processes.append(emulator.start())
        return {}

    def _start_airflow(self) -> None:
        super()._start_airflow()
        self.user = Onlooker(self._api)

    def _emulator(self, verb: str, path: str, body: Any = None) -> Any:
        answer = requests.request(verb, f"{self.emulator_url}/_emulator/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()
