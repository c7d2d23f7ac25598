"""Collections of images: making, choosing, ordering and mapping."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.image import Image, ImageCollection
from airflow_provider_ee.emulator.evaluation.registry import algorithm, type_name
from airflow_provider_ee.emulator.evaluation.values import Filter, Function


@algorithm("ImageCollection.fromImages")
def from_images(images: list[Image]) -> ImageCollection:
    """A collection of the images, numbered from 0."""
    return ImageCollection(tuple(_with_index(image, str(index)) for index, image in enumerate(images)))


@algorithm("Collection.merge", "ImageCollection.merge")
def merge(collection1: ImageCollection, collection2: ImageCollection) -> ImageCollection:
    """The images of the first, then those of the second."""
    return ImageCollection(
        tuple(
            _with_index(image, f"{number}_{image.properties.get('system:index')}")
            for number, collection in ((1, collection1), (2, collection2))
            for image in collection.images
        )
    )


@algorithm("Collection.filter")
def filter_collection(collection: ImageCollection, filter: Filter) -> ImageCollection:
    """The images that pass."""
    return ImageCollection(tuple(image for image in collection.images if filter.passes(image)))


@algorithm("Collection.first")
def first(collection: ImageCollection) -> Image | None:
    """The first image; null of an empty collection."""
    return collection.images[0] if collection.images else None


@algorithm("Collection.limit")
def limit(
    collection: ImageCollection, limit: int | None = None, key: str | None = None, ascending: bool = True
) -> ImageCollection:
    """The images by the property ``key``, and only the first ``limit`` of them."""
    if limit is not None and limit < 0:
        raise EvaluationError(f"Collection.limit: 'limit' must not be negative, but is {limit}.")
    images = list(collection.images)
    if key is not None:
        images = _ordered(images, key, ascending)
    return ImageCollection(tuple(images[:limit]))


@algorithm("Collection.size")
def size(collection: ImageCollection) -> int:
    """How many images there are."""
    return len(collection.images)


@algorithm("Collection.map")
def map_collection(
    collection: ImageCollection, baseAlgorithm: Function, dropNulls: bool = False
) -> ImageCollection:
    """What a function makes of each image."""
    mapped = []
    for image in collection.images:
        result = _mapped(image, baseAlgorithm)
        if result is None and dropNulls:
            continue
        if not isinstance(result, Image):
            raise EvaluationError(
                f"Collection.map: A mapped algorithm must return an Image, not {type_name(type(result))}; "
                "features are not emulated."
            )
        mapped.append(_with_index(result, str(image.properties.get("system:index"))))
    return ImageCollection(tuple(mapped))


@algorithm("List.get")
def get(list: list[Any], index: int) -> Any:
    """The element at a position, counted from the end if it is negative."""
    if not -len(list) <= index < len(list):
        raise EvaluationError(f"List.get: The index {index} lies outside a list of {len(list)}.")
    return list[index]


def _mapped(image: Image, function: Function) -> Any:
    try:
        return function.call(image)
    except EvaluationError as error:
        index = image.properties.get("system:index")
        raise EvaluationError(f"Collection.map: Error in map(ID={index}): {error.message}", error.code) from error


def _with_index(image: Image, index: str) -> Image:
    return replace(image, properties={**image.properties, "system:index": index})


def _ordered(images: list[Image], key: str, ascending: bool) -> list[Image]:
    known = [image for image in images if image.properties.get(key) is not None]
    if len(known) < len(images):
        raise EvaluationError(
            f"Collection.limit: Not every image has the property '{key}'; filter with Filter.notNull first."
        )
    try:
        return sorted(known, key=lambda image: image.properties[key], reverse=not ascending)
    except TypeError:
        raise EvaluationError(
            f"Collection.limit: The values of '{key}' cannot be compared with each other."
        ) from None
