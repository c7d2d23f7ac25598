"""A PixelGrid is exact: its origin and size are what the lattice says, whatever floats do."""

from __future__ import annotations

import copy
import math
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid

SIZES = ["10", "30", "0.1", "1/12", "1/3600", "0.00026949458523585647", "4.77731426716"]


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


@pytest.mark.explores
@settings(max_examples=10_000)
@given(
    size=st.sampled_from(SIZES),
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
    assert grid.translate_x == float(Fraction(anchor) + column * Fraction(size))
    assert grid.translate_y == float(Fraction(anchor) + (row + height) * Fraction(size))


def test_plain_floor_and_ceil_do_not_keep_the_size() -> None:
    """The same boxes, the way that is wrong in one of twenty: the case is a real one."""
    chance = random.Random(0)
    naive = ours = 0
    for _ in range(10_000):
        size = float(Fraction(chance.choice(SIZES)))
        left, width = chance.randrange(-(10**5), 10**5), chance.randrange(1, 10**4)
        bounds = (left * size, left * size, (left + width) * size, (left + width) * size)
        naive += math.ceil(bounds[2] / size) - math.floor(bounds[0] / size) != width
        grid = PixelGrid.from_bounds("EPSG:4326", size, bounds)
        ours += (grid.width, grid.height) != (width, width)
    assert naive > 200
    assert ours == 0


@pytest.mark.explores
@settings(max_examples=10_000)
@given(
    size=st.sampled_from(SIZES),
    column=st.integers(-(10**7), 10**7),
    width=st.integers(1, 10**5),
    noise=st.lists(st.floats(-0.9e-6, 0.9e-6), min_size=4, max_size=4),
)
def test_noise_of_a_millionth_of_a_pixel_changes_nothing(
    size: str, column: int, width: int, noise: list[float]
) -> None:
    step = Fraction(size)
    box = (column * step, column * step, (column + width) * step, (column + width) * step)
    noisy = [float(edge + step * Fraction(part)) for edge, part in zip(box, noise, strict=True)]
    assume(math.ulp(noisy[2]) < 1e-8 * step)
    assert PixelGrid.from_bounds("EPSG:4326", size, noisy) == PixelGrid.from_bounds("EPSG:4326", size, box)


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


@pytest.mark.parametrize("number", [1 / 3600, "1/3600", Fraction(1, 3600), "0.0002777777777777778"])
def test_a_size_is_the_same_however_it_is_written(number: Any) -> None:
    grid = PixelGrid.from_bounds("EPSG:4326", number, (-179.99972222222223, 1, 2, 2))
    assert grid == PixelGrid.from_bounds("EPSG:4326", "1/3600", (Fraction(-647999, 3600), 1, 2, 2))
    assert [tile.translate_x for tile in grid.tiles(3601, 3600)] == [
        float(Fraction(-647999 + 3601 * index, 3600)) for index in range(-(-grid.width // 3601))
    ]


def test_rest_round_trip() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 20, (600000, 4698020, 603000, 4700020))
    assert PixelGrid.from_rest(grid.to_rest()) == grid
    wkt = replace(grid, crs='PROJCS["x"]')
    assert wkt.to_rest()["crsWkt"] == 'PROJCS["x"]'
    assert PixelGrid.from_rest(wkt.to_rest()) == wkt


@pytest.mark.explores
def test_any_grid_survives_rest_repr_and_pickle() -> None:
    """10,000 grids, sheared ones and ones with any floats included."""
    chance = random.Random(1)
    coordinates: list[Callable[[], float]] = [
        lambda: chance.uniform(-1e9, 1e9),
        lambda: chance.randrange(-(10**7), 10**7) / 3600,
        lambda: chance.choice([0.0, -0.0, 0, 15, -7.5]),
        lambda: chance.uniform(-1, 1) * 10 ** chance.randrange(-300, 300),
    ]
    grids = 0
    while grids < 10_000:
        transform = [chance.choice(coordinates)() for _ in range(6)]
        crs = chance.choice(["EPSG:32719", "EPSG:4326", "GEOGCS[\"x, 'y'\"]"])
        try:
            grid = PixelGrid(crs, chance.randrange(1, 10**6), chance.randrange(1, 10**6), *transform)
        except RequestError:  # pixels without an area
            continue
        grids += 1
        for twin in (PixelGrid.from_rest(grid.to_rest()), eval(repr(grid)), pickle.loads(pickle.dumps(grid))):
            assert twin == grid
            assert hash(twin) == hash(grid)
            assert twin.name == grid.name
            assert repr(twin.to_rest()) == repr(grid.to_rest())
        assert PixelGrid.from_rest(grid.to_rest()).bounds == grid.bounds


@pytest.mark.explores
@settings(max_examples=10_000)
@given(
    size=st.sampled_from(SIZES),
    column=st.integers(-(10**6), 10**6),
    row=st.integers(-(10**6), 10**6),
    offset=st.integers(-(10**6), 10**6),
)
def test_a_lattice_from_0_is_the_same_lattice_after_rest(size: str, column: int, row: int, offset: int) -> None:
    """What floats lose is found again, so that tiles of a grid that went through JSON are the same tiles."""
    step = Fraction(size)
    grid = PixelGrid.from_bounds(
        "EPSG:32719", size, (column * step, row * step, (column + 9) * step, (row + 9) * step)
    )
    again = PixelGrid.from_rest(grid.to_rest())
    assert again.window(offset, -offset, 3, 4) == grid.window(offset, -offset, 3, 4)


@pytest.mark.explores
def test_what_covers_bounds_is_the_same_from_anywhere_on_the_lattice() -> None:
    """10,000 boxes that lie anyhow, each covered from a grid elsewhere on its lattice."""
    chance = random.Random(2)
    for _ in range(10_000):
        size, anchor = chance.choice(SIZES), chance.choice([0, 15, -7.5, chance.uniform(-100, 100)])
        x, y = chance.uniform(-400, 400), chance.uniform(-400, 400)
        bounds = (x, y, x + chance.uniform(0.01, 400), y + chance.uniform(0.01, 400))
        grid = PixelGrid.from_bounds("EPSG:32719", size, (1, 2, 300, 400), (anchor, anchor)).covering(bounds)
        assert grid == PixelGrid.from_bounds("EPSG:32719", size, bounds, (anchor, anchor))
        assert grid.covering(grid.bounds) == grid
        least = 1.000001e-6 * float(Fraction(size)) + 1e-12
        assert grid.bounds[0] <= x + least
        assert grid.bounds[1] <= y + least
        assert grid.bounds[2] >= bounds[2] - least
        assert grid.bounds[3] >= bounds[3] - least
        inner = grid.window(1, 1, max(1, grid.width - 2), max(1, grid.height - 2)).bounds
        if grid.width > 2 and grid.height > 2:  # no row or column too many
            assert inner[0] > x
            assert inner[1] > y
            assert inner[2] < bounds[2]
            assert inner[3] < bounds[3]


def test_bounds_of_a_rotated_grid_hold_all_its_corners() -> None:
    grid = PixelGrid(
        "EPSG:32719", 4, 2, scale_x=3, shear_x=1, translate_x=10, shear_y=2, scale_y=-5, translate_y=20
    )
    assert grid.bounds == (10, 10, 24, 28)
    covering = grid.covering((10, 10, 24, 28))
    assert (covering.scale_x, covering.shear_y) == (3, 2)
    assert covering.width > 4


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        (
            PixelGrid.from_bounds("EPSG:32719", 10, (6e5, 4698020, 603000, 4700020)),
            "EPSG-32719_10_600000_4700020_300x200",
        ),
        (
            PixelGrid.from_bounds("EPSG:4326", "1/3600", (-1.5, 0, 1, 2)),
            "EPSG-4326_0p0002777777778_-1p5_2_9000x7200_4b782adf",
        ),
        (PixelGrid('PROJCS["x"]', 2, 3, 1e20, 0, 1e-9, 0, -1, 0), "wkt-1ebcb10e_1e20_1e-09_0_2x3_34c4338f"),
        (PixelGrid("EPSG:4326+5773", 2, 3, 1, 0, 1, 0, -1, 0), "EPSG-4326-5773-04af7454_1_1_0_2x3"),
    ],
)
def test_a_grid_is_named_after_its_place(grid: PixelGrid, name: str) -> None:
    assert grid.name == name
    assert copy.copy(grid).name == name


