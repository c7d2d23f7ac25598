"""Loading."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from airflow_provider_ee.emulator.evaluation.collection import Assets, FeatureCollection, ImageCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.registry import algorithm


@algorithm("Image.load")
def load_image(id: str, version: float = -1.0, *, assets: Assets) -> Image:
    """The image of an asset."""
    _refuse_version(version, "Image.load")
    return assets.image(id)


@algorithm("ImageCollection.load")
def load_collection(id: str, version: float | None = None, *, assets: Assets) -> ImageCollection:
    """The images in a folder, by their ids."""
    _refuse_version(version, "ImageCollection.load")
    return assets.collection(id)


@algorithm("Collection.loadTable")
def load_table(
    tableId: str, geometryColumn: str | None = None, version: float = -1.0, *, assets: Assets
) -> FeatureCollection:
    """The features of a table."""
    _refuse_version(version, "Collection.loadTable")
    return assets.table(tableId)


def _refuse_version(version: float | None, name: str) -> None:
    if version not in (None, -1):
        raise EvaluationError(f"{name}: versions of assets are not emulated; leave 'version' out.")
