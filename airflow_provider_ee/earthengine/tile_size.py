"""How large tiles are made: few, about square, and whole blocks of 256 pixels where that is possible."""

from __future__ import annotations

import math

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import shown

# Earth Engine computes, and GeoTIFF stores, in blocks of this many pixels.
_BLOCK = 256


def tile_size(width: int, height: int, max_pixels: float) -> tuple[int, int]:
    """Width and height, in pixels, of tiles of which few cover a grid, and about equally.

    They are about square, unless the grid itself is narrower than that.

    :param max_pixels: most pixels of a tile.
    :raises RequestError: if ``max_pixels`` is no number of 1 or more.
    """
    most = _whole(max_pixels)
    if width * height <= most:
        return width, height
    unit = _BLOCK if most >= _BLOCK**2 else 1
    square = math.isqrt(most) // unit * unit
    if height <= square:
        return _even_part(width, most // height, unit), height
    if width <= square:
        return width, _even_part(height, most // width, unit)
    candidates = []
    for longest in range(_rounded_up(int(square / math.sqrt(2)), unit), int(square * math.sqrt(2)) + 1, unit):
        part = _even_part(width, longest, unit)
        candidates.append((part, _even_part(height, most // part, unit)))
    return min(candidates, key=lambda size: (_count(width, height, size), max(size) / min(size)))


def _count(width: int, height: int, size: tuple[int, int]) -> int:
    return math.ceil(width / size[0]) * math.ceil(height / size[1])


def _even_part(length: int, longest: int, unit: int) -> int:
    """The length of the fewest parts that cover a length, none longer than ``longest``: no sliver is left over."""
    if length <= longest:
        return length
    count = -(-length // (longest // unit * unit))
    return _rounded_up(-(-length // count), unit)


def _rounded_up(length: int, unit: int) -> int:
    return max(1, -(-length // unit)) * unit


def _whole(max_pixels: float) -> int:
    try:
        most = int(max_pixels)
    except (TypeError, ValueError, OverflowError):
        most = 0
    if most < 1:
        raise RequestError(f"max_pixels must be a number of 1 or more, not {shown(max_pixels)}.")
    return most
