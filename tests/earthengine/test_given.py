"""Numbers and lists may be numpy's; what is neither is refused with a sentence, at once and by no other error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.region import region_bounds
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.earthengine.utm import utm_zone, utm_zones

GRID = PixelGrid.from_bounds("EPSG:32719", 10, (600_000, 4_698_020, 603_000, 4_700_020))


@pytest.mark.parametrize(
    "number", [10, 10.0, "10", Fraction(10), Decimal(10), np.int64(10), np.float32(10), np.float64(10)]
)
def test_a_pixel_size_may_be_any_number(number: Any) -> None:
    assert PixelGrid.from_bounds("EPSG:32719", number, (600_000, 4_698_020, 603_000, 4_700_020)) == GRID


def test_bounds_and_regions_may_be_arrays() -> None:
    """As geopandas gives them in total_bounds."""
    assert PixelGrid.from_bounds("EPSG:32719", 10, np.array(GRID.bounds)) == GRID  # type: ignore[arg-type]
    assert GRID.covering(np.array(GRID.bounds, dtype=np.int64)) == GRID  # type: ignore[arg-type]
    assert region_bounds(np.array([5.5, 45, 10, 48]), "EPSG:4326") == (5.5, 45, 10, 48)  # type: ignore[arg-type]
    ring = np.array([[0, 0], [2, 0], [2, 1]])
    assert region_bounds({"type": "Polygon", "coordinates": ring[None]}, "EPSG:4326") == (0, 0, 2, 1)
    assert region_bounds(tuple(np.float32([0, 0, 2, 1])), "EPSG:4326") == (0, 0, 2, 1)


def test_numbers_of_numpy_become_pythons() -> None:
    grid = PixelGrid("EPSG:32719", np.int64(3), np.int32(2), np.float32(10), 0, np.int64(5), 0, np.int8(-10), 0)  # type: ignore[arg-type]
    assert json.loads(json.dumps(grid.to_rest())) == grid.to_rest()
    window = grid.window(np.int64(1), np.int64(0), np.int64(2), np.int64(2))  # type: ignore[arg-type]
    assert (window.width, window.translate_x) == (2, 15)
    assert len(grid.tiles(np.int64(1), np.int64(1))) == 6  # type: ignore[arg-type]
    assert len(grid.tiles_for_export(np.float32(1), np.int64(6))) == 6  # type: ignore[arg-type]
    assert utm_zone(np.float32(5), np.int64(5)) == "EPSG:32631"  # type: ignore[arg-type]


def nested(depth: int) -> dict[str, Any]:
    region: dict[str, Any] = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}
    for _ in range(depth):
        region = {"type": "GeometryCollection", "geometries": [region]}
    return region


def deep_list() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


def ring(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [points]}


def test_collections_may_be_nested_deeply() -> None:
    assert region_bounds(nested(20_000), "EPSG:4326") == (0, 0, 1, 1)


def test_a_feature_without_a_place_is_left_out() -> None:
    features = [{"type": "Feature", "geometry": geometry} for geometry in (None, nested(0), None)]
    assert region_bounds({"type": "FeatureCollection", "features": features}, "EPSG:4326") == (0, 0, 1, 1)
    with pytest.raises(RequestError, match="region holds no polygon"):
        region_bounds({"type": "FeatureCollection", "features": features[:1]}, "EPSG:4326")


BOX = (0, 0, 1, 1)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a pixel of True": (lambda: PixelGrid.from_bounds("EPSG:4326", True, BOX), "pixel_size must be finite numbers"),
    "a scale of True": (lambda: PixelGrid("EPSG:4326", 1, 1, True, 0, 0, 0, -1, 0), "must be finite numbers, not [True"),
    "a scale of text": (lambda: PixelGrid("EPSG:4326", 1, 1, "1", 0, 0, 0, -1, 0), "must be finite numbers, not ['1'"),  # type: ignore[arg-type]
    "a huge scale": (lambda: PixelGrid("EPSG:4326", 1, 1, 10**5000, 0, 0, 0, -1, 0), "must be finite numbers"),
    "a huge extent": (lambda: PixelGrid("EPSG:4326", 10**9, 1, 1e308, 0, 0, 0, -1, 0).bounds, "it is too large"),
    "a blank crs": (lambda: PixelGrid.from_bounds(" ", 1, BOX), "crs of a PixelGrid must be text"),
    "an exponent": (lambda: PixelGrid.from_bounds("EPSG:4326", "1e999999999", BOX), "not '1e999999999'"),
    "a decimal": (lambda: PixelGrid.from_bounds("EPSG:4326", Decimal("1e999999999"), BOX), "pixel_size must be"),  # type: ignore[arg-type]
    "nothing": (lambda: PixelGrid.from_bounds("EPSG:4326", "1e-999999999", BOX), "must be greater than 0"),
    "digits": (lambda: PixelGrid.from_bounds("EPSG:4326", "9" * 10**6, BOX), "pixel_size must be finite numbers"),
    "a huge number": (lambda: PixelGrid.from_bounds("EPSG:4326", -(10**5000), BOX), "not some int that cannot be shown"),
    "bounds of text": (lambda: GRID.covering(["0", None, 1, 1]), "bounds must be finite numbers, not None"),  # type: ignore[list-item]
    "half a column": (lambda: GRID.window(0.5, 0, 1, 1), "the column of a window must be a whole number, not 0.5"),  # type: ignore[arg-type]
    "tiles of text": (lambda: GRID.tiles_for_export(1e8, "10"), "max_tiles must be a whole number of 1 or more, not '10'"),  # type: ignore[arg-type]
    "tiles of None": (lambda: GRID.tiles_for_export(1e8, None), "max_tiles must be a whole number of 1 or more"),  # type: ignore[arg-type]
    "huge max_pixels": (lambda: GRID.tiles_for_export(-(10**5000)), "max_pixels must be a number of 1 or more"),
    "no tiles": (lambda: export_tiles(5, "gs://b/c"), "tiles must be PixelGrids, not 5."),  # type: ignore[arg-type]
    "brackets": (lambda: region_bounds("[" * 5000, "EPSG:4326"), "region is text, but no GeoJSON: '[[["),
    "a million brackets": (lambda: region_bounds("[" * 10**6, "EPSG:4326"), "region is text, but no GeoJSON"),
    "a deep list": (lambda: region_bounds(deep_list(), "EPSG:4326"), "not some list that cannot be shown"),
    "a deep ring": (lambda: region_bounds({"type": "Polygon", "coordinates": deep_list()}, "EPSG:4326"), "fewer than 3 points"),
    "one point": (lambda: region_bounds(ring((5, 5), (5, 5), (5, 5)), "EPSG:32632"), "a ring without an area"),
    "a line": (lambda: region_bounds(ring((0, 0), (0.1, 0.3), (0.2, 0.6)), "EPSG:4326"), "a ring without an area"),
    "zones of a line": (lambda: utm_zones(ring((0, 0), (1, 1), (2, 2))), "a ring without an area"),
    "no longitude": (lambda: utm_zone(float("nan"), 5), "the longitude of a UTM zone must be a finite number"),
    "endless": (lambda: utm_zone(float("inf"), 5), "the longitude of a UTM zone must be a finite number"),
    "longitude of text": (lambda: utm_zone("5", 5), "the longitude of a UTM zone must be a finite number of degrees, not '5'"),  # type: ignore[arg-type]
    "no latitude": (lambda: utm_zone(5, None), "the latitude of a UTM zone must be a finite number"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_none_is_refused_with_a_sentence_and_at_once(case: str) -> None:
    attempt, sentence = REFUSED[case]
    begin = time.monotonic()
    with pytest.raises(RequestError) as refusal:
        attempt()
    assert time.monotonic() - begin < 2
    assert sentence in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_region_smaller_than_a_rounding_lies_in_one_zone() -> None:
    assert utm_zones((7, 46, 7 + 1e-9, 46 + 1e-9)) == ["EPSG:32632"]
    assert utm_zones((6, 0, 6 + 1e-8, 1e-8)) == ["EPSG:32632"]
    assert utm_zones((179.9999999999, -5, 180, -4.9999999999)) == ["EPSG:32760"]
