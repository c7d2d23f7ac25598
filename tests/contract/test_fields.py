"""Requests and operators have the fields that the REST API has, under its names."""

from __future__ import annotations

import ast
import inspect
import json
from importlib.resources import files
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from airflow_provider_ee.decorators.export import EEExportDecoratedOperator
from airflow_provider_ee.earthengine.messages import REQUESTS
from airflow_provider_ee.earthengine.request import parameters_of
from airflow_provider_ee.earthengine.validation import Message, message_of
from airflow_provider_ee.operators import export
from airflow_provider_ee.operators.base import ExportOperator

SCHEMA: dict[str, Any] = json.loads(
    (files("airflow_provider_ee.emulator") / "data" / "v1.schema.json").read_text(encoding="utf-8")
)["$defs"]
OPERATORS = [getattr(export, name) for name in export.__all__ if name.startswith("EE")]


def fields_of(model: type[Message], at: str = "") -> set[str]:
    """The paths of all fields of a message, and of those that are refused with a reason."""
    found = {f"{at}{name}" for name in model.refused}
    for name, field in model.model_fields.items():
        path = f"{at}{to_camel(name)}"
        inner = message_of(field.annotation)
        found |= {path, *(fields_of(inner, f"{path}.") if inner else ())}
    return found


def paths_of(schema: dict[str, Any], at: str = "") -> set[str]:
    """The same of a message in the schema."""
    found = set()
    for name, field in schema.get("properties", {}).items():
        path = f"{at}{name}"
        inner = field.get("items", field).get("$ref", "").rpartition("/")[2]
        # A value that the client wraps is a number all the same.
        message = inner and inner != "Expression" and not inner.startswith("_")
        found |= {path, *(paths_of(SCHEMA[inner], f"{path}.") if message else ())}
    return found


@pytest.mark.parametrize("kind", list(REQUESTS))
def test_a_request_has_every_field_of_the_api(kind: str) -> None:
    theirs = paths_of(SCHEMA[f"Export{kind[0].upper()}{kind[1:]}Request"])
    ours = fields_of(REQUESTS[kind])
    assert ours - theirs == set()
    # Tiles are described as images are, of which the service takes a part.
    unused = {one for one in theirs - ours if any(one.startswith(f"{refused}.") for refused in ours)}
    assert theirs - ours - unused == set()


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_takes_what_its_request_is_made_of(operator: type[ExportOperator]) -> None:
    assert set(operator.request_parameters) == parameters_of(operator.kind)
    assert set(operator.request_parameters) <= set(operator.template_fields)


def test_each_kind_has_its_operator() -> None:
    assert {operator.kind for operator in OPERATORS} == set(REQUESTS)


def test_the_decorator_takes_what_any_operator_takes() -> None:
    every = set().union(*(operator.request_parameters for operator in OPERATORS))
    assert set(EEExportDecoratedOperator.request_parameters) == every
    assert every | {"op_args", "op_kwargs"} <= set(EEExportDecoratedOperator.template_fields)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_signature_tells_all_that_an_operator_takes(operator: type[ExportOperator]) -> None:
    told = set(inspect.signature(operator).parameters)
    common = {
        "expression", "expression_kwargs", "project_id", "ee_conn_id", "impersonation_chain", "wait_for_completion",
        "deferrable", "poll_interval", "wait_timeout", "max_eecu_seconds", "cancel_on_kill", "skip_if_empty",
    }  # fmt: skip
    assert told == {*operator.request_parameters, *common, "kwargs"}


def test_a_new_kind_is_a_declaration_of_at_most_25_lines() -> None:
    for operator in OPERATORS:
        source = inspect.getsource(operator)
        (declared,) = ast.parse(source).body
        docstring = declared.body[0] if isinstance(declared, ast.ClassDef) else declared
        its_lines = (docstring.end_lineno or 0) - docstring.lineno + 1
        assert len([line for line in source.splitlines() if line.strip()]) - its_lines <= 25, operator
