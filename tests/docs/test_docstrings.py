"""What the public names say of themselves: purpose, parameters, units, errors, and the page they rest on."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_ee.decorators.export import ee_export_task
from airflow_provider_ee.earthengine import errors, tiles, utm
from airflow_provider_ee.earthengine.client import EarthEngineClient
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.request import export_request
from airflow_provider_ee.earthengine.waiting import wait_for_operation
from airflow_provider_ee.emulator.sample import write_sample
from airflow_provider_ee.emulator.server import EarthEngineEmulator
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.operators import export
from airflow_provider_ee.operators.base import ExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor
from airflow_provider_ee.triggers.operation import EEOperationTrigger

OPERATORS = [getattr(export, name) for name in export.__all__ if name.endswith("Operator")]
CLASSES = [
    ExportOperator,
    *OPERATORS,
    EEOperationSensor,
    EEOperationTrigger,
    EarthEngineHook,
    EarthEngineClient,
    Operation,
    PixelGrid,
    EarthEngineEmulator,
]
FUNCTIONS = [
    ee_export_task,
    tiles.export_tiles,
    utm.utm_parts,
    utm.utm_zones,
    utm.utm_zone,
    export_request,
    wait_for_operation,
    write_sample,
]
ERRORS = [
    one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.EarthEngineError)
]
REST = "https://developers.google.com/earth-engine/reference/rest/"

_PARAM = re.compile(r":param (\w+):((?:.*\n?)(?:[ ]{4,}.*\n?)*)")
_RAISES = re.compile(r":raises (\w+):")
# Airflow calls these, and says what it gives them.
CALLED_BY_AIRFLOW = re.compile(r"\.(execute_complete|serialize|deserialize|get_openlineage_\w+)$")
# What measures time, space or compute, and the words that say in what.
_MEASURES = re.compile(r"seconds|timeout|interval|deadline|delay|^width$|^height$|_size$|max_error|max_pixels")
_UNITS = re.compile(r"seconds|metres|pixels|units of the CRS|compute", re.I)


def own_methods(cls: type) -> Iterator[tuple[str, Any]]:
    """What a class defines under a public name, and neither Airflow nor Python before it."""
    for name, value in vars(cls).items():
        foreign = any(
            name in vars(base) for base in cls.__mro__[1:] if not base.__module__.startswith("airflow_provider_ee")
        )
        if not name.startswith("_") and not foreign:
            value = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
            if inspect.isfunction(value):
                yield f"{cls.__name__}.{name}", value


METHODS = dict(item for cls in CLASSES for item in own_methods(cls))
CALLED: dict[str, Callable[..., Any]] = {**METHODS, **{one.__name__: one for one in (*CLASSES, *FUNCTIONS)}}
called = pytest.mark.parametrize("name", CALLED)


def documented(name: str) -> str:
    return inspect.getdoc(CALLED[name]) or ""


def signature(name: str) -> dict[str, inspect.Parameter]:
    """What a caller may name; of a kind of export, what only that has."""
    of = CALLED[name].__init__ if inspect.isclass(CALLED[name]) else CALLED[name]  # type: ignore[misc]
    parameters = dict(inspect.signature(of).parameters)
    if CALLED[name] in OPERATORS:
        shared = set(inspect.signature(ExportOperator.__init__).parameters)
        parameters = {one: parameter for one, parameter in parameters.items() if one not in shared}
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        one: parameter
        for one, parameter in parameters.items()
        if one not in ("self", "cls") and parameter.kind not in kinds
    }


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_says_when_it_is_raised(error: type) -> None:
    assert "__doc__" in vars(error)
    assert (inspect.getdoc(error) or "").endswith(".")


@called
def test_every_public_name_says_what_it_is_for(name: str) -> None:
    first = documented(name).partition("\n\n")[0]
    assert first.endswith((".", "::", ":")), first


@called
def test_the_parameters_are_those_of_the_signature(name: str) -> None:
    if CALLED_BY_AIRFLOW.search(name):
        return
    told = [one for one, _ in _PARAM.findall(documented(name))]
    assert len(told) == len(set(told))
    variadic = {"kwargs", "constant"}
    assert set(told) - variadic == set(signature(name))


@called
def test_every_parameter_has_a_type(name: str) -> None:
    assert [one for one, parameter in signature(name).items() if parameter.annotation is parameter.empty] == []


@called
def test_what_measures_something_says_in_what(name: str) -> None:
    told = dict(_PARAM.findall(documented(name)))
    assert [one for one, text in told.items() if _MEASURES.search(one) and not _UNITS.search(text)] == []


@called
def test_errors_that_are_raised_are_told_and_exist(name: str) -> None:
    told = set(_RAISES.findall(documented(name)))
    assert {one for one in told if not hasattr(errors, one) and not hasattr(builtins, one)} == set()
    if inspect.isfunction(CALLED[name]):
        assert raised(CALLED[name]) <= told


def raised(function: Any) -> set[str]:
    """The errors that stand in the body of a function itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


@pytest.mark.parametrize(
    "name", [name for name in METHODS if METHODS[name].__module__.endswith(("client", "hooks.earth_engine"))]
)
def test_what_calls_the_service_tells_how_that_fails(name: str) -> None:
    source = inspect.getsource(METHODS[name])
    if re.search(r"_call\(|_repeated\(|_page\(|self\.client\b|\.get_operation\(", source):
        assert _RAISES.findall(documented(name)), name


RESTING: dict[str, str] = {
    **{cls.__name__: f"{REST}v1/projects.{cls.kind}/export" for cls in OPERATORS if cls.kind != "videoMap"},
    **{
        f"{cls}.{method}": REST
        for cls in ("EarthEngineClient", "EarthEngineHook")
        for method in ("export", "get_operation", "list_operations", "cancel_operation")
    },
    **dict.fromkeys(
        ("EarthEngineClient.list_page", "EarthEngineClient.get_config", "EarthEngineHook.export_image"), REST
    ),
    **dict.fromkeys(
        ("EEOperationSensor", "EEOperationTrigger", "Operation", "PixelGrid", "wait_for_operation"), REST
    ),
}


@pytest.mark.parametrize("name", RESTING)
def test_what_rests_on_a_page_of_the_reference_names_it(name: str) -> None:
    assert RESTING[name] in documented(name)
