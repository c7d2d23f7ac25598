"""Where an image has pixels: extents, geometries, and their unions and intersections."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import rasterio.features

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.projection import (
    Grid,
    lattice_indices,
    parse_crs,
    pixels_at,
    same_crs,
    transform_points,
)

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""

WGS84 = "EPSG:4326"


@dataclass(frozen=True, eq=False)
class Path:
    """Vertices in a row (an array of x, y), closed where it is a ring."""

    vertices: np.ndarray
    closed: bool = True

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The starts and the ends of the edges; of a lone point, the point."""
        if len(self.vertices) == 1:
            return self.vertices, self.vertices
        if self.closed:
            return self.vertices, np.roll(self.vertices, -1, axis=0)
        return self.vertices[:-1], self.vertices[1:]


Polygon = tuple[Path, ...]
"""A shell and its holes, or one open path, or one point."""


class Footprint(ABC):
    """A part of the Earth's surface."""

    @abstractmethod
    def polygons(self, crs: str) -> list[Polygon]:
        """The outlines in ``crs``, their edges dense enough to be straight there."""

    @abstractmethod
    def covers(self, grid: Grid) -> np.ndarray:
        """For each pixel of ``grid``, whether its centre lies inside."""

    def bounds(self, crs: str) -> Bounds | None:
        """The smallest box in ``crs`` that holds it all; None if it is empty."""
        outlines = [path.vertices for polygon in self.polygons(crs) for path in polygon]
        if not outlines:
            return None
        vertices = np.concatenate(outlines)
        if not np.isfinite(vertices).all():
            raise EvaluationError(f"Projection: a footprint or region cannot be transformed to {crs}.")
        (left, bottom), (right, top) = vertices.min(axis=0), vertices.max(axis=0)
        return float(left), float(bottom), float(right), float(top)

    def intersects(self, other: Footprint, crs: str) -> bool:
        """Whether the two have a point in common, looked at in ``crs``."""
        others = other.polygons(crs)
        return any(_polygons_meet(mine, theirs) for mine in self.polygons(crs) for theirs in others)


@dataclass(frozen=True)
class Extent(Footprint):
    """The whole of a pixel grid."""

    grid: Grid

    def polygons(self, crs: str) -> list[Polygon]:
        corners = ((0, 0), (self.grid.width, 0), (self.grid.width, self.grid.height), (0, self.grid.height))
        ring = np.array([self.grid.transform * corner for corner in corners], dtype="float64")
        return [(_transformed(Path(ring), self.grid.projection.crs, crs, geodesic=False),)]

    def covers(self, grid: Grid) -> np.ndarray:
        columns, rows = lattice_indices(grid, self.grid.projection)
        inside_columns = (columns >= self.grid.column) & (columns < self.grid.column + self.grid.width)
        inside_rows = (rows >= self.grid.row) & (rows < self.grid.row + self.grid.height)
        return inside_columns & inside_rows


@dataclass(frozen=True, eq=False)
class Geometry(Footprint):
    """A point, lines or polygons, with edges straight in ``crs`` or, geodesic, on the Earth's surface."""

    kind: str
    crs: str
    parts: tuple[Polygon, ...]
    geodesic: bool

    def polygons(self, crs: str) -> list[Polygon]:
        return [tuple(_transformed(path, self.crs, crs, self.geodesic) for path in part) for part in self.parts]

    def covers(self, grid: Grid) -> np.ndarray:
        if self.kind in ("Point", "MultiPoint"):
            return self._pixels_of_points(grid)
        if not self.has_area:
            raise EvaluationError(f"The pixels of a {self.kind} are not emulated; use a Polygon.")
        shapes = [
            {"type": "Polygon", "coordinates": [path.vertices.tolist() for path in polygon]}
            for polygon in self._closed_polygons(grid.projection.crs)
        ]
        if not shapes:
            return np.zeros(grid.shape, dtype=bool)
        inside: np.ndarray = rasterio.features.geometry_mask(shapes, grid.shape, grid.transform, invert=True)
        return inside

    @property
    def has_area(self) -> bool:
        """Whether it is made of polygons."""
        return self.kind in ("Polygon", "MultiPolygon")

    def _pixels_of_points(self, grid: Grid) -> np.ndarray:
        points = np.concatenate(
            [path.vertices for polygon in self.polygons(grid.projection.crs) for path in polygon]
        )
        columns, rows = pixels_at(points, grid)
        inside = (columns >= 0) & (columns < grid.width) & (rows >= 0) & (rows < grid.height)
        pixels = np.zeros(grid.shape, dtype=bool)
        pixels[rows[inside], columns[inside]] = True
        return pixels

    @cached_property
    def _outlines(self) -> dict[str, list[Polygon]]:
        return {}

    def _closed_polygons(self, crs: str) -> list[Polygon]:
        # Kept, since every tile of an export asks for the same outlines.
        if crs not in self._outlines:
            self._outlines[crs] = [
                tuple(Path(np.vstack([path.vertices, path.vertices[:1]])) for path in polygon)
                for polygon in self.polygons(crs)
            ]
        return self._outlines[crs]


@dataclass(frozen=True)
class Union(Footprint):
    """Everything in any of the parts."""

    parts: tuple[Footprint, ...]

    def polygons(self, crs: str) -> list[Polygon]:
        return [polygon for part in self.parts for polygon in part.polygons(crs)]

    def covers(self, grid: Grid) -> np.ndarray:
        inside = np.zeros(grid.shape, dtype=bool)
        for part in self.parts:
            inside |= part.covers(grid)
        return inside


