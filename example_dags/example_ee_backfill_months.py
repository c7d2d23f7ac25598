"""Five years of months. A pool bounds how many exports are in the service's queue at a time.

    airflow pools set earth_engine 20 "exports under way" --include-deferred
    airflow backfill create --dag-id example_ee_backfill_months --max-active-runs 60 \\
        --from-date 2018-01-01 --to-date 2022-12-31

On Airflow 2.11: ``airflow dags backfill -s 2018-01-01 -e 2022-12-31 example_ee_backfill_months``. Without
``--include-deferred`` a deferred task holds no slot of its pool, and all sixty exports would be started at once.
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
    dag_id="example_ee_backfill_months",
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),  # when the month is over
    start_date=datetime(2018, 1, 1),
    end_date=datetime(2022, 12, 31),
    catchup=False,
    default_args={"retries": 2},
    max_active_runs=60,
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):

    @task.ee_export(
        grid=GRID,
        destination="gs://example-bucket/months/{{ ds }}",
        pool="earth_engine",
        deferrable=True,
        wait_timeout=10 * 24 * 60 * 60,
        skip_if_empty=True,
    )
    def export_month(ds: str) -> Any:
        import ee

        month = ee.Date(ds)
        scenes = (
            ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED")
            .filterDate(month, month.advance(1, "month"))
            .filterBounds(ee.Geometry.Rectangle(PLACE, None, False))
        )
        if scenes.size().getInfo() == 0:
            raise AirflowSkipException(f"There are no scenes of the month of {ds}.")
        return scenes.median().select(["B2", "B3", "B4"])

    export_month()
