"""Exports in the ways that DAG authors write them: mapped, in groups, from functions, to assets and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, TaskGroup, task

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor

GRID = PixelGrid.from_bounds("EPSG:32719", 20, (600_000, 4_698_020, 603_000, 4_700_020))
ELSEWHERE = PixelGrid.from_bounds("EPSG:32719", 20, (700_000, 4_698_020, 700_200, 4_698_220))
JANUARY = {"start": "2020-01-01", "end": "2020-02-01"}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"functionInvocationValue": {"functionName": name, "arguments": arguments}}


def constant(value: Any) -> dict[str, Any]:
    return {"constantValue": value}


def mosaic(start: str, end: str, bands: list[str]) -> dict[str, Any]:
    """The latest pixels of some time."""
    dates = call("DateRange", start=constant(start), end=constant(end))
    wanted = call("Filter.dateRangeContains", leftValue=dates, rightField=constant("system:time_start"))
    scenes = call("ImageCollection.load", id=constant("COPERNICUS/S2_SR_HARMONIZED"))
    image = call("ImageCollection.mosaic", collection=call("Collection.filter", collection=scenes, filter=wanted))
    selected = call("Image.select", input=image, bandSelectors=constant(bands))
    return {"result": "0", "values": {"0": selected}}


def wait(export: EEImageExportOperator, **arguments: Any) -> EEOperationSensor:
    return EEOperationSensor(
        task_id=f"wait_{export.task_id.split('.')[-1]}", operation=export.output, poke_interval=0.3, **arguments
    )


with DAG("many_ways", schedule=None, start_date=datetime(2020, 1, 1), default_args={"retries": 0}):

    @task
    def months() -> list[dict[str, Any]]:
        return [{**JANUARY, "bands": ["B4", "B8"]}, {**JANUARY, "end": "2020-04-01", "bands": ["B11"]}]

    with TaskGroup("group"):
        mapped = EEImageExportOperator.partial(
            task_id="mapped", expression=mosaic, grid=GRID, destination="gs://bucket/mapped/{{ ti.map_index }}"
        ).expand(expression_kwargs=months())
        wait(mapped)

    asset = EEImageExportOperator(
        task_id="asset",
        expression=mosaic,
        expression_kwargs={**JANUARY, "bands": ["B4"]},
        grid=GRID,
        destination="projects/p/assets/made/{{ ds_nodash }}",
        asset_export_options={"pyramidingPolicy": "MODE"},
    )
    load = call("Image.load", id=constant("projects/p/assets/made/{{ ds_nodash }}"))
    again = EEImageExportOperator(
        task_id="again",
        expression={"result": "0", "values": {"0": load}},
        destination="drive://folder",
        description="again {{ ds }}",
    )
    wait(asset) >> again
    wait(again)

    wait(
        EEImageExportOperator(
            task_id="wrong_band",
            expression=mosaic,
            expression_kwargs={**JANUARY, "bands": ["B99"]},
            grid=GRID,
            destination="gs://bucket/wrong",
        )
    )
    wait(
        EEImageExportOperator(
            task_id="empty",
            expression=mosaic,
            expression_kwargs={**JANUARY, "bands": ["B4"]},
            grid=ELSEWHERE,
            destination="gs://bucket/empty",
        ),
        skip_if_empty=True,
    )

    @task
    def smuggled() -> list[dict[str, Any]]:
        """What a task must not be able to make of its result: code, a file, a template."""
        return [{"expression": "many_ways.explode"}, {"expression": "ndvi.json"}, {"expression": "{{ 1 / 0 }}"}]

    EEImageExportOperator.partial(task_id="smuggled_kwargs", destination="gs://bucket/no").expand_kwargs(
        smuggled()
    )


def explode() -> None:
    """Must not be called."""
    raise SystemExit("code of a task's result was run")
