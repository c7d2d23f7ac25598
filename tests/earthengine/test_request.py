"""What the author of an export gives becomes one checked request, of whatever kind."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.messages import REQUESTS, ExportRequest
from airflow_provider_ee.earthengine.request import export_request, request_from_result

ONE = {"result": "0", "values": {"0": {"constantValue": 1}}}
FILES = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "prefix"}}
ASSET = {"earthEngineDestination": {"name": "projects/p/assets/folder/name"}}


def request(kind: str = "image", **arguments: Any) -> ExportRequest:
    """The request that arguments make."""
    return export_request(kind, ONE, arguments, default_description="dag-task")


@pytest.mark.parametrize(
    ("destination", "options", "description", "place"),
    [
        ("gs://bucket/a/b", {}, None, "gs://bucket/a/b"),
        ("gs://bucket", {}, "named", "gs://bucket/named"),
        (
            "gs://bucket",
            {"file_export_options": {"cloud_storage_destination": {"filename_prefix": "x"}}},
            "named",
            "gs://bucket/x",
        ),
        ("gs://bucket/a/", {}, "named", "gs://bucket/a/"),
        ("drive://folder/prefix", {}, None, "drive://folder/prefix"),
        ("drive://folder", {}, "named", "drive://folder/named"),
        ("drive:///prefix", {}, None, "drive:///prefix"),
        (
            "projects/p/assets/a/b",
            {"asset_export_options": {"pyramidingPolicy": "MODE"}},
            None,
            "projects/p/assets/a/b",
        ),
        ("projects/p/assets/a/b", {"file_export_options": {}}, None, "projects/p/assets/a/b"),
        (None, {"file_export_options": FILES}, "named", "gs://bucket/prefix"),
        (None, {"asset_export_options": ASSET}, None, "projects/p/assets/folder/name"),
    ],
)
def test_a_destination_says_where_and_options_say_how(
    destination: str | None, options: dict[str, Any], description: str | None, place: str
) -> None:
    assert request(destination=destination, description=description, **options).destination == place


@pytest.mark.parametrize(
    ("kind", "destination", "field"),
    [
        ("image", "gs://bucket/a", "fileExportOptions"),
        ("image", "projects/p/assets/a", "assetExportOptions"),
        ("table", "gs://bucket/a", "fileExportOptions"),
        ("table", "drive://folder/a", "fileExportOptions"),
        ("table", "projects/p/assets/a", "assetExportOptions"),
        ("table", "bq://project.dataset.table", "bigqueryExportOptions"),
        ("table", "bq://example.com:project.dataset.table", "bigqueryExportOptions"),
        ("video", "gs://bucket/a", "fileExportOptions"),
        ("video", "drive://folder/a", "fileExportOptions"),
        ("map", "gs://bucket/a", "tileExportOptions"),
        ("videoMap", "gs://bucket/a", "tileExportOptions"),
        ("classifier", "projects/p/assets/a", "assetExportOptions"),
    ],
)
def test_each_kind_knows_its_places(kind: str, destination: str, field: str) -> None:
    made = request(kind, destination=destination)
    assert made.destination == destination
    assert field in made.fields()


def test_an_asset_is_a_feature_view_where_its_options_are_given() -> None:
    made = request("table", destination="projects/p/assets/v", feature_view_export_options={})
    assert made.fields()["featureViewExportOptions"] == {"featureViewDestination": {"name": "projects/p/assets/v"}}


@pytest.mark.parametrize(
    ("kind", "arguments", "sentence"),
    [
        (
            "map",
            {"destination": "drive://f/p"},
            "destination 'drive://f/p' is not understood; write gs://bucket/prefix.",
        ),
        (
            "classifier",
            {"destination": "gs://bucket/p"},
            "destination 'gs://bucket/p' is not understood; write projects/PROJECT/assets/NAME.",
        ),
        (
            "table",
            {"destination": "nowhere"},
            "destination 'nowhere' is not understood; write gs://bucket/prefix, drive://folder/prefix, "
            "projects/PROJECT/assets/NAME or bq://project.dataset.table.",
        ),
        (
            "table",
            {"destination": "bq://dataset.table"},
            "bigqueryExportOptions.bigqueryDestination has the table 'dataset.table'; write project.dataset.table.",
        ),
        (
            "table",
            {
                "destination": "bq://p.d.t",
                "bigquery_export_options": {"bigqueryDestination": {"overwrite": True, "append": "true"}},
            },
            "bigqueryExportOptions.bigqueryDestination has both overwrite and append; set only one of them.",
        ),
        (
            "table",
            {"destination": "bq://p.d.t", "file_export_options": {"fileFormat": "KML"}},
            "destination 'bq://p.d.t' says where to write, and so does fileExportOptions; give only one.",
        ),
        (
            "table",
            {},
            "The request has neither fileExportOptions nor assetExportOptions nor bigqueryExportOptions nor "
            "featureViewExportOptions; set one, or give a destination.",
        ),
        ("video", {}, "The request has no fileExportOptions; set it, or give a destination."),
        (
            "map",
            {"tile_export_options": {"fileFormat": "PNG"}},
            "tileExportOptions has no cloudStorageDestination.bucket; set it, or give a destination.",
        ),
        (
            "map",
            {"destination": "gs://bucket"},
            "the files have no name: give the destination a prefix (gs://bucket/prefix), or give a description.",
        ),
        (
            "map",
            {"tile_export_options": {"drive_destination": {}}},
            "tileExportOptions.drive_destination is for images; map tiles are written to Cloud Storage only.",
        ),
        (
            "map",
            {"destination": "gs://bucket/p", "tile_options": {"endZoom": 3, "scale": 30}},
            "tileOptions has both endZoom and scale; set only one of them.",
        ),
        (
            "map",
            {"destination": "gs://bucket/p", "tile_export_options": {"fileFormat": "GEO_TIFF"}},
            "tileExportOptions.fileFormat must be one of AUTO_JPEG_PNG, JPEG, PNG, not 'GEO_TIFF'.",
        ),
        (
            "video",
            {"destination": "gs://bucket/p", "video_options": {"framesPerSecond": 500}},
            "videoOptions.framesPerSecond must be at most 120, not 500.",
        ),
        (
            "image",
            {"destination": "gs://bucket/p", "max_workers": 3},
            "maxWorkers is for users within Google only; leave it out.",
        ),
    ],
)
def test_what_is_wrong_with_a_kind_is_told(kind: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(kind, **arguments)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("given", ["a,b", ["a", "b"], ("a", "b"), '["a", "b"]', " a , b"])
def test_selectors_come_as_a_list_or_as_text(given: Any) -> None:
    assert request("table", destination="gs://bucket/prefix", selectors=given).fields()["selectors"] == ["a", "b"]


def result(returned: Any, **arguments: Any) -> ExportRequest:
    """The request that a function's result makes."""
    return request_from_result(returned, arguments, default_description="dag-task")


