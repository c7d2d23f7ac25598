"""A region in longitude and latitude, in one piece also where it crosses 180 degrees, and its bounds in a CRS.

GeoJSON: https://datatracker.ietf.org/doc/html/rfc7946
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.projected import Bounds, Point, Ring, projected_bounds

Region: TypeAlias = Sequence[float] | Mapping[str, Any] | str
"""``(west, south, east, north)`` in degrees, or GeoJSON of polygons as a dict or as text."""


_LONGITUDE_AND_LATITUDE = ("EPSG:4326", "OGC:CRS84", "CRS:84")

_TURN = 360
_HALF_TURN = 180


def region_bounds(region: Region, crs: str) -> Bounds:
    """Bounds (min x, min y, max x, max y) of a region, in units of the CRS.

    In longitude and latitude they begin between -180 and 180 and may end beyond it. In any other CRS the edges
    are followed to their extremes; the corners alone lose what bulges between them.

    :param region: ``(west, south, east, north)`` in degrees, where west may be greater than east; or GeoJSON: a
        Polygon, MultiPolygon, GeometryCollection, Feature or FeatureCollection, as a dict or as JSON text. Edges
        are straight in longitude and latitude. One longer than 180 degrees goes the other way round the globe,
        unless it goes all the way round (360).
    :param crs: a code or WKT; any but EPSG:4326 and OGC:CRS84 needs pyproj.
    :raises RequestError: if the region is none, or the CRS cannot express it in one piece.
    """
    rings = region_rings(region)
    if crs.upper() in _LONGITUDE_AND_LATITUDE:
        return _bounds(rings)
    return projected_bounds(rings, crs)


def region_rings(region: Region) -> list[Ring]:
    """The outer edges of the polygons of a region, side by side: the way round the globe is the shortest.

    :raises RequestError: if the region is none.
    """
    if isinstance(region, str):
        region = _from_json(region)
    if isinstance(region, Mapping):
        return _side_by_side([_unwrapped(ring) for ring in _polygons(region)])
    if not isinstance(region, Sequence) or len(region) != 4:
        raise RequestError(f"region must be (west, south, east, north) or GeoJSON, not {region!r:.80}.")
    west, south, east, north = (_degrees(value, region) for value in region)
    east += 360 if west > east else 0
    if not (west < east <= west + 360 and south < north):
        raise RequestError(f"region must be (west, south, east, north) with an area, not {region!r:.200}.")
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    _require_latitudes(corners)
    return _side_by_side([corners])


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise RequestError(f"region is text, but no GeoJSON: {text!r:.80}.") from None


def _polygons(geojson: Any) -> list[Any]:
    """The outer rings, as they are written."""
    kind = geojson.get("type") if isinstance(geojson, Mapping) else None
    try:
        if kind == "Polygon":
            return [geojson["coordinates"][0]]
        if kind == "MultiPolygon":
            return [polygon[0] for polygon in geojson["coordinates"]]
        if kind == "Feature":
            return _polygons(geojson["geometry"])
        if kind in ("FeatureCollection", "GeometryCollection"):
            parts = geojson["features" if kind == "FeatureCollection" else "geometries"]
            return [ring for part in parts for ring in _polygons(part)]
    except (KeyError, IndexError, TypeError):
        raise RequestError(f"region is a {kind} without its parts: {dict(geojson)!r:.200}.") from None
    raise RequestError(
        f"region has the GeoJSON type {kind!r}; an area is needed: a Polygon, MultiPolygon, Feature, "
        "FeatureCollection or GeometryCollection of these, or (west, south, east, north)."
    )


def _unwrapped(written: Any) -> Ring:
    """The ring with each edge the short way round, so that longitudes go on beyond 180 where it crosses."""
    if not isinstance(written, Sequence) or isinstance(written, str) or len(written) < 3:
        raise RequestError(f"region has a ring of fewer than 3 points: {written!r:.80}.")
    points = [_point(one) for one in written]
    if points[0] != points[-1]:
        points.append(points[0])
    _require_latitudes(points)
    ring, turns = [points[0]], 0
    for (before, _), (longitude, latitude) in pairwise(points):
        if _HALF_TURN < abs(longitude - before) < _TURN:
            turns += 1 if longitude < before else -1
        ring.append((longitude + _TURN * turns, latitude))
    if turns:
        raise RequestError(
            "region has a ring that goes round a pole, which has no bounds in longitude; give "
            "(-180, south, 180, north) instead."
        )
    return ring


def _point(written: Any) -> Point:
    if not isinstance(written, Sequence) or isinstance(written, str) or len(written) < 2:
        raise RequestError(f"region has a point that is not [longitude, latitude]: {written!r:.80}.")
    return _degrees(written[0], written), _degrees(written[1], written)


def _degrees(value: Any, within: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= _TURN:
        raise RequestError(f"region must hold degrees between -360 and 360, not {value!r:.80} in {within!r:.80}.")
    return float(value)


def _require_latitudes(points: Ring) -> None:
    for longitude, latitude in points:
        if abs(latitude) > 90:
            raise RequestError(
                f"region has the latitude {latitude} at {(longitude, latitude)}; longitude comes first, and "
                "both are in degrees."
            )


def _side_by_side(rings: list[Ring]) -> list[Ring]:
    """The rings moved by whole turns, so that together they begin between -180 and 180 and are narrowest."""
    if not rings:
        raise RequestError("region holds no polygon.")
    placed = sorted((_moved(ring, -_turns_from_west(ring)) for ring in rings), key=_west)
    wests, easts = [_west(ring) for ring in placed], [max(x for x, _ in ring) for ring in placed]
    furthest_behind = list(accumulate([-math.inf, *easts], max))
    furthest_ahead = list(accumulate(reversed(easts), max))[::-1]
    # Whichever comes first, those that lie west of it come after it, one turn on.
    widths = [
        max(ahead, behind + _TURN) - west
        for west, ahead, behind in zip(wests, furthest_ahead, furthest_behind, strict=False)
    ]
    first = widths.index(min(widths))
    if widths[first] > _TURN:
        raise RequestError(
            "region goes round the globe more than once; give (-180, south, 180, north) for all of it."
        )
    return placed[first:] + [_moved(ring, 1) for ring in placed[:first]]


def _west(ring: Ring) -> float:
    return min(longitude for longitude, _ in ring)


def _turns_from_west(ring: Ring) -> int:
    return math.floor((_west(ring) + _HALF_TURN) / _TURN)


def _moved(ring: Ring, turns: int) -> Ring:
    return [(longitude + _TURN * turns, latitude) for longitude, latitude in ring]


def _bounds(rings: list[Ring]) -> Bounds:
    xs, ys = zip(*(point for ring in rings for point in ring), strict=True)
    return min(xs), min(ys), max(xs), max(ys)
