"""Properties of images, features and collections."""

# ruff: noqa: A002 (the arguments have the names that the service gave them)
from __future__ import annotations

from typing import Any

from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.registry import algorithm, type_name


@algorithm("Element.get")
def get(object: Element, property: str) -> Any:
    """A property; null if there is none of that name."""
    return object.properties.get(property)


@algorithm("Element.getNumber")
def get_number(object: Element, property: str) -> Any:
    """A property that is a number."""
    value = object.properties.get(property)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise EvaluationError(f"Element.getNumber: The property '{property}' is a {type_name(type(value))}.")
    return value


@algorithm("Element.getString")
def get_string(object: Element, property: str) -> Any:
    """A property that is text."""
    value = object.properties.get(property)
    if value is not None and not isinstance(value, str):
        raise EvaluationError(f"Element.getString: The property '{property}' is a {type_name(type(value))}.")
    return value


@algorithm("Element.set")
def set_property(object: Element, key: str, value: Any = None) -> Element:
    """The element with another value of a property, or without it."""
    properties = {**object.properties, key: value}
    return object.having({name: each for name, each in properties.items() if each is not None})


@algorithm("Element.setMulti")
def set_properties(object: Element, properties: dict[str, Any]) -> Element:
    """The element with other values of several properties."""
    return object.having({**object.properties, **properties})


@algorithm("Element.copyProperties", "Image.copyProperties")
def copy_properties(
    destination: Element, source: Element, properties: list[str] | None = None, exclude: list[str] | None = None
) -> Element:
    """The first element with properties of the second: those named, else all but the system's."""
    if properties is None:
        properties = _own(source)
    copied = {
        name: source.properties[name]
        for name in properties
        if name in source.properties and name not in (exclude or ())
    }
    return destination.having({**destination.properties, **copied})


@algorithm("Element.propertyNames")
def property_names(element: Element) -> list[str]:
    """The names of all properties."""
    return list(element.properties)


@algorithm("Element.toDictionary")
def to_dictionary(element: Element, properties: list[str] | None = None) -> dict[str, Any]:
    """The properties that are named, else all but the system's."""
    names = _own(element) if properties is None else properties
    return {name: element.properties.get(name) for name in names}


@algorithm("Feature.id", "Image.id")
def element_id(element: Element) -> str:
    """Its name in its collection."""
    return element.index


def _own(element: Element) -> list[str]:
    return [name for name in element.properties if not name.startswith("system:")]
