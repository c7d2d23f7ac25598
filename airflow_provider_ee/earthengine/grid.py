"""PixelGrid: the exact rectangle of pixels that an image is computed on.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/PixelGrid
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError

# A corner this close to a pixel's edge lies on it: bounds of aligned boxes carry rounding errors, and plain
# floor and ceil would add a row or a column.
_SNAP = Fraction(1, 1_000_000)

_TRANSFORM_FIELDS = {
    "scaleX": "scale_x",
    "shearX": "shear_x",
    "translateX": "translate_x",
    "shearY": "shear_y",
    "scaleY": "scale_y",
    "translateY": "translate_y",
}


@dataclass(frozen=True)
class PixelGrid:
    """A coordinate system, an affine transform and a size in pixels.

    Pixel (column, row) has its upper left corner at ``x = scale_x*column + shear_x*row + translate_x`` and
    ``y = shear_y*column + scale_y*row + translate_y``, in units of the CRS. ``crs`` is a code such as
    ``EPSG:32719``, or WKT.
    """

    crs: str
    width: int
    height: int
    scale_x: float
    shear_x: float
    translate_x: float
    shear_y: float
    scale_y: float
    translate_y: float

    def __post_init__(self) -> None:
        numbers = [getattr(self, name) for name in _TRANSFORM_FIELDS.values()]
        if not isinstance(self.crs, str) or not self.crs:
            raise RequestError(f"the crs of a PixelGrid must be text such as 'EPSG:32719', not {self.crs!r:.80}.")
        for name in ("width", "height"):
            if type(size := getattr(self, name)) is not int or size < 1:
                raise RequestError(
                    f"the {name} of a PixelGrid must be a whole number of 1 or more, not {size!r:.80}."
                )
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise RequestError(f"the transform of a PixelGrid must be finite numbers, not {numbers!r:.200}.")
        if not is_invertible(self.scale_x, self.shear_x, self.shear_y, self.scale_y):
            raise RequestError(
                "the scale of a PixelGrid must not be 0; give the size of a pixel in units of the CRS."
            )

    @classmethod
    def from_bounds(
        cls,
        crs: str,
        pixel_size: float | Fraction | str,
        bounds: Sequence[float],
        anchor: Sequence[float] = (0, 0),
    ) -> PixelGrid:
        """The smallest north-up grid on a lattice that covers ``bounds``.

        :param pixel_size: side of a pixel in units of the CRS; a ``Fraction`` or text such as ``"1/3600"``
            is exact.
        :param bounds: (min x, min y, max x, max y) in units of the CRS.
        :param anchor: a corner of some pixel: (0, 0) fits Sentinel-2, (15, 15) Landsat.
        :raises RequestError: if the size is not positive or the bounds hold no area.
        """
        size = _exact("pixel_size", pixel_size)
        if size <= 0:
            raise RequestError(f"pixel_size must be greater than 0, not {pixel_size}.")
        if not isinstance(bounds, Sequence) or len(bounds) != 4:
            raise RequestError(f"bounds must be (min x, min y, max x, max y), not {bounds!r}.")
        if not isinstance(anchor, Sequence) or len(anchor) != 2:
            raise RequestError(f"anchor must be (x, y), not {anchor!r}.")
        min_x, min_y, max_x, max_y = (_exact("bounds", value) for value in bounds)
        anchor_x, anchor_y = (_exact("anchor", value) for value in anchor)
        if min_x >= max_x or min_y >= max_y:
            raise RequestError(f"bounds must be (min x, min y, max x, max y) with an area, not {bounds!r}.")
        left, right = _floor((min_x - anchor_x) / size), _ceil((max_x - anchor_x) / size)
        top, bottom = _floor((anchor_y - max_y) / size), _ceil((anchor_y - min_y) / size)
        if left >= right or top >= bottom:
            raise RequestError(f"bounds {bounds!r} are thinner than a millionth of a pixel of {pixel_size}.")
        # One product from integers, rounded once: accumulated sums differ from tile to tile in the last bits.
        return cls(
            crs=crs,
            width=right - left,
            height=bottom - top,
            scale_x=float(size),
            shear_x=0.0,
            translate_x=float(anchor_x + left * size),
            shear_y=0.0,
            scale_y=float(-size),
            translate_y=float(anchor_y - top * size),
        )

    @classmethod
    def from_rest(cls, grid: Mapping[str, Any]) -> PixelGrid:
        """Read a REST ``PixelGrid`` that is complete: a CRS, an affine transform and dimensions.

        :raises RequestError: if a part is missing, or is none.
        """
        parts = _parts("a PixelGrid", grid, ("crsCode", "crsWkt", "affineTransform", "dimensions"))
        crs = [parts[name] for name in ("crsCode", "crsWkt") if parts.get(name)]
        if len(crs) != 1 or not parts.get("affineTransform") or not parts.get("dimensions"):
            raise RequestError("a PixelGrid needs crsCode or crsWkt, affineTransform and dimensions.")
        transform = _parts("affineTransform", parts["affineTransform"], tuple(_TRANSFORM_FIELDS))
        dimensions = _parts("dimensions", parts["dimensions"], ("width", "height"))
        return cls(
            crs=crs[0],
            width=dimensions.get("width", 0),
            height=dimensions.get("height", 0),
            **{ours: transform.get(theirs, 0.0) for theirs, ours in _TRANSFORM_FIELDS.items()},
        )

    def to_rest(self) -> dict[str, Any]:
        """The REST ``PixelGrid``."""
        return {
            "crsWkt" if "[" in self.crs else "crsCode": self.crs,
            "affineTransform": {theirs: getattr(self, ours) for theirs, ours in _TRANSFORM_FIELDS.items()},
            "dimensions": {"width": self.width, "height": self.height},
        }

    @property
    def pixel_count(self) -> int:
        """Width times height, what ``maxPixels`` bounds."""
        return self.width * self.height


def is_invertible(scale_x: float, shear_x: float, shear_y: float, scale_y: float) -> bool:
    """Whether an affine transform gives pixels an area; exact, since products of small floats become 0."""
    return Fraction(scale_x) * Fraction(scale_y) != Fraction(shear_x) * Fraction(shear_y)


def _parts(what: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    unknown = sorted(set(given) - set(known), key=str) if isinstance(given, Mapping) else [given]
    if unknown:
        raise RequestError(f"{what} has {unknown[0]!r:.80}, but holds {', '.join(known)} only.")
    return given  # type: ignore[no-any-return]


def _exact(name: str, value: float | Fraction | str) -> Fraction:
    """The number that was meant: 1/3600 as a float is read as the fraction that it stands for."""
    try:
        exact = Fraction(value)
        nearest = exact.limit_denominator(10_000_000)
        return nearest if float(nearest) == float(exact) else exact
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise RequestError(f"{name} must be finite numbers, not {value!r}.") from None


def _floor(position: Fraction) -> int:
    nearest = round(position)
    return nearest if abs(position - nearest) <= _SNAP else math.floor(position)


def _ceil(position: Fraction) -> int:
    nearest = round(position)
    return nearest if abs(position - nearest) <= _SNAP else math.ceil(position)
