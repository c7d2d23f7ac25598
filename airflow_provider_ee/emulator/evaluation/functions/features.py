"""Features: making them, and what they are made of."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_ee.emulator.evaluation.collection import FeatureCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.registry import algorithm
from airflow_provider_ee.emulator.evaluation.selectors import matching
from airflow_provider_ee.emulator.evaluation.shapes import shape_of
from airflow_provider_ee.emulator.evaluation.values import Feature


@algorithm("Feature")
def feature(
    geometry: Footprint | Feature | FeatureCollection | None = None,
    metadata: dict[str, Any] | None = None,
    geometryKey: str | None = None,
) -> Feature:
    """A geometry with properties. The client wraps features in another when it filters by the bounds of them."""
    return Feature(shape_of(geometry), metadata or {})


@algorithm("Feature.geometry", "Element.geometry", "Image.geometry")
def geometry_of(
    feature: Feature | Image, maxError: Any = None, proj: Any = None, geodesics: bool | None = None
) -> Footprint | None:
    """Its geometry, or the footprint of an image."""
    if proj is not None or geodesics is not None:
        raise EvaluationError("Feature.geometry: 'proj' and 'geodesics' are not emulated; leave them out.")
    shape = shape_of(feature)
    if shape is None and isinstance(feature, Image):
        raise EvaluationError("Image.geometry: The image is unbounded.")
    return shape


@algorithm("Feature.setGeometry")
def set_geometry(feature: Feature, geometry: Footprint | None = None) -> Feature:
    """The feature in another place."""
    return replace(feature, geometry=geometry)


@algorithm("Feature.select")
def select(
    input: Feature,
    propertySelectors: list[str],
    newProperties: list[str] | None = None,
    retainGeometry: bool = True,
) -> Feature:
    """The feature with some of its properties, perhaps under other names."""
    chosen = [name for selector in propertySelectors for name in _matching(input, selector)]
    names = chosen if newProperties is None else newProperties
    if len(names) != len(chosen):
        raise EvaluationError(f"Feature.select: {len(chosen)} new names are needed, not {len(names)}.")
    properties = {name: input.properties[one] for name, one in zip(names, chosen, strict=True)}
    if input.index:
        properties["system:index"] = input.index
    return Feature(input.geometry if retainGeometry else None, properties)


def _matching(feature: Feature, selector: str) -> list[str]:
    if selector in feature.properties:
        return [selector]
    chosen = matching(f"Feature.select: '{selector}'", selector, feature.properties)
    if not chosen:
        raise EvaluationError(
            f"Feature.select: The selector '{selector}' matches none of the properties "
            f"{', '.join(feature.properties)}."
        )
    return chosen
