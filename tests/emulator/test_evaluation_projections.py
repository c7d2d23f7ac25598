"""Lattices of pixels, other projections, clipping."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import ee
import numpy as np
import pyproj
import pytest
from affine import Affine
from evaluation_support import CORNER, UTM, Workplace, geotiff, grid, serialized
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate, evaluate_image
from airflow_provider_ee.emulator.evaluation.projection import (
    Grid,
    Projection,
    bounds_on_lattice,
    lattice_indices,
)

RANDOM = np.random.default_rng(4)
VALUES = RANDOM.integers(1, 60000, (200, 300)).astype("uint16")

# Nearest neighbour on one CRS

Lattice = tuple[Fraction, Fraction, Projection]
"""The size of a pixel and the corner, exactly, and the projection of both."""

DEGREES = ([Fraction(1, 3600), Fraction(1, 12), Fraction(1, 10), Fraction(1, 4), Fraction(1)], 180)
METRES = ([Fraction(10), Fraction(25, 2), Fraction(15), Fraction(30), Fraction(1000)], 10_000_000)
"""Sizes of pixels, and how far from zero a corner may lie."""


@st.composite
def lattices(draw: st.DrawFn, number: int) -> list[Lattice]:
    """Lattices in the same units, each with its corner whole pixels from zero."""
    sizes, extent = draw(st.sampled_from([DEGREES, METRES]))
    drawn = []
    for _ in range(number):
        size = draw(st.sampled_from(sizes))
        most = int(extent / size)
        corner = draw(st.integers(-most, most)) * size
        transform = Affine(float(size), 0, float(corner), 0, -float(size), float(corner))
        drawn.append((size, corner, Projection(UTM, transform)))
    return drawn


@settings(max_examples=200)
@given(lattices(2), st.integers(-10_000, 10_000), st.integers(1, 40))
def test_a_centre_lies_in_the_pixel_that_exact_arithmetic_says(
    both: list[Lattice], first: int, count: int
) -> None:
    (source_size, source_corner, source), (size, corner, target) = both
    columns, rows = lattice_indices(Grid(target, first, first, count, count), source)
    away = [size * (first + index + Fraction(1, 2)) for index in range(count)]
    assert columns[0].tolist() == [math.floor((corner + each - source_corner) / source_size) for each in away]
    assert rows[:, 0].tolist() == [math.floor((source_corner - corner + each) / source_size) for each in away]


@settings(max_examples=200)
@given(lattices(1), st.integers(-100_000, 100_000), st.integers(1, 5000))
def test_bounds_that_lie_on_the_lattice_are_taken_exactly(lattice: list[Lattice], first: int, count: int) -> None:
    ((size, corner, projection),) = lattice
    left, right = float(corner + first * size), float(corner + (first + count) * size)
    bottom, top = float(corner - (first + count) * size), float(corner - first * size)
    assert bounds_on_lattice((left, bottom, right, top), projection) == Grid(
        projection, first, first, count, count
    )


@settings(max_examples=50)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 900), st.integers(0, 900))
def test_windows_agree_with_the_whole(width: int, height: int, column: int, row: int) -> None:
    whole = Grid(Projection("EPSG:4326", Affine(1 / 12, 0, -179.95, 0, -1 / 12, 89.95)), 7, 9, 1800, 1800)
    window = whole.window(column, row, width, height)
    x, y = whole.centres()
    part_x, part_y = window.centres()
    part = np.s_[row : row + window.height, column : column + window.width]
    np.testing.assert_array_equal(x[part], part_x)
    np.testing.assert_array_equal(y[part], part_y)


@pytest.fixture
def scene(workplace: Workplace) -> ee.Image:
    """An image of 300 x 200 pixels of 10 m."""
    workplace.add_image("scene", {"B": VALUES})
    return ee.Image("scene")


def test_a_coarse_grid_takes_the_pixel_under_each_centre(workplace: Workplace, scene: ee.Image) -> None:
    values = workplace.values(scene, grid=grid(60, 40, CORNER * Affine.scale(5)))
    np.testing.assert_array_equal(values, VALUES[2::5, 2::5])


def test_a_fine_grid_repeats_pixels(workplace: Workplace, scene: ee.Image) -> None:
    values = workplace.values(scene, grid=grid(900, 600, CORNER * Affine.scale(1 / 3)))
    np.testing.assert_array_equal(values, VALUES.repeat(3, axis=0).repeat(3, axis=1))


def test_an_image_may_be_upside_down(workplace: Workplace, scene: ee.Image) -> None:
    southward = Affine(10, 0, 600000, 0, 10, 4698020)
    np.testing.assert_array_equal(workplace.values(scene, grid=grid(300, 200, southward)), VALUES[::-1])


def test_a_rotated_grid(workplace: Workplace, scene: ee.Image) -> None:
    turned = Affine(0, 10, 600000, -10, 0, 4700020)
    np.testing.assert_array_equal(workplace.values(scene, grid=grid(200, 300, turned)), VALUES.T)


def test_images_much_larger_than_the_grid_are_read_in_pieces(workplace: Workplace) -> None:
    values = np.arange(9000, dtype="uint16")[np.newaxis].repeat(5000, axis=0) + 1
    workplace.add_image("large", {"B": values})
    coarse = workplace.values(ee.Image("large"), grid=grid(9, 5, CORNER * Affine.scale(1000)))
    np.testing.assert_array_equal(coarse, values[500::1000, 500::1000])


# Another CRS


def expected_from(transform: Affine, crs: str, width: int, height: int) -> np.ndarray:
    """The pixels under the centres of a grid in another CRS, by pyproj and numpy; 0 outside."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = transform.a * columns + transform.c, transform.e * rows + transform.f
    eastings, northings = pyproj.Transformer.from_crs(crs, UTM, always_xy=True).transform(x, y)
    column = np.floor((eastings - 600000) / 10).astype(int)
    row = np.floor((4700020 - northings) / 10).astype(int)
    inside = (column >= 0) & (column < 300) & (row >= 0) & (row < 200)
    return np.where(inside, VALUES[row.clip(0, 199), column.clip(0, 299)], 0)


