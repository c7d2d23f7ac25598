"""Regions in longitude and latitude: in one piece across 180, and no edge lost in a projected CRS."""

from __future__ import annotations

import json
import random
import sys
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.projected import _projection
from airflow_provider_ee.earthengine.region import region_bounds

SWITZERLAND = (5.9, 45.7, 10.6, 47.9)
FIJI = (177, -20, -178, -15)
LONGITUDE_AND_LATITUDE = ["EPSG:4326", "OGC:CRS84", "epsg:4326"]


def polygon(*ring: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(point) for point in ring]]}


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return polygon((west, south), (east, south), (east, north), (west, north), (west, south))


def feature(geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": geometry}


FIJI_BY_HALVES = [box(177, -20, 180, -15)["coordinates"], box(-180, -20, -178, -15)["coordinates"]]
EVERY_WAY_TO_WRITE_FIJI = [
    FIJI,
    (177, -20, 182, -15),
    (-183, -20, -178, -15),
    box(*FIJI),
    json.dumps(box(*FIJI)),
    box(177, -20, 182, -15),
    box(-183, -20, -178, -15),
    polygon((-178, -15), (177, -15), (177, -20), (-178, -20)),
    feature(box(*FIJI)),
    {"type": "FeatureCollection", "features": [feature(box(*FIJI)), feature(box(178, -18, 179, -17))]},
    {"type": "MultiPolygon", "coordinates": FIJI_BY_HALVES},
    {"type": "MultiPolygon", "coordinates": FIJI_BY_HALVES[::-1]},
    {"type": "GeometryCollection", "geometries": [box(177, -20, 180, -15), box(-180, -20, -178, -15)]},
]


@pytest.mark.parametrize("region", EVERY_WAY_TO_WRITE_FIJI)
@pytest.mark.parametrize("crs", LONGITUDE_AND_LATITUDE)
def test_five_degrees_across_180_are_a_hundred_pixels(region: Any, crs: str) -> None:
    grid = PixelGrid.from_region(region, crs, 0.05)
    assert (grid.width, grid.height) == (100, 100)
    assert grid.bounds == (177, -20, 182, -15)


@pytest.mark.explores
@settings(max_examples=10_000)
@given(
    west=st.integers(0, 359),
    width=st.integers(1, 179),
    south=st.integers(-90, 89),
    parts=st.integers(20, 3600),
    start=st.integers(0, 3),
    backwards=st.booleans(),
)
def test_a_box_is_as_wide_as_it_is_wherever_it_lies(
    west: int, width: int, south: int, parts: int, start: int, backwards: bool
) -> None:
    """Also as a polygon with longitudes from -180 to 180, from any corner and either way round."""
    west, east = west - 180, (west + width) % 360 - 180
    ring = [(west, south), (east, south), (east, south + 1), (west, south + 1)]
    ring = (ring[start:] + ring[:start])[:: -1 if backwards else 1]
    grid = PixelGrid.from_region(polygon(*ring), "EPSG:4326", f"1/{parts}")
    assert (grid.width, grid.height) == (width * parts, parts)
    assert (grid.translate_x, grid.translate_y) == (west, south + 1)
    assert grid == PixelGrid.from_region((west, south, east, south + 1), "EPSG:4326", f"1/{parts}")


@pytest.mark.parametrize(
    ("region", "bounds"),
    [
        ((-180, -90, 180, 90), (-180, -90, 180, 90)),
        (box(-180, -90, 180, 90), (-180, -90, 180, 90)),
        ((0, -90, 360, 90), (0, -90, 360, 90)),
        ((190, 0, 200, 1), (-170, 0, -160, 1)),
        ((170, 0, 180, 1), (170, 0, 180, 1)),
        ((180, 0, -170, 1), (-180, 0, -170, 1)),
        # France and Réunion; Alaska and its islands beyond 180: the shortest way round
        (
            {"type": "GeometryCollection", "geometries": [box(-5, 42, 8, 51), box(55, -22, 56, -20)]},
            (-5, -22, 56, 51),
        ),
        (
            {"type": "GeometryCollection", "geometries": [box(-168, 54, -130, 71), box(172, 51, 180, 53)]},
            (172, 51, 230, 71),
        ),
    ],
)
def test_bounds_in_longitude_and_latitude(region: Any, bounds: tuple[float, ...]) -> None:
    assert region_bounds(region, "EPSG:4326") == bounds


@lru_cache
def transformer(crs: str) -> Transformer:
    return Transformer.from_crs("OGC:CRS84", crs, always_xy=True)


def along_the_edge(ring: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    share = np.linspace(0, 1, parts)[:, None, None]
    points = (ring + (np.roll(ring, -1, axis=0) - ring) * share).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def pixels_lost(grid: PixelGrid, ring: np.ndarray, parts: int) -> float:
    """How far the edge of a region reaches beyond a grid, in pixels."""
    xs, ys = transformer(grid.crs).transform(*along_the_edge(ring, parts))
    min_x, min_y, max_x, max_y = grid.bounds
    beyond = max(min_x - xs.min(), min_y - ys.min(), xs.max() - max_x, ys.max() - max_y)
    return float(beyond) / grid.scale_x


def test_switzerland_loses_no_row() -> None:
    """Its corners alone lose 125 of 24,913: the north edge bulges between them."""
    west, south, east, north = SWITZERLAND
    ring = np.array([(west, south), (east, south), (east, north), (west, north)])
    grid = PixelGrid.from_region(SWITZERLAND, "EPSG:32632", 10)
    assert pixels_lost(grid, ring, 500_000) < 1e-6
    xs, ys = transformer("EPSG:32632").transform(ring[:, 0], ring[:, 1])
    by_corners = PixelGrid.from_bounds("EPSG:32632", 10, (min(xs), min(ys), max(xs), max(ys)))
    assert grid.height - by_corners.height > 100
    assert PixelGrid.from_region(box(*SWITZERLAND), "EPSG:32632", 10) == grid


@pytest.mark.explores
def test_no_edge_of_any_region_is_lost() -> None:
    """Of 480 triangles in a dozen projections, each against 10,000 points of its edge; nor is a pixel too many."""
    chance = random.Random(3)
    places = [  # a CRS, and where it is used
        ("EPSG:32632", 9, 45, 6),
        ("EPSG:32701", 180, -40, 6),
        ("EPSG:32660", 180, 50, 6),
        ("EPSG:3832", 180, 0, 60),
        ("EPSG:3857", 0, 0, 80),
        ("EPSG:3035", 10, 52, 20),
        ("EPSG:5070", -96, 38, 20),
        ("EPSG:3413", -45, 75, 14),
        ("EPSG:3031", 180, -75, 14),
        ("EPSG:6933", 0, 0, 80),
        ("EPSG:2056", 8, 47, 1),
        ("EPSG:4269", -100, 50, 20),
    ]
    for crs, longitude, latitude, reach in places * 40:
        ring = np.array([(longitude, latitude)] * 3) + [
            [chance.uniform(-reach, reach), chance.uniform(-reach, reach)] for _ in range(3)
        ]
        pixel = chance.choice([1, 10, 30, 250]) if crs != "EPSG:4269" else 1 / 3600
        try:
            grid = PixelGrid.from_region(polygon(*((x if x <= 180 else x - 360, y) for x, y in ring)), crs, pixel)
        except RequestError as error:
            assert "an area" in str(error)  # three points on a line  # noqa: PT017
            continue
        assert pixels_lost(grid, ring, 10_000 // 3) < 1e-6
        if min(grid.width, grid.height) > 2:
            inner = grid.window(1, 1, grid.width - 2, grid.height - 2)
            assert pixels_lost(inner, ring, 10_000 // 3) > -1e-2


@pytest.mark.parametrize(
    ("crs", "pixel", "width"),
    [("EPSG:32701", 1000, 543), ("EPSG:32760", 1000, 539), ("EPSG:3832", 1000, 558), ("EPSG:4269", 0.05, 100)],
)
def test_a_projection_sees_no_break_at_180(crs: str, pixel: float, width: int) -> None:
    grids = {PixelGrid.from_region(region, crs, pixel) for region in EVERY_WAY_TO_WRITE_FIJI[:7]}
    assert [grid.width for grid in grids] == [width]


@pytest.mark.parametrize(
    ("region", "crs", "sentence"),
    [
        (FIJI, "EPSG:3857", "'EPSG:3857' in one piece: it is torn at longitude 180, latitude -"),
        ((-60, 0, 0, 10), "EPSG:3832", "it is torn at longitude -30, latitude"),
        ((0, 0, 10, 90), "EPSG:3857", "it is torn at longitude"),
        ((100, 0, 110, 10), "EPSG:32632", "cannot be expressed in the crs 'EPSG:32632'"),
        ((134.17, -56.15, -135.83, -51.15), "EPSG:3035", "which turns it inside out: it holds the point opposite"),
        ((189.9, -52.1, 190.1, -51.9), "EPSG:3035", "'EPSG:3035', which turns it inside out"),
        ((-180, -90, 180, 90), "EPSG:3035", "'EPSG:3035', which turns it inside out"),
        (polygon((180, -60), (-160, -60), (-170, -40)), "EPSG:3035", "which turns it inside out"),
        ((0, 0, 1, 1), "EPSG:5773", "the crs 'EPSG:5773' is a Vertical CRS, which has no x and y of a map"),
        (
            (0, 0, 1, 1),
            "EPSG:4978",
            "the crs 'EPSG:4978' is a Geocentric CRS, which has no x and y of a map; take a projected or geographic one",
        ),
        (
            (7, 46, 8, 47),
            "ESRI:104000",
            "the crs 'ESRI:104000' is in degrees, which its name does not tell; give its",
        ),
        ((7, 46, 8, 47), "EPSG:99999", "the crs 'EPSG:99999' is not known to pyproj; give its WKT."),
        ((7, 46, 8, 47), "SR-ORG:6974", "the crs 'SR-ORG:6974' is not known to pyproj"),
    ],
)
def test_what_a_crs_cannot_express_is_refused(region: Any, crs: str, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        PixelGrid.from_region(region, crs, 1000)
    assert sentence in str(refusal.value)


def test_no_inside_of_any_region_is_lost() -> None:
    """300 triangles on the map of Europe, some around its antipode: what is not refused holds its inner points."""
    chance = random.Random(13)
    refused = 0
    for _ in range(300):
        longitude, latitude = chance.choice([(190, -52), (10, 52), (chance.uniform(-60, 80), 20)])
        corners = [(longitude + chance.uniform(-30, 30), latitude + chance.uniform(-30, 30)) for _ in range(3)]
        try:
            grid = PixelGrid.from_region(
                polygon(*((x if x <= 180 else x - 360, y) for x, y in corners)), "EPSG:3035", 1000
            )
        except RequestError:
            refused += 1
            continue
        shares = np.random.default_rng(0).dirichlet([1, 1, 1], 2000)
        xs, ys = transformer("EPSG:3035").transform(*(shares @ np.array(corners)).T)
        min_x, min_y, max_x, max_y = grid.bounds
        assert min_x <= xs.min() <= xs.max() <= max_x
        assert min_y <= ys.min() <= ys.max() <= max_y
    assert 10 < refused < 100


@pytest.mark.parametrize(
    "region", [(0, 50, 90, 50.001), (10, 0, 10.001, 80), polygon((0, 50), (90, 70), (45, 60.001))]
)
def test_a_sliver_that_bends_is_no_inside_out(region: Any) -> None:
    PixelGrid.from_region(region, "EPSG:3035", 1000)


@pytest.mark.parametrize(
    ("region", "bounds"),
    [((-180, -90, 180, -60), 3334), ((-180, -80, 180, -60), 3334), ((-180, -90, 0, -60), 3334)],
)
def test_a_polar_map_holds_its_pole(region: Any, bounds: int) -> None:
    grid = PixelGrid.from_region(region, "EPSG:3031", 1000)
    assert grid.bounds[1::2] == (-1000 * bounds, 1000 * bounds)


def test_degrees_of_another_datum_are_in_one_notion_of_degrees() -> None:
    for crs in ("CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:7844", "EPSG:4326+5773"):
        grid = PixelGrid.from_region((177, -20, -178, -15), crs, 0.05)
        assert [side.width for side in grid.sides_of_antimeridian()] == [60, 40]


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ((1, 2, 3), "region must be (west, south, east, north) or GeoJSON, not (1, 2, 3)."),
        (None, "region must be (west, south, east, north) or GeoJSON, not None."),
        ((5, 1, 5, 2), "region must be (west, south, east, north) with an area"),
        ((5, 2, 6, 1), "region must be (west, south, east, north) with an area"),
        ((-200, 0, 200, 1), "region must be (west, south, east, north) with an area"),
        ((5, 1, "6", 2), "region must hold degrees between -360 and 360, not '6'"),
        ((5, 1, float("nan"), 2), "region must hold degrees between -360 and 360, not nan"),
        ((600000, 4698020, 603000, 4700020), "region must hold degrees between -360 and 360, not 600000"),
        ((47, 5.9, 48, 105), "region has the latitude 105.0 at (48.0, 105.0); longitude comes first"),
        ("the Alps", "region is text, but no GeoJSON: 'the Alps'."),
        ({"type": "Point", "coordinates": [1, 2]}, "region has the GeoJSON type 'Point'; an area is needed"),
        ({"type": "Polygon"}, "region is a Polygon without its parts"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "region is a MultiPolygon without its parts"),
        ({"type": "Feature", "geometry": None}, "region has the GeoJSON type None"),
        ({"type": "FeatureCollection", "features": []}, "region holds no polygon."),
        (polygon((0, 0), (1, 1)), "region has a ring of fewer than 3 points"),
        (
            {"type": "Polygon", "coordinates": [[1, 2, 3]]},
            "region has a point that is not [longitude, latitude]: 1.",
        ),
        (polygon((0, 70), (90, 70), (180, 70), (-90, 70)), "goes round a pole"),
        (
            {"type": "GeometryCollection", "geometries": [box(-180, 0, 180, 1), box(170, 0, -170, 1)]},
            "region goes round the globe more than once",
        ),
    ],
)
def test_what_is_no_region_is_refused(region: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        PixelGrid.from_region(region, "EPSG:4326", 1)
    assert sentence in str(refusal.value)


def test_a_crs_is_text() -> None:
    with pytest.raises(RequestError, match="the crs of a PixelGrid must be text such as 'EPSG:32719', not 4326"):
        PixelGrid.from_region(FIJI, 4326, 1)  # type: ignore[arg-type]


def test_longitude_and_latitude_need_no_pyproj_and_the_rest_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    _projection.cache_clear()
    assert PixelGrid.from_region(FIJI, "EPSG:4326", 1).width == 5
    with pytest.raises(RequestError, match=r"pip install 'airflow-provider-ee\[grid\]'"):
        PixelGrid.from_region(SWITZERLAND, "EPSG:32632", 10)
