"""Statistics of regions, day by day, appended to a table in BigQuery. The dataset must exist.

A task that is cleared appends its day once more. Where runs are repeated, write a table for each day instead:
``bq://example-project.vegetation.ndvi_{{ ds_nodash }}`` with ``overwrite``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task
from airflow.timetables.interval import CronDataIntervalTimetable

REGIONS = {
    "west": [-67.660, -47.860, -67.645, -47.848],
    "east": [-67.640, -47.860, -67.626, -47.848],
}
"""Longitude and latitude: west, south, east, north."""

with DAG(
    dag_id="example_ee_table_to_bigquery",
    # A run for the day that is over; plain "@daily" is the day that begins, on Airflow 3.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2020, 1, 15),
    catchup=False,
    default_args={"retries": 2},
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):

    @task.ee_export(
        destination="bq://example-project.vegetation.ndvi_by_region",
        bigquery_export_options={"bigqueryDestination": {"append": True}},
        selectors=["region", "day", "mean"],
        deferrable=True,
    )
    def export_statistics(ds: str) -> Any:
        import ee

        day = ee.Date(ds)
        regions = ee.FeatureCollection(
            [
                ee.Feature(ee.Geometry.Rectangle(bounds, None, False), {"region": name, "day": ds})
                for name, bounds in REGIONS.items()
            ]
        )
        scenes = (
            ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED")
            .filterDate(day, day.advance(1, "day"))
            .filterBounds(regions)
        )
        if scenes.size().getInfo() == 0:
            raise AirflowSkipException(f"There are no scenes of {ds}.")
        ndvi = scenes.median().normalizedDifference(["B8", "B4"])
        return ndvi.reduceRegions(regions, ee.Reducer.mean(), scale=10, crs="EPSG:32719")

    export_statistics()