GRID = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 100, 100))


def test_a_dict_of_parameters_comes_before_those_of_the_decorator() -> None:
    made = result(
        {"expression": ONE, "grid": GRID, "destination": "gs://bucket/own"},
        destination="gs://bucket/decorator",
        max_pixels=1e9,
    )
    assert made.kind == "image"
    assert made.destination == "gs://bucket/own"
    assert made.fields()["grid"] == GRID.to_rest()
    assert made.fields()["maxPixels"] == "1000000000"


@pytest.mark.parametrize(
    ("returned", "arguments", "sentence"),
    [
        (
            None,
            {},
            "the function returned None, which cannot be exported; "
            "return an unstarted ee.batch.Task, an ee object, or a dict of parameters.",
        ),
        (
            [ONE, ONE],
            {},
            "the function returned a list, but one Airflow task starts one export; "
            "return an unstarted ee.batch.Task, an ee object, or a dict of parameters, and map the task with expand().",
        ),
        (
            3,
            {},
            "the function returned 3, which cannot be exported; "
            "return an unstarted ee.batch.Task, an ee object, or a dict of parameters.",
        ),
        ({"grid": GRID}, {}, "the function returned a dict without an expression; add 'expression' to it."),
        (
            {"expression": ONE, "gird": GRID},
            {},
            "the function returned a dict with 'gird', which is no parameter; did you mean grid?",
        ),
        (
            {"expression": ONE, "deferrable": True},
            {},
            "the function returned a dict with 'deferrable', which is no parameter; known are expression, asset_export_options, ",
        ),
        (
            ONE,
            {"destination": "gs://bucket/p"},
            "the function returned a computation that does not say what it is; "
            "return an ee.Image, ee.ImageCollection, ee.FeatureCollection or ee.Classifier: ee.Image(result).",
        ),
    ],
)
def test_what_a_function_must_not_return_is_told(returned: Any, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        result(returned, **arguments)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("kind", list(REQUESTS))
def test_every_kind_has_a_destination(kind: str) -> None:
    for model in REQUESTS[kind].option_fields().values():
        assert model.destinations()
