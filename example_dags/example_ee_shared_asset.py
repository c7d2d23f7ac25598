"""An asset whose pyramid suits what is in it, and then its sharing with those who read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AssetAlias, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.operators.export import EEImageExportOperator

GRID = PixelGrid.from_bounds("EPSG:32719", pixel_size=10, bounds=(600_000, 4_698_020, 603_000, 4_700_020))
PLACE = [-67.66, -47.86, -67.62, -47.84]
"""Longitude and latitude: west, south, east, north."""


def vegetation(month: str) -> Any:
    """Where plants grow: 1, elsewhere 0. A mean of classes is none, so the pyramid takes the most frequent one."""
    import ee

    start = ee.Date(month)
    scenes = (
        ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED")
        .filterDate(start, start.advance(1, "month"))
        .filterBounds(ee.Geometry.Rectangle(PLACE, None, False))
    )
    return scenes.median().normalizedDifference(["B8", "B4"]).gt(0.4).rename("vegetation")


with DAG(
    dag_id="example_ee_shared_asset",
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),  # when the month is over
    start_date=datetime(2020, 1, 1),
    catchup=False,
    default_args={"retries": 2},
    params={"project": "example-project"},
    tags=["example", "earth-engine"],
    doc_md=__doc__,
):
    export = EEImageExportOperator(
        task_id="export_vegetation",
        expression=vegetation,
        expression_kwargs={"month": "{{ ds }}"},
        grid=GRID,
        destination="projects/{{ params.project }}/assets/vegetation_{{ ds_nodash }}",
        asset_export_options={"pyramidingPolicy": "MODE", "earthEngineDestination": {"overwrite": True}},
        deferrable=True,
        outlets=[AssetAlias("vegetation")],  # DAGs that are scheduled on it run once the asset is written
    )

    @task
    def share(asset: str) -> dict[str, Any]:
        import ee

        EarthEngineHook().initialize_ee()
        ee.data.setAssetAcl(asset, {"readers": ["group:foresters@example.com"], "all_users_can_read": False})
        acl: dict[str, Any] = ee.data.getAssetAcl(asset)
        return acl

    share(export.output["destination"])