def test_another_crs_is_nearest_neighbour_too(workplace: Workplace, scene: ee.Image) -> None:
    transform = Affine(0.0001, 0, -67.67, 0, -0.0001, -47.84)
    values = workplace.values(scene, grid=grid(600, 300, transform, "EPSG:4326"))
    expected = expected_from(transform, "EPSG:4326", 600, 300)
    assert 0.3 < (expected > 0).mean() < 0.9
    np.testing.assert_array_equal(values, expected)


def test_places_that_a_crs_cannot_express_are_masked(workplace: Workplace, scene: ee.Image) -> None:
    whole_world = Affine(30, 0, -180, 0, -30, 90)
    with pytest.raises(EvaluationError, match="No valid"):
        workplace.export(scene, grid=grid(12, 6, whole_world, "EPSG:4326"))


def test_reprojecting_fixes_the_pixels(workplace: Workplace, scene: ee.Image) -> None:
    coarse = scene.reproject(UTM, [50, 0, 600000, 0, -50, 4700020])
    values = workplace.values(coarse, grid=grid(300, 200))
    np.testing.assert_array_equal(values, VALUES[2::5, 2::5].repeat(5, axis=0).repeat(5, axis=1))


def test_a_default_projection_does_not(workplace: Workplace, scene: ee.Image) -> None:
    image = scene.setDefaultProjection(UTM, [50, 0, 600000, 0, -50, 4700020])
    np.testing.assert_array_equal(workplace.values(image, grid=grid(300, 200)), VALUES)
    np.testing.assert_array_equal(workplace.values(image), VALUES[2::5, 2::5])


def test_reprojecting_what_would_be_too_large(workplace: Workplace, scene: ee.Image) -> None:
    fine = scene.reproject(UTM, [0.01, 0, 600000, 0, -0.01, 4700020])
    with pytest.raises(
        EvaluationError, match=r"Reprojection output too large \(\d+x\d+ pixels\). \(Error code: 3\)"
    ):
        workplace.export(fine, grid=grid(300, 200))


def test_exporting_a_reprojected_image(workplace: Workplace, scene: ee.Image) -> None:
    exported = workplace.export(scene.reproject("EPSG:4326", [0.0001, 0, 0, 0, -0.0001, 0]))
    bounds = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform_bounds(
        600000, 4698020, 603000, 4700020, densify_pts=100
    )
    left, bottom, right, top = (round(degrees * 10_000, 6) for degrees in bounds)
    assert exported.width == math.ceil(right) - math.floor(left)
    assert exported.height == math.ceil(top) - math.floor(bottom)


# Projections as values


def value_of(workplace: Workplace, expression: Any) -> Any:
    return evaluate(serialized(expression), workplace.catalog)


def test_the_projection_of_an_image(workplace: Workplace, scene: ee.Image) -> None:
    assert value_of(workplace, scene.projection()) == Projection(UTM, CORNER)
    assert value_of(workplace, scene.projection().nominalScale()) == 10
    assert value_of(workplace, scene.projection().atScale(25)) == Projection(UTM, CORNER * Affine.scale(2.5))
    degrees = value_of(workplace, ee.Projection("EPSG:4326").nominalScale())
    assert degrees == pytest.approx(111319.49079327358)
    scaled = evaluate_image(serialized(scene.reproject("EPSG:3857", None, 30)), workplace.catalog)
    assert scaled.projection == Projection("EPSG:3857", Affine.scale(30))


