"""What goes too far is refused with a sentence: never an answer without a form, never a computation without end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from evaluation_support import call, graph

from airflow_provider_ee.emulator import EarthEngineEmulator, service
from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate
from airflow_provider_ee.emulator.operations import Operations


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EarthEngineEmulator]:
    """One for all tests, which change nothing that others see."""
    folder = tmp_path_factory.mktemp("limits")
    with EarthEngineEmulator(folder, folder / "output", task_seconds=0) as emulator:
        yield emulator


def compute(emulator: EarthEngineEmulator, expression: Any) -> requests.Response:
    return requests.post(f"{emulator.url}/v1/projects/p/value:compute", json={"expression": expression})


def refusal(answer: requests.Response, code: int = 400) -> str:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (code, code), error
    return str(error["message"])


def reference(key: str) -> dict[str, Any]:
    return {"valueReference": key}


def chain(number: int, first: dict[str, Any], link: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """A graph of values, each made of the one before."""
    values = {f"v{index}": link(reference(f"v{index - 1}")) for index in range(1, number)}
    return {"result": f"v{number - 1}", "values": {"v0": first, **values}}


def array(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"arrayValue": {"values": list(nodes)}}


def function(body: str, *names: str) -> dict[str, Any]:
    return {"functionDefinitionValue": {"argumentNames": list(names), "body": body}}


NOTHING: dict[str, Any] = {"constantValue": None}
TOO_DEEP = "nested too deeply; nest functions and values less."
OUT_OF_MEMORY = "User memory limit exceeded."


# Depth


@pytest.mark.parametrize(
    "expression",
    [
        chain(900, NOTHING, lambda inner: {"arrayValue": {"values": [inner]}}),
        chain(900, NOTHING, lambda inner: {"dictionaryValue": {"values": {"a": inner}}}),
        chain(500, call("Collection", features=[]), lambda inner: call("Collection", features=array(inner))),
        chain(2000, call("Filter.always"), lambda inner: call("Filter.not", filter=inner)),
    ],
    ids=["lists", "dictionaries", "collections", "filters"],
)
def test_values_are_not_nested_for_ever(emulator: EarthEngineEmulator, expression: dict[str, Any]) -> None:
    if "Filter.not" in json.dumps(expression):
        features = call("Collection", features=array(call("Feature")))
        filtered = call("Collection.filter", collection=features, filter=reference(expression["result"]))
        expression = graph(filtered, **expression["values"])
    assert TOO_DEEP in refusal(compute(emulator, expression))


def test_functions_do_not_call_each_other_for_ever(emulator: EarthEngineEmulator) -> None:
    values: dict[str, Any] = {"f0": function("b0", "x0"), "b0": {"argumentReference": "x0"}}
    for index in range(1, 500):
        arguments = {f"x{index - 1}": {"argumentReference": f"x{index}"}}
        called = {"functionReference": f"f{index - 1}", "arguments": arguments}
        values[f"f{index}"] = function(f"b{index}", f"x{index}")
        values[f"b{index}"] = {"functionInvocationValue": called}
    node = {"functionInvocationValue": {"functionReference": "f499", "arguments": {"x499": {"constantValue": 1}}}}
    assert TOO_DEEP in refusal(compute(emulator, graph(node, **values)))


def test_a_body_is_not_nested_for_ever(emulator: EarthEngineEmulator) -> None:
    node: dict[str, Any] = NOTHING
    for _ in range(300):
        node = {"arrayValue": {"values": [node]}}
    assert refusal(compute(emulator, graph(node))).startswith("Invalid")


# Memory and time


@pytest.mark.explores
@pytest.mark.parametrize(
    "expression",
    [
        chain(
            40, {"constantValue": "x" * 100}, lambda each: call("String.cat", string1=each, string2=each)
        ),
        chain(40, {"constantValue": [1, 2]}, lambda each: call("List.cat", list=each, other=each)),
        chain(
            40,
            call("Collection", features=array(call("Feature"))),
            lambda each: call("Collection.merge", collection1=each, collection2=each),
        ),
        chain(40, call("Image.constant", value=1), lambda each: call("Image.addBands", dstImg=each, srcImg=each)),
        chain(40, {"constantValue": 1}, lambda each: array(each, each)),
        graph(
            call("List.join", list=call("List.map", list=call("List.sequence", start=1, count=1_000_000),
                                        baseAlgorithm=function("text", "n"))),
            text={"constantValue": "x" * 100},
        ),
        graph(
            call("List.map", list=call("List.sequence", start=1, count=1_000_000), baseAlgorithm=function("inner", "n")),
            inner=call("List.slice", list=call("List.sequence", start={"argumentReference": "n"}, count=1_000_000), start=0),
        ),
    ],
    ids=["text", "lists", "collections", "bands", "shared lists", "joined", "lists of lists"],
)  # fmt: skip
def test_memory_is_limited(emulator: EarthEngineEmulator, expression: dict[str, Any]) -> None:
    began = time.monotonic()
    assert OUT_OF_MEMORY in refusal(compute(emulator, expression))
    assert time.monotonic() - began < 60


@pytest.mark.explores
@pytest.mark.parametrize(
    "compared",
    [
        lambda one, other: call("List.contains", list=array(one), element=other),
        lambda one, other: call("List.distinct", list=array(one, other)),
        lambda one, other: call("List.sort", list=array(one, other)),
        lambda one, other: filtered(one, call("Filter.equals", leftField="a", rightValue=other)),
        lambda one, other: filtered(one, call("Filter.inList", leftField="a", rightValue=array(other))),
        lambda one, other: filtered(one, call("Filter.rangeContains", field="a", minValue=other, maxValue=other)),
        lambda one, other: call("AggregateFeatureCollection.max", collection=features(one, other), property="a"),
        lambda one, other: call("Collection.limit", collection=features(one, other), key="a"),
    ],
)
def test_shared_lists_are_not_compared(emulator: EarthEngineEmulator, compared: Any) -> None:
    values: dict[str, Any] = {"a0": {"constantValue": 1}, "b0": {"constantValue": 1}}
    for index in range(1, 40):
        for name in "ab":
            values[f"{name}{index}"] = array(reference(f"{name}{index - 1}"), reference(f"{name}{index - 1}"))
    node = compared(reference("a39"), reference("b39"))
    assert OUT_OF_MEMORY in refusal(compute(emulator, graph(node, **values)))


def features(*values: dict[str, Any]) -> dict[str, Any]:
    made = [call("Feature", metadata={"dictionaryValue": {"values": {"a": value}}}) for value in values]
    return call("Collection", features=array(*made))


def filtered(value: dict[str, Any], condition: dict[str, Any]) -> dict[str, Any]:
    return call("Collection.filter", collection=features(value), filter=condition)


def test_large_whole_numbers_are_refused(emulator: EarthEngineEmulator) -> None:
    numbers = [call("Feature", metadata={"n": 10**300}) for _ in range(2)]
    product = call(
        "AggregateFeatureCollection.product", collection=call("Collection", features=array(*numbers)), property="n"
    )
    message = refusal(compute(emulator, graph(product)))
    assert message.startswith("AggregateFeatureCollection.product: There is no result for such arguments; ")


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)*b", "a*a*a*a*a*b", "a?" * 30 + "a" * 30, "x." * 101])
def test_patterns_that_may_take_for_ever_are_refused(emulator: EarthEngineEmulator, pattern: str) -> None:
    feature = call("Feature", metadata={"a" * 100: 1})
    selected = call("Feature.select", input=feature, propertySelectors=[pattern])
    assert "is too complex" in refusal(compute(emulator, graph(selected)))
    image = call("Image.select", input=call("Image.constant", value=1), bandSelectors=[pattern])
    assert "is too complex" in refusal(compute(emulator, graph(image)))


@pytest.mark.parametrize("pattern", ["a", "b_.*", "[ab].*", "(a|b_1)", "b_(1|2)"])
def test_other_patterns_are_not(emulator: EarthEngineEmulator, pattern: str) -> None:
    feature = call("Feature", metadata={"a": 1, "b_1": 2})
    selected = call("Feature.select", input=feature, propertySelectors=[pattern])
    assert compute(emulator, graph(selected)).ok


def test_a_computation_that_takes_long_ends(
    emulator: EarthEngineEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_COMPUTE_SECONDS", -1.0)
    assert refusal(compute(emulator, graph(call("Feature")))) == "Computation timed out."


def test_filters_and_functions_that_double_their_time_end(
    emulator: EarthEngineEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_COMPUTE_SECONDS", 0.5)
    filters = chain(40, call("Filter.always"), lambda each: call("Filter.and", filters=array(each, each)))
    features = call("Collection", features=array(call("Feature")))
    filtered = call("Collection.filter", collection=features, filter=reference(filters["result"]))
    assert refusal(compute(emulator, graph(filtered, **filters["values"]))) == "Computation timed out."

    values: dict[str, Any] = {"f0": function("b0", "x"), "b0": {"argumentReference": "x"}}
    for index in range(1, 40):
        again = {
            "functionInvocationValue": {
                "functionReference": f"f{index - 1}",
                "arguments": {"x": {"argumentReference": "x"}},
            }
        }
        values |= {f"f{index}": function(f"b{index}", "x"), f"b{index}": array(again, dict(again))}
    called = {"functionReference": "f39", "arguments": {"x": {"constantValue": 1}}}
    assert (
        refusal(compute(emulator, graph({"functionInvocationValue": called}, **values)))
        == "Computation timed out."
    )


def test_many_values_are_compared_until_the_end(
    emulator: EarthEngineEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_COMPUTE_SECONDS", 0.5)
    distinct = call("List.distinct", list=call("List.sequence", start=1, count=200_000))
    assert refusal(compute(emulator, graph(distinct))) == "Computation timed out."


def test_pixels_are_not_read_after_the_end(emulator: EarthEngineEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_COMPUTE_SECONDS", 0.5)
    box = call("GeometryConstructors.BBox", west=0, south=0, east=80, north=80)
    count = call(
        "Image.reduceRegion",
        image=call("Image.constant", value=1),
        reducer=call("Reducer.count"),
        geometry=box,
        scale=300,
        crs=call("Projection", crs="EPSG:4326"),
        maxPixels=1e13,
    )
    assert refusal(compute(emulator, graph(count))) == "Computation timed out."


def test_an_export_is_cancelled_between_two_features(tmp_path: Path) -> None:
    operations = Operations(Clock(), task_seconds=0, slots=1)
    begun = threading.Event()
    numbers = call("List.sequence", start=1, count=1_000_000)
    endless = graph(
        call("List.map", list=numbers, baseAlgorithm=function("outer", "n")),
        outer=call("List.size", list=call("List.map", list=[1] * 100, baseAlgorithm=function("inner", "m"))),
        inner=call("Number.add", left={"argumentReference": "n"}, right={"argumentReference": "m"}),
    )

    def work(report: Callable[[int, int], None]) -> None:
        begun.set()
        evaluate(endless, Catalog(tmp_path, tmp_path))

    operation = operations.submit("p", "me", kind="EXPORT_FEATURES", description="d", priority=1, work=work)
    operations.settle()
    running = operation.running
    assert begun.wait(10)
    operations.cancel(operation)
    assert running is not None
    assert type(running.exception(timeout=10)).__name__ == "AbortedError"
    operations.close()


def test_what_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_ee.emulator.operations._MOST_SECONDS_TO_CLOSE", 0.1)
    operations = Operations(Clock(), task_seconds=0, slots=1)
    end = threading.Event()
    for _ in range(2):
        operations.submit(
            "p", "me", kind="EXPORT_IMAGE", description="d", priority=1, work=lambda report: end.wait()
        )
    operations.settle()
    began = time.monotonic()
    operations.close()
    assert time.monotonic() - began < 5
    end.set()


# Names and answers


def test_coordinates_are_finite(emulator: EarthEngineEmulator) -> None:
    projection = call("Projection", crs="EPSG:4326", transform=[1e300, 0, 0, 0, 1e300, 0])
    point = call("GeometryConstructors.Point", coordinates=[1e300, 1e300], crs=projection)
    assert "A coordinate is not finite" in refusal(compute(emulator, graph(point)))


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x"] * 3000)])
def test_no_asset_has_a_name_that_no_file_can_have(emulator: EarthEngineEmulator, name: str) -> None:
    answer = requests.get(f"{emulator.url}/v1/projects/p/assets/{name}")
    assert refusal(answer, 404).endswith("does not exist or doesn't allow this operation.")
    assert "not found" in refusal(compute(emulator, graph(call("Image.load", id=name))))


def export(emulator: EarthEngineEmulator, prefix: str) -> requests.Response:
    options = {"fileFormat": "CSV", "cloudStorageDestination": {"bucket": "b", "filenamePrefix": prefix}}
    body = {"expression": graph(call("Collection", features=[])), "fileExportOptions": options}
    return requests.post(f"{emulator.url}/v1/projects/p/table:export", json=body)


@pytest.mark.parametrize("prefix", ["x" * 256, "ü" * 120, "x/" * 2000 + "x", "x" * 221 + "/x"])
def test_a_destination_that_no_file_can_have(emulator: EarthEngineEmulator, prefix: str) -> None:
    assert refusal(export(emulator, prefix)).endswith("; shorten it.")


def test_a_destination_below_a_file(emulator: EarthEngineEmulator) -> None:
    for prefix in ("f", "f.csv/x", "f.csv/y/x"):
        answer = export(emulator, prefix)
        assert answer.ok
        deadline = time.monotonic() + 10
        operation = answer.json()
        while not operation.get("done"):
            assert time.monotonic() < deadline
            operation = requests.get(f"{emulator.url}/v1/{operation['name']}").json()
        if prefix != "f":
            assert operation["error"]["code"] == 3
            assert "where a file is no folder" in operation["error"]["message"]


def test_a_destination_through_links_that_lead_in_a_circle(
    start_emulator: Callable[..., EarthEngineEmulator], tmp_path: Path
) -> None:
    bucket = tmp_path / "output" / "gs"
    bucket.mkdir(parents=True)
    (bucket / "b").symlink_to(bucket / "b")
    assert "in a circle" in refusal(export(start_emulator(), "x"))


def test_what_nobody_foresaw_is_answered_in_the_form_of_the_service(
    start_emulator: Callable[..., EarthEngineEmulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = start_emulator()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(service, "evaluate", fail)
    answer = compute(emulator, graph(NOTHING))
    assert refusal(answer, 500) == "An internal error has occurred (ZeroDivisionError)."
    assert answer.json()["error"]["status"] == "INTERNAL"
    monkeypatch.setattr(emulator.service, "description_of", fail)
    assert refusal(compute(emulator, graph(NOTHING)), 500)
    logged = requests.get(f"{emulator.url}/_emulator/requests").json()["requests"]
    assert [entry["status"] for entry in logged] == [500, 500]


def test_a_deep_table_of_the_catalog_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.geojson").write_text("[" * 5000)
    with pytest.raises(EvaluationError, match=r"'deep\.geojson' is not a GeoJSON FeatureCollection"):
        Catalog(tmp_path, tmp_path / "output").table("deep")