def test_other_pixels_have_another_name() -> None:
    grids = [
        PixelGrid("EPSG:32719", 2, 3, 1, 0, x, shear_y, scale_y, 0)
        for x in (0.0, 20000000.001, 20000000.006)
        for shear_y in (0.0, 0.5)
        for scale_y in (-1.0, 1.0, -2.0)
    ]
    assert len({grid.name for grid in grids}) == len(grids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", grid.name) for grid in grids)


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:32631", "EPSG-32631"),
        ("EPSG-32631", "EPSG-32631-574035bd"),
        ("EPSG:4326+5773", "EPSG-4326-5773-"),
        ("EPSG:4326 5773", "EPSG-4326-5773-"),
        ('PROJCS["x"]', "wkt-1ebcb10e"),
    ],
)
def test_a_crs_is_named_as_a_file_may_be(crs: str, name: str) -> None:
    found = PixelGrid(crs, 1, 1, 1, 0, 0, 0, -1, 0).crs_name
    assert found.startswith(name)
    assert (len(found) == len(name)) != name.endswith("-")


def test_another_size_has_another_name() -> None:
    tile = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 100, 100)).tiles(5, 5)[1]
    assert tile.name == "c0000_r0001"
    assert replace(tile, width=7).name == "EPSG-32719_10_0_50_7x5"


def test_what_the_earth_engine_client_takes() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (600000, 4698020, 603000, 4700020))
    assert grid.to_ee() == {
        "crs": "EPSG:32719",
        "crsTransform": [10, 0, 600000, 0, -10, 4700020],
        "dimensions": "300x200",
    }


def test_a_grid_is_light_to_import() -> None:
    """DAG files are parsed again and again, each time in a fresh process."""
    heavy = "{'numpy', 'pyproj', 'ee', 'pydantic', 'google', 'requests'}"
    script = f"import sys, airflow_provider_ee.earthengine.tiles; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"


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
        (("EPSG:4326", "x", (0, 0, 1, 1)), "pixel_size must be finite numbers, not 'x'."),
        (("EPSG:4326", 1, "0011"), "bounds must be (min x, min y, max x, max y), not '0011'."),
        (("EPSG:4326", 10**310, (0, 0, 10**310, 10**310)), "must be finite numbers; it is too large"),
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
