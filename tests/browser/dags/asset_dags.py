"""A DAG that exports an asset, and one that is run for each of its changes."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Asset, task

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.operators.export import EEImageExportOperator

NAME = "projects/demo-project/assets/vegetation"
VEGETATION = Asset(f"earthengine://{NAME}")
GRID = PixelGrid.from_bounds("EPSG:32719", pixel_size=10, bounds=(600_000, 4_698_020, 603_000, 4_700_020))

with DAG("map_vegetation", schedule="@monthly", start_date=datetime(2020, 1, 1), catchup=False):
    EEImageExportOperator(
        task_id="export", expression="{}", grid=GRID, destination=NAME, outlets=[VEGETATION], deferrable=True
    )

with DAG("use_vegetation", schedule=[VEGETATION], start_date=datetime(2020, 1, 1)):

    @task
    def use() -> None:
        """Whatever is done with it."""

    use()
