"""The smaller values of expressions: features, filters, functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.footprint import Footprint


@dataclass(frozen=True, eq=False)
class Feature(Element):
    """A geometry, or what many have in common, with properties."""

    geometry: Footprint | None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Filter:
    """Decides about one element."""

    passes: Callable[..., bool]


@dataclass(frozen=True, eq=False)
class Function:
    """A function that an expression defines. Called with its arguments in order."""

    argument_names: tuple[str, ...]
    call: Callable[..., Any]
