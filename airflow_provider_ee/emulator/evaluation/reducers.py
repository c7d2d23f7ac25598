"""Reducers, and the statistics that they are made of when pixels of a region are reduced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

_MOST_VALUES_OF_A_MEDIAN = 16 * 1024 * 1024


@dataclass(frozen=True)
class Reducer:
    """What to make of many values: the statistic for each output, by the name of the output."""

    outputs: Mapping[str, str]

    @classmethod
    def of(cls, statistic: str) -> Reducer:
        """The reducer whose one output is called like its statistic."""
        return cls({statistic: statistic})


class Accumulator(ABC):
    """Takes values in portions, so that a region of any size fits into memory."""

    @abstractmethod
    def add(self, values: np.ndarray) -> None:
        """Take a portion, which is not empty."""

    @abstractmethod
    def result(self) -> float | None:
        """The statistic of all portions; None where there is none of no values."""


class _Count(Accumulator):
    def __init__(self) -> None:
        self.count = 0

    def add(self, values: np.ndarray) -> None:
        self.count += values.size

    def result(self) -> float | None:
        return self.count


class _Sum(Accumulator):
    def __init__(self) -> None:
        self.total = 0.0

    def add(self, values: np.ndarray) -> None:
        self.total += float(values.sum(dtype="float64"))

    def result(self) -> float | None:
        return self.total


class _Mean(Accumulator):
    def __init__(self) -> None:
        self._sum, self._count = _Sum(), _Count()

    def add(self, values: np.ndarray) -> None:
        self._sum.add(values)
        self._count.add(values)

    def result(self) -> float | None:
        return self._sum.total / self._count.count if self._count.count else None


class _Kept(Accumulator):
    """Keeps one of the values: of a portion, and of it and the one kept so far, as a subclass chooses."""

    def __init__(self) -> None:
        self._kept: float | None = None

    @abstractmethod
    def choose(self, values: np.ndarray) -> np.generic:
        """The one to keep."""

    def add(self, values: np.ndarray) -> None:
        chosen = self.choose(values).item()
        self._kept = chosen if self._kept is None else self.choose(np.array([self._kept, chosen])).item()

    def result(self) -> float | None:
        return self._kept


class _Min(_Kept):
    def choose(self, values: np.ndarray) -> np.generic:
        least: np.generic = values.min()
        return least


class _Max(_Kept):
    def choose(self, values: np.ndarray) -> np.generic:
        most: np.generic = values.max()
        return most


class _First(_Kept):
    def choose(self, values: np.ndarray) -> np.generic:
        first: np.generic = values[0]
        return first


class _Median(Accumulator):
    """The exact median, for which all values are kept; the service may approximate it by a histogram."""

    def __init__(self) -> None:
        self._portions: list[np.ndarray] = []
        self._count = 0

    def add(self, values: np.ndarray) -> None:
        self._count += values.size
        if self._count > _MOST_VALUES_OF_A_MEDIAN:
            raise EvaluationError(
                f"Reducer.median: more than {_MOST_VALUES_OF_A_MEDIAN} values are not emulated; use smaller "
                "regions or a larger scale."
            )
        self._portions.append(values)

    def result(self) -> float | None:
        return float(np.median(np.concatenate(self._portions))) if self._portions else None


STATISTICS: dict[str, type[Accumulator]] = {
    "mean": _Mean,
    "sum": _Sum,
    "min": _Min,
    "max": _Max,
    "count": _Count,
    "median": _Median,
    "first": _First,
}
