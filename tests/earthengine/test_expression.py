"""Whatever is given as an expression becomes one that the service takes, or a sentence that says why not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.expression import expression_from
from airflow_provider_ee.earthengine.graph import to_json

ONE = {"result": "0", "values": {"0": {"constantValue": 1}}}


def call(**arguments: Any) -> dict[str, Any]:
    return {"functionInvocationValue": {"functionName": "Image.abs", "arguments": arguments}}


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"constantValue": 1}
    for _ in range(levels):
        node = call(value=node)
    return {"result": "0", "values": {"0": node}}


@pytest.mark.parametrize(
    "given", [ONE, json.dumps(ONE), {"expression": ONE}, json.dumps({"expression": ONE}), "  " + json.dumps(ONE)]
)
def test_text_and_dict_with_and_without_the_wrapper_are_the_same(given: Any) -> None:
    assert expression_from(given) == ONE


def test_every_kind_of_node_is_known() -> None:
    values = {
        "result": call(
            a={"integerValue": "9007199254740993"},
            b={"bytesValue": "YQ=="},
            c={"arrayValue": {"values": [{"valueReference": "one"}]}},
            d={"dictionaryValue": {"values": {"": {"constantValue": None}}}},
            e={"functionDefinitionValue": {"argumentNames": ["x"], "body": "body"}},
            f={"functionInvocationValue": {"functionReference": "function", "arguments": {}}},
        ),
        "one": {"constantValue": [1, {"deep": [2]}]},
        "body": {"argumentReference": "x"},
        "function": {"functionDefinitionValue": {"argumentNames": [], "body": "one"}},
    }
    given = {"result": "result", "values": values}
    assert expression_from(given) == given


def test_ten_thousand_nodes_in_a_row_are_no_depth() -> None:
    values: dict[str, Any] = {str(i): call(value={"valueReference": str(i + 1)}) for i in range(10_000)}
    values["10000"] = {"constantValue": 1}
    assert expression_from({"result": "0", "values": values})["result"] == "0"


def test_a_shared_node_is_no_cycle() -> None:
    values = {
        "0": call(a={"valueReference": "1"}, b={"valueReference": "2"}),
        "1": call(a={"valueReference": "2"}),
        "2": {"constantValue": 1},
    }
    assert expression_from({"result": "0", "values": values})


def test_depth_is_counted_as_the_client_does() -> None:
    assert expression_from(nested(33))
    with pytest.raises(RequestError, match=r"values\['0'\] nests deeper than 100 levels"):
        expression_from(nested(34))


@pytest.mark.parametrize("deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_absurd_depth_is_refused_not_crashed_on(deep: str) -> None:
    with pytest.raises(RequestError, match="nests deeper than 100 levels"):
        expression_from(deep)


def test_a_deep_constant_counts() -> None:
    constant: Any = 1
    for _ in range(101):
        constant = [constant]
    with pytest.raises(RequestError, match="nests deeper"):
        expression_from({"result": "0", "values": {"0": {"constantValue": constant}}})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "expression is empty after rendering; give an Earth Engine Expression as JSON."),
        ("None", "expression is 'None' after rendering"),
        (None, "expression is empty"),
        ({}, "expression is empty"),
        ("{nope", "expression is not JSON (Expecting property name"),
        ("ndvi.json", "only ever read as JSON, never as a path or as code"),
        ("os.system", "only ever read as JSON, never as a path or as code"),
        (5, "expression must be a JSON object, not int."),
        ([ONE], "expression must be a JSON object, not list."),
        ({"constantValue": 1}, 'expression is a bare constantValue node; wrap it as {"result": "0"'),
        ({"type": "CompoundValue", "scope": [], "value": {}}, "legacy CompoundValue form; use ee.Serializer.toCl"),
        ({**ONE, "extra": 1}, "expression has the unknown key 'extra'"),
        ({"result": "0"}, "expression.values must be an object"),
        ({"result": "0", "values": {}}, "expression.values must be an object"),
        ({"values": ONE["values"]}, "expression.result must be the key of a node"),
        ({"result": 0, "values": ONE["values"]}, "expression.result must be the key of a node"),
        ({"result": "1", "values": ONE["values"]}, "expression.result '1' is not among expression.values."),
        (
            {"result": "0", "values": {"0": call(a={"valueReference": "x"})}},
            "expression.values['0'] refers to 'x', which is not among them.",
        ),
        (
            {"result": "0", "values": {"0": call(a={"valueReference": "1"}), "1": {"valueReference": "0"}}},
            "expression.values['0'] depends on itself, through '1'.",
        ),
        (
            {"result": "0", "values": {"0": {"functionDefinitionValue": {"argumentNames": [], "body": "0"}}}},
            "expression.values['0'] depends on itself, through '0'.",
        ),
        ('{"result":"0","values":{"0":{"constantValue":NaN}}}', "expression holds NaN, which JSON does not have"),
        ('{"result":"0","values":{"0":{"constantValue":-Infinity}}}', "expression holds -Infinity"),
        ({"result": "0", "values": {"0": {"wrong": 1}}}, "values['0'] has a node of the unknown kind 'wrong'."),
        (
            '{"result":"0","values":{"0":{"constantValue":' + "9" * 5000 + "}}}",
            "expression is not JSON (Exceeds the limit",
        ),
        (
            {"result": "0", "values": {"0": {"arrayValue": {"values": 5}}}},
            "has an arrayValue whose values are not a list",
        ),
        ({"result": "0", "values": {"0": {1: 2, "a": 3}}}, "where a node of exactly one kind must stand."),
        ({"result": "0", "values": {"0": {"valueReference": None}}}, "refers to None, but a key is text."),
        (
            {"result": "0", "values": {"0": {"functionInvocationValue": None}}},
            "values['0'] has a call without a functionName.",
        ),
        ({"result": "0", "values": {"0": 5}}, "values['0'] has 5 where a node of exactly one kind must stand."),
        (
            {"result": "0", "values": {"0": {"functionInvocationValue": {"arguments": {}}}}},
            "values['0'] has a call without a functionName.",
        ),
        (
            {"result": "0", "values": {"0": {"functionInvocationValue": {"functionName": "f", "arguments": []}}}},
            "values['0']: arguments must be a JSON object, not [].",
        ),
    ],
)
def test_what_is_no_expression_is_refused_with_a_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        expression_from(given)
    assert sentence in str(refusal.value)


def test_nan_in_a_dict_is_refused_when_it_is_written() -> None:
    with pytest.raises(RequestError, match="number that JSON cannot"):
        to_json({"constantValue": math.nan})
