"""Functions are declared as the service declares them, and refuse what it would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
from evaluation_support import Workplace, call, graph, grid

from airflow_provider_ee.emulator.evaluation import evaluator  # noqa: F401 (fills the registry)
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.registry import ALGORITHMS, Algorithm

REAL = {
    real["name"].removeprefix("algorithms/"): real
    for real in json.loads((Path(ee.__file__).parent / "tests" / "algorithms.json").read_text())["algorithms"]
}
COMPUTED_DEFAULTS = {"maxError", "metadata"}
"""Arguments whose default in the service is an object; here it is null and means the same."""


@pytest.mark.skipif(
    tuple(map(int, ee.__version__.split(".")[:2])) < (1, 7), reason="an older client lists arguments of its time"
)
@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_names_arguments_and_defaults_are_the_real_ones(algorithm: Algorithm) -> None:
    real = REAL[algorithm.name].get("arguments", [])
    assert [each.name for each in algorithm.parameters] == [each["argumentName"] for each in real]
    # The service marks the arguments of copyProperties as optional; without them there is nothing to copy.
    if not algorithm.name.endswith("copyProperties"):
        assert [each.required for each in algorithm.parameters] == [
            not each.get("optional", False) for each in real
        ]
    for ours, theirs in zip(algorithm.parameters, real, strict=True):
        if not ours.required and ours.name not in COMPUTED_DEFAULTS:
            assert ours.default == theirs.get("defaultValue")


def fails_with(workplace: Workplace, node: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(graph(node), grid=grid(2, 2))
    assert message in failure.value.message
    assert failure.value.code == 3


@pytest.fixture
def loaded(workplace: Workplace) -> dict[str, Any]:
    """A node that loads an image of the bands B4 and B8."""
    workplace.add_image("i", {name: np.ones((2, 2), "uint16") for name in ("B4", "B8")})
    return call("Image.load", id="i")


def test_a_missing_argument(workplace: Workplace) -> None:
    fails_with(workplace, call("Image.load"), "Image.load: Parameter 'id' is required and may not be null.")


def test_an_unknown_argument(workplace: Workplace) -> None:
    node = call("Image.load", id="i", bands=["B4"])
    fails_with(workplace, node, "Image.load: Unrecognized argument 'bands'; the arguments are id, version.")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (call("Image.load", id=3), "Image.load: Parameter 'id' must be a String, not an Integer."),
        (call("Image.abs", value=3), "Image.abs: Parameter 'value' must be an Image, not an Integer."),
        (call("Image.load", id="i", version=True), "Parameter 'version' must be a Number, not a Boolean."),
        (
            call("Collection.limit", collection=call("ImageCollection.load", id="c"), limit=1.5),
            "Collection.limit: Parameter 'limit' must be an Integer, not a Number.",
        ),
        (
            call("Image.clip", input=call("Image.constant", value=1), geometry="here"),
            "Image.clip: Parameter 'geometry' must be a Geometry or a Feature or a FeatureCollection, not a String.",
        ),
        (
            call("Image.select", input=call("Image.constant", value=1), bandSelectors="B4"),
            "Image.select: Parameter 'bandSelectors' must be a List, not a String.",
        ),
        (
            call("Image.rename", input=call("Image.constant", value=1), names=[1]),
            "Image.rename: Parameter 'names' must be a String, not an Integer.",
        ),
    ],
)
def test_a_wrong_type(workplace: Workplace, loaded: dict[str, Any], node: dict[str, Any], message: str) -> None:
    (workplace.assets / "c").mkdir()
    fails_with(workplace, node, message)


def test_an_unknown_function(workplace: Workplace) -> None:
    fails_with(workplace, call("Image.hersFeature"), "The function 'Image.hersFeature' is not emulated.")


def test_whole_numbers_may_come_as_floats(workplace: Workplace, loaded: dict[str, Any]) -> None:
    node = call("Image.select", input=loaded, bandSelectors=[1.0])
    assert workplace.values(graph(node)).tolist() == [[1, 1], [1, 1]]


def test_the_result_must_be_an_image(workplace: Workplace) -> None:
    (workplace.assets / "c").mkdir(parents=True)
    fails_with(
        workplace,
        call("ImageCollection.load", id="c"),
        "Expression: the result must be an Image, not ImageCollection.",
    )
