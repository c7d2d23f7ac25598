"""The bounds of rings of longitude and latitude in a projected CRS: edges are followed to their extremes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from airflow_provider_ee.earthengine.degrees import is_in_degrees
from airflow_provider_ee.earthengine.errors import RequestError

Bounds: TypeAlias = tuple[float, float, float, float]
Point: TypeAlias = tuple[float, float]
Ring: TypeAlias = list[Point]
"""The outer edge of a polygon, closed; neighbours in it are neighbours on the globe, so it may go beyond 180."""

Edge: TypeAlias = tuple[Point, Point]
Projection: TypeAlias = Callable[[Sequence[Point]], list[Point]]

# An edge is looked at in parts as long as this share of the region, then in ever smaller ones around each extreme.
_PARTS_OF_REGION = 128
_PARTS_AROUND_EXTREME = 16
_SMALLEST_PART = 1e-7  # of an edge; what bulges 1 km in the middle bulges no nanometre within this
_NOISE = 1e-13  # of a coordinate: edges that are straight but for roundings have no extreme to look for
_HALVINGS = 40
_ROWS = 16  # of which the ring's widest is looked for
_LEAST_ROOM = 1e-3  # of a ring's size: closer to its edge, a point may lie on either side of the parts of a line


def projected_bounds(rings: Sequence[Ring], crs: str) -> Bounds:
    """Bounds (min x, min y, max x, max y) of rings, whose edges are straight in longitude and latitude.

    The rest of the polygons lies within the bounds of their edges.

    :raises RequestError: if pyproj is missing, or does not know the CRS, or the CRS cannot express the rings in
        one piece.
    """
    project = _projection(crs)
    edges = [(start, end) for ring in rings for start, end in pairwise(ring) if start != end]
    lines = _lines(edges, project)
    _require_one_piece(edges, lines, project, crs)
    for ring in rings:
        _require_inside(ring, project, crs)

    def furthest(axis: int, sign: int) -> float:
        heights = [[sign * point[axis] for point in line] for line in lines]
        return sign * _highest(edges, heights, lambda points: [sign * point[axis] for point in project(points)])

    return furthest(0, -1), furthest(1, -1), furthest(0, 1), furthest(1, 1)


# PROJ opens whatever file it is told to, and a crs may come from whoever triggers a DAG.
_NAMES_A_FILE = re.compile(r"PARAMETERFILE|PROJ4_GRIDS|\binit=|(grids|file|model)=(?!@null\b)", re.IGNORECASE)


@lru_cache(maxsize=8)  # some take a third of a second to set up
def _projection(crs: str) -> Projection:
    """From longitude and latitude to x and y, where x is the one that Earth Engine calls x."""
    try:
        from pyproj import CRS, Transformer
        from pyproj.exceptions import ProjError
    except ImportError:
        raise RequestError(
            f"a region in the crs {crs!r:.80} needs pyproj; pip install 'airflow-provider-ee[grid]'."
        ) from None
    if _NAMES_A_FILE.search(crs):
        raise RequestError(f"the crs {crs!r:.80} names a file; give a code, or WKT that needs none.")
    try:
        target = CRS.from_user_input(crs)
        transformer = Transformer.from_crs("OGC:CRS84", target, always_xy=True)
    except ProjError as error:
        raise RequestError(f"the crs {crs!r:.80} is not known to pyproj; give its WKT. ({error})") from None
    if not (target.is_projected or target.is_geographic):
        raise RequestError(
            f"the crs {crs!r:.80} is a {target.type_name}, which has no x and y of a map; take a projected or "
            "geographic one."
        )
    in_degrees = target.is_geographic and target.axis_info[0].unit_name.startswith("degree")
    if in_degrees != is_in_degrees(crs):  # then a grid would not be cut where it crosses 180
        raise RequestError(f"the crs {crs!r:.80} is in degrees, which its name does not tell; give its WKT.")

    def project(points: Sequence[Point]) -> list[Point]:
        longitudes, latitudes = zip(*points, strict=True)
        xs, ys = transformer.transform(longitudes, latitudes)
        for point, x, y in zip(points, xs, ys, strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                raise RequestError(
                    f"region cannot be expressed in the crs {crs!r:.80}, which has no place for {point}."
                )
        if in_degrees:  # a transformation may turn 182 into -178
            xs = [x + 360 * round((longitude - x) / 360) for x, longitude in zip(xs, longitudes, strict=True)]
        return list(zip(xs, ys, strict=True))

    return project


def _lines(edges: Sequence[Edge], project: Projection) -> list[list[Point]]:
    """The edges in the CRS, as lines of two parts or more."""
    xs, ys = zip(*(start for start, _ in edges), strict=True)
    longest = max(max(xs) - min(xs), max(ys) - min(ys)) / _PARTS_OF_REGION
    shares = [_shares(0, 1, max(2, math.ceil(math.dist(*edge) / longest))) for edge in edges]
    points = iter(project([_between(edge, one) for edge, on in zip(edges, shares, strict=True) for one in on]))
    return [[next(points) for _ in on] for on in shares]


def _shares(low: float, high: float, parts: int) -> list[float]:
    return [low + (high - low) * part / parts for part in range(parts)] + [high]


def _between(edge: Edge, share: float) -> Point:
    """A point of an edge; its ends are met exactly, so that 180 does not become what lies beyond it."""
    (x, y), (end_x, end_y) = edge
    if share == 1:
        return end_x, end_y
    return x + (end_x - x) * share, y + (end_y - y) * share


def _highest(
    edges: Sequence[Edge], lines: Sequence[Sequence[float]], heights_of: Callable[[Sequence[Point]], list[float]]
) -> float:
    """The greatest height on any edge, where its heights at even distances are known."""
    highest = max(map(max, lines))
    # Between two points a smooth line rises above them by less than it bends from one to the next.
    bends = [max(abs(a - 2 * b + c) for a, b, c in zip(line, line[1:], line[2:], strict=False)) for line in lines]
    reached = highest - max(bends)
    for edge, line, bend in zip(edges, lines, bends, strict=True):
        if bend <= _NOISE * abs(highest):
            continue
        last = len(line) - 1
        for index, height in enumerate(line):
            before, after = max(index - 1, 0), min(index + 1, last)
            if height >= reached and line[before] <= height >= line[after]:
                highest = max(highest, _peak(edge, before / last, after / last, heights_of))
    return highest


def _peak(edge: Edge, low: float, high: float, heights_of: Callable[[Sequence[Point]], list[float]]) -> float:
    """The greatest height on the part of an edge between two shares, which has one peak."""
    highest = -math.inf
    while high - low > _SMALLEST_PART:
        shares = _shares(low, high, _PARTS_AROUND_EXTREME)
        heights = heights_of([_between(edge, share) for share in shares])
        highest = max(heights)
        index = heights.index(highest)
        low, high = shares[max(index - 1, 0)], shares[min(index + 1, _PARTS_AROUND_EXTREME)]
    return highest


def _require_one_piece(
    edges: Sequence[Edge], lines: Sequence[Sequence[Point]], project: Projection, crs: str
) -> None:
    """Refuses what the CRS tears apart: there, a line stays as long as it is however close its ends are."""
    steps = (
        (math.dist(a, b) / (math.dist(*edge) / (len(line) - 1)), edge, index / (len(line) - 1), line)
        for edge, line in zip(edges, lines, strict=True)
        for index, (a, b) in enumerate(pairwise(line))
    )
    _, edge, low, line = max(steps, key=lambda step: step[0])
    high = low + 1 / (len(line) - 1)
    length = math.dist(*project([_between(edge, low), _between(edge, high)]))
    left = length
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        a, b, c = project([_between(edge, share) for share in (low, middle, high)])
        low, high = (low, middle) if math.dist(a, b) >= math.dist(b, c) else (middle, high)
        left = max(math.dist(a, b), math.dist(b, c))
    if left > length / 100:
        longitude, latitude = _between(edge, low)
        raise RequestError(
            f"region cannot be expressed in the crs {crs!r:.80} in one piece: it is torn at longitude "
            f"{longitude:.6g}, latitude {latitude:.6g}; split the region there, or take another crs."
        )


def _require_inside(ring: Ring, project: Projection, crs: str) -> None:
    """Refuses what the CRS turns inside out: around the antipode of an azimuthal one, the inside lies outside.

    Then the bounds of the edges are not those of what lies between them, although no edge is torn.
    """
    point, room = _inner_point(ring)
    xs, ys = zip(*ring, strict=True)
    if room < _LEAST_ROOM * max(max(xs) - min(xs), max(ys) - min(ys)):
        return
    edges = [edge for edge in pairwise(ring) if edge[0] != edge[1]]
    outline = [a for line in _lines(edges, project) for a in line]
    if not _is_within(project([point])[0], outline):
        raise RequestError(
            f"region cannot be expressed in the crs {crs!r:.80}, which turns it inside out: it holds the point "
            "opposite to the centre of the map; take another crs."
        )


def _inner_point(ring: Ring) -> tuple[Point, float]:
    """The middle of the widest span within a ring, of a few rows; and how far the edges around it are."""
    ys = [y for _, y in ring]
    spans = []
    for row in range(_ROWS):
        y = min(ys) + (max(ys) - min(ys)) * (row + 0.5) / _ROWS
        cuts = sorted(_cuts(ring, y))
        spans += [
            (right - left, (left + right) / 2, y) for left, right in zip(cuts[::2], cuts[1::2], strict=False)
        ]
    width, x, y = max(spans, default=(0.0, *ring[0]))
    above_and_below = [abs(cut - y) for cut in _cuts([(b, a) for a, b in ring], x)]
    return (x, y), min([width / 2, *above_and_below])


def _is_within(point: Point, ring: Sequence[Point]) -> bool:
    return sum(x > point[0] for x in _cuts(ring, point[1])) % 2 == 1


def _cuts(ring: Sequence[Point], y: float) -> list[float]:
    """Where the edges of a ring cross a height."""
    return [
        x + (end_x - x) * (y - start_y) / (end_y - start_y)
        for (x, start_y), (end_x, end_y) in pairwise(ring)
        if (start_y > y) != (end_y > y)
    ]