@dataclass(frozen=True)
class Intersection(Footprint):
    """What all of the parts have in common. Its outline is the box that the boxes of the parts share."""

    parts: tuple[Footprint, ...]

    def polygons(self, crs: str) -> list[Polygon]:
        boxes = [part.bounds(crs) for part in self.parts]
        if any(box is None for box in boxes):
            return []
        lefts, bottoms, rights, tops = zip(*(box for box in boxes if box is not None), strict=True)
        left, bottom, right, top = max(lefts), max(bottoms), min(rights), min(tops)
        if left > right or bottom > top:
            return []
        return [(Path(np.array([(left, bottom), (right, bottom), (right, top), (left, top)])),)]

    def covers(self, grid: Grid) -> np.ndarray:
        inside = np.ones(grid.shape, dtype=bool)
        for part in self.parts:
            inside &= part.covers(grid)
        return inside


def united(footprints: Iterable[Footprint | None]) -> Footprint | None:
    """The union; None, unbounded, if any of them is."""
    return _combined(Union, list(footprints), absorbing=True)


def intersected(footprints: Iterable[Footprint | None]) -> Footprint | None:
    """The intersection; None, unbounded, if all of them are."""
    return _combined(Intersection, list(footprints), absorbing=False)


def _combined(
    kind: type[Union] | type[Intersection], footprints: list[Footprint | None], *, absorbing: bool
) -> Footprint | None:
    bounded = [footprint for footprint in footprints if footprint is not None]
    if not bounded or (absorbing and len(bounded) < len(footprints)):
        return None
    # Flat and without repetition: a chain of a thousand sums of one image keeps the footprint of that image.
    parts: dict[Footprint, None] = {}
    for footprint in bounded:
        parts.update(dict.fromkeys(footprint.parts if isinstance(footprint, kind) else (footprint,)))
    return next(iter(parts)) if len(parts) == 1 else kind(tuple(parts))


def _transformed(path: Path, source: str, target: str, geodesic: bool) -> Path:
    if same_crs(source, target) and not geodesic:
        return path
    vertices = _densified(path, source, geodesic)
    x, y = transform_points(source, target, vertices[:, 0], vertices[:, 1])
    return Path(np.column_stack([x, y]), path.closed)


def _densified(path: Path, crs: str, geodesic: bool) -> np.ndarray:
    """The vertices with more between them: a kilometre apart, at most a thousand to an edge."""
    starts, ends = path.edges
    step = 0.01 if parse_crs(crs).is_geographic else 1000.0 / parse_crs(crs).linear_units_factor[1]
    dense: list[np.ndarray] = []
    for start, end in zip(starts, ends, strict=True):
        count = int(np.clip(math.ceil(math.dist(start, end) / step), 21, 1000)) if math.dist(start, end) else 1
        fractions = np.arange(count)[:, np.newaxis] / count
        dense.append(_on_great_circle(start, end, fractions) if geodesic else start + fractions * (end - start))
    if not path.closed:
        dense.append(path.vertices[-1:])
    vertices: np.ndarray = np.concatenate(dense)
    return vertices


def _on_great_circle(start: np.ndarray, end: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    one, other = _on_sphere(start), _on_sphere(end)
    angle = math.acos(float(np.clip(one @ other, -1.0, 1.0)))
    between: np.ndarray = start + fractions * (end - start)
    if math.sin(angle) < 1e-12:
        return between
    points = (np.sin((1 - fractions) * angle) * one + np.sin(fractions * angle) * other) / math.sin(angle)
    longitudes = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    longitudes += 360 * np.round((between[:, 0] - longitudes) / 360)  # the ends may lie beyond 180
    latitudes = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    between[1:] = np.column_stack([longitudes, latitudes])[1:]
    return between


def _on_sphere(point: np.ndarray) -> np.ndarray:
    longitude, latitude = np.radians(point)
    return np.array(
        [math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)]
    )


def _polygons_meet(one: Polygon, other: Polygon) -> bool:
    if any(_paths_cross(mine, theirs) for mine in one for theirs in other):
        return True
    return _inside(one[0].vertices[0], other) or _inside(other[0].vertices[0], one)


def _inside(point: np.ndarray, polygon: Polygon) -> bool:
    crossings = 0
    for ring in polygon:
        if not ring.closed:
            return False
        (x1, y1), (x2, y2) = (side.T for side in ring.edges)
        spans = (y1 > point[1]) != (y2 > point[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            right = point[0] < (x2 - x1) * (point[1] - y1) / (y2 - y1) + x1
        crossings += int(np.count_nonzero(spans & right))
    return crossings % 2 == 1


def _paths_cross(one: Path, other: Path) -> bool:
    starts, ends = other.edges
    for a, b in zip(*one.edges, strict=True):
        apart = (np.minimum(a, b) > np.maximum(starts, ends)) | (np.maximum(a, b) < np.minimum(starts, ends))
        near = ~apart.any(axis=1)
        if not near.any():
            continue
        c, d = starts[near], ends[near]
        opposite = _side(a, b, c) * _side(a, b, d) <= 0
        if (opposite & (_side(c, d, a) * _side(c, d, b) <= 0)).any():
            return True
    return False


def _side(a: np.ndarray, b: np.ndarray, point: np.ndarray) -> np.ndarray:
    along, towards = b - a, point - a
    side: np.ndarray = np.sign(along[..., 0] * towards[..., 1] - along[..., 1] * towards[..., 0])
    return side
