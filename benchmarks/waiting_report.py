"""What waiting costs, as a table, as promises and as a plot."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from waiting_supervisor import Stalls

RESULTS = Path(__file__).parent / "results"
TITLES = {
    "ours": "EEOperationTrigger",
    "polling": "operations.get per export",
    "sleeping": "only sleeps (Airflow's own)",
}


class Result(NamedTuple):
    """What a process has come to.

    :param who: what its triggers do.
    :param exports: how many it waited for.
    :param listed: how many operations there were in the project.
    :param requests: a minute.
    :param sweep: requests that followed each other, at most, while it only waited.
    :param sweep_at_start: the same, until then.
    :param processor: share of one core.
    :param memory: bytes that are its alone.
    :param stalls: of its event loop, while it only waited.
    :param stalls_at_start: until then.
    :param delays: seconds between the end of an export and its event, where exports have ended.
    """

    who: str
    exports: int
    listed: int
    requests: float
    sweep: int
    sweep_at_start: int
    processor: float
    memory: int
    stalls: Stalls
    stalls_at_start: Stalls
    delays: Sequence[float]

    def line(self) -> str:
        """One line: what was measured."""
        of = f" of {self.listed:,}" if self.listed != self.exports else ""
        ends = f", delay {_delay(self.delays)}" if self.delays else ""
        return (
            f"{TITLES[self.who]}, {self.exports:,}{of} exports: {self.requests:,.0f} requests a minute, "
            f"{self.processor:.1%} of a core, {self.memory / 1e6:.0f} MB, stall {_stall(self.stalls)}{ends}"
        )


class Poke(NamedTuple):
    """What one look of a rescheduled sensor costs; its processor time is that of a process that does only this."""

    requests: int
    processor: float


class Promise(NamedTuple):
    """What is promised, and what was found."""

    what: str
    promised: str
    measured: str
    kept: bool


class Report:
    """All of it.

    :param interval: seconds between two looks.
    :param seconds: that the measurements took.
    :param service: milliseconds for which the service thinks about a page, and about one operation.
    """

    def __init__(
        self, results: Sequence[Result], poke: Poke, interval: float, seconds: float, service: tuple[float, float]
    ) -> None:
        self._results, self._poke, self._interval, self._seconds = results, poke, interval, seconds
        self._service = service
        self._sizes = sorted({one.exports for one in results if one.who == "sleeping"})

    def promises(self) -> list[Promise]:
        """Each promise, next to what was measured."""
        most = self._sizes[-1]
        ours, own = self._of("ours", most), self._of("sleeping", most)
        (few,) = (one for one in self._results if one.listed != one.exports)
        polls = self._of("polling", 1000).requests / self._of("ours", 1000).requests
        ended = next(one for one in self._results if one.who == "ours" and one.delays)
        late = _percentile(ended.delays)
        stall = max(0.1, own.stalls.longest)
        kilobytes = self._memory("ours", most) - self._memory("sleeping", most)
        share = ours.processor - own.processor
        allowed = self._interval + 1
        return [
            Promise(f"requests a sweep, {most:,} exports", "at most 12", f"{ours.sweep}", ours.sweep <= 12),
            Promise(
                f"requests a sweep, {few.exports} of {few.listed:,}", "at most 3", f"{few.sweep}", few.sweep <= 3
            ),
            Promise(
                f"stall of the event loop, {most:,} exports",
                "at most 100 ms, or as triggers that sleep",
                f"{_stall(ours.stalls)}; triggers that sleep: {_stall(own.stalls)}",
                ours.stalls.longest <= stall,
            ),
            Promise(
                "memory of an export, beyond Airflow's own",
                "at most 10 kB",
                f"{kilobytes:.1f} kB",
                kilobytes <= 10,
            ),
            Promise(
                f"processor time, {most:,} exports, beyond Airflow's",
                "under 10 % of a core",
                f"{share:.1%}",
                share < 0.1,
            ),
            Promise("fewer requests than polling, 1,000 exports", "50 times", f"{polls:.0f} times", polls >= 50),
            Promise("delay of the event, p99", f"at most {allowed:g} s", f"{late:.1f} s", late <= allowed),
        ]

    def table(self) -> list[list[str]]:
        """A line for each number of exports."""
        rows = [
            [
                "exports",
                *("ours: requests/min", "core", "MB", "stall"),
                *("polling: requests/min", "core", "MB", "stall"),
                *("sleeping: core", "MB", "stall"),
                *("sensor: requests/min", "core, at least"),
            ]
        ]
        for size in self._sizes:
            cells = [f"{size:,}"]
            for who in ("ours", "polling", "sleeping"):
                one = self._of(who, size)
                cells += [] if who == "sleeping" else [f"{one.requests:,.0f}"]
                cells += [f"{one.processor:.1%}", f"{one.memory / 1e6:.0f}", _milliseconds(one.stalls.longest)]
            pokes = size * 60 / self._interval
            cells += [f"{pokes * self._poke.requests:,.0f}", _cores(pokes / 60 * self._poke.processor)]
            rows.append(cells)
        return rows

    def notes(self) -> list[str]:
        """What the table does not show."""
        most = self._sizes[-1]
        ended = {one.who: one for one in self._results if one.delays}
        page, get = self._service
        return [
            "ours: `EEOperationTrigger`; polling: a trigger that asks for its own operation at each interval, "
            "in a thread, as most providers do; sleeping: a trigger that only sleeps, which is Airflow's own "
            "share (and that of the clock that looks for stalls, 1 % of a core)",
            "sensor: `mode='reschedule'` at the same interval, computed from one `poke()`: "
            f"{self._poke.requests} request, {self._poke.processor:.1f} s of processor time in a process that "
            "does only this",
            *(
                f"delay between the end of an export and the event, {who}: {_delay(one.delays)}"
                for who, one in ended.items()
            ),
            *(
                f"memory of an export, {who}: "
                + ", ".join(f"{self._memory(who, size):.1f} kB with {size:,}" for size in self._sizes[2:])
                for who in TITLES
            ),
            *(
                f"longest stall with {most:,}, {who}: {_stall(one.stalls)}; while they are started: "
                f"{_stall(one.stalls_at_start)}"
                for who in TITLES
                for one in [self._of(who, most)]
            ),
            f"largest sweep with {most:,}, ours: {self._of('ours', most).sweep} requests; while they are started: "
            f"{self._of('ours', most).sweep_at_start}",
            f"the emulator answers a page of 500 in {page:.1f} ms, `operations.get` in {get:.1f} ms",
        ]

    def text(self) -> str:
        """What is printed."""
        rows = self.table()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines += ["", *self.notes(), ""]
        for promise in self.promises():
            kept = "" if promise.kept else "   BROKEN"
            lines.append(f"  {promise.what:45} {promise.measured}   (promised: {promise.promised}){kept}")
        return "\n".join([*(f"  {line}".rstrip() for line in lines), f"  {self._seconds:.0f} s"])

    def write(self) -> None:
        """Write the page."""
        header, *rows = self.table()
        RESULTS.mkdir(exist_ok=True)
        lines = [
            "# Waiting for exports",
            "",
            "Written by `python benchmarks/waiting.py --write`. One process of Airflow's triggerer, in which all "
            f"triggers are of one kind, looking every {self._interval:g} s.",
            "",
            f"Airflow {version('apache-airflow')}, Python {platform.python_version()}, {os.cpu_count()} cores, "
            f"{self._seconds:.0f} s.",
            "",
            "![requests and processor time against the number of exports](waiting.png)",
            "",
            *_markdown([header, *rows]),
            "",
            *(f"- {note}" for note in self.notes()),
            "",
            *_markdown(
                [
                    ["", "promised", "measured", ""],
                    *([*promise[:3], "" if promise.kept else "broken"] for promise in self.promises()),
                ]
            ),
        ]
        (RESULTS / "waiting.md").write_text("\n".join([*lines, ""]))

    def draw(self, folder: Path) -> None:
        """Draw requests and processor time against the number of exports."""
        try:
            import matplotlib
        except ImportError:
            print("  no plot: matplotlib is not installed")
            return
        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, (requests, processor) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
        for who, style in {"ours": "o-C0", "polling": "s-C3", "sleeping": "^--C7"}.items():
            runs = [self._of(who, size) for size in self._sizes]
            processor.plot(self._sizes, [one.processor * 100 for one in runs], style, label=TITLES[who])
            if who != "sleeping":
                requests.plot(self._sizes, [one.requests for one in runs], style, label=TITLES[who])
        pokes = [size * 60 / self._interval for size in self._sizes]
        sensor = "sensor that reschedules (computed)"
        requests.plot(self._sizes, [each * self._poke.requests for each in pokes], "x:C1", label=sensor)
        processor.plot(
            self._sizes, [each / 60 * self._poke.processor * 100 for each in pokes], "x:C1", label=sensor
        )
        _label(requests, self._sizes, "requests a minute")
        _label(processor, self._sizes, "processor time, % of a core")
        figure.legend(*processor.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
        figure.suptitle(f"Waiting for exports in one triggerer, a look every {self._interval:g} s")
        folder.mkdir(exist_ok=True)
        figure.savefig(folder / "waiting.png", dpi=110, metadata={"Software": None})
        print(f"  plot: {(folder / 'waiting.png').relative_to(Path(__file__).parents[1])}")

    def _of(self, who: str, exports: int) -> Result:
        return next(
            one
            for one in self._results
            if (one.who, one.exports, one.listed) == (who, exports, exports) and not one.delays
        )

    def _memory(self, who: str, exports: int) -> float:
        """Kilobytes for each export more."""
        fewest = self._of(who, self._sizes[0])
        return (self._of(who, exports).memory - fewest.memory) / (exports - fewest.exports) / 1e3


def _label(axes: Any, sizes: Sequence[int], title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel("deferred exports")
    axes.set_title(title)
    axes.grid(alpha=0.3)


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    header, *others = ("| " + " | ".join(row) + " |" for row in rows)
    return [header, "|---" * len(rows[0]) + "|", *others]


def _stall(stalls: Stalls) -> str:
    told = _milliseconds(stalls.longest)
    if stalls.others == stalls.longest:
        return told
    return f"{told} (collecting garbage; else {_milliseconds(stalls.others)})"


def _milliseconds(stall: float) -> str:
    return f"{stall * 1e3:.0f} ms" if stall else "<20 ms"


def _cores(share: float) -> str:
    return f"{share:.1%}" if share < 1 else f"{share:,.0f} cores"


def _delay(delays: Sequence[float]) -> str:
    return f"median {statistics.median(delays):.1f} s, p99 {_percentile(delays):.1f} s"


def _percentile(delays: Sequence[float]) -> float:
    return sorted(delays)[round(0.99 * (len(delays) - 1))]
