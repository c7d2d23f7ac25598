"""Requests: what the service takes passes, in the form that it documents."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.messages import (
    MAX_BODY_BYTES,
    ImageExportRequest,
    clean_description,
)
from airflow_provider_ee.earthengine.validation import parse

ONE = {"result": "0", "values": {"0": {"constantValue": 1}}}
FILES = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "prefix"}}


def body(**request: Any) -> dict[str, Any]:
    """What is sent for a request."""
    given = {"expression": ONE, "fileExportOptions": FILES, **request}
    message = parse(ImageExportRequest, {key: value for key, value in given.items() if value is not None})
    sent: dict[str, Any] = json.loads(message.body())
    return sent


EVERYTHING: dict[str, Any] = {
    "expression": ONE,
    "description": "All-of_it.1",
    "maxPixels": "10000000000000",
    "grid": {
        "crsCode": "EPSG:4326",
        "affineTransform": {
            "scaleX": 0.5, "shearX": 0.0, "translateX": -180.0, "shearY": 0.0, "scaleY": -0.5, "translateY": 90.0,
        },
        "dimensions": {"width": 720, "height": 360},
    },
    "requestId": "request-1",
    "workloadTag": "tag_1",
    "priority": 9999,
    "fileExportOptions": {
        "fileFormat": "GEO_TIFF",
        "cloudStorageDestination": {
            "bucket": "bucket", "filenamePrefix": "a/b", "permissions": "DEFAULT_OBJECT_ACL",
            "bucketCorsUris": ["https://example.com"],
        },
        "geoTiffOptions": {
            "cloudOptimized": True, "tileDimensions": {"width": 512, "height": 1024}, "skipEmptyFiles": False,
            "tileSize": 256, "noData": {"floatValue": -9999.0}, "metadataKeys": ["system:time_start"],
        },
    },
}  # fmt: skip
TF_RECORD = {
    "fileFormat": "TF_RECORD_IMAGE",
    "driveDestination": {"folder": "folder", "filenamePrefix": "prefix"},
    "tfRecordOptions": {
        "tileDimensions": {"width": 64, "height": 64}, "marginDimensions": {"width": 0, "height": 8},
        "compress": True, "maxSizeBytes": "1073741824", "defaultValue": -1.0, "tensorDepths": {"array": 3},
        "sequenceData": False, "collapseBands": True, "maxMaskedRatio": 0.5,
    },
}  # fmt: skip
ASSET = {
    "pyramidingPolicy": "MODE",
    "pyramidingPolicyOverrides": {"B4": "MEAN", "B8": "SAMPLE"},
    "earthEngineDestination": {"name": "projects/p/assets/folder/name", "overwrite": True},
    "tileSize": 128,
}


def snake(value: Any) -> Any:
    """Every key that is a field in snake_case; bands and expressions are left alone."""
    if not isinstance(value, dict):
        return value
    plain = {"expression", "pyramidingPolicyOverrides", "tensorDepths"}
    return {
        "".join("_" + c.lower() if c.isupper() else c for c in key): item if key in plain else snake(item)
        for key, item in value.items()
    }


@pytest.mark.parametrize(
    "request_",
    [
        EVERYTHING,
        {**EVERYTHING, "fileExportOptions": TF_RECORD},
        {**{k: v for k, v in EVERYTHING.items() if k != "fileExportOptions"}, "assetExportOptions": ASSET},
    ],
    ids=["geotiff", "tfrecord", "asset"],
)
def test_every_field_is_sent_as_it_was_given(request_: dict[str, Any]) -> None:
    for given in (request_, snake(request_)):
        assert json.loads(parse(ImageExportRequest, given).body()) == request_


def test_what_is_not_given_is_not_sent() -> None:
    assert body() == {"expression": ONE, "fileExportOptions": {"fileFormat": "GEO_TIFF", **FILES}}


@pytest.mark.parametrize(
    "given", [10**13, "10000000000000", 1e13, "1e13", " 10000000000000 ", {"value": "10000000000000"}]
)
def test_int64_travels_as_decimal_text(given: Any) -> None:
    assert body(maxPixels=given)["maxPixels"] == "10000000000000"


def test_rendered_text_may_stand_for_numbers_booleans_and_messages() -> None:
    options = {**FILES, "geoTiffOptions": {"cloudOptimized": "True", "noData": "-1", "tileSize": "512"}}
    sent = body(fileExportOptions=json.dumps(options), priority="7")
    geotiff = sent["fileExportOptions"]["geoTiffOptions"]
    assert geotiff == {"cloudOptimized": True, "noData": {"floatValue": -1.0}, "tileSize": 512}
    assert sent["priority"] == 7


@pytest.mark.parametrize("field", ["maxPixels", "priority"])
@pytest.mark.parametrize(
    "value",
    [
        "1e1000000",
        pytest.param(10**5000, id="huge"),
        pytest.param(10**400, id="large"),
        "NaN",
        "",
        [1],
        b"5",
        True,
    ],
)
def test_what_is_no_whole_number_is_refused_in_a_short_sentence(field: str, value: Any) -> None:
    with pytest.raises(RequestError) as refusal:
        body(**{field: value})
    assert str(refusal.value).startswith(f"{field} must be a whole number, not ")
    assert len(str(refusal.value)) < 150


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "5", "{nope"])
def test_text_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"grid must be a JSON object, not"):
        body(grid=text)


def test_a_transform_turned_by_90_degrees_needs_no_scale() -> None:
    transform = {"shearX": 10.0, "shearY": -10.0, "translateX": 5.0}
    assert (
        body(grid={"crsCode": "EPSG:4326", "affineTransform": transform})["grid"]["affineTransform"]["scaleX"] == 0
    )
    tiny = {"scaleX": 1e-200, "scaleY": -1e-200}
    assert body(grid={"crsCode": "EPSG:4326", "affineTransform": tiny})


def test_the_smallest_int64_is_a_no_data_value() -> None:
    options = {**FILES, "geoTiffOptions": {"noData": {"integerValue": str(-(2**63))}}}
    sent = body(fileExportOptions=options)["fileExportOptions"]["geoTiffOptions"]["noData"]
    assert sent == {"integerValue": "-9223372036854775808"}


def test_a_plain_number_is_a_no_data_value_and_nan_is_spelt_out() -> None:
    def no_data(value: float) -> Any:
        options = {**FILES, "geoTiffOptions": {"noData": value}}
        return body(fileExportOptions=options)["fileExportOptions"]["geoTiffOptions"]["noData"]

    assert no_data(-9999) == {"floatValue": -9999.0}
    assert no_data(math.nan) == {"floatValue": "NaN"}


def test_a_body_over_10_mb_is_refused_before_it_is_sent() -> None:
    large = {"result": "0", "values": {"0": {"constantValue": "x" * MAX_BODY_BYTES}}}
    with pytest.raises(
        RequestError, match=r"more than the 10485760 that Earth Engine takes; load large geometries"
    ):
        body(expression=large)


def test_a_description_is_made_fit() -> None:
    assert clean_description("NDVI of Zürich, 2020 \N{DECIDUOUS TREE}") == "NDVI-of-Z-rich-2020"
    assert len(clean_description("x" * 300)) == 100
    with pytest.raises(RequestError, match="must hold a letter or a digit"):
        clean_description("\N{DECIDUOUS TREE}")


def test_problems_are_told_together_three_at_a_time() -> None:
    with pytest.raises(RequestError) as refusal:
        body(priority=-1, requestId="_", workloadTag="-", maxPixels=0)
    assert str(refusal.value).count("takes") + str(refusal.value).count("must") == 3
    assert "(1 more problems.)" in str(refusal.value)
