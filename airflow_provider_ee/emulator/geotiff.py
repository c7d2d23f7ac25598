"""Writes GeoTIFFs tile by tile, under a temporary name until they are whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from airflow_provider_ee.emulator.evaluation.image import Band, Pixels
from airflow_provider_ee.emulator.evaluation.projection import Grid, parse_crs
from airflow_provider_ee.emulator.evaluation.reading import BLOCK
from airflow_provider_ee.emulator.output_files import placing, temporary_beside

_COMPRESSION = {"compress": "deflate", "zlevel": 1, "num_threads": "all_cpus", "bigtiff": "if_safer"}


class GeoTiff:
    """A file being written. Leaving the context removes whatever was not published."""

    def __init__(
        self, path: Path, grid: Grid, bands: Sequence[Band], *, no_data: float | None, keep_mask: bool = False
    ) -> None:
        """``keep_mask`` writes the mask of each band to a file beside, for want of a value to stand for it."""
        self.path = path
        self.grid = grid
        self.valid_pixels = 0
        self._names = [band.name for band in bands]
        self._dtype = bands[0].type.dtype
        self._no_data = no_data
        self._keep_mask = keep_mask
        self._masked_pixels = 0
        self._temporary = temporary_beside(path)
        self._temporary_mask = _mask_of(self._temporary)

    def __enter__(self) -> GeoTiff:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(NotADirectoryError):
            for path in (self._temporary, self._temporary_mask):
                path.unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the file open while its tiles are written."""
        with placing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._dataset = stack.enter_context(self._create(self._temporary, self._dtype, self._no_data))
            self._dataset.descriptions = self._names
            if self._keep_mask:
                self._mask = stack.enter_context(self._create(self._temporary_mask, np.dtype("uint8"), None))
                # Without these GDAL takes the file for one mask of all bands.
                self._mask.update_tags(**{f"INTERNAL_MASK_FLAGS_{index}": "0" for index in self._mask.indexes})
            yield

    def write(self, tile: Grid, bands: Sequence[Pixels]) -> None:
        """Writes one tile of the grid."""
        window = Window(tile.column - self.grid.column, tile.row - self.grid.row, tile.width, tile.height)
        for index, pixels in enumerate(bands, start=1):
            valid = int(np.count_nonzero(pixels.mask))
            self.valid_pixels += valid
            self._masked_pixels += pixels.mask.size - valid
            filled = (
                pixels.values if valid == pixels.mask.size else np.where(pixels.mask, pixels.values, self._fill)
            )
            self._dataset.write(filled, index, window=window)
            if self._keep_mask:
                self._mask.write(np.where(pixels.mask, np.uint8(255), np.uint8(0)), index, window=window)

    def make_cloud_optimized(self) -> None:
        """Rewrites the written file as a cloud-optimised GeoTIFF."""
        ordered = self._temporary.with_name(f"{self._temporary.name}.cog")
        try:
            options = {"blocksize": BLOCK, "compress": "deflate", "bigtiff": "if_safer"}
            rasterio.shutil.copy(self._temporary, ordered, driver="COG", **options)
            ordered.replace(self._temporary)
        finally:
            ordered.unlink(missing_ok=True)

    def publish(self) -> Path:
        """Gives the written file its name."""
        if self._keep_mask and self._masked_pixels:
            self._temporary_mask.replace(_mask_of(self.path))
        else:
            _mask_of(self.path).unlink(missing_ok=True)
        with placing(self.path):
            self._temporary.replace(self.path)
        return self.path

    def _create(self, path: Path, dtype: np.dtype, no_data: float | None) -> rasterio.io.DatasetWriter:
        dataset: rasterio.io.DatasetWriter = rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=self.grid.width,
            height=self.grid.height,
            count=len(self._names),
            dtype=dtype.name,
            crs=parse_crs(self.grid.projection.crs),
            transform=self.grid.transform,
            nodata=no_data,
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
            interleave="band",
            predictor=_predictor(dtype),
            **_COMPRESSION,
        )
        return dataset

    @property
    def _fill(self) -> np.ndarray:
        """What masked pixels hold. Without a noData value the emulator chooses: NaN, or 0 for integers."""
        without = math.nan if self._dtype.kind == "f" else 0
        return np.array(without if self._no_data is None else self._no_data).astype(self._dtype)


def _predictor(dtype: np.dtype) -> int:
    """TIFF's way of making numbers easier to compress. None for 64-bit integers, which older libraries refuse."""
    if dtype.kind == "f":
        return 3
    return 2 if dtype.itemsize <= 4 else 1


def _mask_of(path: Path) -> Path:
    """Where GDAL looks for the masks of a file."""
    return path.with_name(f"{path.name}.msk")
