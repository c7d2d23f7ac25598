"""The sentence that a user reads for each way to get a request wrong; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from examples import GRID, constant_image

from airflow_provider_ee.operators.export import EEImageExportOperator

FILES = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "prefix"}}
ASSET = {"earthEngineDestination": {"name": "projects/p/assets/a"}}
HUGE_GRID = {**GRID, "dimensions": {"width": 100_000, "height": 1_001}}


def grid(**transform: float) -> dict[str, Any]:
    return {"crsCode": "EPSG:4326", "affineTransform": {"scaleX": 1, "scaleY": -1, **transform}}


OPTIONS = [
    ({}, "The request has neither fileExportOptions nor assetExportOptions; set one, or give a destination."),
    (
        {"file_export_options": FILES, "asset_export_options": ASSET},
        "The request has both fileExportOptions and assetExportOptions; set only one of them.",
    ),
    (
        {"file_export_options": {**FILES, "driveDestination": {"filenamePrefix": "x"}}},
        "fileExportOptions has both driveDestination and cloudStorageDestination; set only one of them.",
    ),
    (
        {"destination": "gs://bucket/a", "file_export_options": {"driveDestination": {"folder": "b"}}},
        "destination 'gs://bucket/a' says where to write, and so does driveDestination; give only one.",
    ),
    (
        {"destination": "gs://bucket/a", "file_export_options": FILES},
        "destination 'gs://bucket/a' says where to write, and so does cloudStorageDestination.bucket; give only one",
    ),
    (
        {"destination": "gs://bucket/a", "asset_export_options": ASSET},
        "destination 'gs://bucket/a' says where to write, and so does assetExportOptions; give only one.",
    ),
    (
        {"destination": "gs://bucket/a", "file_export_options": {"geoTifOptions": {}}},
        "fileExportOptions.geoTifOptions is not a field; did you mean geoTiffOptions?",
    ),
    (
        {"destination": "gs://bucket/a", "file_export_options": {"geo_tiff_options": {"cloud_optimised": True}}},
        "cloud_optimised is not a field; did you mean cloudOptimized?",
    ),
    (
        {"destination": "gs://bucket/a", "file_export_options": {"zzz": 1}},
        "fileExportOptions.zzz is not a field; known are fileFormat, cloudStorageDestination, driveDestination",
    ),
    (
        {"destination": "gs://bucket/a", "file_export_options": {"fileFormat": "GeoTIFF"}},
        "fileExportOptions.fileFormat must be one of GEO_TIFF, TF_RECORD_IMAGE, not 'GeoTIFF'; "
        "did you mean GEO_TIFF?",
    ),
    (
        {"destination": "projects/p/assets/a", "asset_export_options": {"pyramidingPolicy": "AVERAGE"}},
        "assetExportOptions.pyramidingPolicy must be one of MEAN, SAMPLE, MIN, MAX, MODE, MEDIAN, not 'AVERAGE'",
    ),
    (
        {
            "destination": "gs://bucket/a",
            "file_export_options": {"fileFormat": "TF_RECORD_IMAGE", "geoTiffOptions": {"cloudOptimized": True}},
        },
        "fileExportOptions has geoTiffOptions with fileFormat TF_RECORD_IMAGE; set fileFormat to GEO_TIFF.",
    ),
    ({"destination": "s3://bucket/a"}, "destination 's3://bucket/a' is not understood; write gs://bucket/prefix"),
    (
        {"destination": "gs://b"},
        "cloudStorageDestination has the bucket 'b'; a bucket is named without gs://, with",
    ),
    ({"destination": "gs:/b"}, "destination 'gs:/b' is not understood; write gs://bucket/prefix, drive://folder"),
    ({"destination": "gs:///a"}, "destination 'gs:///a' names no bucket; write gs://bucket/prefix."),
    ({"destination": "gs://bucket"}, "the files have no name: give the destination a prefix (gs://bucket/prefix)"),
    (
        {"destination": "users/me/image"},
        "has the name 'users/me/image'; write projects/earthengine-legacy/assets/users/me/image.",
    ),
    ({"destination": "projects/p/x"}, "has the name 'projects/p/x'; write projects/PROJECT/assets/NAME."),
    ({"file_export_options": "{nope"}, "fileExportOptions must be a JSON object, not the text '{nope'."),
]
VALUES = [
    ({"workload_tag": "-tag"}, "workloadTag is '-tag', but takes 1 to 63 letters, digits, '-' and '_'"),
    ({"workload_tag": "a.b"}, "workloadTag is 'a.b', but takes"),
    ({"request_id": "a_b"}, "requestId is 'a_b', but takes 1 to 60 letters, digits and '-'."),
    ({"request_id": "x" * 61}, "but takes 1 to 60 letters, digits and '-'."),
    ({"priority": -1}, "priority must be at least 0, not -1."),
    ({"priority": 10_000}, "priority must be at most 9999, not 10000."),
    ({"priority": True}, "priority must be a whole number, not True."),
    ({"max_pixels": -5}, "maxPixels must be at least 1, not -5."),
    ({"max_pixels": 1.5}, "maxPixels must be a whole number, not 1.5."),
    ({"max_pixels": "many"}, "maxPixels must be a whole number, not 'many'."),
    ({"max_pixels": "1e30"}, "maxPixels must be a whole number, not '1e30'."),
    ({"max_pixels": "nan"}, "maxPixels must be a whole number, not 'nan'."),
    ({"description": 20200115}, "description must be text, not the number 20200115; where rendering made it one"),
    ({"workload_tag": 7}, "workloadTag must be text, not the number 7;"),
    ({"description": "\N{EARTH GLOBE EUROPE-AFRICA}"}, "must hold a letter or a digit (a-z, A-Z, 0-9)."),
    (
        {"expression": {"result": "0", "values": {"0": {"constantValue": "x" * 10_485_760}}}},
        "more than the 10485760 that Earth Engine takes; load large geometries from an asset",
    ),
]
GRIDS = [
    ({"grid": grid(scaleX=0)}, "grid.affineTransform has scaleX 0.0 and scaleY -1.0; the scale must not be 0"),
    (
        {"grid": {**grid(), "crsWkt": "PROJCS[]"}},
        "grid has both crsCode and crsWkt; set only one of them.",
    ),
    (
        {"grid": {"crsCode": "EPSG:4326", "dimensions": {"width": 5, "height": 5}}},
        "grid has dimensions without affineTransform, which says where the first pixel lies.",
    ),
    (
        {"grid": {**grid(), "dimensions": {"width": 0, "height": 5}}},
        "grid.dimensions.width must be at least 1, not 0.",
    ),
    ({"grid": grid(scaleX=float("nan"))}, "grid.affineTransform.scaleX must be a finite number, not nan."),
    (
        {"grid": HUGE_GRID},
        "grid has 100100000 pixels, more than max_pixels (100000000); raise the limit or shrink",
    ),
    (
        {"grid": GRID, "max_pixels": 100},
        "grid has 600 pixels, more than max_pixels (100); raise the limit or shrink",
    ),
    ({"grid": "[1, 2]"}, "grid must be a JSON object, not [1, 2]."),
]
EXPRESSIONS = [
    ({"expression": "not JSON"}, "expression is not JSON (Expecting value at line 1, column 1): 'not JSON'"),
    ({"expression": "{{ params.get('nothing') }}"}, "expression is 'None' after rendering"),
    ({"expression": "{{ '' }} "}, "expression is empty after rendering; give an Earth Engine Expression as JSON."),
    ({"expression": {"constantValue": 1}}, "expression is a bare constantValue node; wrap it as"),
    ({"expression": '{"type": "CompoundValue", "scope": []}'}, "legacy CompoundValue form; use ee.Serializer.toC"),
    ({"expression": {**constant_image(), "result": "9"}}, "expression.result '9' is not among expression.values."),
    (
        {"expression": {"result": "0", "values": {"0": {"valueReference": "9"}}}},
        "expression.values['0'] refers to '9', which is not among them.",
    ),
    (
        {"expression": {"result": "0", "values": {"0": {"valueReference": "0"}}}},
        "expression.values['0'] depends on itself, through '0'.",
    ),
    ({"expression": {"result": "0", "values": {"0": {"constantValue": float("nan")}}}}, "expression holds NaN"),
    ({"expression": "{{ 'etc' }}/{{ 'passwd' }}"}, "never as a path or as code"),
    ({"expression": "{{ 'ndvi' }}{{ '.json' }}"}, "never as a path or as code"),
    ({"expression": "{{ 'os.getcwd' }}"}, "never as a path or as code"),
    (
        {"expression": "no.such.module"},
        "expression names the function 'no.such.module', which could not be imported",
    ),
    ({"expression": "os.sep"}, "expression names 'os.sep', which is not a function."),
    ({"expression": "missing.json"}, "expression file 'missing.json' was not found beside the DAG"),
    ({"expression": "../../secret.json"}, "expression file '../../secret.json' was not found beside the DAG"),
]


@pytest.mark.parametrize(("arguments", "sentence"), OPTIONS + VALUES + GRIDS + EXPRESSIONS)
def test_bad_input_fails_the_task_with_a_sentence(
    run: Any, sent: Callable[[], list[str]], arguments: dict[str, Any], sentence: str
) -> None:
    wrong_options = any(key in arguments for key in ("destination", "file_export_options", "asset_export_options"))
    defaults = {"expression": constant_image()}
    if not wrong_options and arguments:
        defaults["destination"] = "gs://bucket/prefix"
    operator = EEImageExportOperator(task_id="export", dag=run.dag, **{**defaults, **arguments})
    with pytest.raises(AirflowFailException) as failure:
        run(operator)
    assert sentence in str(failure.value)
    assert str(failure.value).endswith((".", "?", ")"))
    assert set(sent()) <= {"algorithms.list"}  # what ee asks for before a function is called


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("poll_interval", 30),
        ("max_eecu_seconds", 5),
        ("skip_if_empty", True),
    ],
)
def test_a_flag_of_a_wait_is_refused_while_the_dag_is_parsed(run: Any, flag: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{flag}={value} needs a wait, but this operator returns as soon as"):
        EEImageExportOperator(task_id="e", expression=constant_image(), dag=run.dag, **{flag: value})


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("wait_for_completion", "False", "wait_for_completion='False' must be True or False"),
        ("deferrable", "False", "deferrable='False' must be True or False"),
        ("wait_timeout", 0, "wait_timeout=0 must be a number of seconds greater than 0, or a timedelta"),
        ("wait_timeout", "1h", "wait_timeout='1h' must be a number of seconds"),
        ("max_eecu_seconds", -1, "max_eecu_seconds=-1 must be a number of seconds greater than 0."),
    ],
)
def test_a_flag_that_is_none_is_refused_while_the_dag_is_parsed(
    run: Any, flag: str, value: Any, sentence: str
) -> None:
    waiting = {"wait_for_completion": True, flag: value}
    with pytest.raises(ValueError, match=sentence):
        EEImageExportOperator(task_id="e", expression=constant_image(), dag=run.dag, **waiting)


def test_a_misspelt_parameter_is_refused_while_the_dag_is_parsed(run: Any) -> None:
    with pytest.raises(Exception, match="max_pixel"):
        EEImageExportOperator(task_id="e", expression=constant_image(), max_pixel=5, dag=run.dag)


def test_arguments_for_a_function_need_a_function(run: Any) -> None:
    with pytest.raises(ValueError, match="expression_kwargs are for a function"):
        EEImageExportOperator(task_id="e", expression=constant_image(), expression_kwargs={"a": 1}, dag=run.dag)


def test_an_ee_object_is_refused_while_the_dag_is_parsed(run: Any) -> None:
    image = type("Image", (), {"__module__": "ee.image"})()
    with pytest.raises(TypeError, match="give a function that builds it: it is called when the task runs"):
        EEImageExportOperator(task_id="e", expression=image, dag=run.dag)
