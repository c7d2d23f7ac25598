"""``value:compute``: what is said of each value, and refusals in place of values."""

from __future__ import annotations

import math
from typing import Any

import pytest
import requests
from evaluation_support import call, graph

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.value_json import described


def compute(emulator: EarthEngineEmulator, expression: Any) -> requests.Response:
    return requests.post(f"{emulator.url}/v1/projects/p/value:compute", json={"expression": expression})


def result(emulator: EarthEngineEmulator, node: dict[str, Any]) -> Any:
    answer = compute(emulator, graph(node))
    assert answer.ok, answer.text
    return answer.json()["result"]


def constant(value: Any) -> dict[str, Any]:
    return {"constantValue": value}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One for all tests: they change nothing."""
    folder = tmp_path_factory.mktemp("compute")
    with EarthEngineEmulator(folder, folder / "output") as emulator:
        yield emulator


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "text", [1, [None]], {"a": {"b": "ü"}}])
def test_plain_values_are_themselves(emulator: EarthEngineEmulator, value: Any) -> None:
    assert result(emulator, constant(value)) == value


DAY = call("Date", value="2020-01-02")


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (DAY, {"type": "Date", "value": 1577923200000}),
        (
            call("DateRange", start="2020-01-02", end="2020-01-03"),
            {"type": "DateRange", "dates": [1577923200000, 1578009600000]},
        ),
        (call("Date.format", date=DAY), "2020-01-02T00:00:00"),
        (call("Date.format", date=DAY, format="'day' d MMM yy, DDD ''"), "day 2 Jan 20, 002 '"),
        (call("Date.format", date=DAY, format="YYYYMMdd HH:mm:ss.SSS", timeZone="-0100"), None),
        (call("Date.get", date=DAY, unit="month"), 1),
        (call("Date.difference", date=DAY, start="x", unit="day"), None),
        (
            call("Projection", crs="EPSG:32719"),
            {"type": "Projection", "crs": "EPSG:32719", "transform": [1, 0, 0, 0, 1, 0]},
        ),
        (call("GeometryConstructors.Point", coordinates=[1, 2]), {"type": "Point", "coordinates": [1, 2]}),
        (
            call("GeometryConstructors.BBox", west=0, south=0, east=1, north=1),
            {
                "type": "Polygon",
                "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]],
                "geodesic": False,
            },
        ),
        (
            call("Geometry.bounds", geometry=call("GeometryConstructors.MultiPoint", coordinates=[0, 5, 2, 1])),
            {
                "type": "Polygon",
                "coordinates": [[[0, 1], [2, 1], [2, 5], [0, 5], [0, 1]]],
                "geodesic": False,
            },
        ),
        (
            call("Image.constant", value=7),
            {
                "type": "Image",
                "bands": [
                    {
                        "id": "constant",
                        "data_type": {"type": "PixelType", "precision": "int", "min": 7, "max": 7},
                        "crs": "EPSG:4326",
                        "crs_transform": [1, 0, 0, 0, 1, 0],
                    }
                ],
            },
        ),
        (call("ImageCollection.fromImages", images=[]), {"type": "ImageCollection", "bands": [], "features": []}),
        (call("Collection", features=[]), {"type": "FeatureCollection", "columns": {}, "features": []}),
        (call("Number.divide", left=1, right=4), 0.25),
        (call("Number.divide", left=1, right=0), 0),
        (call("Number.gt", left=2, right=1), 1),
        (call("Number.round", input=-2.5), -2),
        (call("Number.format", number=3.14159, pattern="x%.2f"), "x3.14"),
        (call("Number.parse", input="12"), 12),
        (call("String.cat", string1="a", string2="b"), "ab"),
        (call("String", input=DAY), "2020-01-02T00:00:00"),
        (call("List.sequence", start=1, end=10, step=4), [1, 5, 9]),
        (call("List.sequence", start=0, end=1, count=3), [0, 0.5, 1]),
        (call("List.sort", list=[3, 1, 2]), [1, 2, 3]),
        (call("List.slice", list=[1, 2, 3], start=-2), [2, 3]),
        (call("List.distinct", list=[1, 1, 2]), [1, 2]),
        (call("Dictionary.keys", dictionary={"b": 1, "a": 2}), ["a", "b"]),
        (call("Dictionary.combine", first={"a": 1}, second={"a": 2, "b": 3}), {"a": 2, "b": 3}),
        (call("Dictionary.fromLists", keys=["a"], values=[1]), {"a": 1}),
    ],
)
def test_what_is_said_of_values(emulator: EarthEngineEmulator, node: dict[str, Any], value: Any) -> None:
    if value is None:
        assert not compute(emulator, graph(node)).ok
    else:
        assert result(emulator, node) == value


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (call("Image.hersFeature"), "The function 'Image.hersFeature' is not emulated."),
        (call("Image.load", id="none"), "Image.load: Image asset 'none' not found"),
        (call("Reducer.mean"), "The JSON of a Reducer is not emulated."),
        (call("List.get", list=[1], index=1), "List.get: The index 1 lies outside a list of 1."),
        (call("Dictionary.get", dictionary={}, key="a"), "Dictionary does not contain key: 'a'"),
        (call("Number.pow", left=-8, right=0.5), "is no finite number"),
        (call("Number.format", number=1, pattern="%d %d"), "is not emulated"),
        (call("Number.parse", input="x"), "'x' is not a number"),
        (call("Date", value=1e300), "lie beyond the dates"),
        (call("Date.format", date=call("Date", value=9e15)), "years before 1 and after 9999"),
        (call("List.sequence", start=0, end=1e12), "more than 1000000 numbers are not emulated"),
        (call("List.sort", list=[1, "a"]), "cannot be compared"),
    ],
)
def test_refusals_are_the_sentences_of_the_evaluator(
    emulator: EarthEngineEmulator, node: dict[str, Any], message: str
) -> None:
    answer = compute(emulator, graph(node))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in error["message"]


@pytest.mark.parametrize(
    "body",
    ["{}", '{"expression": {}}', '{"expression": {"result": "0"}}', '{"value": 1}', "[]", '{"expression": 1}'],
)
def test_requests_that_are_none(emulator: EarthEngineEmulator, body: str) -> None:
    answer = requests.post(f"{emulator.url}/v1/projects/p/value:compute", data=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_numbers_beyond_json_are_spelt_as_text() -> None:
    assert described([math.inf, -math.inf, math.nan]) == ["Infinity", "-Infinity", "NaN"]


def test_a_long_collection_is_not_sent(emulator: EarthEngineEmulator) -> None:
    numbers = call("List.sequence", start=1, count=5001)
    function = {"functionDefinitionValue": {"argumentNames": ["n"], "body": "feature"}}
    features = call("Collection", features=call("List.map", list=numbers, baseAlgorithm=function))
    answer = compute(emulator, graph(features, feature=call("Feature")))
    assert answer.json()["error"]["message"] == "Collection query aborted after accumulating over 5000 elements."


def test_a_computation_is_logged_and_can_be_made_to_fail(emulator: EarthEngineEmulator) -> None:
    fault = {"method": "value.compute", "status": 429, "message": "Too many"}
    requests.post(f"{emulator.url}/_emulator/faults", json=fault).raise_for_status()
    assert compute(emulator, graph(constant(1))).status_code == 429
    assert compute(emulator, graph(constant(1))).ok
    (*_, logged) = requests.get(f"{emulator.url}/_emulator/requests").json()["requests"]
    assert (logged["method"], logged["status"]) == ("value.compute", 200)
