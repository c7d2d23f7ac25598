"""What a computation reads is read off its graph."""

from __future__ import annotations

from typing import Any

import pytest
from examples import GRID, constant_image
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ee.earthengine.datasets import asset_name, datasets_read
from airflow_provider_ee.earthengine.exported import MOST_INPUTS, Exported
from airflow_provider_ee.earthengine.request import export_request


def call(function: str, **arguments: Any) -> dict[str, Any]:
    return {"functionInvocationValue": {"functionName": function, "arguments": arguments}}


def constant(value: Any) -> dict[str, Any]:
    return {"constantValue": value}


def reads(*nodes: dict[str, Any], **more: dict[str, Any]) -> list[str]:
    values = {**{str(number): node for number, node in enumerate(nodes)}, **more}
    return datasets_read({"result": "0", "values": values})


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (call("Image.load", id=constant("projects/p/assets/a")), "projects/p/assets/a"),
        (
            call("ImageCollection.load", id=constant("COPERNICUS/S2_SR_HARMONIZED")),
            "projects/earthengine-public/assets/COPERNICUS/S2_SR_HARMONIZED",
        ),
        (
            call("Collection.loadTable", tableId=constant("users/me/fields")),
            "projects/earthengine-legacy/assets/users/me/fields",
        ),
        (call("Classifier.load", id=constant("projects/p/assets/forest")), "projects/p/assets/forest"),
        (call("Image.loadGeoTIFF", uri=constant("gs://bucket/a.tif")), "gs://bucket/a.tif"),
        (call("FeatureCollection.loadBigQueryTable", table=constant("p.d.t")), "bq://p.d.t"),
    ],
)
def test_each_function_that_loads_is_known(node: dict[str, Any], name: str) -> None:
    assert reads(node) == [name]


def test_a_load_is_found_wherever_it_stands() -> None:
    load = call("Image.load", id={"valueReference": "name"})
    deep = call("Image.add", image1=call("Image.abs", value=load), image2={"valueReference": "1"})
    listed = {"arrayValue": {"values": [call("Image.load", id=constant("users/a/b"))]}}
    keyed = {"dictionaryValue": {"values": {"k": call("Image.load", id=constant("users/c/d"))}}}
    found = reads(deep, listed, keyed, name=constant("projects/p/assets/a"))
    assert [name.rpartition("/assets/")[2] for name in found] == ["a", "users/a/b", "users/c/d"]


def test_each_is_named_once() -> None:
    load = call("Image.load", id=constant("users/a/b"))
    assert len(reads(load, load, call("ImageCollection.load", id=constant("users/a/b")))) == 1


def test_a_name_that_is_computed_is_not_known() -> None:
    assert reads(call("Image.load", id=call("String.cat", string1=constant("a")))) == []
    assert reads(call("Image.load", id=constant(7)), call("Image.load")) == []
    assert reads({"functionInvocationValue": {"functionReference": "1", "arguments": None}}, constant(1)) == []


def test_constants_are_not_searched() -> None:
    assert reads(constant(call("Image.load", id=constant("users/a/b")))) == []


@given(st.from_regex(r"[A-Za-z0-9_/-]{1,40}", fullmatch=True))
def test_a_full_name_stays_as_it_is(identity: str) -> None:
    full = asset_name(identity)
    assert full.startswith("projects/")
    assert full.endswith(identity)
    assert asset_name(full) == full


def exported(expression: dict[str, Any], **arguments: Any) -> Exported:
    given = {"destination": "gs://bucket/prefix", **arguments}
    return Exported.by(export_request("image", expression, given, default_description="a"))


def test_an_export_is_described_by_its_request() -> None:
    described = exported(constant_image(), grid=GRID)
    size = GRID["dimensions"]
    assert (described.kind, described.destination) == ("image", "gs://bucket/prefix")
    assert described.pixel_count == size["width"] * size["height"]
    assert described.inputs == []
    assert exported(constant_image()).pixel_count is None


def test_the_hash_tells_computations_apart_and_nothing_else() -> None:
    one, same = exported(constant_image()), exported(constant_image(), grid=GRID, destination="gs://other/b")
    assert one.expression_hash == same.expression_hash != exported(constant_image(8)).expression_hash


def test_a_mosaic_of_many_scenes_names_the_first_ones() -> None:
    scenes = {str(number): call("Image.load", id=constant(f"users/a/{number}")) for number in range(1000)}
    assert len(exported({"result": "0", "values": scenes}).inputs) == MOST_INPUTS
