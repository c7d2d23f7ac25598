"""Properties of images."""

# ruff: noqa: A002 (the arguments have the names that the service gave them)
from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.registry import algorithm


@algorithm("Element.get")
def get(object: Image, property: str) -> Any:
    """A property; null if the image has none of that name."""
    return object.properties.get(property)


@algorithm("Element.set")
def set_property(object: Image, key: str, value: Any = None) -> Image:
    """The image with another value of a property, or without it."""
    properties = {**object.properties, key: value}
    return replace(object, properties={name: each for name, each in properties.items() if each is not None})


@algorithm("Element.setMulti")
def set_properties(object: Image, properties: dict[str, Any]) -> Image:
    """The image with other values of several properties."""
    return replace(object, properties={**object.properties, **properties})


@algorithm("Element.copyProperties", "Image.copyProperties")
def copy_properties(
    destination: Image, source: Image, properties: list[str] | None = None, exclude: list[str] | None = None
) -> Image:
    """The first image with properties of the second: those named, else all but the system's."""
    if properties is None:
        properties = [name for name in source.properties if not name.startswith("system:")]
    copied = {
        name: source.properties[name]
        for name in properties
        if name in source.properties and name not in (exclude or ())
    }
    return replace(destination, properties={**destination.properties, **copied})
