"""Collections: making, choosing, ordering and mapping."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from airflow_provider_ee.emulator.evaluation.collection import Collection, FeatureCollection, ImageCollection
from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.limits import require_modest
from airflow_provider_ee.emulator.evaluation.registry import algorithm, type_name
from airflow_provider_ee.emulator.evaluation.shapes import shape_of
from airflow_provider_ee.emulator.evaluation.values import Feature, Filter, Function

AnElement = TypeVar("AnElement", bound=Element)


@algorithm("ImageCollection.fromImages")
def from_images(images: list[Image]) -> ImageCollection:
    """A collection of the images, numbered from 0."""
    return ImageCollection(_numbered(images))


@algorithm("Collection")
def from_features(features: list[Element]) -> Collection:
    """A collection of the features, numbered from 0."""
    return _collected(_numbered(features), "Collection")


@algorithm("Collection.merge", "ImageCollection.merge")
def merge(collection1: Collection, collection2: Collection) -> Collection:
    """The elements of the first, then those of the second."""
    merged = [
        element.indexed(f"{number}_{element.properties.get('system:index')}")
        for number, collection in ((1, collection1), (2, collection2))
        for element in collection.elements
    ]
    return _collected(merged, "Collection.merge", collection1)


@algorithm("Collection.flatten")
def flatten(collection: FeatureCollection) -> Collection:
    """The elements of the collections in a collection."""
    flattened = []
    for inner in collection.elements:
        if not isinstance(inner, Collection):
            raise EvaluationError(
                f"Collection.flatten: The elements must be collections, not {type_name(type(inner))}."
            )
        flattened += [each.indexed(f"{inner.index}_{each.index}") for each in inner.elements]
    return _collected(flattened, "Collection.flatten", FeatureCollection(()))


@algorithm("Collection.filter")
def filter_collection(collection: Collection, filter: Filter) -> Collection:
    """The elements that pass."""
    return collection.of(element for element in collection.elements if filter.passes(element))


@algorithm("Collection.first")
def first(collection: Collection) -> Element | None:
    """The first element; null of an empty collection."""
    return collection.elements[0] if collection.elements else None


@algorithm("Collection.limit")
def limit(
    collection: Collection, limit: int | None = None, key: str | None = None, ascending: bool = True
) -> Collection:
    """The elements by the property ``key``, and only the first ``limit`` of them."""
    if limit is not None and limit < 0:
        raise EvaluationError(f"Collection.limit: 'limit' must not be negative, but is {limit}.")
    elements = collection.elements
    if key is not None:
        elements = _ordered(elements, key, ascending)
    return collection.of(elements[:limit])


@algorithm("Collection.size")
def size(collection: Collection) -> int:
    """How many elements there are."""
    return len(collection.elements)


@algorithm("Collection.toList")
def to_list(collection: Collection, count: int, offset: int = 0) -> list[Any]:
    """Up to ``count`` of the elements, from the one at ``offset``."""
    if count < 1 or offset < 0:
        raise EvaluationError("Collection.toList: 'count' must be 1 or more and 'offset' 0 or more.")
    return list(collection.elements[offset : offset + count])


@algorithm("Collection.geometry")
def geometry(collection: Collection, maxError: Any = None) -> Footprint:
    """Where any of the elements lies."""
    shape = shape_of(collection)
    assert shape is not None
    return shape


@algorithm("Collection.map")
def map_collection(collection: Collection, baseAlgorithm: Function, dropNulls: bool = False) -> Collection:
    """What a function makes of each element."""
    mapped = []
    for element in collection.elements:
        result = _mapped(element, baseAlgorithm)
        if result is None and dropNulls:
            continue
        if not isinstance(result, Element):
            raise EvaluationError(
                f"Collection.map: A mapped algorithm must return a Feature or an Image, not "
                f"{type_name(type(result))}."
            )
        mapped.append(result.indexed(str(element.properties.get("system:index"))))
    return _collected(mapped, "Collection.map", collection)


def _mapped(element: Element, function: Function) -> Any:
    try:
        return function.call(element)
    except EvaluationError as error:
        index = element.properties.get("system:index")
        raise EvaluationError(f"Collection.map: Error in map(ID={index}): {error.message}", error.code) from error


def _numbered(elements: Sequence[AnElement]) -> tuple[AnElement, ...]:
    return tuple(element.indexed(str(number)) for number, element in enumerate(elements))


def _collected(elements: Sequence[Element], function: str, like: Collection | None = None) -> Collection:
    """A collection of images or of features; where there are none, one of the kind of ``like``."""
    properties = like.properties if like else {}
    images = [each for each in elements if isinstance(each, Image)]
    if len(images) == len(elements) and (images or isinstance(like, ImageCollection)):
        return ImageCollection(tuple(images), properties)
    features = [each for each in elements if isinstance(each, (Feature, Collection))]
    if images:
        raise EvaluationError(f"{function}: A collection of images and of features at once is not emulated.")
    return FeatureCollection(tuple(features), properties)


def _ordered(elements: Sequence[AnElement], key: str, ascending: bool) -> tuple[AnElement, ...]:
    known = [element for element in elements if element.properties.get(key) is not None]
    if len(known) < len(elements):
        raise EvaluationError(
            f"Collection.limit: Not every element has the property '{key}'; filter with Filter.notNull first."
        )
    require_modest([element.properties[key] for element in known])
    try:
        return tuple(sorted(known, key=lambda element: element.properties[key], reverse=not ascending))
    except TypeError:
        raise EvaluationError(
            f"Collection.limit: The values of '{key}' cannot be compared with each other."
        ) from None
