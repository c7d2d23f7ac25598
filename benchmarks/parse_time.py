"""What building tasks adds to parsing, what `import ee` would add, and what is stored of many tiles."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

ROUNDS = 9
# Installed packages are compiled; what runs from a checkout is, once it may be.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

BASELINE = """
from airflow.providers.common.compat.sdk import DAG, BaseOperator, BaseSensorOperator, XComArg, conf, timezone
dag = DAG("dag", schedule=None, start_date=timezone.datetime(2020, 1, 1))
BaseOperator(task_id="a", dag=dag) >> BaseSensorOperator(task_id="b", dag=dag)
"""
OURS = """
from airflow_provider_ee.decorators.export import ee_export_task
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor
from airflow_provider_ee.earthengine.grid import PixelGrid
grid = PixelGrid.from_bounds("EPSG:32719", 10, (600000, 4698020, 603000, 4700020))
with dag:
    export = EEImageExportOperator(task_id="export", expression="ndvi.json", grid=grid, destination="gs://bucket/p")
    EEOperationSensor(task_id="wait", operation=export.output, mode="reschedule")

    @ee_export_task(grid=grid, destination="gs://bucket/p", deferrable=True)
    def decorated(ds):
        import ee
        return ee.Image("a")

    decorated("{{ ds }}")
"""
TILES = """
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.operators.export import EEImageExportOperator
start = perf_counter()
grid = PixelGrid.from_bounds("EPSG:32719", 10, (600_000, 4_000_000, 850_000, 4_200_000))
tiles = export_tiles(grid.tiles(1_000, 1_000), "gs://a-bucket-with-a-long-name/ndvi/{{ ds }}/{name}")
assert len(tiles) == 500
with dag:
    EEImageExportOperator.partial(task_id="export", expression="ndvi.json").expand_kwargs(tiles)
"""
STORED = """
import json
from airflow.serialization import serialized_objects
serialisation = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
print(len(json.dumps(serialisation.to_dict(dag))) / 1000)
"""
PROGRAM = """
{baseline}
from time import perf_counter
start = perf_counter()
{measured}
print((perf_counter() - start) * 1000)
"""


def milliseconds(measured: str) -> float:
    """What some code takes in a fresh process, after Airflow has been imported."""
    return printed(measured)[0]


def printed(measured: str, afterwards: str = "") -> list[float]:
    """What the code takes, and what is printed after it."""
    program = PROGRAM.format(baseline=BASELINE, measured=measured) + afterwards
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True, text=True).stdout
    return [float(line) for line in shown.splitlines()]


def main() -> bool:
    """Print the table; tells whether the promises hold."""
    milliseconds(OURS)  # compiles
    ours, ee = [], []
    for _ in range(ROUNDS):  # by turns, so that a busy moment meets both
        ours.append(milliseconds(OURS))
        ee.append(milliseconds("import ee"))
    mine, theirs = statistics.median(ours), statistics.median(ee)
    print("Parse time on top of Airflow (median of", ROUNDS, "fresh processes)")
    build, stored = printed(TILES, STORED)
    print(f"  import and build three kinds of task   {mine:7.1f} ms   (promised: at most 20 ms)")
    print(f"  import ee                              {theirs:7.1f} ms")
    print(f"  ratio                                  1/{theirs / mine:.1f}     (promised: at most 1/8)")
    print(
        f"  500 tiles of a grid, mapped            {build:7.1f} ms, and {stored:.0f} kB are stored of the DAG",
        end="",
    )
    print("   (promised: less than 300 kB)")
    return mine <= 20 and mine * 8 <= theirs and stored < 300


if __name__ == "__main__":
    sys.exit(not main())