def test_bands_on_different_grids_have_no_common_projection(workplace: Workplace, scene: ee.Image) -> None:
    workplace.add_image("other", {"C": VALUES}, CORNER * Affine.scale(2))
    both = scene.addBands(ee.Image("other"))
    with pytest.raises(
        EvaluationError, match=r"Image.projection: The bands of the specified image contains different"
    ):
        workplace.export(both)
    np.testing.assert_array_equal(
        workplace.pixels(both, grid=grid(300, 200)).data[1], VALUES[:100, :150].repeat(2, axis=0).repeat(2, axis=1)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda image: image.reproject("EPSG:0"), "Projection: The CRS of a map projection could not be parsed."),
        (lambda image: image.reproject(UTM, [1, 2, 3]), "Image.reproject: A transform must be six numbers"),
        (lambda image: image.reproject(UTM, [0, 0, 0, 0, 0, 0]), "with scales other than zero"),
        (
            lambda image: image.reproject(UTM, CORNER[:6], 10),
            "Only one of 'crsTransform' and 'scale' can be given",
        ),
        (
            lambda image: image.reproject(UTM, None, 0),
            "Image.reproject: 'scale' must be greater than zero, not 0.",
        ),
        (
            lambda image: ee.Image(1).reproject(ee.Image(1).projection()),
            "Image.projection: The image is a composite",
        ),
    ],
)
def test_projections_that_are_none(workplace: Workplace, scene: ee.Image, make: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(make(scene))
    assert message in failure.value.message


# Clipping


def clipped(workplace: Workplace, image: ee.Image) -> np.ndarray:
    return workplace.values(image, grid=grid(300, 200))


def test_clipping_masks_pixels_whose_centre_lies_outside(workplace: Workplace, scene: ee.Image) -> None:
    region = ee.Geometry.Rectangle([600104, 4699000, 600206, 4699896], UTM, False)
    expected = np.zeros_like(VALUES)
    expected[12:102, 10:21] = VALUES[12:102, 10:21]
    expected[:, 20] = np.where(expected[:, 20] > 0, VALUES[:, 20], 0)
    np.testing.assert_array_equal(clipped(workplace, scene.clip(region)), expected)


def test_a_clipped_image_is_exported_within_the_bounds_of_its_region(
    workplace: Workplace, scene: ee.Image
) -> None:
    triangle = ee.Geometry.Polygon([[[600100, 4699000], [600300, 4699000], [600100, 4699200]]], UTM, False)
    exported = workplace.export(scene.clip(ee.Feature(triangle)))
    assert (exported.width, exported.height) == (20, 20)


def test_a_hole_in_a_region(workplace: Workplace, scene: ee.Image) -> None:
    shell = [[600000, 4698020], [603000, 4698020], [603000, 4700020], [600000, 4700020]]
    hole = [[600100, 4699000], [600200, 4699000], [600200, 4699100], [600100, 4699100]]
    expected = VALUES.copy()
    expected[92:102, 10:20] = 0
    np.testing.assert_array_equal(
        clipped(workplace, scene.clip(ee.Geometry.Polygon([shell, hole], UTM, False))), expected
    )


def test_clipping_by_longitude_and_latitude(workplace: Workplace, scene: ee.Image) -> None:
    box = (-67.65, -47.86, -67.64, -47.85)
    values = clipped(workplace, scene.clip(ee.Geometry.BBox(*box)))
    columns, rows = np.meshgrid(np.arange(300), np.arange(200))
    to_degrees = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    x, y = to_degrees.transform(600005 + 10 * columns, 4700015 - 10 * rows)
    inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
    np.testing.assert_array_equal(values, np.where(inside, VALUES, 0))


def test_geodesic_edges_bend(workplace: Workplace) -> None:
    def top(geodesic: bool) -> float:
        region = ee.Geometry.Polygon([[[0, 50], [40, 50], [40, 60], [0, 60]]], None, geodesic)
        footprint = evaluate_image(serialized(ee.Image(1).clip(region)), workplace.catalog).footprint
        return footprint.bounds("EPSG:4326")[3]

    assert top(False) == 60
    # The great circle between two points at 60 degrees north, 40 degrees apart, peaks at atan(tan 60 / cos 20).
    assert top(True) == pytest.approx(
        math.degrees(math.atan(math.tan(math.radians(60)) / math.cos(math.radians(20))))
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ee.Geometry.Point([600005, 4700015], UTM), "Image.clip: clipping to a Point is not emulated"),
        (
            lambda: ee.Geometry.Polygon([[[0, 0], [1, 0], [0, 1]]], UTM, True),
            "geodesic edges in the projected CRS",
        ),
        (lambda: ee.Geometry.Polygon([[[0, 0], [1, 0], [0, 0]]], UTM, False), "at least three different points"),
        (lambda: ee.Geometry.Polygon([[[0, 0], [1, 0], [0, 1]]], UTM, False, None, False), "left-inside rule"),
    ],
)
def test_regions_that_are_refused(workplace: Workplace, scene: ee.Image, make: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(scene.clip(make()), grid=grid(3, 2), fileExportOptions=geotiff())
    assert message in failure.value.message


def clip_to(image: ee.Image, **options: Any) -> ee.Image:
    return ee.ApiFunction.apply_("Image.clipToBoundsAndScale", {"input": image, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 5}, "'width' and 'height' must be given together"),
        ({"width": 5, "height": 5, "scale": 3}, "Only one of 'width' with 'height', 'maxDimension' and 'scale'"),
        ({"maxDimension": 0}, "'maxDimension' must be greater than zero, not 0."),
        ({"scale": -1}, "'scale' must be greater than zero, not -1."),
    ],
)
def test_sizes_that_do_not_go_together(
    workplace: Workplace, scene: ee.Image, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(clip_to(scene, **options))
    assert message in failure.value.message
