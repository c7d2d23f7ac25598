"""Constructors of geometries, and what they are asked about."""

# ruff: noqa: N803 (the arguments have the names that the service gave them)
from __future__ import annotations

import math
from typing import Any

import numpy as np

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import WGS84, Footprint, Geometry, Path, Polygon
from airflow_provider_ee.emulator.evaluation.geojson import to_geojson
from airflow_provider_ee.emulator.evaluation.projection import Projection, parse_crs
from airflow_provider_ee.emulator.evaluation.registry import algorithm


@algorithm("GeometryConstructors.Point")
def point(coordinates: list[float], crs: Projection | None = None) -> Geometry:
    """A point."""
    return _geometry("Point", [[_point(coordinates)]], crs, False, closed=False)


@algorithm("GeometryConstructors.MultiPoint")
def multi_point(coordinates: list[Any], crs: Projection | None = None) -> Geometry:
    """Several points."""
    return _geometry("MultiPoint", [[each] for each in _points(coordinates)], crs, False, closed=False)


@algorithm("GeometryConstructors.LineString")
def line_string(
    coordinates: list[Any], crs: Projection | None = None, geodesic: bool | None = None, maxError: Any = None
) -> Geometry:
    """A line."""
    return _geometry("LineString", [_points(coordinates)], crs, geodesic, closed=False)


@algorithm("GeometryConstructors.MultiLineString")
def multi_line_string(
    coordinates: list[Any], crs: Projection | None = None, geodesic: bool | None = None, maxError: Any = None
) -> Geometry:
    """Several lines."""
    return _geometry("MultiLineString", [_points(line) for line in coordinates], crs, geodesic, closed=False)


@algorithm("GeometryConstructors.LinearRing")
def linear_ring(
    coordinates: list[Any], crs: Projection | None = None, geodesic: bool | None = None, maxError: Any = None
) -> Geometry:
    """A line that ends where it starts."""
    points = _points(coordinates)
    ring = points if points[0] == points[-1] else [*points, points[0]]
    return _geometry("LinearRing", [ring], crs, geodesic, closed=False)


@algorithm("GeometryConstructors.Polygon")
def polygon(
    coordinates: list[Any],
    crs: Projection | None = None,
    geodesic: bool | None = None,
    maxError: Any = None,
    evenOdd: bool = True,
) -> Geometry:
    """A shell and its holes."""
    return _polygons("Polygon", [coordinates], crs, geodesic, evenOdd)


@algorithm("GeometryConstructors.MultiPolygon")
def multi_polygon(
    coordinates: list[Any],
    crs: Projection | None = None,
    geodesic: bool | None = None,
    maxError: Any = None,
    evenOdd: bool = True,
) -> Geometry:
    """Several polygons."""
    return _polygons("MultiPolygon", coordinates, crs, geodesic, evenOdd)


@algorithm("GeometryConstructors.Rectangle")
def rectangle(
    coordinates: list[Any], crs: Projection | None = None, geodesic: bool | None = None, evenOdd: bool = True
) -> Geometry:
    """A rectangle between two corners."""
    corners = _points(coordinates)
    if len(corners) != 2:
        raise EvaluationError(
            "GeometryConstructors.Rectangle: 'coordinates' must be two corners: west, south, east, north."
        )
    (west, south), (east, north) = corners
    if west > east or south > north:
        raise EvaluationError(
            "GeometryConstructors.Rectangle: 'coordinates' must be the low and then the high corner."
        )
    ring = [[west, south], [east, south], [east, north], [west, north]]
    return _polygons("Polygon", [[ring]], crs, geodesic, evenOdd)


@algorithm("GeometryConstructors.BBox")
def bbox(west: float, south: float, east: float, north: float) -> Geometry:
    """A rectangle of longitudes and latitudes, its edges straight on the map."""
    if west > east:
        raise EvaluationError(
            "GeometryConstructors.BBox: a box over the antimeridian is not emulated; split it in two."
        )
    return rectangle([west, south, east, north], None, geodesic=False)


@algorithm("Geometry.type")
def geometry_type(geometry: Geometry) -> str:
    """Its type, as GeoJSON calls it."""
    return geometry.kind


