"""PixelGrid: the exact rectangle of pixels that an image is computed on.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/PixelGrid
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any

from airflow_provider_ee.earthengine import antimeridian
from airflow_provider_ee.earthengine.degrees import is_in_degrees
from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.exact import ceil_on_lattice, exact, floor_on_lattice
from airflow_provider_ee.earthengine.given import as_float, as_sequence, count, shown, whole_number
from airflow_provider_ee.earthengine.lattice import Lattice, rounded
from airflow_provider_ee.earthengine.region import Region, region_bounds
from airflow_provider_ee.earthengine.tile_size import tile_size

_TRANSFORM_FIELDS = {
    "scaleX": "scale_x",
    "shearX": "shear_x",
    "translateX": "translate_x",
    "shearY": "shear_y",
    "scaleY": "scale_y",
    "translateY": "translate_y",
}

# Rounds to no transform that a grid may have, so that it gives way to the lattice of the numbers.
_OF_THE_NUMBERS = Lattice(*[Fraction(0)] * 6)


@dataclass(frozen=True)
class PixelGrid:
    """A coordinate system, an affine transform and a size in pixels.

    Pixel (column, row) has its upper left corner at ``x = scale_x*column + shear_x*row + translate_x`` and
    ``y = shear_y*column + scale_y*row + translate_y``, in units of the CRS.

    What is made of a grid (tiles, windows, bounds) is computed on its ``lattice``, in fractions, and rounded once,
    so neighbouring tiles share their edges to the last bit. Numbers given as floats are read as what they stand
    for: 1/3600 as the fraction. Equal grids have equal tiles; copies and pickles keep lattice and name.

    REST, JSON and ``repr`` hold the rounded numbers alone. The lattice is found again from them if the size is a
    fraction such as 1/3600 or a decimal that a float holds at these coordinates, or if the anchor is (0, 0) or
    another simple part of a pixel. Else, as for a size of 0.00026949458523585647 anchored at -180.0001347, no one
    can tell it: what was read again may differ from the grid, and the far edges in its ``bounds`` from those of
    its neighbours, by a rounding (never ``translate_x`` and ``translate_y``, which are what is exported).

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/PixelGrid

    :param crs: a code such as ``EPSG:32719``, or WKT.
    :param width: columns, in pixels.
    :param height: rows, in pixels.
    :param scale_x: how far x goes on from one column to the next, in units of the CRS.
    :param shear_x: how far x goes on from one row to the next.
    :param translate_x: x of the upper left corner.
    :param shear_y: how far y goes on from one column to the next.
    :param scale_y: how far y goes on from one row to the next; negative where north is up.
    :param translate_y: y of the upper left corner.
    :param lattice: what the numbers are rounded from; made of them if it is left out, or is another's.
    :raises RequestError: if it denotes no pixels.
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
    lattice: Lattice = field(default=_OF_THE_NUMBERS, repr=False, kw_only=True)
    _tile: str = field(default="", init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _require_crs(self.crs)
        for name in ("width", "height"):
            object.__setattr__(self, name, count(f"the {name} of a PixelGrid", getattr(self, name)))
        transform = self._finite_transform()
        for name, number in zip(_TRANSFORM_FIELDS.values(), transform, strict=True):
            object.__setattr__(self, name, number)
        if not is_invertible(self.scale_x, self.shear_x, self.shear_y, self.scale_y):
            raise RequestError(
                "the scale of a PixelGrid must not be 0; give the size of a pixel in units of the CRS."
            )
        if self.lattice.rounded() != transform:
            object.__setattr__(self, "lattice", Lattice.of_floats(transform))

    @classmethod
    def from_bounds(
        cls,
        crs: str,
        pixel_size: float | Fraction | str,
        bounds: Sequence[float],
        anchor: Sequence[float] = (0, 0),
    ) -> PixelGrid:
        """The smallest north-up grid on a lattice that covers ``bounds``.

        :param crs: a code such as ``EPSG:32719``, or WKT.
        :param pixel_size: side of a pixel in units of the CRS; a ``Fraction`` or text such as ``"1/3600"``
            is exact.
        :param bounds: (min x, min y, max x, max y) in units of the CRS; a corner within a millionth of a pixel
            of an edge of the lattice lies on it.
        :param anchor: a corner of some pixel: (0, 0) fits Sentinel-2 at 10 and 20 m, (15, 15) Landsat, which
            is in northern UTM zones (EPSG:326xx) everywhere.
        :raises RequestError: if the size is not positive or the bounds hold no area.
        """
        size = exact("pixel_size", pixel_size)
        if size <= 0:
            raise RequestError(f"pixel_size must be greater than 0, not {shown(pixel_size)}.")
        anchor_x, anchor_y = _numbers("anchor", anchor, "x", "y")
        lattice = Lattice(size, Fraction(0), anchor_x, Fraction(0), -size, anchor_y)
        return cls._on(lattice, crs, 1, 1).covering(bounds)

    @classmethod
    def from_region(
        cls,
        region: Region,
        crs: str,
        pixel_size: float | Fraction | str,
        anchor: Sequence[float] = (0, 0),
    ) -> PixelGrid:
        """The smallest north-up grid on a lattice that covers a region in longitude and latitude.

        A region that crosses 180 degrees is taken as one piece: from 177 to -178 is 177 to 182 in a CRS of
        longitude and latitude, and ``tiles`` cuts it at 180. Edges are straight in longitude and latitude.

        :param region: ``(west, south, east, north)`` in degrees, or polygons as GeoJSON (a dict, or text).
        :param crs: of the grid. Any but EPSG:4326 and CRS84 needs ``pip install 'airflow-provider-ee[grid]'``.
        :param pixel_size: side of a pixel in units of the CRS, as in ``from_bounds``.
        :param anchor: a corner of some pixel, in units of the CRS.
        :raises RequestError: if the region is none, or the CRS cannot express it in one piece.
        """
        _require_crs(crs)
        return cls.from_bounds(crs, pixel_size, region_bounds(region, crs), anchor)

    @classmethod
    def from_rest(cls, grid: Mapping[str, Any]) -> PixelGrid:
        """Read a REST ``PixelGrid`` that is complete: a CRS, an affine transform and dimensions.

        :param grid: the message, as a dict.
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

    def to_ee(self) -> dict[str, Any]:
        """The arguments by which ``ee.batch.Export.image.*`` exports exactly this grid.

        ``ee.batch.Export.image.toCloudStorage(image, **grid.to_ee(), bucket=…)``; neither ``region`` nor
        ``scale`` belongs beside them.
        """
        return {
            "crs": self.crs,
            "crsTransform": list(self._transform),
            "dimensions": f"{self.width}x{self.height}",
        }

    @property
    def pixel_count(self) -> int:
        """Width times height, what ``maxPixels`` bounds."""
        return self.width * self.height

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(min x, min y, max x, max y) in units of the CRS; the shared edge of two tiles is equal bit for bit."""
        min_x, min_y, max_x, max_y = rounded(*self.lattice.bounds(self.width, self.height))
        return min_x, min_y, max_x, max_y

    @property
    def name(self) -> str:
        """Fit to name files: a tile's column and row in its parent; else CRS, pixel size, corner and size.

        Where these do not say everything, as of numbers of more than ten digits, a short hash follows.
        """
        return self._tile or self._place

    @property
    def crs_name(self) -> str:
        """The CRS, fit to name files: ``EPSG-32719``; of WKT, a short hash."""
        if re.fullmatch(r"[A-Za-z0-9]+(:[A-Za-z0-9]+)?", self.crs):
            return self.crs.replace(":", "-")
        start = "wkt" if "[" in self.crs else re.sub(r"[^A-Za-z0-9]", "-", self.crs)[:40]
        return f"{start}-{_short_hash(self.crs)}"

    def window(self, column: int, row: int, width: int, height: int) -> PixelGrid:
        """The grid of ``width`` by ``height`` pixels whose first pixel is this one's (``column``, ``row``).

        It may lie outside of this grid, on the same lattice.

        :param column: counted from the left, from 0; negative to the left of this grid.
        :param row: counted from the top, from 0; negative above this grid.
        :param width: columns, in pixels.
        :param height: rows, in pixels.
        :raises RequestError: if one of them is no whole number, or a side is less than 1.
        """
        first = whole_number("the column of a window", column), whole_number("the row of a window", row)
        return self._on(self.lattice.from_corner(*first), self.crs, width, height)

    def covering(self, bounds: Sequence[float]) -> PixelGrid:
        """The smallest grid on this grid's lattice that covers ``bounds``, which may lie outside of this grid.

        :param bounds: (min x, min y, max x, max y) in units of the CRS.
        :raises RequestError: if the bounds hold no area.
        """
        min_x, min_y, max_x, max_y = _numbers("bounds", bounds, "min x", "min y", "max x", "max y")
        if min_x >= max_x or min_y >= max_y:
            raise RequestError(f"bounds must be (min x, min y, max x, max y) with an area, not {shown(bounds)}.")
        corners = [self.lattice.pixel_at(x, y) for x in (min_x, max_x) for y in (min_y, max_y)]
        columns, rows = zip(*corners, strict=True)
        left, right = floor_on_lattice(min(columns)), ceil_on_lattice(max(columns))
        top, bottom = floor_on_lattice(min(rows)), ceil_on_lattice(max(rows))
        if left >= right or top >= bottom:
            raise RequestError(f"bounds {shown(bounds)} are thinner than a millionth of a pixel.")
        return self.window(left, top, right - left, bottom - top)

    def tiles(self, width: int, height: int) -> list[PixelGrid]:
        """Tiles that cover every pixel of this grid once, column by column; the last of each may be smaller.

        Each has a ``name`` such as ``c0003_r0012``, its column and row among the tiles. In degrees no tile goes on
        beyond 180: the grid is tiled side by side as ``sides_of_antimeridian`` gives them.

        :param width: pixels of a tile from left to right.
        :param height: pixels of a tile from top to bottom.
        :raises RequestError: if a side is no whole number of 1 or more.
        """
        return list(self._tiles(count("the width of tiles", width), count("the height of tiles", height)))

    def tiles_for_export(self, max_pixels: float = 1e8, max_tiles: int = 1000) -> list[PixelGrid]:
        """Few tiles of at most ``max_pixels``, about square, their sides multiples of 256 where that is possible.

        :param max_pixels: most pixels of a tile; the service takes 1e8 unless the export asks for more.
        :param max_tiles: most tiles; Airflow maps a task to 1,024 by default (``[core] max_map_length``).
        :raises RequestError: if more tiles would be needed.
        """
        max_tiles = count("max_tiles", max_tiles)
        sides = self.sides_of_antimeridian()
        widest = max(side.width for side in sides)
        width, height = tile_size(widest, self.height, max_pixels)
        needed = sum(-(-side.width // width) for side in sides) * -(-self.height // height)
        if needed > max_tiles:
            raise RequestError(
                f"the grid has {self.pixel_count} pixels, which takes {needed} tiles of at most max_pixels "
                f"({shown(max_pixels)}), more than max_tiles ({max_tiles}); "
                "raise one of them, or take larger pixels."
            )
        return self.tiles(width, height)

    def sides_of_antimeridian(self) -> list[PixelGrid]:
        """This grid cut where it crosses 180 degrees, west to east as its columns go; itself where it does not.

        The cut is at the first edge of a pixel at or beyond 180. What lies beyond it is moved by 360 degrees, to
        -180 and up, if 360 is a whole number of pixels, so that it stays on the same lattice; else it keeps its
        longitudes, and a pixel size that divides 360 (``"1/3600"`` rather than 0.00027) is the better choice. Only
        grids in longitude and latitude are cut.

        :raises RequestError: if the grid crosses 180 and is rotated.
        """
        if not is_in_degrees(self.crs):
            return [self]
        sides = antimeridian.sides(self.lattice, self.width, self.height)
        return [self._on(lattice, self.crs, width, self.height) for lattice, width in sides]

    def serialize(self) -> dict[str, Any]:
        """What Airflow keeps of a grid that a task returns: its REST form."""
        return self.to_rest()

    @classmethod
    def deserialize(cls, data: dict[str, Any], version: int) -> PixelGrid:
        """The grid that Airflow has kept."""
        return cls.from_rest(data)

    @classmethod
    def _on(cls, lattice: Lattice, crs: str, width: int, height: int) -> PixelGrid:
        return cls(crs, width, height, *lattice.rounded(), lattice=lattice)

    @property
    def _place(self) -> str:
        numbers = (self.scale_x, self.translate_x, self.translate_y)
        texts = [f"{number:.10g}" for number in numbers]
        parts = [self.crs_name, *texts, f"{self.width}x{self.height}"]
        square = not self.shear_x and not self.shear_y and self.scale_y == -self.scale_x
        if not square or tuple(map(float, texts)) != numbers:
            parts.append(_short_hash(repr(self._transform)))
        return "_".join(parts).replace(".", "p").replace("+", "")

    @property
    def _transform(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in _TRANSFORM_FIELDS.values())

    def _finite_transform(self) -> tuple[float, ...]:
        try:
            numbers = tuple(as_float(number) + 0.0 for number in self._transform)  # -0.0 is 0.0
        except (TypeError, ValueError, OverflowError):
            numbers = (math.nan,)
        if not all(map(math.isfinite, numbers)):
            given = shown([*self._transform], 200)
            raise RequestError(f"the transform of a PixelGrid must be finite numbers, not {given}.")
        return numbers

    def _tiles(self, width: int, height: int) -> Iterator[PixelGrid]:
        columns = [
            side.window(left, 0, min(width, side.width - left), side.height)
            for side in self.sides_of_antimeridian()
            for left in range(0, side.width, width)
        ]
        for column, strip in enumerate(columns):
            for row, top in enumerate(range(0, self.height, height)):
                tile = strip.window(0, top, strip.width, min(height, self.height - top))
                object.__setattr__(tile, "_tile", f"c{column:04}_r{row:04}")
                yield tile


def is_invertible(scale_x: float, shear_x: float, shear_y: float, scale_y: float) -> bool:
    """Whether an affine transform gives pixels an area; exact, since products of small floats become 0."""
    return Fraction(scale_x) * Fraction(scale_y) != Fraction(shear_x) * Fraction(shear_y)


def _short_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _require_crs(crs: Any) -> None:
    if not isinstance(crs, str) or not crs.strip():
        raise RequestError(f"the crs of a PixelGrid must be text such as 'EPSG:32719', not {shown(crs)}.")


def _numbers(name: str, given: Any, *parts: str) -> list[Fraction]:
    numbers = as_sequence(given)
    if numbers is None or len(numbers) != len(parts):
        raise RequestError(f"{name} must be ({', '.join(parts)}), not {shown(given)}.")
    return [exact(name, number) for number in numbers]


def _parts(what: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    unknown = sorted(set(given) - set(known), key=str) if isinstance(given, Mapping) else [given]
    if unknown:
        raise RequestError(f"{what} has {shown(unknown[0])}, but holds {', '.join(known)} only.")
    return given  # type: ignore[no-any-return]
