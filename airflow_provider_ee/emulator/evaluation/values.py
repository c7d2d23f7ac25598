"""The smaller values of expressions: features, filters, reducers, functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ee.emulator.evaluation.footprint import Geometry


@dataclass(frozen=True, eq=False)
class Feature:
    """A geometry with properties."""

    geometry: Geometry | None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Filter:
    """Decides about one image."""

    passes: Callable[..., bool]


@dataclass(frozen=True)
class Reducer:
    """What to make of many values, by its name."""

    name: str


@dataclass(frozen=True, eq=False)
class Function:
    """A function that an expression defines. Called with its arguments in order."""

    argument_names: tuple[str, ...]
    call: Callable[..., Any]
