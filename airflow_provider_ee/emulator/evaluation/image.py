"""What expressions are about: pixels, the sources that compute them, bands and images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from rasterio.io import DatasetReader

from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint, united
from airflow_provider_ee.emulator.evaluation.pixel_type import PixelType
from airflow_provider_ee.emulator.evaluation.projection import Grid, Projection


class Pixels(NamedTuple):
    """The values of one band on a grid, and where they are valid. A masked pixel's value means nothing."""

    values: np.ndarray
    mask: np.ndarray


class Files(Protocol):
    """The files that one export holds open."""

    def open(self, path: Path) -> DatasetReader:
        """The open dataset of ``path``."""


class Source(ABC):
    """A step of the computation of pixels. Two steps are the same only if they are one object."""

    inputs: tuple[Source, ...] = ()

    def needs(self, grid: Grid) -> list[tuple[Source, Grid]]:
        """What has to be computed first, and on which grid, to compute ``grid``."""
        return [(source, grid) for source in self.inputs]

    @abstractmethod
    def compute(self, grid: Grid, inputs: Sequence[Pixels], files: Files) -> Pixels:
        """The pixels on ``grid``, from the pixels that were needed."""


class Pointwise(Source):
    """Computes each pixel from the same pixel of its inputs."""

    def __init__(self, function: Callable[..., Pixels], *inputs: Source) -> None:
        self.function = function
        self.inputs = inputs

    def compute(self, grid: Grid, inputs: Sequence[Pixels], files: Files) -> Pixels:
        return self.function(*inputs)


@dataclass(frozen=True, eq=False)
class Band:
    """One band of an image. No projection: a composite or a constant. No footprint: unbounded."""

    name: str
    type: PixelType
    source: Source
    projection: Projection | None = None
    footprint: Footprint | None = None


@dataclass(frozen=True, eq=False)
class Image(Element):
    """Bands with names, and properties."""

    bands: tuple[Band, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def band_names(self) -> list[str]:
        """The names of the bands in order."""
        return [band.name for band in self.bands]

    @property
    def footprint(self) -> Footprint | None:
        """Where any of the bands has pixels; None if it is unbounded."""
        return united(band.footprint for band in self.bands)

    @property
    def projection(self) -> Projection | None:
        """The projection of all bands; None if they have none."""
        projections = {band.projection for band in self.bands if band.projection is not None}
        if len(projections) > 1:
            raise EvaluationError(
                "Image.projection: The bands of the specified image contains different projections. "
                "Use Image.select to pick a single band."
            )
        return next(iter(projections), None)

    def with_bands(self, change: Callable[[Band], Band]) -> Image:
        """The same image with every band changed."""
        return replace(self, bands=tuple(change(band) for band in self.bands))
