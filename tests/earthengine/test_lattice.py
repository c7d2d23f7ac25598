"""Equal grids have equal tiles, and what went through JSON is found on its lattice again where numbers allow it."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.lattice import Lattice

# A pixel size and the anchor (x, y): the first four are found again from rounded numbers, the others are not.
FOUND_AGAIN = [
    ("0.004166666666666667", (0.0020833333333333333, 0.0020833333333333333)),
    ("0.00026949458523585647", (0, 0)),
    ("0.00026949458523585647", ("0.000134747292617928235", "0.000134747292617928235")),
    ("231.65635826389", (0, "115.828179131945")),
]
LOST = [
    ("0.00026949458523585647", (-180.0001347, 90.0001347)),
    ("231.656358263889", (-20015109.354, 10007554.677)),
]


def through_json(grid: PixelGrid) -> PixelGrid:
    return PixelGrid.from_rest(json.loads(json.dumps(grid.to_rest())))


def edges_differ(tiles: list[PixelGrid]) -> int:
    return sum(tile.bounds[2] != following.bounds[0] for tile, following in pairwise(tiles))


def strip(size: str, anchor: tuple) -> PixelGrid:
    length = 20 if float(size) < 1 else 2_000_000
    return PixelGrid.from_bounds("EPSG:32719", size, (0, 0, length, length), anchor)


@pytest.mark.parametrize(("size", "anchor"), FOUND_AGAIN + LOST)
def test_tiles_of_one_grid_share_their_edges(size: str, anchor: tuple) -> None:
    tiles = strip(size, anchor).tiles(100, 10**6)
    assert len(tiles) > 40
    assert edges_differ(tiles) == 0
    assert [tile.bounds[0] for tile in tiles] == [tile.translate_x for tile in tiles]


@pytest.mark.parametrize(("size", "anchor"), FOUND_AGAIN)
def test_what_was_read_again_is_the_same_grid(size: str, anchor: tuple) -> None:
    grid = strip(size, anchor)
    tiles = grid.tiles(100, 10**6)
    again = [through_json(tile) for tile in tiles]
    assert again == tiles
    assert edges_differ(again) == 0
    assert through_json(grid) == grid
    assert through_json(grid).tiles(70, 10**6) == grid.tiles(70, 10**6)


@pytest.mark.parametrize(("size", "anchor"), LOST)
def test_what_no_one_can_find_again_is_another_grid_a_rounding_away(size: str, anchor: tuple) -> None:
    tiles = strip(size, anchor).tiles(100, 10**6)
    again = [through_json(tile) for tile in tiles]
    assert edges_differ(again) > 0
    assert any(one != tile for one, tile in zip(again, tiles, strict=True))
    for one, tile in zip(again, tiles, strict=True):
        assert one.to_rest() == tile.to_rest()
        assert one.bounds == pytest.approx(tile.bounds, rel=3e-16, abs=1e-9)


def test_the_same_numbers_may_stand_for_two_lattices() -> None:
    """So no reader can tell which far edge was meant."""
    size = Fraction("0.00026949458523585647")
    first, second = (
        PixelGrid.from_bounds("EPSG:4326", size, (100, 0, 100.5, 0.5), (anchor, 0))
        for anchor in (Fraction("-180.0001347"), Fraction("-180.0001347") + Fraction(1, 10**15))
    )
    assert first.to_rest() == second.to_rest()
    assert first != second
    tiles = [
        (a.bounds[2], b.bounds[2]) for a, b in zip(first.tiles(1, 10**6), second.tiles(1, 10**6), strict=True)
    ]
    assert any(a != b for a, b in tiles)


@pytest.mark.explores
def test_equal_grids_have_equal_tiles() -> None:
    """3,000 grids on any lattice, and each other grid of the same numbers."""
    chance = random.Random(12)
    equal = 0
    for _ in range(3_000):
        size, anchor = chance.choice(FOUND_AGAIN + LOST)
        left, top = chance.randrange(-(10**6), 10**6), chance.randrange(-(10**6), 10**6)
        width, height = chance.randrange(1, 10**4), chance.randrange(1, 10**4)
        grid = strip(size, anchor).window(left, top, width, height)
        tile = chance.randrange(1 + width // 3, width + 2), chance.randrange(1 + height // 3, height + 2)
        tiles = grid.tiles(*tile)
        assert edges_differ([one for one in tiles if one.name.endswith("r0000")]) == 0
        for other in (through_json(grid), pickle.loads(pickle.dumps(grid)), eval(repr(grid))):
            if other == grid:
                equal += 1
                assert hash(other) == hash(grid)
                assert other.tiles(*tile) == tiles
                assert [one.bounds for one in other.tiles(*tile)] == [one.bounds for one in tiles]
    assert equal > 6_000


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda tile: pickle.loads(pickle.dumps(tile))])
@pytest.mark.parametrize(("size", "anchor"), FOUND_AGAIN + LOST)
def test_copies_and_pickles_keep_the_lattice_and_the_name(
    twin: Callable[[PixelGrid], PixelGrid], size: str, anchor: tuple
) -> None:
    tile = strip(size, anchor).tiles(100, 10**6)[3]
    assert twin(tile) == tile
    assert twin(tile).name == "c0003_r0000"
    assert repr(twin(tile)) == repr(tile)
    assert twin(tile).tiles(7, 10**6) == tile.tiles(7, 10**6)


def test_another_number_has_a_lattice_of_its_own() -> None:
    tile = strip(*LOST[0]).tiles(100, 10**6)[3]
    assert replace(tile, crs="EPSG:4326").lattice == tile.lattice
    moved = replace(tile, translate_x=5.0)
    assert moved.bounds[0] == 5
    assert moved == PixelGrid("EPSG:32719", tile.width, tile.height, *moved.lattice.rounded())
    assert moved.lattice == Lattice.of_floats(moved.lattice.rounded())


def test_airflow_keeps_a_grid_that_a_task_returns() -> None:
    grid = strip(*FOUND_AGAIN[0])
    assert PixelGrid.deserialize(json.loads(json.dumps(grid.serialize())), 0) == grid
