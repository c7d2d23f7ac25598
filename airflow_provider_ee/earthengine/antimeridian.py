"""Where a grid of longitude and latitude crosses 180 degrees, and how it goes on at -180."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.exact import SNAP, ceil_on_lattice, floor_on_lattice
from airflow_provider_ee.earthengine.lattice import Lattice


def sides(lattice: Lattice, width: int, height: int) -> list[tuple[Lattice, int]]:
    """The sides of a rectangle of pixels in degrees, each as its lattice and its width, as the columns go.

    :raises RequestError: if it crosses 180 and is rotated.
    """
    min_x, _, max_x, _ = lattice.bounds(width, height)
    pixel_x = lattice.scale_x
    noise = abs(pixel_x) * SNAP
    first, last = _turn(min_x + noise), _turn(max_x - noise)
    if first == last == 0:
        return [(lattice, width)]
    if lattice.shear_x:
        raise RequestError(
            "a rotated PixelGrid that crosses 180 degrees cannot be cut along its columns; "
            "make one grid for each side."
        )
    beyond = ceil_on_lattice if pixel_x > 0 else floor_on_lattice
    cuts = [beyond((180 + 360 * turn - lattice.translate_x) / pixel_x) for turn in range(first, last)]
    edges = sorted({0, width, *(cut for cut in cuts if 0 < cut < width)})
    pieces = [(lattice.from_corner(left, 0), right - left) for left, right in pairwise(edges)]
    if (360 / pixel_x).denominator != 1:
        return pieces
    return [(_turned_back(piece, piece_width), piece_width) for piece, piece_width in pieces]


def _turned_back(lattice: Lattice, width: int) -> Lattice:
    """The same pixels, on the turn of the globe that begins at -180."""
    west = min(lattice.translate_x, lattice.translate_x + lattice.scale_x * width)
    turn = _turn(west + abs(lattice.scale_x) * SNAP)
    return lattice._replace(translate_x=lattice.translate_x - 360 * turn)


def _turn(longitude: Fraction) -> int:
    """How often the globe has been gone round from -180."""
    return math.floor((longitude + 180) / 360)
