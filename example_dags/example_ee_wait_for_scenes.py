"""Wait until the day's scenes are there, submit an export, and see to its end in a task of its own."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor

GRID = PixelGrid.from_bounds("EPSG:32719", pixel_size=10, bounds=(600_000, 4_698_020, 603_000, 4_700_020))
PLACE = [-67.66, -47.86, -67.62, -47.84]
"""Longitude and latitude: west, south, east, north."""

with DAG(
    dag_id="example_ee_wait_for_scenes",
    # A run for the day that is over; plain "@daily" is the day that begins, on Airflow 3.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2020, 1, 15),
    catchup=False,
    default_args={"retries": 2},
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):
    # A satellite does not pass every day: what has not come after five days is skipped.
    @task.sensor(mode="reschedule", poke_interval=60 * 60, timeout=5 * 24 * 60 * 60, soft_fail=True)
    def scenes_are_there(ds: str) -> bool:
        import ee

        EarthEngineHook().initialize_ee()
        day = ee.Date(ds)
        scenes = (
            ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED")
            .filterDate(day, day.advance(1, "day"))
            .filterBounds(ee.Geometry.Rectangle(PLACE, None, False))
        )
        count: int = scenes.size().getInfo()
        return count > 0

    export = EEImageExportOperator(
        task_id="export_ndvi",
        expression="ndvi.json",
        grid=GRID,
        destination="gs://example-bucket/waited/{{ ds }}",
    )
    scenes_are_there() >> export
    EEOperationSensor(task_id="wait_for_export", operation=export.output, deferrable=True, skip_if_empty=True)
