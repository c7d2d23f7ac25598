"""The graph of an expression: references, scopes, and graphs too deep or too shared for naive recursion."""

from __future__ import annotations

import time
from typing import Any

import ee
import numpy as np
import pytest
from evaluation_support import Workplace, call, graph, grid, serialized

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate


def reference(key: str) -> dict[str, Any]:
    return {"valueReference": key}


def argument(name: str) -> dict[str, Any]:
    return {"argumentReference": name}


def constant(value: float) -> dict[str, Any]:
    return call("Image.constant", value=value)


def add(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return call("Image.add", image1=one, image2=other)


def first_value(workplace: Workplace, expression: dict[str, Any]) -> float:
    return workplace.values(expression, grid=grid(1, 1))[0, 0].item()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"values": {"0": constant(1)}}, "Expression: 'result' is missing"),
        ({"result": "1", "values": {"0": constant(1)}}, "'result' refers to '1', which is not in 'values'"),
        (graph(reference("gone")), "the value 'result' refers to 'gone', which is not in 'values'"),
        (
            graph(add(reference("a"), constant(1)), a=add(reference("b"), constant(1)), b=reference("a")),
            "a -> b -> a",
        ),
        (graph(argument("x")), "argumentReference 'x' is not below a function with that argument"),
        (graph({}), "exactly one of constantValue"),
        (graph({"constantValue": 1, "integerValue": "1"}), "exactly one of constantValue"),
        (
            graph({"functionInvocationValue": {"functionReference": "f", "arguments": {}}}, f=constant(1)),
            "functionRef",
        ),
    ],
)
def test_graphs_that_lead_nowhere(workplace: Workplace, expression: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(expression, grid=grid(1, 1))
    assert message in failure.value.message


def test_what_the_result_does_not_need_is_not_looked_at(workplace: Workplace) -> None:
    assert first_value(workplace, graph(constant(7), unused=reference("gone"))) == 7


def test_a_chain_far_deeper_than_pythons_stack(workplace: Workplace) -> None:
    nodes = {"0": constant(0), **{str(i): add(reference(str(i - 1)), constant(1)) for i in range(1, 10_000)}}
    assert first_value(workplace, {"result": "9999", "values": nodes}) == 9999


def test_nodes_nested_a_hundred_deep(workplace: Workplace) -> None:
    node = constant(0)
    for _ in range(100):
        node = add(node, constant(1))
    assert first_value(workplace, graph(node)) == 100


def test_shared_nodes_are_computed_once(workplace: Workplace) -> None:
    start = time.monotonic()
    nodes = {"0": constant(1), **{str(i): add(reference(str(i - 1)), reference(str(i - 1))) for i in range(1, 41)}}
    assert first_value(workplace, {"result": "40", "values": nodes}) == 2**40
    assert time.monotonic() - start < 5


def test_a_function_sees_the_arguments_around_it(workplace: Workplace) -> None:
    for name, value in (("1", 1), ("2", 10), ("3", 100)):
        workplace.add_image(f"c/{name}", {"b": np.full((1, 1), value, "uint16")})
    collection = ee.ImageCollection("c")
    # For each image the sum of all images, each multiplied by it: 111 * image, and the largest of these.
    products = collection.map(lambda outer: collection.map(lambda inner: inner.multiply(outer)).sum())
    assert first_value(workplace, serialized(products.max())) == 11100


def test_what_does_not_depend_on_an_argument_is_evaluated_once(workplace: Workplace) -> None:
    for name in "abc":
        workplace.add_image(f"c/{name}", {"b": np.ones((1, 1), "uint16")})
    loads = []

    class CountingAssets:
        def image(self, asset_id: str) -> Any:
            loads.append(asset_id)
            return workplace.catalog.image(asset_id)

        def collection(self, asset_id: str) -> Any:
            return workplace.catalog.collection(asset_id)

    mapped = ee.ImageCollection("c").map(lambda image: image.add(ee.Image("c/a").sqrt()))
    evaluate(serialized(mapped), CountingAssets())
    assert loads == ["c/a"]


def test_a_function_may_be_called_by_reference(workplace: Workplace) -> None:
    function = {"functionDefinitionValue": {"argumentNames": ["x", "y"], "body": "body"}}
    invocation = {"functionReference": "f", "arguments": {"y": constant(2), "x": constant(9)}}
    body = call("Image.subtract", image1=argument("x"), image2=argument("y"))
    assert first_value(workplace, graph({"functionInvocationValue": invocation}, f=function, body=body)) == 7


def test_an_error_in_a_mapped_function_names_the_image(workplace: Workplace) -> None:
    workplace.add_image("c/scene", {"b": np.ones((1, 1), "uint16")})
    with pytest.raises(EvaluationError, match=r"Error in map\(ID=scene\): Image.select: Band pattern 'B8'"):
        workplace.export(ee.ImageCollection("c").select("B8").mosaic())


def test_integers_that_no_double_holds(workplace: Workplace) -> None:
    value = {"integerValue": str(2**53 + 1)}
    assert first_value(workplace, graph(call("Image.constant", value=value))) == 2**53 + 1
