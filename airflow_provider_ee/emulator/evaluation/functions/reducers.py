"""Reducers: each statistic, and how they are combined and their outputs named."""

# ruff: noqa: N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.reducers import Reducer
from airflow_provider_ee.emulator.evaluation.registry import algorithm


def _declare(statistic: str) -> None:
    @algorithm(f"Reducer.{statistic}")
    def reducer() -> Reducer:
        return Reducer.of(statistic)


def _declare_of_inputs(statistic: str) -> None:
    @algorithm(f"Reducer.{statistic}")
    def reducer(numInputs: int = 1) -> Reducer:
        if numInputs != 1:
            raise EvaluationError(f"Reducer.{statistic}: 'numInputs' other than 1 is not emulated.")
        return Reducer.of(statistic)


for _name in ("mean", "count", "sum", "first"):
    _declare(_name)
for _name in ("min", "max"):
    _declare_of_inputs(_name)


@algorithm("Reducer.median")
def median_reducer(
    maxBuckets: int | None = None, minBucketWidth: float | None = None, maxRaw: int | None = None
) -> Reducer:
    """The median, always exact: the arguments allow the service to approximate it."""
    return Reducer.of("median")


@algorithm("Reducer.minMax")
def min_max() -> Reducer:
    """The smallest and the largest value."""
    return Reducer({"min": "min", "max": "max"})


@algorithm("Reducer.unweighted")
def unweighted(reducer: Reducer) -> Reducer:
    """The reducer itself: pixels have no weights here."""
    return reducer


@algorithm("Reducer.combine")
def combine(reducer1: Reducer, reducer2: Reducer, outputPrefix: str = "", sharedInputs: bool = False) -> Reducer:
    """Both reducers of the same values."""
    if not sharedInputs:
        raise EvaluationError("Reducer.combine: reducers of inputs of their own are not emulated; share them.")
    added = {f"{outputPrefix}{name}": statistic for name, statistic in reducer2.outputs.items()}
    if twice := sorted(added.keys() & reducer1.outputs.keys()):
        raise EvaluationError(f"Reducer.combine: Both have an output '{twice[0]}'; give an outputPrefix.")
    return Reducer({**reducer1.outputs, **added})


@algorithm("Reducer.setOutputs")
def set_outputs(reducer: Reducer, outputs: list[str]) -> Reducer:
    """The reducer with other names for its outputs."""
    if len(set(outputs)) != len(reducer.outputs) or len(outputs) != len(reducer.outputs):
        raise EvaluationError(
            f"Reducer.setOutputs: {len(reducer.outputs)} different names are needed, not {', '.join(outputs)}."
        )
    return Reducer(dict(zip(outputs, reducer.outputs.values(), strict=True)))


@algorithm("Reducer.getOutputs")
def get_outputs(reducer: Reducer) -> list[str]:
    """The names of the outputs."""
    return list(reducer.outputs)
