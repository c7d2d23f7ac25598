"""Geometries as GeoJSON, in the service's dialect: ``geodesic`` and ``crs`` tell what differs from the default."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import WGS84, Footprint, Geometry, Path, Polygon


def to_geojson(footprint: Footprint | None) -> dict[str, Any]:
    """A geometry in its own CRS.

    :raises EvaluationError: for the outline of an image or of a union, which the service would compute.
    """
    geometry = _geometry(footprint)
    described = {"type": geometry.kind, "coordinates": _coordinates(geometry.kind, geometry.parts)}
    if geometry.crs != WGS84:
        described["crs"] = {"type": "name", "properties": {"name": geometry.crs}}
    if not geometry.geodesic and "Point" not in geometry.kind:
        described["geodesic"] = False
    return described


def to_wgs84_geojson(footprint: Footprint | None) -> dict[str, Any]:
    """A geometry in longitudes and latitudes; edges that are bent there get points on their way."""
    geometry = _geometry(footprint)
    if geometry.kind == "LinearRing":  # GeoJSON has none
        geometry = replace(geometry, kind="LineString")
    if geometry.crs == WGS84:
        return to_geojson(geometry)
    return to_geojson(Geometry(geometry.kind, WGS84, tuple(geometry.polygons(WGS84)), geodesic=False))


def _geometry(footprint: Footprint | None) -> Geometry:
    if not isinstance(footprint, Geometry):
        raise EvaluationError("Geometry: The outline of an image or of a collection is not emulated.")
    return footprint


def _coordinates(kind: str, parts: tuple[Polygon, ...]) -> Any:
    rings = [[_points(path) for path in part] for part in parts]
    if kind == "Point":
        return rings[0][0][0]
    if kind == "MultiPoint":
        return [part[0][0] for part in rings]
    if kind in ("LineString", "LinearRing"):
        return rings[0][0]
    if kind == "MultiLineString":
        return [part[0] for part in rings]
    return rings[0] if kind == "Polygon" else rings


def _points(path: Path) -> list[list[float]]:
    if not np.isfinite(path.vertices).all():
        raise EvaluationError("Geometry: A coordinate is not finite; use smaller numbers, or another projection.")
    points: list[list[float]] = path.vertices.tolist()
    return [*points, points[0]] if path.closed else points
