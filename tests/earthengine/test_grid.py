"""A PixelGrid is exact: its origin and size are what the lattice says, whatever floats do."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid


def test_bounds_on_the_lattice_give_the_grid_a_person_would_write() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (600000, 4698020, 603000, 4700020))
    assert grid.to_rest() == {
        "crsCode": "EPSG:32719",
        "affineTransform": {
            "scaleX": 10.0,
            "shearX": 0.0,
            "translateX": 600000.0,
            "shearY": 0.0,
            "scaleY": -10.0,
            "translateY": 4700020.0,
        },
        "dimensions": {"width": 300, "height": 200},
    }
    assert grid.pixel_count == 60_000


def test_bounds_between_the_lattice_are_covered() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (600001, 4698021, 602999, 4700019))
    assert (grid.width, grid.height, grid.translate_x, grid.translate_y) == (300, 200, 600000, 4700020)


def test_landsat_pixels_are_anchored_at_15_m() -> None:
    grid = PixelGrid.from_bounds("EPSG:32632", 30, (300000, 5000000, 300030, 5000030), anchor=(15, 15))
    assert (grid.translate_x, grid.translate_y) == (299985, 5000055)
    assert (grid.width, grid.height) == (2, 2)


@given(
    size=st.sampled_from(["10", "30", "0.1", "1/12", "1/3600", "0.00026949458523585647", "4.77731426716"]),
    column=st.integers(-(10**7), 10**7),
    row=st.integers(-(10**7), 10**7),
    width=st.integers(1, 10**5),
    height=st.integers(1, 10**5),
    anchor=st.sampled_from([0, 15, -7.5]),
)
def test_aligned_boxes_keep_their_size(
    size: str, column: int, row: int, width: int, height: int, anchor: float
) -> None:
    """Bounds that went through floats, as people compute them, give neither a row nor a column too many."""
    step = float(Fraction(size))
    bounds = (
        anchor + column * step,
        anchor + row * step,
        anchor + (column + width) * step,
        anchor + (row + height) * step,
    )
    grid = PixelGrid.from_bounds("EPSG:4326", size, bounds, anchor=(anchor, anchor))
    assert (grid.width, grid.height) == (width, height)
    exact = Fraction(anchor) + column * Fraction(size)
    assert grid.translate_x == pytest.approx(float(exact), rel=1e-15, abs=1e-12)


@given(tile=st.integers(0, 10**6))
def test_origins_of_neighbours_come_from_one_product(tile: int) -> None:
    """A tile's right edge is the next tile's left edge, to the last bit, for a pixel size that is no float."""
    edges = []
    for index in (tile, tile + 1):
        left = Fraction(index * 256, 3600)
        grid = PixelGrid.from_bounds("EPSG:4326", "1/3600", (float(left), 0, float(left + Fraction(256, 3600)), 1))
        edges.append(grid.translate_x)
    assert edges == [tile * 256 / 3600, (tile + 1) * 256 / 3600]


def test_a_float_that_stands_for_a_fraction_is_read_as_it() -> None:
    assert PixelGrid.from_bounds("EPSG:4326", 1 / 3600, (1, 1, 2, 2)) == PixelGrid.from_bounds(
        "EPSG:4326", "1/3600", (1, 1, 2, 2)
    )


def test_rest_round_trip() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 20, (600000, 4698020, 603000, 4700020))
    assert PixelGrid.from_rest(grid.to_rest()) == grid
    wkt = PixelGrid(**{**grid.__dict__, "crs": 'PROJCS["x"]'})
    assert wkt.to_rest()["crsWkt"] == 'PROJCS["x"]'
    assert PixelGrid.from_rest(wkt.to_rest()) == wkt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("EPSG:4326", 0, (0, 0, 1, 1)), "pixel_size must be greater than 0, not 0."),
        (("EPSG:4326", -1, (0, 0, 1, 1)), "pixel_size must be greater than 0, not -1."),
        (("EPSG:4326", math.nan, (0, 0, 1, 1)), "pixel_size must be finite numbers, not nan."),
        (("EPSG:4326", "1/0", (0, 0, 1, 1)), "pixel_size must be finite numbers, not '1/0'."),
        (("EPSG:4326", 1, (1, 0, 0, 1)), "bounds must be (min x, min y, max x, max y) with an area"),
        (("EPSG:4326", 1, (0, 0, 1)), "bounds must be (min x, min y, max x, max y), not (0, 0, 1)."),
        (("EPSG:4326", 1, (0, 0, math.inf, 1)), "bounds must be finite numbers, not inf."),
        (("EPSG:4326", 1, (0, 0, 1e-9, 1)), "are thinner than a millionth of a pixel"),
        (("EPSG:4326", 1, (0, 0, 1, 1), (0,)), "anchor must be (x, y), not (0,)."),
        (("EPSG:4326", 1, (0, 0, 1, 1), 15), "anchor must be (x, y), not 15."),
        (("EPSG:4326", 1, None), "bounds must be (min x, min y, max x, max y), not None."),
        ((4326, 1, (0, 0, 1, 1)), "the crs of a PixelGrid must be text such as 'EPSG:32719', not 4326."),
    ],
)
def test_what_is_no_grid_is_refused(arguments: tuple, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        PixelGrid.from_bounds(*arguments)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"affineTransform": {"scalex": 10}}, "affineTransform has 'scalex', but holds scaleX, shearX"),
        ({"affineTransform": {"scaleX": "nan", "scaleY": -1}}, "must be finite numbers, not ['nan', 0.0"),
        ({"affineTransform": {"scaleY": -1}}, "the scale of a PixelGrid must not be 0"),
        ({"affineTransform": [1, 0, 0, 0, -1, 0]}, "affineTransform has [1, 0, 0, 0, -1, 0], but holds scaleX"),
        (
            {"dimensions": {"width": 5.9, "height": 1}},
            "the width of a PixelGrid must be a whole number of 1 or more",
        ),
        (
            {"dimensions": {"width": -5, "height": 1}},
            "the width of a PixelGrid must be a whole number of 1 or more",
        ),
        (
            {"dimensions": {"width": True, "height": 1}},
            "the width of a PixelGrid must be a whole number of 1 or more",
        ),
        ({"dimensions": {"width": 5}}, "the height of a PixelGrid must be a whole number of 1 or more, not 0"),
        ({"crsWkt": "PROJCS[]"}, "a PixelGrid needs crsCode or crsWkt"),
        ({"crsCode": 4326}, "the crs of a PixelGrid must be text such as 'EPSG:32719', not 4326"),
        ({"dimension": {}}, "a PixelGrid has 'dimension', but holds crsCode"),
    ],
)
def test_a_rest_grid_is_read_to_the_letter(change: dict[str, Any], sentence: str) -> None:
    grid = PixelGrid.from_bounds("EPSG:4326", 1, (0, 0, 1, 1)).to_rest()
    with pytest.raises(RequestError) as refusal:
        PixelGrid.from_rest({**grid, **change})
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("missing", ["crsCode", "affineTransform", "dimensions"])
def test_an_incomplete_rest_grid_is_refused(missing: str) -> None:
    grid = PixelGrid.from_bounds("EPSG:4326", 1, (0, 0, 1, 1)).to_rest()
    del grid[missing]
    with pytest.raises(RequestError, match="needs crsCode or crsWkt, affineTransform and dimensions"):
        PixelGrid.from_rest(grid)
