"""What importing and building operator and sensor adds to Airflow, and what `import ee` would add."""

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
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor
from airflow_provider_ee.earthengine.grid import PixelGrid
grid = PixelGrid.from_bounds("EPSG:32719", 10, (600000, 4698020, 603000, 4700020))
with dag:
    export = EEImageExportOperator(task_id="export", expression="ndvi.json", grid=grid, destination="gs://bucket/p")
    EEOperationSensor(task_id="wait", operation=export.output, mode="reschedule")
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
    program = PROGRAM.format(baseline=BASELINE, measured=measured)
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True).stdout)


def main() -> bool:
    """Print the table; tells whether the promises hold."""
    milliseconds(OURS)  # compiles
    ours, ee = [], []
    for _ in range(ROUNDS):  # by turns, so that a busy moment meets both
        ours.append(milliseconds(OURS))
        ee.append(milliseconds("import ee"))
    mine, theirs = statistics.median(ours), statistics.median(ee)
    print("Parse time on top of Airflow (median of", ROUNDS, "fresh processes)")
    print(f"  import and build operator and sensor   {mine:7.1f} ms   (promised: at most 20 ms)")
    print(f"  import ee                              {theirs:7.1f} ms")
    print(f"  ratio                                  1/{theirs / mine:.1f}     (promised: at most 1/8)")
    return mine <= 20 and mine * 8 <= theirs


if __name__ == "__main__":
    sys.exit(not main())
