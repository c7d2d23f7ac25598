"""Tiles cover their grid once, lie on its lattice to the last bit, and each exports to a place of its own."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.earthengine.utm import utm_zones

SIZES = ["10", "30", "0.1", "1/12", "1/3600", "0.00026949458523585647", "4.77731426716"]


def corners(tile: PixelGrid) -> tuple[int, int]:
    """Column and row of a tile among the tiles, from its name."""
    found = re.fullmatch(r"c(\d{4,})_r(\d{4,})", tile.name)
    assert found
    return int(found[1]), int(found[2])


@pytest.mark.explores
def test_10000_tilings_cover_each_pixel_once_and_meet_bit_for_bit() -> None:
    """Grids on any lattice; the origin of each tile is the one product that a person would write."""
    chance = random.Random(8)
    for _ in range(10_000):
        size = chance.choice(SIZES)
        step, origin = Fraction(size), Fraction(chance.choice(["0", "15", "-7.5", "0.1", "1/7200", "0.00013"]))
        left, top = chance.randrange(-(10**7), 10**7), chance.randrange(-(10**7), 10**7)
        width, height = chance.randrange(1, 10**5), chance.randrange(1, 10**5)
        box = (left, -(top + height), left + width, -top)
        exact = [origin + edge * step for edge in box]
        grid = PixelGrid.from_bounds("EPSG:32719", size, exact, (origin, origin))
        assert (grid.width, grid.height) == (width, height)

        tile_width, tile_height = (max(1, side // chance.randrange(1, 3)) for side in (width, height))
        tiles = {corners(tile): tile for tile in grid.tiles(tile_width, tile_height)}
        assert [tile.name for tile in tiles.values()] == sorted(tile.name for tile in tiles.values())
        assert sum(tile.pixel_count for tile in tiles.values()) == grid.pixel_count
        for (column, row), tile in tiles.items():
            assert tile.translate_x == float(origin + (left + column * tile_width) * step)
            assert tile.translate_y == float(origin - (top + row * tile_height) * step)
            assert tile.bounds[0] == (tiles[column - 1, row].bounds[2] if column else grid.bounds[0])
            assert tile.bounds[3] == (tiles[column, row - 1].bounds[1] if row else grid.bounds[3])
        any_tile = chance.choice(list(tiles.values()))
        assert any_tile == PixelGrid.from_bounds("EPSG:32719", size, any_tile.bounds, (origin, origin))
        last = max(tiles)
        assert tiles[last].bounds[2] == grid.bounds[2]
        assert tiles[last].bounds[1] == grid.bounds[1]


@pytest.mark.explores
def test_10000_tilings_of_rotated_and_south_up_grids() -> None:
    """Floats with few bits are exact, so the corner of each tile can be told without any fraction."""
    chance = random.Random(9)
    seen = 0
    while seen < 10_000:
        scale_x, shear_x, x, shear_y, scale_y, y = (chance.randrange(-4000, 4000) / 8 for _ in range(6))
        if chance.random() < 0.3:
            shear_x = shear_y = 0.0
        if scale_x * scale_y == shear_x * shear_y:
            continue
        seen += 1
        width, height = chance.randrange(1, 1000), chance.randrange(1, 1000)
        grid = PixelGrid.from_rest(
            PixelGrid("EPSG:32719", width, height, scale_x, shear_x, x, shear_y, scale_y, y).to_rest()
        )
        tile_width, tile_height = (max(1, side // chance.randrange(1, 4)) for side in (width, height))
        covered = 0
        for tile in grid.tiles(tile_width, tile_height):
            column, row = (
                place * side for place, side in zip(corners(tile), (tile_width, tile_height), strict=True)
            )
            assert tile.translate_x == scale_x * column + shear_x * row + x
            assert tile.translate_y == shear_y * column + scale_y * row + y
            assert (tile.scale_x, tile.shear_x, tile.shear_y, tile.scale_y) == (scale_x, shear_x, shear_y, scale_y)
            assert (tile.width, tile.height) == (min(tile_width, width - column), min(tile_height, height - row))
            covered += tile.pixel_count
        assert covered == grid.pixel_count


@pytest.mark.explores
def test_a_name_depends_on_the_place_alone() -> None:
    small = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 1000, 1000)).tiles(10, 10)
    large = PixelGrid.from_bounds("EPSG:32719", 10, (0, -9000, 90000, 1000)).tiles(10, 10)
    assert {tile.name: tile for tile in large}["c0003_r0009"] == {tile.name: tile for tile in small}["c0003_r0009"]


def test_the_last_tiles_are_smaller() -> None:
    tiles = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 250, 100)).tiles(10, 10)
    assert [(tile.name, tile.width, tile.height) for tile in tiles] == [
        ("c0000_r0000", 10, 10),
        ("c0001_r0000", 10, 10),
        ("c0002_r0000", 5, 10),
    ]


# Across 180 degrees


def test_a_grid_across_180_has_two_sides() -> None:
    grid = PixelGrid.from_region((177, -20, -178, -15), "EPSG:4326", 0.05)
    west, east = grid.sides_of_antimeridian()
    assert (west.width, west.bounds) == (60, (177, -20, 180, -15))
    assert (east.width, east.bounds) == (40, (-180, -20, -178, -15))
    assert [(tile.name, tile.bounds) for tile in grid.tiles(64, 100)] == [
        ("c0000_r0000", west.bounds),
        ("c0001_r0000", east.bounds),
    ]


@pytest.mark.explores
def test_no_tile_of_10000_grids_straddles_180_and_none_leaves_the_lattice() -> None:
    chance = random.Random(11)
    for _ in range(10_000):
        parts = chance.choice([1, 4, 12, 20, 120, 3600])  # of a degree
        crs = chance.choice(["EPSG:4326", "OGC:CRS84", "EPSG:4269", 'GEOGCS["WGS 84"]'])
        start, beyond = (chance.randrange(1, min(4000, 90 * parts)) for _ in range(2))
        tile = chance.randrange(max(start, beyond) // 2, 5000) + 1
        bounds = (180 - Fraction(start, parts), 0, 180 + Fraction(beyond, parts), Fraction(1, parts))
        grid = PixelGrid.from_bounds(crs, Fraction(1, parts), bounds)
        west, east = grid.sides_of_antimeridian()
        assert (west.width, east.width) == (start, beyond)
        assert (west.bounds[2], east.bounds[0]) == (180, -180)
        tiles = grid.tiles(tile, 1)
        assert sum(one.width for one in tiles) == grid.width
        assert all(-180 <= one.bounds[0] < one.bounds[2] <= 180 for one in tiles)
        assert len({one.name for one in tiles}) == len(tiles)
        edges = [one.bounds[0] for one in tiles] + [east.bounds[2]]
        assert [one.bounds[2] for one in tiles] == [180 if edge == -180 else edge for edge in edges[1:]]
        assert tiles[-1] == PixelGrid.from_bounds(crs, Fraction(1, parts), tiles[-1].bounds)


def test_a_pixel_that_straddles_180_stays_in_the_west() -> None:
    grid = PixelGrid.from_bounds("EPSG:4326", 0.5, (178.25, 0, 182.25, 1), anchor=(0.25, 0))
    assert [side.bounds for side in grid.sides_of_antimeridian()] == [
        (178.25, 0, 180.25, 1),
        (-179.75, 0, -177.75, 1),
    ]
    mirrored = PixelGrid("EPSG:4326", 8, 2, -0.5, 0, 182.25, 0, -0.5, 1)
    assert [side.bounds for side in mirrored.sides_of_antimeridian()] == [
        (-179.75, 0, -177.75, 1),
        (178.25, 0, 180.25, 1),
    ]


def test_without_whole_pixels_in_360_the_lattice_is_kept() -> None:
    size = 0.00026949458523585647
    grid = PixelGrid.from_bounds("EPSG:4326", size, (179.9, 0, 180.1, 0.1))
    west, east = grid.sides_of_antimeridian()
    assert 180 <= west.bounds[2] < 180 + size
    assert west.bounds[2] == east.bounds[0]
    assert east == PixelGrid.from_bounds("EPSG:4326", size, east.bounds)


@pytest.mark.parametrize(
    ("grid", "sides"),
    [
        (PixelGrid.from_bounds("EPSG:4326", 1, (-183, 0, -178, 1)), [(177, 180), (-180, -178)]),
        (PixelGrid.from_bounds("EPSG:4326", 1, (0, -90, 360, 90)), [(0, 180), (-180, 0)]),
        (PixelGrid.from_bounds("EPSG:4326", 1, (181, 0, 183, 1)), [(-179, -177)]),
        (PixelGrid.from_bounds("EPSG:4326", 1, (-180, -90, 180, 90)), [(-180, 180)]),
        (PixelGrid.from_bounds("EPSG:4326", 0.05, (179, 0, 180.0000000001, 1)), [(179, 180)]),
        (PixelGrid.from_bounds("EPSG:32632", 1, (170, 0, 190, 1)), [(170, 190)]),
        (
            PixelGrid.from_bounds("EPSG:4647", 1000, (0, 0, 500000, 5000000)),
            [(0, 500000)],
        ),  # projected, of the 4000s
        (PixelGrid.from_bounds("EPSG:4087", 10, (0, -50, 1000, 50)), [(0, 1000)]),
        (PixelGrid.from_bounds("EPSG:4839", 10, (170, 0, 190, 10)), [(170, 190)]),
        *(
            (PixelGrid.from_bounds(crs, 1, (178, 0, 182, 1)), [(178, 180), (-180, -178)])
            for crs in (
                "EPSG:7844",
                "EPSG:6706",
                "EPSG:6668",
                "EPSG:4326+5773",
                "CRS84",
                "urn:ogc:def:crs:OGC:1.3:CRS84",
                'COMPD_CS["x", GEOGCS["WGS 84"], VERT_CS["y"]]',
            )
        ),
    ],
)
def test_sides(grid: PixelGrid, sides: list[tuple[int, int]]) -> None:
    found = grid.sides_of_antimeridian()
    assert [(side.bounds[0], side.bounds[2]) for side in found] == sides
    if grid == found[0]:
        assert found == [grid]


def test_a_projected_grid_is_never_moved() -> None:
    grid = PixelGrid.from_region((10.500, 50.9995, 10.5057, 51.0005), "EPSG:4839", 10)
    tiles = grid.tiles(20, 100)
    assert (tiles[0].bounds[0], tiles[-1].bounds[2]) == (grid.bounds[0], grid.bounds[2])
    assert [tile.bounds[2] for tile in tiles[:-1]] == [tile.bounds[0] for tile in tiles[1:]]


def test_a_rotated_grid_across_180_is_refused() -> None:
    grid = PixelGrid("EPSG:4326", 10, 10, 1, 0.5, 170, 0, -1, 10)
    with pytest.raises(RequestError, match="a rotated PixelGrid that crosses 180 degrees cannot be cut"):
        grid.tiles(5, 5)


# Tiles for export


@pytest.mark.explores
def test_10000_grids_are_exported_in_few_tiles() -> None:
    chance = random.Random(10)
    seen = 0
    while seen < 10_000:
        width, height = int(10 ** chance.uniform(0, 6)), int(10 ** chance.uniform(0, 6))
        max_pixels = 10 ** chance.uniform(5, 10)
        if width * height > 20 * max_pixels:
            continue
        seen += 1
        grid = PixelGrid.from_bounds("EPSG:32719", 1, (0, 0, width, height))
        tiles = grid.tiles_for_export(max_pixels)
        assert max(tile.pixel_count for tile in tiles) <= max_pixels
        assert sum(tile.pixel_count for tile in tiles) == grid.pixel_count
        needed = -(-grid.pixel_count // int(max_pixels))
        # Blocks of 256 are coarse for tiles of few pixels.
        assert len(tiles) <= (2 * needed if max_pixels > 1e7 else 4 * needed)
        first = tiles[0]
        assert first.width % 256 == 0 or first.width == width
        assert first.height % 256 == 0 or first.height == height
        shorter, longer = sorted((first.width, first.height))
        assert longer <= 4 * shorter or shorter in (width, height)


@pytest.mark.parametrize(
    ("width", "height", "max_pixels", "size", "count"),
    [
        (1000, 1000, 1e8, (1000, 1000), 1),
        (20000, 20000, 1e8, (6912, 10240), 6),
        (1_000_000, 100, 1e8, (1_000_000, 100), 1),
        (100, 3_000_000, 1e8, (100, 750_080), 4),
        (10, 10, 9, (2, 4), 15),
        (10, 10, 1, (1, 1), 100),
    ],
)
def test_sizes_of_tiles(width: int, height: int, max_pixels: float, size: tuple[int, int], count: int) -> None:
    tiles = PixelGrid.from_bounds("EPSG:32719", 1, (0, 0, width, height)).tiles_for_export(max_pixels)
    assert len(tiles) == count
    assert (tiles[0].width, tiles[0].height) == size


def test_too_many_tiles_are_refused() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 10_000_000, 10_000_000))
    with pytest.raises(RequestError) as refusal:
        grid.tiles_for_export(1e8, max_tiles=1000)
    assert "the grid has 1000000000000 pixels, which takes 10" in str(refusal.value)
    assert "more than max_tiles (1000); raise one of them, or take larger pixels." in str(refusal.value)


@pytest.mark.parametrize("max_pixels", [0, -1, float("nan"), float("inf"), "many", None])
def test_max_pixels_is_a_number(max_pixels: Any) -> None:
    with pytest.raises(RequestError, match="max_pixels must be a number of 1 or more"):
        PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 10, 10)).tiles_for_export(max_pixels)


@pytest.mark.parametrize("size", [(0, 1), (1, -1), (2.5, 1), (1, True), ("1", 1)])
def test_tiles_have_whole_sides(size: Any) -> None:
    with pytest.raises(RequestError, match=r"of tiles must be a whole number of 1 or more, not"):
        PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 10, 10)).tiles(*size)


# As arguments of mapped exports


@pytest.mark.parametrize(
    ("destination", "named"),
    [
        ("gs://bucket/ndvi/{name}", "gs://bucket/ndvi/c0000_r0000"),
        ("gs://bucket/{name}/ndvi", "gs://bucket/c0000_r0000/ndvi"),
        ("gs://bucket/ndvi", "gs://bucket/ndvi_c0000_r0000"),
        ("gs://bucket/ndvi/", "gs://bucket/ndvi/c0000_r0000"),
        ("gs://bucket", "gs://bucket/c0000_r0000"),
        ("drive://folder", "drive://folder/c0000_r0000"),
        ("drive://folder/ndvi-", "drive://folder/ndvi-c0000_r0000"),
        ("projects/p/assets/ndvi", "projects/p/assets/ndvi_c0000_r0000"),
        ("gs://{{ params.bucket }}", "gs://{{ params.bucket }}/c0000_r0000"),
        (
            "gs://{{ params.bucket }}/{{ ds_nodash }}/{name}",
            "gs://{{ params.bucket }}/{{ ds_nodash }}/c0000_r0000",
        ),
        ("gs://bucket/{{name}}", "gs://bucket/{{name}}_c0000_r0000"),
        (
            "gs://{{ params.bucket }}-{{ var.value.get('a/b') }}",
            "gs://{{ params.bucket }}-{{ var.value.get('a/b') }}/c0000_r0000",
        ),
        ("gs://bucket/{{ ds }}", "gs://bucket/{{ ds }}_c0000_r0000"),
        ("{{ var.value.dest }}/{name}", "{{ var.value.dest }}/c0000_r0000"),
        ("{{ var.value.dest }}/ndvi", "{{ var.value.dest }}/ndvi_c0000_r0000"),
        ("gs://bucket/{crs}/{name}", "gs://bucket/EPSG-32719/c0000_r0000"),
        ("gs://bucket/{crs}", "gs://bucket/EPSG-32719_c0000_r0000"),
        ("gs://bucket/{{crs}}/", "gs://bucket/{{crs}}/c0000_r0000"),
    ],
)
def test_each_tile_has_a_destination_of_its_own(destination: str, named: str) -> None:
    (tile,) = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 10, 10)).tiles(1, 1)
    (item,) = export_tiles([tile], destination, "NDVI {{ ds }} {name}", max_pixels=1e9)
    assert item == {
        "grid": tile.to_rest(),
        "destination": named,
        "description": "NDVI {{ ds }} c0000_r0000",
        "max_pixels": 1e9,
    }


def test_a_description_is_the_name_or_ends_with_it() -> None:
    tiles = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 20, 10)).tiles(1, 1)
    assert [item["description"] for item in export_tiles(tiles, "gs://b/c")] == ["c0000_r0000", "c0001_r0000"]
    assert export_tiles(tiles, "gs://b/c", "ndvi")[1]["description"] == "ndvi_c0001_r0000"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tiles": [1]}, "tiles must be PixelGrids, not 1."),
        ({"destination": "{{ var.value.dest }}"}, "put {name} where the name of a tile belongs"),
        ({"destination": "{{ var.value.scheme + '//' }}{{ ds }}"}, "does not tell a bucket from a prefix"),
        ({"destination": None}, "destination must be text, not None."),
        ({"description": 5}, "description must be text, not 5."),
        ({"grid": {}}, "export_tiles gives each tile its grid; leave grid out."),
    ],
)
def test_what_makes_no_export_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    tiles = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 20, 10)).tiles(1, 1)
    with pytest.raises(RequestError) as refusal:
        export_tiles(**{"tiles": tiles, "destination": "gs://b/c", **arguments})
    assert sentence in str(refusal.value)


def test_tiles_of_two_grids_would_overwrite_each_other() -> None:
    tiles = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 20, 10)).tiles(1, 1)
    with pytest.raises(
        RequestError, match="two tiles are called 'c0000_r0000', and one would overwrite the other"
    ):
        export_tiles([*tiles, *tiles], "gs://b/c")


def test_tiles_of_two_zones_go_to_places_of_their_own() -> None:
    tiles = [
        tile
        for crs in utm_zones((5.9, 45, 6.1, 45.1))
        for tile in PixelGrid.from_region((5.9, 45, 6.1, 45.1), crs, 100).tiles(100, 100)
    ]
    with pytest.raises(
        RequestError, match=r"a destination of its own, or put \{crs\} into it if the grids differ"
    ):
        export_tiles(tiles, "gs://b/ndvi")
    items = export_tiles(tiles, "gs://b/{crs}/{name}", "{name} of {crs}")
    assert len({item["destination"] for item in items}) == len(tiles)
    assert items[0]["destination"] == "gs://b/EPSG-32631/c0000_r0000"
    assert items[-1]["description"] == f"{tiles[-1].name} of EPSG-32632"


def test_one_grid_is_one_tile() -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (0, 0, 20, 10))
    assert export_tiles(grid, "gs://b/{name}") == export_tiles([grid], "gs://b/{name}")


def serialized_dag(size: str) -> str:
    """A DAG that maps 500 tiles, as Airflow stores it."""
    from airflow.providers.common.compat.sdk import DAG
    from dag_bag import serialisation

    from airflow_provider_ee.operators.export import EEImageExportOperator

    grid = PixelGrid.from_region((-73.5, -40.1, -72.1, -37.3), "EPSG:4326", size)
    tiles = grid.tiles(-(-grid.width // 20), -(-grid.height // 25))
    assert len(tiles) == 500
    with DAG("tiled", start_date=datetime(2024, 1, 1), schedule=None) as dag:
        EEImageExportOperator.partial(task_id="export", expression="{}").expand_kwargs(
            export_tiles(tiles, "gs://{{ params.bucket }}/ndvi/{{ ds_nodash }}/{name}", "NDVI {{ ds }} {name}")
        )
    return json.dumps(serialisation.to_dict(dag))


@pytest.mark.parametrize("size", ["1/3600", "0.00026949458523585647"])
def test_a_dag_of_500_tiles_is_small_and_the_same_at_every_parse(size: str) -> None:
    text = serialized_dag(size)
    assert len(text) < 300_000
    assert serialized_dag(size) == text
