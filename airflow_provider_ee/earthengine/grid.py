"""PixelGrid: the exact rectangle of pixels that an image is computed on.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/PixelGrid
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.exact import SNAP, ceil_on_lattice, exact, floor_on_lattice
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

# EPSG keeps systems of longitude and latitude here; the few projected ones among them hold no grid that crosses
# x = 180 m within 90 m of their origin.
_GEOGRAPHIC = re.compile(
    r"EPSG:(4\d{3}|6318|6322|7683|89\d\d|90\d\d)|(OGC:)?CRS:?84|\s*(GEOGCS|GEOGCRS|GEODCRS)\[.*", re.I | re.S
)


@dataclass(frozen=True)
class PixelGrid:
    """A coordinate system, an affine transform and a size in pixels.

    Pixel (column, row) has its upper left corner at ``x = scale_x*column + shear_x*row + translate_x`` and
    ``y = shear_y*column + scale_y*row + translate_y``, in units of the CRS. ``crs`` is a code such as
    ``EPSG:32719``, or WKT.

    What is made of a grid (tiles, windows, bounds) is computed in fractions and rounded once, so it lies on the
    grid's own lattice to the last bit. Numbers given as floats are read as what they stand for: 1/3600 as the
    fraction. Grids are equal if they denote the same pixels.

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

    def __post_init__(self) -> None:
        _require_crs(self.crs)
        for name in ("width", "height"):
            _require_count(f"the {name} of a PixelGrid", getattr(self, name))
        numbers = [getattr(self, name) for name in _TRANSFORM_FIELDS.values()]
        if not all(map(_is_finite, numbers)):
            raise RequestError(f"the transform of a PixelGrid must be finite numbers, not {numbers!r:.200}.")
        for name, number in zip(_TRANSFORM_FIELDS.values(), numbers, strict=True):
            object.__setattr__(self, name, float(number) + 0.0)  # there is no -0.0 to tell apart from 0.0
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
        :param bounds: (min x, min y, max x, max y) in units of the CRS; a corner within a millionth of a pixel
            of an edge of the lattice lies on it.
        :param anchor: a corner of some pixel: (0, 0) fits Sentinel-2, (15, 15) Landsat.
        :raises RequestError: if the size is not positive or the bounds hold no area.
        """
        size = exact("pixel_size", pixel_size)
        if size <= 0:
            raise RequestError(f"pixel_size must be greater than 0, not {pixel_size}.")
        anchor_x, anchor_y = _numbers("anchor", anchor, "x", "y")
        pixel = cls._from_exact(crs, 1, 1, (size, Fraction(0), anchor_x, Fraction(0), -size, anchor_y))
        return pixel.covering(bounds)

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
        longitude and latitude, and :meth:`tiles` cuts it at 180. Edges are straight in longitude and latitude.

        :param region: ``(west, south, east, north)`` in degrees, or polygons as GeoJSON (a dict, or text).
        :param crs: of the grid. Any but EPSG:4326 and OGC:CRS84 needs ``pip install 'airflow-provider-ee[grid]'``.
        :param pixel_size: side of a pixel in units of the CRS, as in :meth:`from_bounds`.
        :param anchor: a corner of some pixel, in units of the CRS.
        :raises RequestError: if the region is none, or the CRS cannot express it in one piece.
        """
        _require_crs(crs)
        return cls.from_bounds(crs, pixel_size, region_bounds(region, crs), anchor)

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

    def to_ee(self) -> dict[str, Any]:
        """The arguments by which ``ee.batch.Export.image.*`` exports exactly this grid.

        ``ee.batch.Export.image.toCloudStorage(image, **grid.to_ee(), bucket=…)``; neither ``region`` nor
        ``scale`` belongs beside them.
        """
        return {
            "crs": self.crs,
            "crsTransform": [getattr(self, name) for name in _TRANSFORM_FIELDS.values()],
            "dimensions": f"{self.width}x{self.height}",
        }

    @property
    def pixel_count(self) -> int:
        """Width times height, what ``maxPixels`` bounds."""
        return self.width * self.height

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(min x, min y, max x, max y) in units of the CRS; the shared edge of two tiles is equal bit for bit."""
        min_x, min_y, max_x, max_y = self._exact_bounds
        return float(min_x), float(min_y), float(max_x), float(max_y)

    @cached_property
    def name(self) -> str:
        """Fit to name files: a tile's column and row in its parent; else CRS, pixel size, corner and size."""
        crs = "wkt-" + sha256(self.crs.encode()).hexdigest()[:8] if "[" in self.crs else self.crs
        place = (f"{number:.10g}" for number in (self.scale_x, self.translate_x, self.translate_y))
        name = "_".join([crs, *place, f"{self.width}x{self.height}"]).replace(".", "p").replace("+", "")
        return re.sub(r"[^A-Za-z0-9_-]", "-", name)

    def window(self, column: int, row: int, width: int, height: int) -> PixelGrid:
        """The grid of ``width`` by ``height`` pixels whose first pixel is this one's (``column``, ``row``).

        It may lie outside of this grid, on the same lattice.
        """
        scale_x, shear_x, _, shear_y, scale_y, _ = self._exact
        x, y = self._corner(column, row)
        return self._from_exact(self.crs, width, height, (scale_x, shear_x, x, shear_y, scale_y, y))

    def covering(self, bounds: Sequence[float]) -> PixelGrid:
        """The smallest grid on this grid's lattice that covers ``bounds``, which may lie outside of this grid.

        :param bounds: (min x, min y, max x, max y) in units of the CRS.
        :raises RequestError: if the bounds hold no area.
        """
        min_x, min_y, max_x, max_y = _numbers("bounds", bounds, "min x", "min y", "max x", "max y")
        if min_x >= max_x or min_y >= max_y:
            raise RequestError(f"bounds must be (min x, min y, max x, max y) with an area, not {bounds!r}.")
        corners = [self._pixel_at(x, y) for x in (min_x, max_x) for y in (min_y, max_y)]
        columns, rows = zip(*corners, strict=True)
        left, right = floor_on_lattice(min(columns)), ceil_on_lattice(max(columns))
        top, bottom = floor_on_lattice(min(rows)), ceil_on_lattice(max(rows))
        if left >= right or top >= bottom:
            raise RequestError(f"bounds {bounds!r} are thinner than a millionth of a pixel.")
        return self.window(left, top, right - left, bottom - top)

    def tiles(self, width: int, height: int) -> list[PixelGrid]:
        """Tiles that cover every pixel of this grid once, column by column; the last of each may be smaller.

        Each has a ``name`` such as ``c0003_r0012``, its column and row among the tiles. In degrees no tile goes on
        beyond 180: the grid is tiled side by side as :meth:`sides_of_antimeridian` gives them.

        :param width: pixels of a tile from left to right.
        :param height: pixels of a tile from top to bottom.
        :raises RequestError: if a side is no whole number of 1 or more.
        """
        _require_count("the width of tiles", width)
        _require_count("the height of tiles", height)
        return list(self._tiles(width, height))

    def tiles_for_export(self, max_pixels: float = 1e8, max_tiles: int = 1000) -> list[PixelGrid]:
        """Few tiles of at most ``max_pixels``, about square, their sides multiples of 256 where that is possible.

        :param max_pixels: most pixels of a tile; the service takes 1e8 unless the export asks for more.
        :param max_tiles: most tiles; Airflow maps a task to 1,024 by default (``[core] max_map_length``).
        :raises RequestError: if more tiles would be needed.
        """
        sides = self.sides_of_antimeridian()
        widest = max(side.width for side in sides)
        width, height = tile_size(widest, self.height, max_pixels)
        count = sum(-(-side.width // width) for side in sides) * -(-self.height // height)
        if count > max_tiles:
            raise RequestError(
                f"the grid has {self.pixel_count} pixels, which takes {count} tiles of at most max_pixels "
                f"({float(max_pixels):.10g}), more than max_tiles ({max_tiles}); "
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
        min_x, min_y, max_x, max_y = self._exact_bounds
        pixel_x, shear_x, x, _, scale_y, _ = self._exact
        within = -90 - abs(scale_y) <= min_y and max_y <= 90 + abs(scale_y)
        noise = abs(pixel_x) * SNAP
        first, last = _turn(min_x + noise), _turn(max_x - noise)
        if not _GEOGRAPHIC.fullmatch(self.crs) or not within or first == last == 0:
            return [self]
        if shear_x:
            raise RequestError(
                "a rotated PixelGrid that crosses 180 degrees cannot be cut along its columns; "
                "make one grid for each side."
            )
        beyond = ceil_on_lattice if pixel_x > 0 else floor_on_lattice
        cuts = [beyond((180 + 360 * turn - x) / pixel_x) for turn in range(first, last)]
        edges = sorted({0, self.width, *(cut for cut in cuts if 0 < cut < self.width)})
        pieces = [self.window(left, 0, right - left, self.height) for left, right in pairwise(edges)]
        return [piece._turned_back() for piece in pieces] if (360 / pixel_x).denominator == 1 else pieces

    @classmethod
    def _from_exact(cls, crs: str, width: int, height: int, transform: tuple[Fraction, ...]) -> PixelGrid:
        """A grid that remembers what its floats are rounded from."""
        try:
            grid = cls(crs, width, height, *map(float, transform))
        except OverflowError:
            raise RequestError("the transform of a PixelGrid must be finite numbers; it is too large.") from None
        grid.__dict__["_exact"] = transform
        return grid

    @cached_property
    def _exact(self) -> tuple[Fraction, ...]:
        """The transform without a rounding; of a grid given as floats, what they stand for."""
        given = (self.scale_x, self.shear_x, self.translate_x, self.shear_y, self.scale_y, self.translate_y)
        scale_x, shear_x, x, shear_y, scale_y, y = (exact("the transform of a PixelGrid", one) for one in given)
        if not shear_x and not shear_y:
            x, y = _multiple(x, scale_x), _multiple(y, scale_y)
        return scale_x, shear_x, x, shear_y, scale_y, y

    @property
    def _exact_bounds(self) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        corners = [self._corner(column, row) for column in (0, self.width) for row in (0, self.height)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def _corner(self, column: int, row: int) -> tuple[Fraction, Fraction]:
        scale_x, shear_x, x, shear_y, scale_y, y = self._exact
        return x + scale_x * column + shear_x * row, y + shear_y * column + scale_y * row

    def _pixel_at(self, x: Fraction, y: Fraction) -> tuple[Fraction, Fraction]:
        """Column and row, with their fractions, of a point."""
        scale_x, shear_x, left, shear_y, scale_y, top = self._exact
        area = scale_x * scale_y - shear_x * shear_y
        x, y = x - left, y - top
        return (scale_y * x - shear_x * y) / area, (scale_x * y - shear_y * x) / area

    def _tiles(self, width: int, height: int) -> Iterator[PixelGrid]:
        columns = [
            side.window(left, 0, min(width, side.width - left), side.height)
            for side in self.sides_of_antimeridian()
            for left in range(0, side.width, width)
        ]
        for column, strip in enumerate(columns):
            for row, top in enumerate(range(0, self.height, height)):
                tile = strip.window(0, top, strip.width, min(height, self.height - top))
                tile.__dict__["name"] = f"c{column:04}_r{row:04}"
                yield tile

    def _turned_back(self) -> PixelGrid:
        """The same pixels, on the turn of the globe that begins at -180."""
        scale_x, shear_x, x, shear_y, scale_y, y = self._exact
        turn = _turn(self._exact_bounds[0] + abs(scale_x) * SNAP)
        transform = (scale_x, shear_x, x - 360 * turn, shear_y, scale_y, y)
        return self._from_exact(self.crs, self.width, self.height, transform)


def is_invertible(scale_x: float, shear_x: float, shear_y: float, scale_y: float) -> bool:
    """Whether an affine transform gives pixels an area; exact, since products of small floats become 0."""
    return Fraction(scale_x) * Fraction(scale_y) != Fraction(shear_x) * Fraction(shear_y)


def _turn(longitude: Fraction) -> int:
    """How often the globe has been gone round from -180."""
    return math.floor((longitude + 180) / 360)


def _multiple(translate: Fraction, scale: Fraction) -> Fraction:
    """A translation on the lattice that starts at 0, where it is only a rounding away; so tiles are on it too."""
    multiple = round(translate / scale) * scale
    return multiple if float(multiple) == float(translate) else translate


def _is_finite(number: Any) -> bool:
    try:
        return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
    except OverflowError:
        return False


def _require_crs(crs: Any) -> None:
    if not isinstance(crs, str) or not crs:
        raise RequestError(f"the crs of a PixelGrid must be text such as 'EPSG:32719', not {crs!r:.80}.")


def _require_count(what: str, number: Any) -> None:
    if type(number) is not int or number < 1:
        raise RequestError(f"{what} must be a whole number of 1 or more, not {number!r:.80}.")


def _numbers(name: str, given: Any, *parts: str) -> list[Fraction]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != len(parts):
        raise RequestError(f"{name} must be ({', '.join(parts)}), not {given!r}.")
    return [exact(name, value) for value in given]


def _parts(what: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    unknown = sorted(set(given) - set(known), key=str) if isinstance(given, Mapping) else [given]
    if unknown:
        raise RequestError(f"{what} has {unknown[0]!r:.80}, but holds {', '.join(known)} only.")
    return given  # type: ignore[no-any-return]