@algorithm("Geometry.coordinates")
def coordinates(geometry: Geometry) -> list[Any]:
    """Its coordinates, nested as in GeoJSON."""
    listed: list[Any] = to_geojson(geometry)["coordinates"]
    return listed


@algorithm("Geometry.bounds")
def bounds(geometry: Footprint, maxError: Any = None, proj: Projection | None = None) -> Geometry:
    """The box around it in a projection, else in longitudes and latitudes.

    Where edges are bent there, the box holds points of them that are a kilometre apart or less.
    """
    box = geometry.bounds(proj.crs if proj else WGS84)
    if box is None:
        raise EvaluationError("Geometry.bounds: The geometry is empty.")
    return rectangle(list(box), Projection(proj.crs) if proj else None, geodesic=False)


def _polygons(
    kind: str, shapes: list[Any], crs: Projection | None, geodesic: bool | None, even_odd: bool
) -> Geometry:
    if not even_odd:
        raise EvaluationError("GeometryConstructors: the left-inside rule (evenOdd false) is not emulated.")
    parts = []
    for shape in ([_points(ring) for ring in _rings(shape)] for shape in shapes):
        if not shape:
            raise EvaluationError("GeometryConstructors.Polygon: 'coordinates' must hold a ring.")
        shell = np.array(shape[0])
        if _is_geographic(crs) and np.ptp(shell[:, 0]) > 180 and geodesic is not False:
            raise EvaluationError(
                "GeometryConstructors.Polygon: geodesic edges around more than half the Earth are not emulated."
            )
        parts.append([_open_ring(ring) for ring in shape])
    return _geometry_of_parts(kind, parts, crs, geodesic, closed=True)


def _geometry(
    kind: str, paths: list[Any], crs: Projection | None, geodesic: bool | None, *, closed: bool
) -> Geometry:
    return _geometry_of_parts(kind, [[path] for path in paths], crs, geodesic, closed=closed)


def _geometry_of_parts(
    kind: str, parts: list[Any], crs: Projection | None, geodesic: bool | None, *, closed: bool
) -> Geometry:
    """A geometry in the CRS of ``crs``: coordinates count pixels of a projection that has a transform."""
    projection = crs or Projection(WGS84)
    if geodesic and not _is_geographic(crs):
        raise EvaluationError(
            f"GeometryConstructors.{kind}: geodesic edges in the projected CRS {projection.crs} are not emulated."
        )

    def path(points: Any) -> Path:
        return Path(np.array([projection.transform * tuple(each) for each in points], dtype="float64"), closed)

    polygons: tuple[Polygon, ...] = tuple(tuple(path(points) for points in part) for part in parts)
    return Geometry(kind, projection.crs, polygons, _is_geographic(crs) if geodesic is None else geodesic)


def _is_geographic(crs: Projection | None) -> bool:
    return crs is None or bool(parse_crs(crs.crs).is_geographic)


def _rings(shape: Any) -> list[Any]:
    """The rings of a polygon; a single ring may come without its list."""
    if isinstance(shape, list) and shape and isinstance(shape[0], list) and shape[0] and _is_number(shape[0][0]):
        return [shape]
    return shape if isinstance(shape, list) else [shape]


def _points(coordinates: Any) -> list[list[float]]:
    """Points of a list of points, of pairs of numbers, or of numbers in a row."""
    if isinstance(coordinates, list) and coordinates and all(_is_number(each) for each in coordinates):
        coordinates = [coordinates[index : index + 2] for index in range(0, len(coordinates), 2)]
    if not isinstance(coordinates, list) or not coordinates:
        raise EvaluationError("GeometryConstructors: 'coordinates' must be a list of points.")
    return [_point(each) for each in coordinates]


def _point(value: Any) -> list[float]:
    if isinstance(value, Geometry) and value.kind == "Point" and value.crs == WGS84:
        value = value.parts[0][0].vertices[0].tolist()
    if not (isinstance(value, list) and len(value) == 2 and all(_is_number(each) for each in value)):
        raise EvaluationError("GeometryConstructors: 'coordinates' must be made of pairs of finite numbers.")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def _open_ring(points: list[list[float]]) -> list[list[float]]:
    ring = points[:-1] if points[0] == points[-1] else points
    if len(ring) < 3:
        raise EvaluationError("GeometryConstructors.Polygon: A ring needs at least three different points.")
    return ring
