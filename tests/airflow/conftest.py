"""Operators and sensors, rendered and executed as Airflow does, without a scheduler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import DAG, BaseOperator, timezone

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.operations import Behaviour

# dag.test() wants a database, and Airflow 3 a serialised DAG: a process of its own keeps that from the other tests.
PROGRAM = """
import os
import pathlib
import sys
import types
from datetime import datetime, timezone
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_bag import stored
dags = stored(sys.argv[1])
chosen = [dags[dag_id] for dag_id in sys.argv[2].split()]

class GCSHook:  # that of the google provider, which is not installed here
    def list(self, bucket, prefix):
        folder = pathlib.Path(os.environ["CLOUD_STORAGE"]) / bucket
        names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        return sorted(name for name in names if name.startswith(prefix))

sys.modules["airflow.providers.google.cloud.hooks.gcs"] = types.SimpleNamespace(GCSHook=GCSHook)
# Where a DAG leaves it open how often to look, tests do not wait for half a minute.
from airflow_provider_ee.operators.export_run import Waiting
Waiting.poll_interval = 0.3
for task in [task for dag in chosen for task in dag.tasks]:
    if getattr(task, "poke_interval", 0) == 60:
        task.poke_interval = 0.3
date = datetime.fromisoformat(sys.argv[3]).replace(tzinfo=timezone.utc)
when = {"logical_date": date} if AIRFLOW_V_3_0_PLUS else {"execution_date": date}
for task in [task for dag in chosen for task in dag.test(**when).get_task_instances()]:
    print("ended:", task.task_id, task.map_index, getattr(task.state, "value", task.state))
    print("named:", task.task_id, getattr(task, "rendered_map_index", None))
"""


class TaskInstance:
    """What a task may do with its instance, kept in memory."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.run_id = "manual__2020-01-15"
        self.map_index = -1
        self.try_number = 1
        self.max_tries = 0

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class Run:
    """Renders and executes operators of one DAG."""

    def __init__(self, **dag: Any) -> None:
        self.dag = DAG("dag", schedule=None, start_date=timezone.datetime(2020, 1, 1), **dag)
        self.ti = TaskInstance()
        self.context: dict[str, Any] = {"ti": self.ti, "ds": "2020-01-15", "ds_nodash": "20200115", "params": {}}

    def render(self, operator: BaseOperator) -> Any:
        operator.render_template_fields(self.context)
        return operator

    def __call__(self, operator: BaseOperator) -> Any:
        return self.render(operator).execute(self.context)


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def sent(connected_emulator: EarthEngineEmulator) -> Callable[[], list[str]]:
    """The methods that were called."""

    def methods() -> list[str]:
        log = requests.get(f"{connected_emulator.url}/_emulator/requests").json()["requests"]
        return [entry["method"] for entry in log]

    return methods


@pytest.fixture
def started(connected_emulator: EarthEngineEmulator) -> Callable[[], list[str]]:
    """The states of all exports, oldest first, once cancelling has ended."""

    def states() -> list[str]:
        connected_emulator.operations.advance(2)
        return [operation.state for operation in connected_emulator.operations.all()]

    return states


@pytest.fixture
def endless(connected_emulator: EarthEngineEmulator) -> None:
    """No export ends by itself."""
    connected_emulator.operations.add_behaviour(Behaviour(stay="RUNNING"))


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a database, which takes longer to make than most runs."""
    home = tmp_path_factory.mktemp("airflow")
    program = "from airflow.utils.db import initdb; initdb()"
    subprocess.run(
        [sys.executable, "-c", program], env=_environment(home, home), capture_output=True, text=True, check=True
    )
    return home


def _environment(home: Path, dags: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),  # for dag_bag
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }


@pytest.fixture
def run_dag(
    start_emulator: Callable[..., EarthEngineEmulator],
    sample_catalog: Path,
    airflow_home: Path,
    tmp_path: Path,
) -> Callable[..., tuple[dict[str, list[str]], str]]:
    """Run a DAG, or several, for a day; returns how each task ended, per map index, and all that was logged."""

    def run(
        folder: Path, dag_id: str, *behaviours: dict[str, Any], day: str = "2020-01-15"
    ) -> tuple[dict[str, list[str]], str]:
        emulator = start_emulator(catalog=sample_catalog, task_seconds=0.5, slots=4, clock=Clock())
        for behaviour in behaviours:
            emulator.operations.add_behaviour(Behaviour(**behaviour))
        home = tmp_path / "airflow"
        shutil.copytree(airflow_home, home)
        extra = {"project": "p", "api_endpoint": emulator.url, "anonymous": True}
        environment = {
            **_environment(home, folder),
            "CLOUD_STORAGE": str(tmp_path / "output" / "gs"),
            "AIRFLOW_CONN_EARTH_ENGINE_DEFAULT": json.dumps({"conn_type": "earth_engine", "extra": extra}),
            # As Composer has it.
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(
                {"conn_type": "google_cloud_platform", "extra": {**extra, "is_anonymous": True}}
            ),
        }
        command = [sys.executable, "-c", PROGRAM, str(folder), dag_id, day]
        # Airflow 2 runs a task for ever that fails while its end is written down.
        finished = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        log = finished.stdout + finished.stderr
        assert finished.returncode == 0, log[-3000:]
        ended: dict[str, list[str]] = {}
        lines = [line.split()[1:] for line in finished.stdout.splitlines() if line.startswith("ended: ")]
        for task, _, state in sorted(lines, key=lambda line: (line[0], int(line[1]))):
            ended.setdefault(task, []).append(state)
        return ended, log

    return run
