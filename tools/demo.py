"""The main job on this machine: a real Airflow, the emulator, one DAG run, and the result as a picture.

Everything is written below .build/demo, and every port is on the loopback address.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from local_airflow import BIN, AirflowApi, Process, commands, environment, free_port

PROJECT = Path(__file__).parents[1]
HOME = PROJECT / ".build" / "demo"
DAG_ID = "example_ee_image_export"
LOGICAL_DATE = "2020-01-15T00:00:00Z"  # the day of the sample catalog's real scene
PATIENCE = 150  # seconds for a step


def main() -> int:
    """Run the demo."""
    start = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with ExitStack() as running:
        emulator = running.enter_context(start_emulator())
        port = free_port()
        settings = airflow_environment(emulator, port)
        say("Airflow: making its database (SQLite)")
        subprocess.run([BIN / "airflow", "db", "migrate"], env=settings, check=True, **log_to("db-migrate"))
        say("Airflow: starting api-server, scheduler, dag-processor and triggerer")
        for name, arguments in commands(port).items():
            running.enter_context(process([BIN / "airflow", *arguments], settings, name))
        airflow = Airflow(AirflowApi(f"http://127.0.0.1:{port}"))
        airflow.wait_until_ready()
        say(f"Airflow: running {DAG_ID} for {LOGICAL_DATE[:10]}")
        run_id = airflow.trigger()
        state = airflow.follow(run_id)
        operation = airflow.returned(run_id, "export_ndvi")
    if state != "success":
        print(f"\nThe DAG run ended {state}; its logs are in {shown(HOME / 'airflow' / 'logs')}.")
        return 1
    show_result(operation)
    print(f"\n{time.monotonic() - start:.0f} s, without what `pip install` took.")
    return 0


@contextmanager
def start_emulator() -> Iterator[str]:
    """Serve the sample catalog; yields the emulator's URL."""
    say("Emulator: writing the sample catalog of Sentinel-2 pixels")
    subprocess.run([BIN / "ee-emulator", "sample", HOME / "catalog"], check=True, **log_to("sample"))
    folders = ("--catalog", HOME / "catalog", "--output", HOME / "output")
    command = [BIN / "ee-emulator", "serve", "--port", "0", "--task-seconds", "6", *folders]
    with process(command, dict(os.environ), "emulator"):
        log = HOME / "logs" / "emulator.log"
        ready = wait_for(lambda: "ready at" in log.read_text(), "the emulator")
        assert ready
        url = log.read_text().split()[-1]
        say(f"Emulator: ready at {url}")
        yield url


def airflow_environment(emulator_url: str, port: int) -> dict[str, str]:
    """An Airflow of its own, connected to the emulator."""
    home, dags = HOME / "airflow", HOME / "dags"
    home.mkdir()
    dags.mkdir()  # the other examples would be scheduled as well
    for name in (f"{DAG_ID}.py", "ndvi.json"):
        shutil.copy(PROJECT / "example_dags" / name, dags)
    extra = {"project": "demo-project", "api_endpoint": emulator_url, "anonymous": True}
    return environment(
        home,
        port,
        dags=dags,
        connections={"earth_engine_default": extra},
        AIRFLOW__CORE__PARALLELISM="2",
        AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL="5",
    )


@contextmanager
def process(command: list[Any], settings: dict[str, str], name: str) -> Iterator[None]:
    """Run a command, and end it with all that it has started."""
    child = Process(command, settings, HOME / "logs" / f"{name}.log").start()
    try:
        yield
    finally:
        child.terminate(patience=1)  # nothing of this Airflow is kept


def log_to(name: str) -> dict[str, Any]:
    """Where a command's output goes."""
    path = HOME / "logs" / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    return {"stdout": path.open("w"), "stderr": subprocess.STDOUT}


class Airflow:
    """What the demo does as a user of Airflow."""

    def __init__(self, api: AirflowApi) -> None:
        self._api, self._ask = api, api.ask

    def wait_until_ready(self) -> None:
        """Wait for every process, and for the DAG."""
        wait_for(self._api.healthy, "Airflow to be healthy")
        self._api.log_in()
        wait_for(lambda: self._ask("GET", f"dags/{DAG_ID}") is not None, "the DAG to be parsed")

    def trigger(self) -> str:
        """Start a run for one date."""
        return self._ask("POST", f"dags/{DAG_ID}/dagRuns", {"logical_date": LOGICAL_DATE})["dag_run_id"]

    def follow(self, run_id: str) -> str:
        """Say what changes until the run has ended; returns its state."""
        seen: dict[str, str] = {}
        state = ""

        def ended() -> bool:
            nonlocal state
            for task in self._ask("GET", f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances")["task_instances"]:
                now = task["state"] or "none"
                if seen.get(task["task_id"]) != now:
                    seen[task["task_id"]] = now
                    say(f"  {task['task_id']}: {now}")
            state = self._ask("GET", f"dags/{DAG_ID}/dagRuns/{run_id}")["state"]
            return state in ("success", "failed")

        wait_for(ended, "the DAG run to end")
        return state

    def returned(self, run_id: str, task_id: str) -> dict[str, Any]:
        """What a task returned."""
        path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        entry = self._ask("GET", path)
        value = entry["value"] if entry else {}
        return json.loads(value) if isinstance(value, str) else value


def show_result(operation: dict[str, Any]) -> None:
    """The table that the demo ends with, and the preview."""
    image = HOME / "output" / "gs" / "example-bucket" / "ndvi" / "20200115.tif"
    preview = HOME / "ndvi.png"
    with rasterio.open(image) as dataset:
        values = dataset.read(1, masked=True)
        size = f"{dataset.width} x {dataset.height} of {dataset.res[0]:.0f} m in {dataset.crs}"
    write_preview(values, preview)
    metadata = operation["metadata"]
    rows = {
        "operation": operation["name"],
        "state": metadata["state"],
        "EECU seconds": f"{metadata['batchEecuUsageSeconds']:.1f} (invented by the emulator)",
        "pixels": f"{size}; NDVI {values.min():.3f} to {values.max():.3f}, mean {values.mean():.3f}",
        "GeoTIFF": shown(image),
        "preview": shown(preview),
    }
    print()
    for name, value in rows.items():
        print(f"  {name:14}{value}")


# NDVI -> red, green and blue, stretched for a dry place: bare, sparse, green, lush.
RAMP = np.array([[110, 84, 66], [214, 197, 150], [118, 168, 70], [10, 78, 30]], dtype=float)
RAMP_AT = np.array([0.0, 0.08, 0.16, 0.32])


def write_preview(values: np.ma.MaskedArray, path: Path) -> None:
    """A picture three times as large as the image; masked pixels are transparent."""
    large = values.repeat(3, axis=0).repeat(3, axis=1)
    bands = [np.interp(large.filled(0), RAMP_AT, RAMP[:, band]) for band in range(3)]
    alpha = np.where(np.ma.getmaskarray(large), 0, 255)
    pixels = np.stack([*bands, alpha]).astype("uint8")
    profile = {"driver": "PNG", "count": 4, "dtype": "uint8", "height": large.shape[0], "width": large.shape[1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as picture:
            picture.write(pixels)


def wait_for(condition: Any, what: str) -> bool:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {PATIENCE} s for {what} in vain; see {shown(HOME / 'logs')}.")
        time.sleep(0.3)
    return True


def shown(path: Path) -> str:
    """A path as one would type it from the project."""
    return str(path.relative_to(PROJECT))


def say(line: str) -> None:
    """Progress."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {line}", flush=True)


STARTED = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
