"""Runs the cases and prints what they have come to.

python -m benchmarks.chaos [--fixed N | --per-cell N --random N] [--seed S] [--only NAME] [--rivals] [--write]
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from benchmarks.chaos import report, scenarios
from benchmarks.chaos.play import Play, Verdict, judge
from benchmarks.chaos.scenarios import Case
from benchmarks.chaos.service import Host
from benchmarks.chaos.worker import Nursery

_REPEATS = 3
_SHOW_EVERY = 10.0


class Stage:
    """Where cases are played, several at a time."""

    def __init__(self, lanes: int, logs: Path, seed: int) -> None:
        self._seed = seed
        self._nursery = Nursery(logs)
        self._hosts = [Host(), Host()]
        self._lanes = lanes

    def play(self, cases: Iterable[Case]) -> list[Verdict]:
        """Play cases, telling how far they are."""
        waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
        total = 0
        for case in cases:
            waiting.put(case)
            total += 1
        verdicts: list[Verdict] = []
        lanes = [
            threading.Thread(target=self._lane, args=[waiting, verdicts, self._hosts[index % 2]], daemon=True)
            for index in range(self._lanes)
        ]
        began = shown = time.monotonic()
        for lane in lanes:
            lane.start()
        told = 0
        while any(lane.is_alive() for lane in lanes):
            time.sleep(0.2)
            now = time.monotonic()
            for verdict in verdicts[told:]:
                told += 1
                if verdict.bad and verdict.case.who == "ours":
                    print(f"FAILED {report.story(verdict, self._seed)}", flush=True)
            if now - shown > _SHOW_EVERY:
                shown = now
                print(f"{now - began:5.0f} s: {report.progress(verdicts, total)}", flush=True)
        return verdicts

    def close(self) -> None:
        """End what was started."""
        self._nursery.close()
        for host in self._hosts:
            host.close()

    def _lane(self, waiting: queue.SimpleQueue[Case], verdicts: list[Verdict], host: Host) -> None:
        while True:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            for _ in range(_REPEATS):
                verdict = self._once(case, host)
                if verdict.counts or verdict.bad:
                    break
            verdicts.append(verdict)

    def _once(self, case: Case, host: Host) -> Verdict:
        play: Play | None = None
        try:
            play = Play(case, host, self._nursery)
            play.run()
            return judge(play)
        except Exception as error:
            traceback.print_exc()
            history = tuple(line for row in play.rows for line in row.history) if play else ()
            return Verdict(
                case, True, lost=1, reasons=(f"{type(error).__name__}: {error}",), history=history,
                cell=(case.step, case.blow),
            )  # fmt: skip
        finally:
            if play:
                play.close()


def main() -> int:
    """Run what the arguments say; the exit status is returned."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Kill the export at every step, and count.")
    parser.add_argument(
        "--fixed", type=int, metavar="N", help="a fixed choice of at least N cases, all cells in it"
    )
    parser.add_argument(
        "--per-cell", type=int, default=10, metavar="N", help="cases a cell (default: %(default)s)"
    )
    parser.add_argument("--random", type=int, default=300, metavar="N", help="random schedules on top")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="of the random schedules")
    parser.add_argument("--only", metavar="NAME", help="the case of this name, or those whose name begins so")
    parser.add_argument("--rivals", action="store_true", help="other ways to export, too")
    parser.add_argument("--write", action="store_true", help="write the figures to benchmarks/results/chaos.md")
    parser.add_argument(
        "--lanes", type=int, default=10, metavar="N", help="cases at a time (default: %(default)s)"
    )
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    cells = len(scenarios.CELLS)
    if options.fixed:
        options.per_cell, options.random = -(-options.fixed // cells), 0
    cases = [*scenarios.at_cells(options.per_cell), *scenarios.at_random(options.random, seed)]
    if options.only:
        known = [*scenarios.at_cells(60), *scenarios.at_random(5000, seed)]
        cases = [case for case in known if case.name == options.only] or [
            case for case in known if case.name.startswith(options.only)
        ]
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    logs = Path(tempfile.mkdtemp(prefix="chaos-logs-"))
    print(f"{len(cases)} cases, seed {seed}, logs of the tasks in {logs}", flush=True)
    began = time.monotonic()
    stage = Stage(options.lanes, logs, seed)
    try:
        ours = stage.play(cases)
        rivals = {}
        if options.rivals:
            from benchmarks.chaos.rivals import RIVALS

            for who, rival in RIVALS.items():
                print(f"\n{rival.title}", flush=True)
                rivals[who] = stage.play(rival.cases())
    finally:
        stage.close()
    for verdict in ours:
        if options.only and len(cases) < 5 and not verdict.bad:
            print(report.story(verdict, seed), flush=True)
    text = report.text(ours, rivals, seed, time.monotonic() - began)
    print(text)
    if options.write:
        report.write(ours, rivals, seed, time.monotonic() - began)
    held = not any(verdict.bad for verdict in ours)
    return 0 if held and (options.only or not report.empty_cells(ours)) else 1


if __name__ == "__main__":
    sys.exit(main())
