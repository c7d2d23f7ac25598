"""Arithmetic, bands, constants and masks: what happens to pixels and to their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ee
import numpy as np
import pytest
from evaluation_support import Workplace, call, geotiff, graph, grid, serialized

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate_image
from airflow_provider_ee.emulator.evaluation.image import Image

RANDOM = np.random.default_rng(2)
ONE = RANDOM.integers(0, 65536, (6, 8)).astype("uint16")
TWO = RANDOM.integers(0, 65536, (6, 8)).astype("uint16")
ONE[0, :4] = [0, 1, 65535, 7]
TWO[0, :4] = [0, 0, 65535, 7]
WHOLE_ONE, WHOLE_TWO = ONE.astype("int64"), TWO.astype("int64")


@pytest.fixture
def scene(workplace: Workplace) -> ee.Image:
    """An image of the bands one and two, without any masked pixel."""
    workplace.add_image("scene", {"a": ONE, "b": TWO}, nodata=None, cloud=12.5)
    return ee.Image("scene")


def bands_of(workplace: Workplace, image: ee.Image) -> list[str]:
    return evaluated(workplace, image).band_names


def evaluated(workplace: Workplace, image: ee.Image) -> Image:
    return evaluate_image(serialized(image), workplace.catalog)


def fails(workplace: Workplace, image: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(image, grid=grid(2, 2))
    assert message in failure.value.message


# Operators


@pytest.mark.parametrize(
    ("name", "expected", "dtype"),
    [
        ("add", WHOLE_ONE + WHOLE_TWO, "uint32"),
        ("subtract", WHOLE_ONE - WHOLE_TWO, "int32"),
        ("multiply", WHOLE_ONE * WHOLE_TWO, "uint32"),
        ("divide", WHOLE_ONE / np.where(WHOLE_TWO, WHOLE_TWO, np.inf), "float32"),
        ("mod", WHOLE_ONE % np.where(WHOLE_TWO, WHOLE_TWO, 1), "uint16"),
        ("min", np.minimum(ONE, TWO), "uint16"),
        ("max", np.maximum(ONE, TWO), "uint16"),
        ("eq", ONE == TWO, "uint8"),
        ("neq", ONE != TWO, "uint8"),
        ("lt", ONE < TWO, "uint8"),
        ("lte", ONE <= TWO, "uint8"),
        ("gt", ONE > TWO, "uint8"),
        ("gte", ONE >= TWO, "uint8"),
        ("And", (ONE != 0) & (TWO != 0), "uint8"),
        ("Or", (ONE != 0) | (TWO != 0), "uint8"),
    ],
)
def test_operators_on_integers(
    workplace: Workplace, scene: ee.Image, name: str, expected: np.ndarray, dtype: str
) -> None:
    actual = workplace.values(getattr(scene.select("a"), name)(scene.select("b")))
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, expected.astype(dtype))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sqrt", np.sqrt),
        ("exp", np.exp),
        ("log", np.log),
        ("log10", np.log10),
        ("abs", np.abs),
        ("floor", np.floor),
        ("ceil", np.ceil),
        ("Not", np.logical_not),
    ],
)
def test_functions_of_one_image(
    workplace: Workplace, name: str, function: Callable[[np.ndarray], np.ndarray]
) -> None:
    values = np.array([[0.25, 2.5, -1.5, 0.0]])
    workplace.add_image("doubles", {"b": values}, nodata=None)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(workplace.values(getattr(ee.Image("doubles"), name)()), function(values))


def test_a_power_is_a_float(workplace: Workplace, scene: ee.Image) -> None:
    actual = workplace.values(scene.select("a").pow(2))
    np.testing.assert_array_equal(actual, (WHOLE_ONE.astype("float64") ** 2).astype("float32"))


def test_integers_and_a_fraction_make_doubles(workplace: Workplace, scene: ee.Image) -> None:
    actual = workplace.values(scene.select("a").multiply(0.0001))
    np.testing.assert_array_equal(actual, ONE * 0.0001)


def test_an_index_written_with_operators(workplace: Workplace, scene: ee.Image) -> None:
    one, two = scene.select("a"), scene.select("b")
    actual = workplace.values(one.subtract(two).divide(one.add(two)))
    total = np.where(WHOLE_ONE + WHOLE_TWO, WHOLE_ONE + WHOLE_TWO, 1)
    np.testing.assert_array_equal(actual, ((WHOLE_ONE - WHOLE_TWO) / total).astype("float32"))


def test_normalized_difference_masks_negative_values(workplace: Workplace) -> None:
    one, two = np.array([[5, -1, 3, 0]], "int16"), np.array([[1, 5, -2, 0]], "int16")
    workplace.add_image("signed", {"one": one, "two": two}, nodata=None)
    pixels = workplace.pixels(
        ee.Image("signed").normalizedDifference(), fileExportOptions=geotiff(noData={"floatValue": -9})
    )
    assert pixels.tolist() == [[[np.float32(4 / 6), None, None, 0]]]


def test_normalized_difference_names_its_band_and_drops_properties(workplace: Workplace, scene: ee.Image) -> None:
    image = evaluated(workplace, scene.normalizedDifference(["b", "a"]))
    assert image.band_names == ["nd"]
    assert image.properties == {}


def test_a_single_band_goes_with_every_other(workplace: Workplace, scene: ee.Image) -> None:
    assert bands_of(workplace, scene.add(1)) == ["a", "b"]
    assert bands_of(workplace, ee.Image(1).add(scene)) == ["a", "b"]
    np.testing.assert_array_equal(workplace.pixels(scene.add(1)).data[1], WHOLE_TWO + 1)


def test_bands_go_together_by_name_else_by_place(workplace: Workplace, scene: ee.Image) -> None:
    zero = workplace.values(scene.subtract(scene.select(["b", "a"])))
    assert (zero == 0).all()
    differing = workplace.values(scene.subtract(scene.select(["b", "a"], ["x", "y"])))
    np.testing.assert_array_equal(differing, WHOLE_ONE - WHOLE_TWO)


def test_bands_that_do_not_go_together(workplace: Workplace, scene: ee.Image) -> None:
    three = scene.addBands(scene.select("a"))
    fails(workplace, scene.add(three), "Image.add: The images must have the same number of bands")


def test_masks_are_joined(workplace: Workplace) -> None:
    workplace.add_image("m", {"a": np.array([[0, 1, 2]], "uint8"), "b": np.array([[1, 0, 2]], "uint8")})
    image = ee.Image("m")
    assert workplace.pixels(image.select("a").add(image.select("b")), **no_data(99)).tolist() == [
        [[None, None, 4]]
    ]


def no_data(value: float) -> dict[str, Any]:
    return {"fileExportOptions": geotiff(noData={"floatValue": value})}


# Casts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("toUint8", [0, 0, 1, 255, 255, 0]),
        ("uint8", [0, 0, 1, 255, 255, 0]),
        ("toByte", [0, 0, 1, 255, 255, 0]),
        ("toInt8", [-128, -1, 1, 127, 127, 0]),
        ("toInt16", [-32768, -1, 1, 300, 32767, 0]),
        ("toUint16", [0, 0, 1, 300, 65535, 0]),
        ("toInt32", [-40000, -1, 1, 300, 2**31 - 1, 0]),
        ("int", [-40000, -1, 1, 300, 2**31 - 1, 0]),
        ("toInt64", [-40000, -1, 1, 300, 10**10, 0]),
        ("toFloat", [-40000, np.float32(-1.9), np.float32(1.9), 300, 10**10, np.nan]),
    ],
)
def test_casts_cut_fractions_and_stay_in_range(workplace: Workplace, name: str, expected: list[float]) -> None:
    workplace.add_image("doubles", {"b": np.array([[-40000, -1.9, 1.9, 300, 1e10, np.nan]])}, nodata=None)
    actual = workplace.values(getattr(ee.Image("doubles"), name)())
    np.testing.assert_array_equal(actual[0], np.array(expected, actual.dtype))


def test_casts_of_some_bands(workplace: Workplace, scene: ee.Image) -> None:
    image = evaluated(workplace, scene.cast({"b": "float", "c": "int8"}, ["c", "b", "a"]))
    assert [(band.name, band.type.dtype.name) for band in image.bands] == [
        ("c", "int8"),
        ("b", "float32"),
        ("a", "uint16"),
    ]


# Bands and constants


def test_selecting(workplace: Workplace, scene: ee.Image) -> None:
    image = scene.addBands(scene.select(["a", "b"], ["B1", "B12"]))
    assert bands_of(workplace, image.select("B.*")) == ["B1", "B12"]
    assert bands_of(workplace, image.select("B1")) == ["B1"]
    assert bands_of(workplace, image.select(["b", 0], ["x", "y"])) == ["x", "y"]
    assert bands_of(workplace, image.select(["a", "a"])) == ["a", "a_1"]
    fails(
        workplace, image.select("B"), "Band pattern 'B' did not match any bands. Available bands: [a, b, B1, B12]"
    )
    fails(workplace, image.select(9), "Image.select: There is no band with the index 9")
    fails(workplace, image.select("("), "is not a regular expression")
    fails(
        workplace,
        image.select(["B.*"], ["x"]),
        "Image.select: The number of names (1) must match the number of bands",
    )
    fails(
        workplace, image.rename(["x"]), "Image.rename: The number of names (1) must match the number of bands (4)"
    )


def test_adding_bands(workplace: Workplace, scene: ee.Image) -> None:
    other = scene.multiply(0)
    assert bands_of(workplace, scene.addBands(other)) == ["a", "b", "a_1", "b_1"]
    assert bands_of(workplace, scene.addBands(other, ["b"])) == ["a", "b", "b_1"]
    replaced = scene.addBands(other, ["b"], True)
    assert bands_of(workplace, replaced) == ["a", "b"]
    assert (workplace.values(replaced.select("b")) == 0).all()
    assert evaluated(workplace, scene.addBands(other)).properties["cloud"] == 12.5


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1, "uint8"),
        (1.0, "uint8"),
        (-1, "int8"),
        (256, "uint16"),
        (-40000, "int32"),
        (0.5, "float64"),
        (1e20, "float64"),
    ],
)
def test_the_type_of_a_constant(workplace: Workplace, value: float, dtype: str) -> None:
    image = graph(call("Image.constant", value=value))
    actual = workplace.values(image, grid=grid(1, 1))
    assert (actual.dtype.name, actual[0, 0].item()) == (dtype, value)


def test_constants_in_a_list(workplace: Workplace) -> None:
    image = evaluate_image(graph(call("Image.constant", value=[1, 2])), workplace.catalog)
    assert image.band_names == ["constant_0", "constant_1"]


def test_a_property_as_an_image(workplace: Workplace, scene: ee.Image) -> None:
    assert workplace.values(scene.metadata("cloud"), grid=grid(1, 1)).tolist() == [[12.5]]
    fails(workplace, scene.metadata("gone"), "Image.metadata: The property 'gone' of the image is not a number.")


def test_properties_are_set_and_copied(workplace: Workplace, scene: ee.Image) -> None:
    image = evaluated(workplace, ee.Image(scene.set("x", 1).set({"y": 2}).set("cloud", None)))
    assert (image.properties["x"], image.properties["y"], "cloud" in image.properties) == (1, 2, False)
    copied = evaluated(workplace, ee.Image(ee.Image(1).copyProperties(scene)))
    assert copied.properties == {"cloud": 12.5}
    named = evaluated(workplace, ee.Image(ee.Image(1).copyProperties(scene, ["system:index"])))
    assert named.properties == {"system:index": "scene"}


# Masks


@pytest.fixture
def holes(workplace: Workplace) -> ee.Image:
    """One row: masked, then 1, 2, 3."""
    workplace.add_image("holes", {"b": np.array([[0, 1, 2, 3]], "uint8")})
    return ee.Image("holes")


def row(workplace: Workplace, image: ee.Image, **request: Any) -> list[Any]:
    return workplace.pixels(image, **{**no_data(200), **request})[0, 0].tolist()


def test_updating_a_mask(workplace: Workplace, holes: ee.Image) -> None:
    assert row(workplace, holes.updateMask(holes.neq(2))) == [None, 1, None, 3]
    assert row(workplace, holes.updateMask(holes.updateMask(holes.neq(2)))) == [None, 1, None, 3]
    assert row(workplace, holes.subtract(1).selfMask()) == [None, None, 1, 2]


def test_the_mask_as_an_image(workplace: Workplace, holes: ee.Image) -> None:
    assert row(workplace, holes.mask()) == [0, 1, 1, 1]
    assert row(workplace, holes.mask(holes.unmask(5).gt(2))) == [0, None, None, 3]


def test_masks_between_zero_and_one_are_refused(workplace: Workplace, holes: ee.Image) -> None:
    fails(
        workplace,
        holes.updateMask(0.5),
        "Image.updateMask: Masks between 0 and 1, negative or NaN are not emulated",
    )
    fails(workplace, holes.updateMask(-1), "Image.updateMask: Masks between 0 and 1")


def test_unmasking(workplace: Workplace, holes: ee.Image) -> None:
    assert row(workplace, holes.unmask()) == [0, 1, 2, 3]
    assert row(workplace, holes.unmask(9)) == [9, 1, 2, 3]
    assert row(workplace, holes.unmask(300), **no_data(999)) == [300, 1, 2, 3]


def test_unmasking_stays_in_the_footprint_unless_told_not_to(workplace: Workplace, holes: ee.Image) -> None:
    wider = {"grid": grid(6, 1)}
    assert row(workplace, holes.unmask(9), **wider) == [9, 1, 2, 3, None, None]
    assert row(workplace, holes.unmask(9, False), **wider) == [9, 1, 2, 3, 9, 9]


def test_where(workplace: Workplace, holes: ee.Image) -> None:
    assert row(workplace, holes.where(holes.gt(1), 7)) == [None, 1, 7, 7]
    assert row(workplace, holes.where(1, holes.updateMask(holes.gt(2)).multiply(10))) == [None, 1, 2, 30]
    assert row(workplace, holes.unmask(4).where(holes.eq(1), -300).toInt16(), **no_data(999)) == [4, -300, 2, 3]


def test_an_empty_image(workplace: Workplace) -> None:
    with pytest.raises(EvaluationError, match="No valid"):
        workplace.export(ee.Image(), grid=grid(1, 1))
