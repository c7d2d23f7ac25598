"""Two hundred MGRS squares of 100 km, a mapped task each, and a manifest of what was written where.

Each square is a grid of its own, in its own UTM zone: pixels lie on the lattice of Sentinel-2, and no two tiles
write to the same place.
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

PIXEL_SIZE = 20  # metres
SQUARE = 100_000  # metres


def squares() -> list[dict[str, Any]]:
    """The squares in the file beside this one: name, CRS and lower left corner."""
    with Path(__file__).with_name("mgrs_squares.csv").open() as rows:
        return [square(**row) for row in csv.DictReader(rows)]


def square(name: str, crs: str, x: str, y: str) -> dict[str, Any]:
    """What a mapped task needs to know of its square."""
    bounds = (int(x), int(y), int(x) + SQUARE, int(y) + SQUARE)
    return {"name": name, "grid": PixelGrid.from_bounds(crs, PIXEL_SIZE, bounds).to_rest()}


with DAG(
    dag_id="example_ee_mgrs_tiles",
    schedule=CronDataIntervalTimetable("@yearly", timezone="UTC"),  # when the year is over
    start_date=datetime(2020, 1, 1),
    catchup=False,
    default_args={"retries": 2},
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):

    @task.ee_export(
        deferrable=True,
        wait_timeout=5 * 24 * 60 * 60,
        skip_if_empty=True,
        map_index_template="{{ task.op_kwargs['square']['name'] }}",
    )
    def export_square(square: dict[str, Any], ds: str) -> dict[str, Any]:
        import ee

        start = ee.Date(ds)
        scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate(start, start.advance(1, "year"))
        return {
            "expression": scenes.median().select(["B4", "B8"]),
            "grid": square["grid"],
            "destination": f"gs://example-bucket/median/{ds[:4]}/{square['name']}",
            "description": square["name"],
        }

    @task(trigger_rule="all_done")
    def manifest(operations: list[str]) -> dict[str, Any]:
        """Square -> what became of it: there, without pixels, or failed."""
        hook = EarthEngineHook()
        ended = [hook.get_operation(name) for name in operations]
        return {
            operation["metadata"]["description"].partition("--")[0]: {
                "operation": operation["name"],
                "state": operation["metadata"]["state"],
                "error": operation.get("error", {}).get("message"),
                "eecu_seconds": operation["metadata"].get("batchEecuUsageSeconds"),
            }
            for operation in ended
        }

    manifest(export_square.expand(square=squares())["operation"])
