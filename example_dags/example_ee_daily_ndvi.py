"""NDVI of each day to Cloud Storage, written with the ee library, and a list of the files that arrived.

How many files an export writes, and what they are called, is for the service to decide: list them by their prefix.
Listing needs apache-airflow-providers-google.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_ee.earthengine.grid import PixelGrid

GRID = PixelGrid.from_bounds("EPSG:32719", pixel_size=10, bounds=(600_000, 4_698_020, 603_000, 4_700_020))
PLACE = [-67.66, -47.86, -67.62, -47.84]
"""Longitude and latitude: west, south, east, north."""

with DAG(
    dag_id="example_ee_daily_ndvi",
    # A run for the day that is over; plain "@daily" is the day that begins, on Airflow 3.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2020, 1, 15),
    catchup=False,
    default_args={"retries": 2},
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):

    @task.ee_export(
        grid=GRID, destination="gs://example-bucket/ndvi/{{ ds }}", deferrable=True, skip_if_empty=True
    )
    def export_ndvi(ds: str) -> Any:
        import ee

        day = ee.Date(ds)
        scenes = (
            ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED")
            .filterDate(day, day.advance(1, "day"))
            .filterBounds(ee.Geometry.Rectangle(PLACE, None, False))
        )
        if scenes.size().getInfo() == 0:
            raise AirflowSkipException(f"There are no scenes of {ds}.")
        return scenes.median().normalizedDifference(["B8", "B4"]).rename("NDVI")

    @task
    def list_files(destination: str) -> list[str]:
        from airflow.providers.google.cloud.hooks.gcs import GCSHook

        bucket, _, prefix = destination.removeprefix("gs://").partition("/")
        files: list[str] = GCSHook().list(bucket, prefix=prefix)
        return files

    list_files(export_ndvi()["destination"])
