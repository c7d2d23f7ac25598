"""Projections and the lattices of pixels that they span."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import rasterio.warp
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

SNAP = 1e-6
"""Pixel coordinates this close to a pixel's edge lie on it: the rest is rounding."""

NOWHERE = np.iinfo("int64").min
"""The index of a point that another CRS cannot express."""

_FARTHEST_PIXEL = 2.0**53
# Anything else GDAL would take for the name of a file to read, or for a page to fetch.
_CODE_OR_WKT = re.compile(
    r"[a-z]\w*:[\w.]+|urn:ogc:def:crs:\w+:[\w.]*:\w+|https?://www\.opengis\.net/def/crs/\w+/[\w.]+/\w+|"
    r"[a-z]\w*\s*[\[(].*",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_NAMES_A_FILE = re.compile(r"PARAMETERFILE|PROJ4_GRIDS|\binit=|(grids|file|model)=(?!@null\b)", re.IGNORECASE)
_IDENTITY = Affine.identity()
_POINTS_AT_ONCE = 65536
_METRES_PER_DEGREE = math.radians(1) * 6378137.0


@lru_cache(maxsize=256)
def parse_crs(text: str) -> CRS:
    """The CRS of a code such as EPSG:4326, or of WKT that needs no file."""
    try:
        if not _CODE_OR_WKT.fullmatch(text.strip()) or _NAMES_A_FILE.search(text):
            raise ValueError("neither a code nor WKT")
        return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:
        message = "Projection: The CRS of a map projection could not be parsed. (Error code: 3)"
        raise EvaluationError(message) from error


@lru_cache(maxsize=1024)
def same_crs(one: str, other: str) -> bool:
    """Whether two codes or WKT texts name one CRS."""
    return one == other or parse_crs(one) == parse_crs(other)


def transform_points(source: str, target: str, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the CRS ``source`` in the CRS ``target``; infinite where ``target`` cannot express them."""
    if same_crs(source, target):
        return x, y
    shape, x, y = x.shape, x.ravel(), y.ravel()
    transformed = np.empty((2, x.size))
    # In pieces, since rasterio makes Python lists of them, ten times their size.
    for start in range(0, x.size, _POINTS_AT_ONCE):
        piece = slice(start, start + _POINTS_AT_ONCE)
        try:
            transformed[:, piece] = rasterio.warp.transform(
                parse_crs(source), parse_crs(target), x[piece], y[piece]
            )
        except (RasterioError, CPLE_BaseError) as error:
            raise EvaluationError(
                f"Projection: points cannot be transformed from {source} to {target}."
            ) from error
    return transformed[0].reshape(shape), transformed[1].reshape(shape)


@dataclass(frozen=True)
class Projection:
    """A CRS (code or WKT) and the transform from pixels to its coordinates."""

    crs: str
    transform: Affine = _IDENTITY

    @property
    def nominal_scale(self) -> float:
        """The side of a pixel in metres, at the point of true scale."""
        crs = parse_crs(self.crs)
        metres_per_unit = _METRES_PER_DEGREE if crs.is_geographic else crs.linear_units_factor[1]
        return math.hypot(self.transform.a, self.transform.d) * metres_per_unit

    def at_scale(self, metres: float) -> Projection:
        """The same origin and CRS with pixels of ``metres``."""
        return Projection(self.crs, self.transform * Affine.scale(metres / self.nominal_scale))


@dataclass(frozen=True)
class Grid:
    """A rectangle of pixels on the lattice of a projection.

    Coordinates come from pixel counts in one multiplication, so that neighbouring windows agree to the last bit.
    """

    projection: Projection
    column: int
    row: int
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, as arrays have them."""
        return self.height, self.width

    @property
    def transform(self) -> Affine:
        """The transform from this grid's own pixels to the CRS."""
        return self.projection.transform * Affine.translation(self.column, self.row)

    def window(self, column: int, row: int, width: int, height: int) -> Grid:
        """The part that starts ``column``, ``row`` pixels from this grid's corner, cut at its far edges."""
        return Grid(
            self.projection,
            self.column + column,
            self.row + row,
            min(width, self.width - column),
            min(height, self.height - row),
        )

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """The coordinates of every pixel's centre."""
        columns = self.column + np.arange(self.width)[np.newaxis, :] + 0.5
        rows = self.row + np.arange(self.height)[:, np.newaxis] + 0.5
        a, b, c, d, e, f, *_ = self.projection.transform
        return a * columns + b * rows + c, d * columns + e * rows + f


def lattice_indices(grid: Grid, lattice: Projection) -> tuple[np.ndarray, np.ndarray]:
    """The column and row of ``lattice`` in which each pixel centre of ``grid`` lies; they broadcast to the grid.

    A centre on the edge of two pixels belongs to the one that the lattice counts later.
    """
    if same_crs(grid.projection.crs, lattice.crs):
        if grid.projection.transform == lattice.transform:
            columns, rows = grid.column + np.arange(grid.width), grid.row + np.arange(grid.height)
            return columns[np.newaxis, :], rows[:, np.newaxis]
        if _is_straight(grid.projection.transform) and _is_straight(lattice.transform):
            return _straight_indices(grid, lattice)
    return _indices_of_every_centre(grid, lattice)


def pixels_at(points: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The columns and rows of ``grid``, counted from its corner, in which points (x, y) of its CRS lie."""
    columns, rows = _pixels(points, grid.projection.transform)
    return _snapped_floor(columns) - grid.column, _snapped_floor(rows) - grid.row


def bounds_on_lattice(bounds: tuple[float, float, float, float], lattice: Projection) -> Grid:
    """The fewest pixels of ``lattice`` that cover ``bounds`` (left, bottom, right, top) in its CRS."""
    left, bottom, right, top = bounds
    corners = np.array(((left, bottom), (left, top), (right, bottom), (right, top)))
    with np.errstate(over="ignore", invalid="ignore"):
        columns, rows = _pixels(corners, lattice.transform)
    if not (np.abs(columns).max() < _FARTHEST_PIXEL and np.abs(rows).max() < _FARTHEST_PIXEL):
        raise EvaluationError("Projection: a region lies too many pixels from the origin; use larger pixels.")
    first_column, first_row = int(_snapped_floor(columns.min())), int(_snapped_floor(rows.min()))
    end_column, end_row = -int(_snapped_floor(-columns.max())), -int(_snapped_floor(-rows.max()))
    # A point or a line has no extent; the pixel that holds it is still wanted.
    width, height = max(end_column - first_column, 1), max(end_row - first_row, 1)
    return Grid(lattice, first_column, first_row, width, height)


def _pixels(points: np.ndarray, transform: Affine) -> tuple[np.ndarray, np.ndarray]:
    """Points of a CRS counted in pixels; at infinity where pixels are too small to be counted."""
    x, y = points.T
    if transform.is_degenerate:
        return np.full(x.shape, np.inf), np.full(y.shape, np.inf)
    a, b, c, d, e, f, *_ = ~transform
    return a * x + b * y + c, d * x + e * y + f


def _is_straight(transform: Affine) -> bool:
    return transform.b == 0 and transform.d == 0


def _straight_indices(grid: Grid, lattice: Projection) -> tuple[np.ndarray, np.ndarray]:
    mine, other = grid.projection.transform, lattice.transform
    x = mine.a * (grid.column + np.arange(grid.width) + 0.5) + mine.c
    y = mine.e * (grid.row + np.arange(grid.height) + 0.5) + mine.f
    columns, rows = (x - other.c) / other.a, (y - other.f) / other.e
    return _snapped_floor(columns)[np.newaxis, :], _snapped_floor(rows)[:, np.newaxis]


@lru_cache(maxsize=2)
def _indices_of_every_centre(grid: Grid, lattice: Projection) -> tuple[np.ndarray, np.ndarray]:
    # Cached because every band of a scene asks for the same tile: the transformation costs more than the reading.
    x, y = np.broadcast_arrays(*grid.centres())
    x, y = transform_points(grid.projection.crs, lattice.crs, x, y)
    a, b, c, d, e, f, *_ = ~lattice.transform
    with np.errstate(invalid="ignore"):
        return _snapped_floor(a * x + b * y + c), _snapped_floor(d * x + e * y + f)


def _snapped_floor(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    nearest = np.rint(values)
    floor = np.floor(np.where(np.abs(values - nearest) <= SNAP, nearest, values))
    return np.where(known, floor.astype("int64"), NOWHERE)
