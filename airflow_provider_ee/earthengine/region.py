"""A region in longitude and latitude, in one piece also where it crosses 180 degrees, and its bounds in a CRS.

GeoJSON: https://datatracker.ietf.org/doc/html/rfc7946
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from airflow_provider_ee.earthengine.degrees import is_wgs84
from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import as_float, as_sequence, shown
from airflow_provider_ee.earthengine.projected import Bounds, Point, Ring, projected_bounds

Region: TypeAlias = Sequence[float] | Mapping[str, Any] | str
"""``(west, south, east, north)`` in degrees, or GeoJSON of polygons as a dict or as text."""

_TURN = 360
_HALF_TURN = 180

# In degrees, a tenth of a micrometre: points this close to a line enclose nothing but roundings.
_NO_WIDTH = 1e-12


def region_bounds(region: Region, crs: str) -> Bounds:
    """Bounds (min x, min y, max x, max y) of a region, in units of the CRS.

    In longitude and latitude they begin between -180 and 180 and may end beyond it. In any other CRS the edges
    are followed to their extremes; the corners alone lose what bulges between them.

    :param region: ``(west, south, east, north)`` in degrees, where west may be greater than east; or GeoJSON: a
        Polygon, MultiPolygon, GeometryCollection, Feature or FeatureCollection, as a dict or as JSON text. Edges
        are straight in longitude and latitude. One longer than 180 degrees goes the other way round the globe,
        unless it goes all the way round (360).
    :param crs: a code or WKT; any but EPSG:4326 and CRS84 needs pyproj.
    :raises RequestError: if the region is none, or the CRS cannot express it in one piece.
    """
    rings = region_rings(region)
    if is_wgs84(crs):
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
    sides = as_sequence(region)
    if sides is None or len(sides) != 4:
        raise RequestError(f"region must be (west, south, east, north) or GeoJSON, not {shown(region)}.")
    west, south, east, north = (_degrees(value, region) for value in sides)
    east += 360 if west > east else 0
    if not (west < east <= west + 360 and south < north):
        raise RequestError(f"region must be (west, south, east, north) with an area, not {shown(region, 200)}.")
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    _require_latitudes(corners)
    return _side_by_side([corners])


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError(f"region is text, but no GeoJSON: {shown(text)}.") from None


def _polygons(geojson: Any) -> list[Any]:
    """The outer rings, as they are written."""
    rings: list[Any] = []
    waiting = [geojson]
    while waiting:  # no recursion, which ends where collections are nested deeply
        part = waiting.pop()
        kind = part.get("type") if isinstance(part, Mapping) else None
        try:
            if kind == "Polygon":
                rings.append(part["coordinates"][0])
            elif kind == "MultiPolygon":
                rings.extend(polygon[0] for polygon in part["coordinates"])
            elif kind == "Feature":
                waiting.append(part["geometry"])
            elif kind == "GeometryCollection":
                waiting.extend(reversed(part["geometries"]))
            elif kind == "FeatureCollection":
                # RFC 7946 lets a feature have no place.
                waiting.extend(one for one in reversed(part["features"]) if one["geometry"] is not None)
            else:
                raise RequestError(
                    f"region has the GeoJSON type {shown(kind)}; an area is needed: a Polygon, MultiPolygon, "
                    "Feature, FeatureCollection or GeometryCollection of these, or (west, south, east, north)."
                )
        except (KeyError, IndexError, TypeError):
            raise RequestError(f"region is a {kind} without its parts: {shown(part, 200)}.") from None
    return rings


def _unwrapped(written: Any) -> Ring:
    """The ring with each edge the short way round, so that longitudes go on beyond 180 where it crosses."""
    parts = as_sequence(written)
    if parts is None or len(parts) < 3:
        raise RequestError(f"region has a ring of fewer than 3 points: {shown(written)}.")
    points = [_point(one) for one in parts]
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
    if not _has_area(ring):
        raise RequestError(f"region has a ring without an area: {shown(written)}; leave it out, or buffer it.")
    return ring


def _has_area(ring: Ring) -> bool:
    """Whether not all points lie on a line."""
    x, y = ring[0]
    far_x, far_y = max(((a - x, b - y) for a, b in ring), key=lambda way: math.hypot(*way))
    return any(abs(far_x * (b - y) - far_y * (a - x)) > _NO_WIDTH * math.hypot(far_x, far_y) for a, b in ring)


def _point(written: Any) -> Point:
    numbers = as_sequence(written)
    if numbers is None or len(numbers) < 2:
        raise RequestError(f"region has a point that is not [longitude, latitude]: {shown(written)}.")
    return _degrees(numbers[0], written), _degrees(numbers[1], written)


def _degrees(value: Any, within: Any) -> float:
    try:
        degrees = as_float(value)
    except (TypeError, ValueError, OverflowError):
        degrees = math.nan
    if not abs(degrees) <= _TURN:
        raise RequestError(
            f"region must hold degrees between -360 and 360, not {shown(value)} in {shown(within)}."
        )
    return degrees


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
