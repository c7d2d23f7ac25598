"""The lattice that a grid's pixels lie on: an affine transform in fractions, which no sum or product rounds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.exact import exact, on_lattice


class Lattice(NamedTuple):
    """``x = scale_x*column + shear_x*row + translate_x``, ``y = shear_y*column + scale_y*row + translate_y``."""

    scale_x: Fraction
    shear_x: Fraction
    translate_x: Fraction
    shear_y: Fraction
    scale_y: Fraction
    translate_y: Fraction

    @classmethod
    def of_floats(cls, transform: Sequence[float]) -> Lattice:
        """The one that a rounded transform stands for: its edges are found again where that is no guess."""
        scale_x, shear_x, x, shear_y, scale_y, y = (
            exact("the transform of a PixelGrid", one) for one in transform
        )
        if not shear_x and not shear_y:
            x, y = on_lattice(transform[2], scale_x), on_lattice(transform[5], scale_y)
        return cls(scale_x, shear_x, x, shear_y, scale_y, y)

    def rounded(self) -> tuple[float, ...]:
        """The transform in floats.

        :raises RequestError: if no float is that large.
        """
        return rounded(*self)

    def from_corner(self, column: int, row: int) -> Lattice:
        """The same lattice, counted from another pixel."""
        x, y = self.corner(column, row)
        return self._replace(translate_x=x, translate_y=y)

    def corner(self, column: int, row: int) -> tuple[Fraction, Fraction]:
        """The upper left corner of a pixel."""
        x = self.scale_x * column + self.shear_x * row + self.translate_x
        return x, self.shear_y * column + self.scale_y * row + self.translate_y

    def pixel_at(self, x: Fraction, y: Fraction) -> tuple[Fraction, Fraction]:
        """Column and row, with their fractions, of a point."""
        area = self.scale_x * self.scale_y - self.shear_x * self.shear_y
        x, y = x - self.translate_x, y - self.translate_y
        return (self.scale_y * x - self.shear_x * y) / area, (self.scale_x * y - self.shear_y * x) / area

    def bounds(self, width: int, height: int) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """(min x, min y, max x, max y) of a rectangle of pixels."""
        xs, ys = zip(*(self.corner(column, row) for column in (0, width) for row in (0, height)), strict=True)
        return min(xs), min(ys), max(xs), max(ys)


def rounded(*numbers: Fraction) -> tuple[float, ...]:
    """Fractions as the nearest floats.

    :raises RequestError: if one is too large.
    """
    try:
        return tuple(map(float, numbers))
    except OverflowError:
        raise RequestError("the transform of a PixelGrid must be finite numbers; it is too large.") from None
