"""Assets on disk: files are images or tables, folders are collections, JSON beside them holds properties.

``<asset id>.tif`` is an image, as are all ``<asset id>.<band>.tif`` together, where bands lie on different grids.
``<asset id>.json`` holds the properties of either. ``<asset id>.geojson`` is a table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from airflow_provider_ee.emulator.datasets import Datasets
from airflow_provider_ee.emulator.evaluation.collection import FeatureCollection, ImageCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Extent
from airflow_provider_ee.emulator.evaluation.image import Band, Image
from airflow_provider_ee.emulator.evaluation.pixel_type import PixelType
from airflow_provider_ee.emulator.evaluation.projection import Grid, Projection
from airflow_provider_ee.emulator.evaluation.sources import FileBand
from airflow_provider_ee.emulator.table_assets import read_table

_PUBLIC = "projects/earthengine-public/assets/"
_LEGACY = "projects/earthengine-legacy/assets/"
_SEGMENT = re.compile(r"[A-Za-z0-9_:.-]{0,219}[A-Za-z0-9_-]")  # with what follows it a file's name has 255 bytes
_LONGEST_ID = 2000
_CLOUD_NAME = re.compile(r"projects/([^/]+)/assets(?:/(.+))?")


@dataclass(frozen=True)
class Asset:
    """What lies under a name.

    :param place: the path of its files without an extension, or of its folder.
    :param exported: whether an export has written it.
    """

    id: str
    type: str
    place: Path
    files: tuple[Path, ...]
    exported: bool


class Catalog:
    """The assets in a folder, and those that exports have written."""

    def __init__(self, directory: Path, output: Path) -> None:
        self._directory = directory
        self._exported = output / "assets"

    def image(self, asset_id: str) -> Image:
        """The image of an asset."""
        for place in self._places(asset_id):
            files = _images_in(place.parent).get(place.name)
            if files:
                return _load(place, files, canonical_id(asset_id))
        if any(place.is_dir() for place in self._places(asset_id)):
            raise EvaluationError(f"Image.load: Asset '{asset_id}' is not an Image.")
        raise EvaluationError(_not_found("Image", asset_id))

    def collection(self, asset_id: str) -> ImageCollection:
        """The images in a folder, ordered by their ids."""
        places = self._places(asset_id)
        for place in places:
            if place.is_dir():
                images = sorted(_images_in(place).items())
                prefix = canonical_id(asset_id)
                return ImageCollection(
                    tuple(_load(place / name, files, f"{prefix}/{name}") for name, files in images)
                )
        if any(place.name in _images_in(place.parent) for place in places):
            raise EvaluationError(f"ImageCollection.load: Asset '{asset_id}' is not an ImageCollection.")
        raise EvaluationError(_not_found("ImageCollection", asset_id))

    def table(self, asset_id: str) -> FeatureCollection:
        """The features of a table."""
        for place in self._places(asset_id):
            path = place.with_name(f"{place.name}.geojson")
            if path.is_file():
                table = read_table(path)
                return table.having({**table.properties, "system:id": canonical_id(asset_id)})
        if any(place.is_dir() or place.name in _images_in(place.parent) for place in self._places(asset_id)):
            raise EvaluationError(f"Collection.loadTable: Asset '{asset_id}' is not a table.")
        raise EvaluationError(_not_found("Collection", asset_id, "loadTable"))

    def asset(self, asset_id: str) -> Asset | None:
        """What lies under a name; None if nothing does."""
        for place in self._places(asset_id):
            images, table = _images_in(place.parent).get(place.name), place.with_name(f"{place.name}.geojson")
            if images or table.is_file() or place.is_dir():
                return Asset(
                    canonical_id(asset_id),
                    _type_of(place, is_image=bool(images), is_table=table.is_file()),
                    place,
                    _files_of(place, images or [table]),
                    place.resolve().is_relative_to(self._exported.resolve()),  # and not where a link leads out
                )
        return None

    def children(self, asset_id: str) -> list[Asset]:
        """What lies in a folder or collection, by name."""
        names = {name for place in self._places(asset_id) for name in _names_in(place)}
        found = (self.asset(f"{canonical_id(asset_id)}/{name}") for name in sorted(names))
        return [asset for asset in found if asset is not None]

    def properties(self, place: Path) -> dict[str, Any]:
        """The properties that lie beside an asset."""
        return _properties(place)

    def files(self) -> Datasets:
        """The raster files that one computation of pixels opens."""
        return Datasets()

    def _places(self, asset_id: str) -> list[Path]:
        """The paths, without an extension, at which an asset may lie."""
        bare = canonical_id(asset_id)
        segments = bare.split("/")
        if len(bare) > _LONGEST_ID or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            return []
        places = [self._directory.joinpath(*segments)]
        if bare.startswith("users/"):
            places.insert(0, self._exported.joinpath("earthengine-legacy", *segments))
        cloud_name = _CLOUD_NAME.fullmatch(bare)
        if cloud_name:
            places.insert(0, self._exported.joinpath(cloud_name[1], *(cloud_name[2] or "").split("/")))
        return places


def canonical_id(asset_id: str) -> str:
    """The shortest of the names that an asset has."""
    for prefix in (_PUBLIC, _LEGACY):
        asset_id = asset_id.removeprefix(prefix)
    return asset_id.strip("/")


def _not_found(kind: str, asset_id: str, function: str = "load") -> str:
    return (
        f"{kind}.{function}: {kind} asset '{asset_id}' not found (does not exist or caller does not have access)."
    )


def _images_in(folder: Path) -> dict[str, list[Path]]:
    """The images of a folder by name: each with its file, or with those of its bands, B2 before B11."""
    images: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("[!.]*.tif"), key=_natural_order):
        images.setdefault(path.name.split(".", 1)[0], []).append(path)
    for name, files in images.items():
        whole = folder / f"{name}.tif"
        images[name] = [whole] if whole in files else files
    return images


def _type_of(place: Path, *, is_image: bool, is_table: bool) -> str:
    if is_image or is_table:
        return "IMAGE" if is_image else "TABLE"
    return "IMAGE_COLLECTION" if _images_in(place) else "FOLDER"


def _files_of(place: Path, files: Iterable[Path]) -> tuple[Path, ...]:
    beside = [place.with_name(f"{place.name}.json"), *(file.with_name(f"{file.name}.msk") for file in files)]
    return tuple(path for path in (*files, *beside) if path.is_file())


def _names_in(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    folders = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
    return folders | set(_images_in(folder)) | {path.stem for path in folder.glob("[!.]*.geojson")}


def _natural_order(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _load(place: Path, files: list[Path], asset_id: str) -> Image:
    bands = tuple(band for path in files for band in _bands(path, path.stat().st_mtime_ns))
    return Image(bands, {**_properties(place), "system:id": asset_id, "system:index": place.name})


def _properties(place: Path) -> dict[str, Any]:
    path = place.with_name(f"{place.name}.json")
    if not path.is_file():
        return {}
    try:
        properties = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"Image.load: '{path.name}' is not JSON: {error}.") from None
    if not isinstance(properties, dict):
        raise EvaluationError(f"Image.load: '{path.name}' must hold an object of properties.")
    return properties


@lru_cache(maxsize=4096)
def _bands(path: Path, modified: int) -> tuple[Band, ...]:
    # By the time of change too: an exported asset may be overwritten while the emulator runs.
    try:
        with rasterio.open(path) as dataset:
            return tuple(_read_bands(path, dataset))
    except RasterioIOError as error:
        raise EvaluationError(f"Image.load: '{path.name}' is not a raster file: {error}.") from None


def _read_bands(path: Path, dataset: DatasetReader) -> Iterator[Band]:
    if dataset.crs is None:
        raise EvaluationError(f"Image.load: '{path.name}' has no CRS.")
    grid = Grid(Projection(dataset.crs.to_string(), dataset.transform), 0, 0, dataset.width, dataset.height)
    for index, name in zip(dataset.indexes, _band_names(path, dataset), strict=True):
        pixel_type = PixelType.of(dataset.dtypes[index - 1])
        yield Band(name, pixel_type, FileBand(path, index, grid), grid.projection, Extent(grid))


def _band_names(path: Path, dataset: DatasetReader) -> Iterable[str]:
    named_by_file = path.name.split(".")[1:-1]
    if named_by_file and dataset.count == 1:
        return [".".join(named_by_file)]
    return [
        description or f"b{index}"
        for index, description in zip(dataset.indexes, dataset.descriptions, strict=True)
    ]
