"""The functions that expressions may call: declared by their Python signatures, checked when they are called.

A parameter has the name and the default of the real algorithm's argument. Its annotation is the type that the
argument must have. Parameters after ``*`` are no arguments: the evaluator supplies them.
"""

from __future__ import annotations

import contextlib
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_ee.emulator.evaluation.collection import (
    Assets,
    Collection,
    FeatureCollection,
    ImageCollection,
)
from airflow_provider_ee.emulator.evaluation.dates import Date, DateRange
from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.projection import Projection
from airflow_provider_ee.emulator.evaluation.reducers import Reducer
from airflow_provider_ee.emulator.evaluation.values import Feature, Filter, Function

_REQUIRED = inspect.Parameter.empty
_UNIONS = (types.UnionType, typing.Union)  # Python 3.10 makes the latter of a default that is None

Implementation = TypeVar("Implementation", bound=Callable[..., Any])

TYPE_NAMES: dict[Any, str] = {
    Image: "Image",
    ImageCollection: "ImageCollection",
    FeatureCollection: "FeatureCollection",
    Collection: "FeatureCollection",
    Footprint: "Geometry",
    Projection: "Projection",
    Feature: "Feature",
    Element: "Element",
    Filter: "Filter",
    Function: "Algorithm",
    Reducer: "Reducer",
    Date: "Date",
    DateRange: "DateRange",
    str: "String",
    int: "Integer",
    float: "Number",
    bool: "Boolean",
    list: "List",
    dict: "Dictionary",
    type(None): "null",
}


@dataclass(frozen=True)
class Parameter:
    """One argument of a function."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is _REQUIRED


@dataclass(frozen=True)
class Algorithm:
    """A function of the service, as the emulator has it."""

    name: str
    parameters: tuple[Parameter, ...]
    implementation: Callable[..., Any]
    wants_assets: bool

    def __call__(self, arguments: Mapping[str, Any], assets: Assets) -> Any:
        """The result for arguments by name, once they have been checked."""
        known = {parameter.name for parameter in self.parameters}
        for name in arguments:
            if name not in known:
                raise EvaluationError(
                    f"{self.name}: Unrecognized argument '{name}'; the arguments are {_listed(self.parameters)}."
                )
        checked = {each.name: self._checked(each, arguments.get(each.name)) for each in self.parameters}
        if self.wants_assets:
            checked["assets"] = assets
        try:
            return self.implementation(**checked)
        except (ArithmeticError, ValueError) as error:
            raise EvaluationError(
                f"{self.name}: There is no result for such arguments; check how large its numbers are."
            ) from error

    def _checked(self, parameter: Parameter, value: Any) -> Any:
        if value is None:
            if parameter.required:
                raise EvaluationError(
                    f"{self.name}: Parameter '{parameter.name}' is required and may not be null."
                )
            return parameter.default
        try:
            return coerce(value, parameter.type)
        except TypeError as error:
            raise EvaluationError(f"{self.name}: Parameter '{parameter.name}' must be {error}.") from None


ALGORITHMS: dict[str, Algorithm] = {}
"""Every function that the emulator knows, by name."""


def algorithm(*names: str) -> Callable[[Implementation], Implementation]:
    """Declares a function of the service, and its other names."""

    def declare(implementation: Implementation) -> Implementation:
        hints = typing.get_type_hints(implementation)
        parameters = inspect.signature(implementation).parameters.values()
        arguments = tuple(
            Parameter(each.name, hints[each.name], each.default)
            for each in parameters
            if each.kind is not inspect.Parameter.KEYWORD_ONLY
        )
        wants_assets = any(each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters)
        for name in names:
            ALGORITHMS[name] = Algorithm(name, arguments, implementation, wants_assets)
        return implementation

    return declare


def coerce(value: Any, wanted: Any) -> Any:
    """``value`` as the ``wanted`` type; TypeError says in words what it must be."""
    if wanted is Any:
        return value
    if typing.get_origin(wanted) in _UNIONS:
        return _coerce_to_any(value, [each for each in typing.get_args(wanted) if each is not types.NoneType])
    if typing.get_origin(wanted) is list:
        (element,) = typing.get_args(wanted)
        return [coerce(each, element) for each in coerce(value, list)]
    if typing.get_origin(wanted) is dict:
        return coerce(value, dict)
    # JSON has one kind of number; a Boolean is not one.
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return value
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return value
    raise TypeError(f"{_with_article(type_name(wanted))}, not {_with_article(type_name(type(value)))}")


def _coerce_to_any(value: Any, wanted: list[Any]) -> Any:
    for each in wanted:
        with contextlib.suppress(TypeError):
            return coerce(value, each)
    if len(wanted) == 1:
        return coerce(value, wanted[0])
    names = " or ".join(_with_article(type_name(each)) for each in wanted)
    raise TypeError(f"{names}, not {_with_article(type_name(type(value)))}")


def type_name(python_type: Any) -> str:
    """What the service calls the type of a value."""
    for each in getattr(python_type, "__mro__", ()):
        if each in TYPE_NAMES:
            return TYPE_NAMES[each]
    return getattr(python_type, "__name__", str(python_type))


def _with_article(name: str) -> str:
    if name == "null":
        return name
    return f"an {name}" if name[0] in "AEIO" else f"a {name}"


def _listed(parameters: tuple[Parameter, ...]) -> str:
    return ", ".join(parameter.name for parameter in parameters) or "none"
