"""The UTM zones of a region, Norway and Svalbard included."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from pyproj import Geod
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.region import region_bounds
from airflow_provider_ee.earthengine.utm import utm_parts, utm_zone, utm_zones


def zone_as_in_the_textbook(longitude: float, latitude: float) -> str:
    zone = int((longitude + 180) // 6) % 60 + 1
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        zone = 32
    if latitude >= 72 and 0 <= longitude < 42:
        zone = 31 if longitude < 9 else 33 if longitude < 21 else 35 if longitude < 33 else 37
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"


def test_10000_points_lie_in_the_zone_of_the_textbook() -> None:
    chance = random.Random(4)
    for _ in range(10_000):
        longitude = chance.choice(
            [chance.uniform(-180, 180), chance.randrange(-60, 60) * 3, chance.uniform(-3, 45)]
        )
        latitude = chance.choice([chance.uniform(-80, 84), chance.choice([-80, 0, 56, 64, 72, 84])])
        zone = zone_as_in_the_textbook(longitude, latitude)
        assert utm_zone(longitude, latitude) == zone
        assert utm_zone(longitude + 360, latitude) == zone


@pytest.mark.explores
def test_the_epsg_database_says_the_same_where_zones_are_regular() -> None:
    chance = random.Random(5)
    for _ in range(60):
        longitude, latitude = (
            chance.uniform(-180, 180),
            chance.choice([chance.uniform(-79, -1), chance.uniform(1, 55)]),
        )
        (found,) = query_utm_crs_info(
            datum_name="WGS 84",
            area_of_interest=AreaOfInterest(longitude, latitude, longitude, latitude),
            contains=True,
        )
        assert utm_zone(longitude, latitude) == f"EPSG:{found.code}"


def inside(low: float, high: float, cuts: list[int]) -> list[float]:
    """A point between each two neighbours of the cuts that lie between low and high, and these."""
    edges = [low, *(cut for cut in cuts if low < cut < high), high]
    return [(a + b) / 2 for a, b in pairwise(edges)]


@pytest.mark.explores
def test_10000_boxes_touch_the_zones_of_the_points_within() -> None:
    """Every zone begins at a multiple of 3 degrees, so one point of each part between these finds them all."""
    chance = random.Random(6)
    for _ in range(10_000):
        west, south = (
            chance.choice([chance.uniform(-180, 180), chance.randrange(-60, 60) * 3]),
            chance.uniform(-80, 83.9),
        )
        width = chance.choice([chance.uniform(1e-3, 30), chance.randrange(1, 10) * 3])
        north = min(84, south + chance.uniform(1e-3, 30))
        longitudes = inside(west, west + width, list(range(-180, 541, 3)))
        latitudes = inside(south, north, [0, 56, 64, 72])
        expected = {utm_zone(longitude, latitude) for longitude in longitudes for latitude in latitudes}
        east = west + width
        assert utm_zones((west, south, east if east <= 180 else east - 360, north)) == sorted(expected)


@pytest.mark.explores
def test_a_point_of_10000_triangles_lies_in_one_of_their_zones() -> None:
    chance = random.Random(7)
    for _ in range(10_000):
        longitude, latitude = chance.uniform(-180, 180), chance.uniform(-70, 74)
        corners = [(longitude + chance.uniform(-10, 10), latitude + chance.uniform(-10, 10)) for _ in range(3)]
        ring = [[(x + 180) % 360 - 180, y] for x, y in corners]
        zones = utm_zones({"type": "Polygon", "coordinates": [ring]})
        shares = [chance.random() for _ in range(3)]
        x, y = (
            sum(s * corner[axis] for s, corner in zip(shares, corners, strict=True)) / sum(shares)
            for axis in (0, 1)
        )
        assert utm_zone(x, y) in zones


@pytest.mark.parametrize(
    ("region", "zones"),
    [
        ((6, 46, 12, 47), [32632]),  # its sides are the zone's
        ((5.9, 45.7, 10.6, 47.9), [32631, 32632]),
        ((-79, -5, -75, 2), [32617, 32618, 32717, 32718]),
        ((4, 58, 7, 63), [32632]),  # Norway
        ((2, 58, 7, 65), [32631, 32632]),
        ((8, 76, 34, 81), [32631, 32633, 32635, 32637]),  # Svalbard
        ((177, -20, -178, -15), [32701, 32760]),
        ((174, 0, 180, 1), [32660]),
        ((-180, 1, 180, 2), list(range(32601, 32661))),
        ((0, -80, 1, 84), [32631, 32731]),
        # A triangle beside the corner of zone 32, whose box would reach into it
        ({"type": "Polygon", "coordinates": [[[0, 40], [11, 40], [5, 46], [0, 46], [0, 40]]]}, [32631, 32632]),
        ({"type": "Polygon", "coordinates": [[[1, 55], [4, 55], [4, 55.5], [1, 56.2], [1, 55]]]}, [32631]),
        # Around the corner of a zone, but not in it
        (
            {
                "type": "Polygon",
                "coordinates": [[[-7, -2], [7, -2], [7, -1], [-6.5, -1], [-6.5, 9], [-7, 9], [-7, -2]]],
            },
            [32629, 32729, 32730, 32731, 32732],
        ),
    ],
)
def test_zones_of_places(region: Any, zones: list[int]) -> None:
    assert utm_zones(region) == [f"EPSG:{zone}" for zone in zones]


@pytest.mark.parametrize("region", [(0, 80, 1, 84.1), (0, -81, 1, 0)])
def test_the_poles_are_not_in_utm(region: Any) -> None:
    with pytest.raises(RequestError, match=r"but UTM ends at -80 and 84; take a polar crs, such as EPSG:3413"):
        utm_zones(region)
    with pytest.raises(RequestError, match="UTM ends at -80 and 84"):
        utm_zone(0, 84.1)


def square_kilometres(west: float, south: float, east: float, north: float) -> float:
    """The area of a box of longitudes and latitudes."""
    east += 360 if east < west else 0
    along = [west + (east - west) * step / 1_000 for step in range(1_001)]
    longitudes, latitudes = [*along, *reversed(along)], [south] * 1_001 + [north] * 1_001
    area: float = Geod(ellps="WGS84").polygon_area_perimeter(longitudes, latitudes)[0]
    return abs(area) / 1e6


@pytest.mark.parametrize(
    ("region", "most"),
    [
        ((5.9, 45.7, 10.6, 47.9), 1.25),  # Switzerland
        ((177, -10, -178, -5), 1.25),
        ((-5, 42, 8.5, 51), 1.25),  # France, over three zones
        ((4, 58, 31, 71), 1.6),  # Norway, whose zones lean towards the pole
    ],
)
def test_parts_of_zones_are_the_region_once(region: Any, most: float) -> None:
    """Grids of the whole region in each zone would be the region as many times over."""
    grids = [PixelGrid.from_region(part, crs, 1_000) for crs, part in utm_parts(region).items()]
    assert [grid.crs for grid in grids] == utm_zones(region)
    assert sum(grid.pixel_count for grid in grids) < most * square_kilometres(*region)
    for crs, part in utm_parts(region).items():
        west, south, east, north = region_bounds(part, "EPSG:4326")
        assert utm_zone((west + east) / 2, (south + north) / 2) == crs
