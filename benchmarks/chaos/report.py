"""The figures, as a table on the screen and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.chaos import wire
from benchmarks.chaos.play import Verdict
from benchmarks.chaos.scenarios import BLOWS, CELLS, STEPS

RESULTS = Path(__file__).parents[1] / "results"


def progress(verdicts: Sequence[Verdict], total: int) -> str:
    """One line: how far it is."""
    cells = Counter(one.cell for one in verdicts if one.counts)
    fewest = min(cells[cell] for cell in CELLS)
    bad = sum(one.bad for one in verdicts)
    reached = f"{len(cells)} of {len(CELLS)} cells, fewest in a cell {fewest}"
    return f"{len(verdicts)} of {total} cases, {reached}, failed {bad}"


def empty_cells(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Cells that no case counts for."""
    seen = {one.cell for one in verdicts if one.counts}
    return [cell for cell in CELLS if cell not in seen]


def summary(verdicts: Sequence[Verdict]) -> str:
    """The line that counts."""
    counted = [one for one in verdicts if one.counts or one.bad]
    return (
        f"exports duplicated: {sum(one.duplicated for one in counted)}, "
        f"orphaned: {sum(one.orphaned for one in counted)}, "
        f"lost: {sum(one.lost for one in counted)}, cases: {len(counted)}"
    )


def table(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """Step by blow: how many cases, and how many of them failed."""
    counted = Counter(one.cell for one in verdicts if one.counts or one.bad)
    failed = Counter(one.cell for one in verdicts if one.bad)
    rows = [["step", *BLOWS]]
    for step in STEPS:
        cells = []
        for blow in BLOWS:
            told = str(counted[step, blow]) if (step, blow) in CELLS else "–"
            cells.append(f"{told} ({failed[step, blow]} failed)" if failed[step, blow] else told)
        rows.append([step, *cells])
    return rows


def text(ours: Sequence[Verdict], rivals: Mapping[str, Sequence[Verdict]], seed: int, seconds: float) -> str:
    """What is printed at the end."""
    rows = table(ours)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["", *("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)]
    left_out = sum(not (one.counts or one.bad) for one in ours)
    lines += ["", f"Airflow {version('apache-airflow')}, seed {seed}, {seconds:.0f} s"]
    if left_out:
        lines.append(f"not counted, since their fault did not fire: {left_out}")
        lines += [f"  {one.case}" for one in ours if not (one.counts or one.bad)]
    lines += [f"{_title(who)}: {summary(verdicts)}" for who, verdicts in rivals.items()]
    lines += [
        f"exports started: {sum(one.started for one in ours)}, returned: {sum(one.returned for one in ours)}"
    ]
    return "\n".join([*lines, summary(ours)])


def story(verdict: Verdict, seed: int) -> str:
    """A case from its beginning, and how to run it again."""
    lines = [str(verdict.case), f"  again: make chaos CHAOS='--only {verdict.case.name} --seed {seed}'"]
    return "\n".join(
        [*lines, *(f"  {reason}" for reason in verdict.reasons), *(f"    {one}" for one in verdict.history)]
    )


def write(ours: Sequence[Verdict], rivals: Mapping[str, Sequence[Verdict]], seed: int, seconds: float) -> None:
    """Write the page."""
    header, *rows = table(ours)
    lines = [
        "# Exports under fire",
        "",
        "Written by `make chaos`. Real worker processes are killed, stopped, cut off, cleared and marked "
        "at each step of an export; a case counts only where its fault was seen to fire.",
        "",
        f"Airflow {version('apache-airflow')}, seed {seed}, {seconds:.0f} s.",
        "",
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *(f"- `{step}`: {meaning}" for step, meaning in STEPS.items()),
        "- `replaced`: the worker's host stands still, Airflow starts another try, and then the first goes on",
        "",
        f"**{summary(ours)}**",
    ]
    if rivals:
        lines += ["", "The same blows, those of a user left out, with two retries, to other ways to export:", ""]
        lines += [f"- {_title(who)}: {summary(verdicts)}" for who, verdicts in rivals.items()]
    RESULTS.mkdir(exist_ok=True)
    page = RESULTS / ("chaos.md" if wire.AIRFLOW3 else "chaos-airflow2.md")
    page.write_text("\n".join([*lines, ""]))


def _title(who: str) -> str:
    from benchmarks.chaos.rivals import RIVALS

    return RIVALS[who].title
