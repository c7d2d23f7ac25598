"""Collections, of images or of features, and where they are loaded from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from typing_extensions import Self

from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.image import Files, Image
from airflow_provider_ee.emulator.evaluation.values import Feature


@dataclass(frozen=True, eq=False)
class Collection(Element):
    """Elements in their order."""

    elements: tuple[Element, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)

    def of(self, elements: Iterable[Element]) -> Self:
        """A collection like this one of other elements."""
        return replace(self, elements=tuple(elements))


@dataclass(frozen=True, eq=False)
class ImageCollection(Collection):
    """Images in their order."""

    elements: tuple[Image, ...]


@dataclass(frozen=True, eq=False)
class FeatureCollection(Collection):
    """Features in their order, or collections that are still to be flattened."""

    elements: tuple[Feature | Collection, ...]


class Assets(Protocol):
    """Where images and collections are loaded from."""

    def image(self, asset_id: str) -> Image:
        """The image, or an error if there is none of that id."""

    def collection(self, asset_id: str) -> ImageCollection:
        """The collection, or an error if there is none of that id."""

    def table(self, asset_id: str) -> FeatureCollection:
        """The features, or an error if there is no table of that id."""

    def files(self) -> AbstractContextManager[Files]:
        """The raster files that one computation of pixels opens."""
