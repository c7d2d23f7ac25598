"""Export NDVI of one day's Sentinel-2 scenes to Cloud Storage, and wait for it without a worker slot.

The dates and the place are those of the emulator's sample catalog, so the DAG runs on a laptop as it is.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.operators.export import EEImageExportOperator

with DAG(
    dag_id="example_ee_image_export",
    # A run for the day that is over; plain "@daily" is the day that begins, on Airflow 3.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2020, 1, 15),
    end_date=datetime(2020, 3, 15),
    catchup=False,
    default_args={"retries": 2},
    params={"bucket": "example-bucket"},
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):
    EEImageExportOperator(
        task_id="export_ndvi",
        expression="ndvi.json",
        grid=PixelGrid.from_bounds("EPSG:32719", pixel_size=10, bounds=(600_000, 4_698_020, 603_000, 4_700_020)),
        destination="gs://{{ params.bucket }}/ndvi/{{ ds_nodash }}",
        description="NDVI {{ ds }}",
        file_export_options={"geoTiffOptions": {"noData": -9999}},
        deferrable=True,
        wait_timeout=24 * 60 * 60,
    )
