"""Collections of features: what the real client asks for, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ee
import numpy as np
import pytest
from evaluation_support import UTM, Workplace, serialized

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate
from airflow_provider_ee.emulator.value_json import described

HERE, THERE = [0.0, 0.0, 1.0, 1.0], [10.0, 10.0, 11.0, 11.0]


def rectangle(corners: list[float]) -> ee.Geometry:
    return ee.Geometry.Rectangle(corners, None, False)


def fields() -> ee.FeatureCollection:
    """Three features: two places, and nowhere."""
    return ee.FeatureCollection(
        [
            ee.Feature(rectangle(HERE), {"name": "a", "area": 3, "crop": "rye"}),
            ee.Feature(rectangle(THERE), {"name": "b", "area": 1}),
            ee.Feature(None, {"name": "c", "area": 2, "crop": "oats"}),
        ]
    )


def result(workplace: Workplace, value: Any) -> Any:
    return described(evaluate(serialized(value), workplace.catalog))


def names(workplace: Workplace, collection: Any) -> str:
    return "".join(each["properties"]["name"] for each in result(workplace, collection)["features"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c, "abc"),
        (lambda c: c.filter(ee.Filter.gt("area", 1)), "ac"),
        (lambda c: c.filter(ee.Filter.notNull(["crop"])), "ac"),
        (lambda c: c.filterBounds(rectangle([0.5, 0.5, 2, 2])), "a"),
        (lambda c: c.filterBounds(ee.Geometry.Point([10.5, 10.5])), "b"),
        (lambda c: c.filterBounds(ee.FeatureCollection([ee.Feature(rectangle(THERE))])), "b"),
        (lambda c: c.sort("area"), "bca"),
        (lambda c: c.limit(2, "area", False), "ac"),
        (lambda c: c.limit(1).merge(c.filter(ee.Filter.eq("name", "c"))), "ac"),
        (lambda c: c.map(lambda f: f.set("name", f.getString("name").toUpperCase())), "ABC"),
        (lambda c: ee.FeatureCollection(c.toList(2, 1)), "bc"),
        (lambda c: ee.FeatureCollection([c.limit(1), c.limit(2)]).flatten(), "aab"),
        (lambda c: ee.FeatureCollection([]), ""),
    ],
)
def test_which_features_are_left_and_in_which_order(
    workplace: Workplace, change: Callable[[Any], Any], expected: str
) -> None:
    assert names(workplace, change(fields())) == expected


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (lambda c: c.size(), 3),
        (lambda c: c.first().get("name"), "a"),
        (lambda c: c.filter(ee.Filter.eq("name", "z")).first(), None),
        (lambda c: c.aggregate_array("crop"), ["rye", "oats"]),
        (lambda c: c.aggregate_sum("area"), 6),
        (lambda c: c.aggregate_mean("area"), 2),
        (lambda c: c.aggregate_min("area"), 1),
        (lambda c: c.aggregate_max("name"), "c"),
        (lambda c: c.aggregate_count("crop"), 2),
        (lambda c: c.aggregate_count_distinct("area"), 3),
        (lambda c: c.aggregate_first("name"), "a"),
        (lambda c: c.aggregate_product("area"), 6),
        (lambda c: c.aggregate_mean("nothing"), None),
        (lambda c: c.toList(1).map(lambda f: ee.Feature(f).get("area")), [3]),
        (lambda c: c.first().toDictionary(), {"name": "a", "area": 3, "crop": "rye"}),
        (lambda c: c.first().propertyNames().contains("crop"), True),
        (lambda c: c.first().geometry().type(), "Polygon"),
        (lambda c: c.first().geometry().coordinates().get(0), [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]),
        (lambda c: c.set("season", "wet").get("season"), "wet"),
        (lambda c: c.select(["area"], ["size"]).first().toDictionary(), {"size": 3}),
        (lambda c: c.select(["a.*"], None, False).first().geometry(), None),
        (lambda c: ee.Feature(None, {}).copyProperties(c.first(), ["crop"]).get("crop"), "rye"),
        (lambda c: ee.Feature(c.first()).setGeometry(ee.Geometry.Point([5, 6])).geometry().coordinates(), [5, 6]),
    ],
)
def test_questions_about_a_collection(workplace: Workplace, question: Callable[[Any], Any], answer: Any) -> None:
    assert result(workplace, question(fields())) == answer


def test_a_collection_of_one_geometry(workplace: Workplace) -> None:
    (feature,) = result(workplace, ee.FeatureCollection(ee.Geometry.Point([1, 2])))["features"]
    assert feature == {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [1, 2]},
        "id": "0",
        "properties": {},
    }


def test_images_become_features_and_features_images(workplace: Workplace) -> None:
    for name in ("c/a", "c/b"):
        workplace.add_image(name, {"B": np.ones((2, 2), "uint8")}, time=name)
    images = ee.ImageCollection("c")
    rows = images.map(lambda image: ee.Feature(None, image.toDictionary(["time"])))
    assert [each["id"] for each in result(workplace, rows)["features"]] == ["a", "b"]
    assert result(workplace, images.aggregate_array("time")) == ["c/a", "c/b"]
    assert result(workplace, images.filterBounds(images.first().geometry()).size()) == 2


def test_images_and_features_do_not_mix(workplace: Workplace) -> None:
    mixed = ee.FeatureCollection(ee.List([ee.Image(1), ee.Feature(None)]))
    with pytest.raises(EvaluationError, match="A collection of images and of features at once is not emulated"):
        result(workplace, mixed)


def test_an_image_is_clipped_to_all_features_of_a_collection(workplace: Workplace) -> None:
    workplace.add_image("i", {"B": np.ones((4, 4), "uint8")})
    corners = [[600000, 4700000, 600020, 4700020], [600020, 4699980, 600040, 4700000]]
    shapes = ee.FeatureCollection([ee.Feature(ee.Geometry.Rectangle(c, UTM, False)) for c in corners])
    clipped = ee.Image("i").clip(shapes)
    assert result(workplace, clipped.reduceRegion(ee.Reducer.count(), shapes.geometry()))["B"] == 8
    assert workplace.values(clipped).sum() == 8


def write_table(workplace: Workplace, **table: Any) -> ee.FeatureCollection:
    workplace.assets.mkdir(exist_ok=True)
    described = {"type": "FeatureCollection", "features": [], **table}
    (workplace.assets / "table.geojson").write_text(json.dumps(described))
    return ee.FeatureCollection("table")


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [1.0, 2.0]},
        {"type": "MultiPoint", "coordinates": [[1.0, 2.0], [3.0, 4.0]]},
        {"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.0]]},
        {"type": "MultiLineString", "coordinates": [[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [1.0, 1.0]]]},
        {
            "type": "Polygon",
            "coordinates": [
                [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 0.0]],
                [[3.0, 1.0], [4.0, 1.0], [4.0, 2.0], [3.0, 1.0]],
            ],
        },
        {
            "type": "MultiPolygon",
            "coordinates": [[[[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 0.0]]]],
            "geodesic": False,
        },
        None,
    ],
)
def test_a_table_of_the_catalog(workplace: Workplace, geometry: Any) -> None:
    features = [{"type": "Feature", "id": "f1", "geometry": geometry, "properties": {"a": [1, "x", None]}}]
    (feature,) = result(workplace, write_table(workplace, features=features))["features"]
    assert feature == features[0]


def test_features_without_an_id_are_numbered_and_heights_are_left_out(workplace: Workplace) -> None:
    features = [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.0, 2.0, 3.0]}}]
    (feature,) = result(workplace, write_table(workplace, features=features))["features"]
    assert (feature["id"], feature["geometry"]["coordinates"]) == ("0" * 20, [1.0, 2.0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type": "Feature"}',
        '{"type": "FeatureCollection"}',
        '{"type": "FeatureCollection", "features": [1]}',
        '{"type": "FeatureCollection", "features": [{"geometry": {"type": "Circle", "coordinates": [1]}}]}',
        '{"type": "FeatureCollection", "features": [{"geometry": {"type": "Point", "coordinates": ["x"]}}]}',
        '{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon", "coordinates": [[[1, 2]]]}}]}',
    ],
)
def test_files_that_are_no_tables(workplace: Workplace, text: str) -> None:
    table = write_table(workplace)
    (workplace.assets / "table.geojson").write_text(text)
    with pytest.raises(EvaluationError):
        result(workplace, table)


def test_a_table_is_no_image_and_an_image_no_table(workplace: Workplace) -> None:
    write_table(workplace)
    workplace.add_image("image", {"B": np.ones((2, 2), "uint8")})
    with pytest.raises(EvaluationError, match="Collection asset 'nothing' not found"):
        result(workplace, ee.FeatureCollection("nothing"))
    with pytest.raises(EvaluationError, match="Asset 'image' is not a table"):
        result(workplace, ee.FeatureCollection("image"))
    with pytest.raises(EvaluationError, match="Image asset 'table' not found"):
        result(workplace, ee.Image("table"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda c: c.aggregate_sum("name"), "Not all values of 'name' are numbers"),
        (lambda c: c.map(lambda f: ee.Number(1)), "must return a Feature or an Image, not Integer"),
        (lambda c: c.select(["nothing"]), "matches none of the properties area, crop, name, system:index"),
        (lambda c: c.flatten(), "The elements must be collections, not Feature"),
        (lambda c: c.geometry(), "The outline of an image or of a collection is not emulated"),
        (lambda c: ee.Feature(c.first()).buffer(10), "The function 'Feature.buffer' is not emulated."),
        (lambda c: c.style(), "The function 'Collection.style' is not emulated."),
    ],
)
def test_what_fails_says_why(workplace: Workplace, wrong: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        result(workplace, wrong(fields()))
    assert message in failure.value.message
