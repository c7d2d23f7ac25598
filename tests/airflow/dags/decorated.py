"""Exports that functions build with the ee library: tasks of the client, objects, parameters, mapped and deferred."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, get_current_context, task

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.operators.export import EEImageExportOperator

GRID = PixelGrid.from_bounds("EPSG:32719", 20, (600_000, 4_698_020, 603_000, 4_700_020))


def ndvi(day: str) -> Any:
    import ee

    scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate(day, ee.Date(day).advance(1, "day"))
    return scenes.median().normalizedDifference(["B8", "B4"]).rename("NDVI")


with DAG(
    "decorated",
    schedule=None,
    start_date=datetime(2020, 1, 1),
    default_args={"retries": 0, "max_pixels": 1_000_000, "poll_interval": 0.3},
):

    @task.ee_export(wait_for_completion=True)
    def client_task(ds: str) -> Any:
        import ee

        return ee.batch.Export.image.toCloudStorage(
            ndvi(ds), description="client", bucket="bucket", fileNamePrefix=f"client/{ds}", **GRID.to_ee()
        )

    @task.ee_export(grid=GRID, destination="gs://bucket/object/{{ ds }}", wait_for_completion=True)
    def an_object(ds: str) -> Any:
        return ndvi(ds)

    # What a function puts into the context is gone when a deferred task goes on; its arguments are not.
    @task.ee_export(deferrable=True, map_index_template="{{ task.op_kwargs['tile']['name'] }}")
    def parameters(prefix: str, tile: dict[str, Any], ds: str, **context: Any) -> dict[str, Any]:
        assert context["ti"].map_index in (0, 1)
        return {
            "expression": ndvi(ds),
            "grid": tile["grid"],
            "destination": f"gs://bucket/{prefix}/{tile['name']}",
        }

    EEImageExportOperator.partial(task_id="tiled", expression=ndvi, wait_for_completion=True).expand_kwargs(
        export_tiles(
            GRID.tiles(100, 100),
            "gs://bucket/tiled/{{ ds }}/{name}",
            "tile {name} of {{ ds }}",
            expression_kwargs={"day": "{{ ds }}"},
        )
    )
    tiles = [{"name": tile.name, "grid": tile.to_rest()} for tile in GRID.tiles(100, 100)]
    parameters.partial(prefix="tiles").expand(tile=tiles)
    client_task()
    an_object()
    an_object.override(task_id="overridden", destination="gs://bucket/overridden/{{ ds }}")()

    EEImageExportOperator(
        task_id="code",
        expression=ndvi,
        expression_kwargs={"day": "{{ ds }}"},
        grid=GRID,
        destination="gs://bucket/code/{{ ds }}",
        wait_for_completion=True,
    )
    EEImageExportOperator.partial(
        task_id="mapped_code", expression=ndvi, grid=GRID, wait_for_completion=True
    ).expand_kwargs(
        [
            {"expression_kwargs": {"day": "{{ ds }}"}, "destination": "gs://bucket/mapped/1"},
            {"expression_kwargs": {"day": "2020-02-14"}, "destination": "gs://bucket/mapped/2"},
        ]
    )

    @task.ee_export(wait_for_completion=True)
    def started() -> Any:
        import ee

        export = ee.batch.Export.image.toCloudStorage(ndvi("2020-01-15"), bucket="bucket", **GRID.to_ee())
        export.name = "projects/p/operations/1"
        return export

    started()

    @task.ee_export(
        grid=GRID,
        destination="gs://bucket/named/{{ ti.map_index }}",
        map_index_template="{{ day }}",
        wait_for_completion=True,
    )
    def named(date: str) -> Any:
        get_current_context()["day"] = date
        return ndvi(date)

    named.expand(date=["2020-01-15", "2020-02-14"])
