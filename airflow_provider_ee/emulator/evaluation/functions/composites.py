"""Making one image of a collection."""

# ruff: noqa: N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from airflow_provider_ee.emulator.evaluation.collection import ImageCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import united
from airflow_provider_ee.emulator.evaluation.image import Band, Image, Pixels, Pointwise
from airflow_provider_ee.emulator.evaluation.pixel_type import DOUBLE, NAMED, PixelType, averaged, convert, union
from airflow_provider_ee.emulator.evaluation.reducers import Reducer
from airflow_provider_ee.emulator.evaluation.registry import algorithm


def _median(stack: tuple[Pixels, ...]) -> Pixels:
    values = np.stack([np.where(each.mask, each.values.astype("float64"), np.inf) for each in stack])
    values.sort(axis=0)
    count = _count_valid(stack)
    last = np.maximum(count - 1, 0)
    lower = np.take_along_axis(values, (last // 2)[np.newaxis], axis=0)[0]
    upper = np.take_along_axis(values, ((last + 1) // 2)[np.newaxis], axis=0)[0]
    # The masked ones have gone to the end as infinity, which is no number where nothing is valid.
    return Pixels(np.where(count > 0, (lower + upper) / 2, 0), count > 0)


def _mean(stack: tuple[Pixels, ...]) -> Pixels:
    total, mask = _sum(stack)
    return Pixels(total / np.maximum(_count_valid(stack), 1), mask)


def _sum(stack: tuple[Pixels, ...]) -> Pixels:
    total = np.zeros(stack[0].values.shape)
    for each in stack:
        np.add(total, each.values, out=total, where=each.mask)
    return Pixels(total, _count_valid(stack) > 0)


def _count(stack: tuple[Pixels, ...]) -> Pixels:
    count = _count_valid(stack)
    return Pixels(count, count > 0)


def _count_valid(stack: tuple[Pixels, ...]) -> np.ndarray:
    count = np.zeros(stack[0].mask.shape, dtype="int32")
    for each in stack:
        count += each.mask
    return count


def _best(better: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[tuple[Pixels, ...]], Pixels]:
    """The reduction that keeps the value that is ``better`` than the others."""

    def reduce(stack: tuple[Pixels, ...]) -> Pixels:
        best = stack[0]
        for each in stack[1:]:
            wins = each.mask & (~best.mask | better(each.values, best.values))
            best = Pixels(np.where(wins, each.values, best.values), best.mask | each.mask)
        return best

    return reduce


@dataclass(frozen=True)
class _Reduction:
    compute: Callable[[tuple[Pixels, ...]], Pixels]
    type_of: Callable[[PixelType], PixelType]


_REDUCTIONS = {
    "median": _Reduction(_median, averaged),
    "mean": _Reduction(_mean, averaged),
    "min": _Reduction(_best(np.less), lambda pixel_type: pixel_type),
    "max": _Reduction(_best(np.greater), lambda pixel_type: pixel_type),
    "count": _Reduction(_count, lambda pixel_type: NAMED["int"]),
    "sum": _Reduction(_sum, lambda pixel_type: DOUBLE),
}
_MOSAIC = _Reduction(
    _best(lambda later, earlier: np.broadcast_to(True, later.shape)), lambda pixel_type: pixel_type
)


@algorithm("ImageCollection.mosaic")
def mosaic(collection: ImageCollection) -> Image:
    """The last valid pixel of each band."""
    return _composite(collection, _MOSAIC, "ImageCollection.mosaic")


@algorithm("ImageCollection.reduce")
def reduce(collection: ImageCollection, reducer: Reducer, parallelScale: float = 1.0) -> Image:
    """Each band reduced on its own; the name of the reducer's output is added to that of the band."""
    composites = {
        output: _composite(collection, _reduction_of(statistic), "ImageCollection.reduce").bands
        for output, statistic in reducer.outputs.items()
    }
    bands = [
        replace(band, name=f"{band.name}_{output}")
        for of_one_band in zip(*composites.values(), strict=True)
        for output, band in zip(composites, of_one_band, strict=True)
    ]
    return Image(tuple(bands))


def _reduction_of(statistic: str) -> _Reduction:
    if statistic not in _REDUCTIONS:
        raise EvaluationError(f"ImageCollection.reduce: Reducer.{statistic} is not emulated.")
    return _REDUCTIONS[statistic]


def _composite(collection: ImageCollection, reduction: _Reduction, function: str) -> Image:
    stacks = [_bands_named(name, collection) for name in _common_names(collection, function)]
    return Image(tuple(_reduced(stack, reduction) for stack in stacks))


def _common_names(collection: ImageCollection, function: str) -> list[str]:
    if not collection.elements:
        return []
    first = collection.elements[0].band_names
    for image in collection.elements[1:]:
        if sorted(image.band_names) != sorted(first):
            raise EvaluationError(
                f"{function}: Expected a homogeneous image collection, but an image with incompatible bands was "
                f"encountered. First image: [{', '.join(first)}]. Current image: [{', '.join(image.band_names)}]."
            )
    return first


def _bands_named(name: str, collection: ImageCollection) -> tuple[Band, ...]:
    return tuple(band for image in collection.elements for band in image.bands if band.name == name)


def _reduced(stack: tuple[Band, ...], reduction: _Reduction) -> Band:
    together = union(*(band.type for band in stack))
    pixel_type = reduction.type_of(together)

    def compute(*inputs: Pixels) -> Pixels:
        values, mask = reduction.compute(
            tuple(Pixels(convert(each.values, together), each.mask) for each in inputs)
        )
        return Pixels(convert(values, pixel_type), mask)

    source = Pointwise(compute, *(band.source for band in stack))
    return Band(stack[0].name, pixel_type, source, None, united(band.footprint for band in stack))


def _declare_reduction(name: str) -> None:
    @algorithm(f"reduce.{name}")
    def reduced(collection: ImageCollection) -> Image:
        return _composite(collection, _REDUCTIONS[name], f"reduce.{name}")


for _name in _REDUCTIONS:
    _declare_reduction(_name)
