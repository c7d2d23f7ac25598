"""Which UTM zones a place lies in, the odd ones of Norway and Svalbard included.

Zones and bands: https://en.wikipedia.org/wiki/Universal_Transverse_Mercator_coordinate_system
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import as_float, shown
from airflow_provider_ee.earthengine.projected import Bounds, Point
from airflow_provider_ee.earthengine.region import Region, region_rings

_SOUTH, _NORTH = -80, 84
_REGULAR = [(zone * 6 - 186, zone * 6 - 180, zone) for zone in range(1, 61)]


def _with(*odd: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """The zones (west, east, number) of a band where some are wider and others narrower, or not there at all."""
    first, last = odd[0][0], odd[-1][1]
    return sorted([*odd, *(zone for zone in _REGULAR if zone[1] <= first or zone[0] >= last)])


_BANDS = (
    (_SOUTH, 0, _REGULAR),
    (0, 56, _REGULAR),
    (56, 64, _with((0, 3, 31), (3, 12, 32))),  # Norway
    (64, 72, _REGULAR),
    (72, _NORTH, _with((0, 9, 31), (9, 21, 33), (21, 33, 35), (33, 42, 37))),  # Svalbard
)

# In square degrees; what meets a zone at its edge only, but for roundings, does not lie in it.
_NO_AREA = 1e-12


def utm_parts(region: Region) -> dict[str, dict[str, Any]]:
    """The part of a region in each UTM zone (WGS 84) that it lies in: EPSG code -> GeoJSON, in order; one or more.

    Tiles of two zones have the same names, so a destination for all of them holds ``{crs}``:

        tiles = [
            tile
            for crs, part in utm_parts(region).items()
            for tile in PixelGrid.from_region(part, crs, 10).tiles_for_export()
        ]
        exports = export_tiles(tiles, "gs://bucket/ndvi/{crs}/{name}", "ndvi {crs} {name}")

    ``max_tiles`` bounds the tiles of one zone, Airflow's ``[core] max_map_length`` those of all.

    :param region: as for ``PixelGrid.from_region``: ``(west, south, east, north)`` in degrees, or GeoJSON. Holes
        count as land.
    :raises RequestError: if the region is none, or reaches beyond 80 S or 84 N, where UTM ends.
    """
    found: dict[str, list[list[Point]]] = {}
    for ring in region_rings(region):
        _require_within_utm(*(latitude for _, latitude in ring))
        parts = [(code, part) for code, cell in _cells(ring) if (part := _part_in(ring, cell))]
        # What is smaller than a rounding lies where it begins.
        for code, part in parts or [(utm_zone(*ring[0]), ring)]:
            found.setdefault(code, []).append(part)
    return {code: _geojson(found[code]) for code in sorted(found)}


def utm_zones(region: Region) -> list[str]:
    """The EPSG codes of the UTM zones (WGS 84) that a region has a part in, in order: one or more.

    A grid of the whole region in each of them would be the region as many times over: see ``utm_parts``.

    :param region: as for ``utm_parts``.
    :raises RequestError: likewise.
    """
    return list(utm_parts(region))


def utm_zone(longitude: float, latitude: float) -> str:
    """The EPSG code of the UTM zone (WGS 84) of a point in degrees; on an edge, the zone to the east or north.

    :param longitude: in degrees; what goes on beyond 180 is counted around.
    :param latitude: in degrees.
    :raises RequestError: if one is no number, or the latitude is beyond 80 S or 84 N, where UTM ends.
    """
    longitude, latitude = _finite("longitude", longitude), _finite("latitude", latitude)
    _require_within_utm(latitude)
    longitude = (longitude + 180) % 360 - 180
    south, zones = next((south, zones) for south, _, zones in reversed(_BANDS) if south <= latitude)
    return _code(south, next(zone for west, _, zone in reversed(zones) if west <= longitude))


def _finite(name: str, given: float) -> float:
    try:
        number = as_float(given)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise RequestError(f"the {name} of a UTM zone must be a finite number of degrees, not {shown(given)}.")
    return number


def _require_within_utm(*latitudes: float) -> None:
    for latitude in latitudes:
        if not _SOUTH <= latitude <= _NORTH:
            raise RequestError(
                f"region reaches latitude {latitude:.10g}, but UTM ends at {_SOUTH} and {_NORTH}; take a polar "
                "crs, such as EPSG:3413 in the north or EPSG:3031 in the south."
            )


def _code(south: float, zone: int) -> str:
    return f"EPSG:{(32600 if south >= 0 else 32700) + zone}"


def _cells(ring: list[Point]) -> Iterator[tuple[str, Bounds]]:
    """The zones of each band that come near a ring, which may go on beyond 180."""
    longitudes, latitudes = zip(*ring, strict=True)
    for south, north, zones in _BANDS:
        for west, east, zone in zones:
            for turn in (0, 360):
                cell = (west + turn, south, east + turn, north)
                across = min(longitudes) < cell[2] and max(longitudes) > cell[0]
                if across and min(latitudes) < north and max(latitudes) > south:
                    yield _code(south, zone), cell


def _part_in(ring: list[Point], cell: Bounds) -> list[Point]:
    """What is left of a ring, cut at the four sides of a cell; nothing, if that has no area."""
    west, south, east, north = cell
    for axis, sign, limit in ((0, 1, west), (1, 1, south), (0, -1, east), (1, -1, north)):
        ring = list(_cut(ring, axis, sign, limit))
    doubled = sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairwise([*ring, *ring[:1]]))
    return ring if abs(doubled) > _NO_AREA else []


def _geojson(rings: list[list[Point]]) -> dict[str, Any]:
    polygons = [[[list(point) for point in (*ring, ring[0])]] for ring in rings]
    return {"type": "MultiPolygon", "coordinates": polygons}


def _cut(ring: list[Point], axis: int, sign: int, limit: float) -> Iterator[Point]:
    """The part of a ring on one side of a line: Sutherland and Hodgman's way."""
    for start, end in pairwise([*ring, *ring[:1]]):
        before, after = (sign * (point[axis] - limit) for point in (start, end))
        if before >= 0:
            yield start
        if before * after < 0:
            share = before / (before - after)
            crossing = [a + (b - a) * share for a, b in zip(start, end, strict=True)]
            crossing[axis] = limit
            yield crossing[0], crossing[1]
