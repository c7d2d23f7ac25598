"""The sources of pixels that are more than arithmetic: files, constants, regions, other lattices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.windows import Window

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint
from airflow_provider_ee.emulator.evaluation.image import Files, Pixels, Source
from airflow_provider_ee.emulator.evaluation.projection import NOWHERE, Grid, Projection, lattice_indices

_MOST_PIXELS_AT_ONCE = 4096 * 4096


class FileBand(Source):
    """One band of a raster file, nearest neighbour."""

    def __init__(self, path: Path, index: int, extent: Grid) -> None:
        self.path = path
        self.index = index
        self.extent = extent

    def compute(self, grid: Grid, inputs: Sequence[Pixels], files: Files) -> Pixels:
        columns, rows = lattice_indices(grid, self.extent.projection)
        inside = _within(columns, self.extent.width) & _within(rows, self.extent.height)
        if not inside.any():
            return nothing(grid, files.open(self.path).dtypes[self.index - 1])
        window = _window_of(columns, rows, inside)
        if window.width * window.height > _MOST_PIXELS_AT_ONCE and grid.width * grid.height > 1:
            return _joined([self.compute(half, inputs, files) for half in _halves(grid)], grid)
        values, mask = self._read(window, files)
        column, row = _offsets(columns, rows, window)
        return Pixels(_pick(values, column, row), _pick(mask, column, row) & inside)

    def _read(self, window: Window, files: Files) -> Pixels:
        dataset = files.open(self.path)
        values = dataset.read(self.index, window=window)
        flags = dataset.mask_flag_enums[self.index - 1]
        if MaskFlags.all_valid in flags:
            return Pixels(values, np.broadcast_to(True, values.shape))
        if MaskFlags.nodata in flags and values.dtype.kind in "iu":
            return Pixels(values, values != dataset.nodatavals[self.index - 1])
        return Pixels(values, dataset.read_masks(self.index, window=window) != 0)


class Constant(Source):
    """One value everywhere."""

    def __init__(self, value: float, dtype: np.dtype, *, valid: bool = True) -> None:
        self.value = np.array(value).astype(dtype)
        self.valid = np.array(valid)

    def compute(self, grid: Grid, inputs: Sequence[Pixels], files: Files) -> Pixels:
        return Pixels(np.broadcast_to(self.value, grid.shape), np.broadcast_to(self.valid, grid.shape))


class Inside(Source):
    """True in a footprint, false outside."""

    def __init__(self, footprint: Footprint) -> None:
        self.footprint = footprint

    def compute(self, grid: Grid, inputs: Sequence[Pixels], files: Files) -> Pixels:
        inside = np.broadcast_to(self.footprint.covers(grid), grid.shape)
        return Pixels(inside, np.broadcast_to(True, grid.shape))


class Reprojected(Source):
    """A source computed on the lattice of ``projection``, whatever grid is asked for."""

    def __init__(self, source: Source, projection: Projection) -> None:
        self.inputs = (source,)
        self.projection = projection

    def needs(self, grid: Grid) -> list[tuple[Source, Grid]]:
        if grid.projection == self.projection:
            return [(self.inputs[0], grid)]
        columns, rows = lattice_indices(grid, self.projection)
        inside = (columns != NOWHERE) & (rows != NOWHERE)
        if not inside.any():
            return []
        window = _window_of(columns, rows, inside)
        if window.width * window.height > _MOST_PIXELS_AT_ONCE:
            raise EvaluationError(
                f"Reprojection output too large ({window.width}x{window.height} pixels). (Error code: 3)"
            )
        lattice = Grid(self.projection, window.col_off, window.row_off, window.width, window.height)
        return [(self.inputs[0], lattice)]

    def compute(self, grid: Grid, inputs: Sequence[Pixels], files: Files) -> Pixels:
        if not inputs:
            return nothing(grid, "uint8")
        if grid.projection == self.projection:
            return inputs[0]
        columns, rows = lattice_indices(grid, self.projection)
        inside = (columns != NOWHERE) & (rows != NOWHERE)
        column, row = _offsets(columns, rows, _window_of(columns, rows, inside))
        (pixels,) = inputs
        return Pixels(_pick(pixels.values, column, row), _pick(pixels.mask, column, row) & inside)


def nothing(grid: Grid, dtype: np.dtype | str) -> Pixels:
    """Masked pixels."""
    zero = np.zeros((), dtype=dtype)
    return Pixels(np.broadcast_to(zero, grid.shape), np.broadcast_to(False, grid.shape))


def _within(indices: np.ndarray, length: int) -> np.ndarray:
    return (indices >= 0) & (indices < length)


def _window_of(columns: np.ndarray, rows: np.ndarray, inside: np.ndarray) -> Window:
    """The window that holds every index whose pixel is inside."""
    column = (
        np.broadcast_to(columns, inside.shape)[inside]
        if columns.shape == inside.shape
        else columns[:, inside.any(0)]
    )
    row = np.broadcast_to(rows, inside.shape)[inside] if rows.shape == inside.shape else rows[inside.any(1)]
    left, top = int(column.min()), int(row.min())
    return Window(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)


def _offsets(columns: np.ndarray, rows: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The indices counted from the window's corner; those outside it moved to its edge, to be masked."""
    # In this order: NOWHERE less an offset would overflow.
    left, right = window.col_off, window.col_off + window.width - 1
    top, bottom = window.row_off, window.row_off + window.height - 1
    return np.clip(columns, left, right) - left, np.clip(rows, top, bottom) - top


def _pick(values: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    picked: np.ndarray
    if rows.shape[1] == 1 and columns.shape[0] == 1:
        if values.shape == (rows.size, columns.size) and _is_run(columns) and _is_run(rows):
            return values
        picked = values.take(rows[:, 0], axis=0).take(columns[0], axis=1)
    else:
        picked = values[rows, columns]
    return picked


def _is_run(indices: np.ndarray) -> bool:
    steps = np.diff(indices.ravel())
    return bool((steps == 1).all())


def _halves(grid: Grid) -> tuple[Grid, Grid]:
    if grid.width > grid.height:
        half = grid.width // 2
        return grid.window(0, 0, half, grid.height), grid.window(half, 0, grid.width, grid.height)
    half = grid.height // 2
    return grid.window(0, 0, grid.width, half), grid.window(0, half, grid.width, grid.height)


def _joined(halves: list[Pixels], grid: Grid) -> Pixels:
    axis = 1 if grid.width > grid.height else 0
    return Pixels(
        np.concatenate([half.values for half in halves], axis=axis),
        np.concatenate([half.mask for half in halves], axis=axis),
    )
