"""Computes the pixels of sources on one grid, each step once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from airflow_provider_ee.emulator.evaluation.image import Files, Pixels, Source
from airflow_provider_ee.emulator.evaluation.limits import go_on
from airflow_provider_ee.emulator.evaluation.projection import Grid

Step = tuple[Source, Grid]

BLOCK = 256
"""Pixels along the side of the smallest tile."""

_LARGEST_TILE = 1024
_MOST_VALUES_OF_A_TILE = 8 * 1024 * 1024


def tiles(grid: Grid, sources: Sequence[Source]) -> list[Grid]:
    """The parts of a grid, row by row, in which ``sources`` are read: none takes much memory."""
    side = math.isqrt(_MOST_VALUES_OF_A_TILE // max(_widest(sources), len(sources), 1))
    side = min(_LARGEST_TILE, max(BLOCK, side // BLOCK * BLOCK))
    return [
        grid.window(column, row, side, side)
        for row in range(0, grid.height, side)
        for column in range(0, grid.width, side)
    ]


def read(sources: Sequence[Source], grid: Grid, files: Files) -> list[Pixels]:
    """The pixels of ``sources`` on ``grid``.

    Works through a list rather than by recursion, since a graph may be thousands of steps deep, and forgets what
    no later step needs, since a graph may be thousands of steps wide.
    """
    go_on()
    targets = [(source, grid) for source in sources]
    needs = _steps(targets)
    uses = Counter(step for needed in needs.values() for step in needed)
    uses.update(targets)
    results: dict[Step, Pixels] = {}
    for step, needed in needs.items():
        source, window = step
        results[step] = source.compute(window, [results[each] for each in needed], files)
        for each in needed:
            uses[each] -= 1
            if not uses[each]:
                del results[each]
    return [results[target] for target in targets]


def _steps(targets: list[Step]) -> dict[Step, list[Step]]:
    """Every step with the steps that it needs, in an order in which each comes after those."""
    ordered: dict[Step, list[Step]] = {}
    found: dict[Step, list[Step]] = {}
    pending = list(reversed(targets))
    while pending:
        step = pending[-1]
        if step not in found:
            source, grid = step
            found[step] = source.needs(grid)
            pending.extend(each for each in reversed(found[step]) if each not in found)
        else:
            ordered.setdefault(pending.pop(), found[step])
    return ordered


def _widest(sources: Sequence[Source]) -> int:
    """The largest number of inputs of one step, which sets how much memory a pixel costs."""
    seen: set[Source] = set()
    pending = list(sources)
    most = 1
    while pending:
        source = pending.pop()
        if source not in seen:
            seen.add(source)
            most = max(most, len(source.inputs))
            pending.extend(source.inputs)
    return most
