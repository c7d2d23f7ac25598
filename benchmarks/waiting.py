"""What waiting costs a triggerer: requests, processor time, memory, stalls of its event loop, and delay.

The processes that are compared run Airflow's own ``TriggerRunner``, each with triggers of one kind: ours; those
that poll, as in most providers; and those that only sleep, which shows what is Airflow's own. The service is the
emulator, in another process.

Usage: python benchmarks/waiting.py [--write]
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import waiting_report
from cryptography.fernet import Fernet
from waiting_report import Poke, Result
from waiting_service import PAGE, Service
from waiting_supervisor import Triggerer, Usage, environment

INTERVAL = 30.0
FIRST_LOOK = 10.0
SIZES = (10, 100, 1_000, 5_000)
MOST = SIZES[-1]
FEW = 3
DELAYED = 500
WINDOW = 2 * INTERVAL
LAST_EVENTS = 5.0
# Sweeps are further apart, and their requests are not.
PAUSE = 3.0
# Where triggers that sleep stand still for longer, it was the machine.
DISTURBED = 0.05

CLASSES = {
    "ours": "airflow_provider_ee.triggers.operation.EEOperationTrigger",
    "polling": "waiting_triggers.Polling",
    "sleeping": "waiting_triggers.Sleeping",
}
POKE = """
from airflow_provider_ee.sensors.operation import EEOperationSensor
from time import process_time
EEOperationSensor(task_id="wait", operation={name!r}, mode="reschedule").poke({{}})
print(process_time())
"""


_projects = itertools.count(1)


@dataclass
class Case:
    """A process to be measured.

    :param who: what its triggers do.
    :param exports: how many it waits for.
    :param listed: how many operations there are in the project; as many, unless given.
    :param ending: whether the exports end meanwhile.
    """

    who: str
    exports: int
    listed: int = 0
    ending: bool = False
    names: list[str] = field(default_factory=list)
    project: str = ""
    ends: list[float] = field(default_factory=list)

    def start(self, service: Service) -> Triggerer:
        """Start its exports in a project for them alone, and its process without triggers."""
        self.project = f"project-{next(_projects)}"
        self.names = service.hold(self.project, self.listed or self.exports)
        random.shuffle(self.names)
        del self.names[self.exports :]
        return Triggerer(service.url, self.project)

    def kwargs(self) -> list[dict[str, Any]]:
        """What its triggers are made with."""
        if self.who == "polling":
            return [{"operation": name, "poll_interval": INTERVAL} for name in self.names]
        if self.who == "sleeping":
            return [{}] * self.exports
        task = {"dag_id": "exports", "run_id": "scheduled__2026-01-01", "task_id": "export", "try_number": 1}
        return [
            {"operations": [name], "poll_interval": INTERVAL, "owner": {**task, "map_index": index}}
            for index, name in enumerate(self.names)
        ]

    def end(self, service: Service) -> None:
        """Let its exports end at moments of the interval to come."""
        self.ends = [time.time() + random.uniform(0, INTERVAL) for _ in self.names]
        service.end(self.names, self.ends)


def measure(cases: list[Case], service: Service, window: float = WINDOW) -> Iterator[Result]:
    """Measure at the same time what does not disturb each other."""
    looks_late = any(case.who == "ours" for case in cases)
    began = time.monotonic()
    with ExitStack() as stack:
        triggerers = [stack.enter_context(closing(case.start(service))) for case in cases]
        for triggerer in triggerers:
            triggerer.wait_until_ready()
        start = time.time()
        for case, triggerer in zip(cases, triggerers, strict=True):
            triggerer.run(CLASSES[case.who], case.kwargs())
        for triggerer in triggerers:
            triggerer.wait_until_running()
        time.sleep(FIRST_LOOK if looks_late else 0)
        for triggerer in triggerers:
            triggerer.collect_garbage()
        time.sleep(3)
        before = [triggerer.usage() for triggerer in triggerers]
        for case in cases:
            if case.ending:
                case.end(service)
        time.sleep(window)
        after = [triggerer.usage() for triggerer in triggerers]
        time.sleep(LAST_EVENTS if any(case.ending for case in cases) else 0)
        requests = service.requests()
        for case, triggerer, *usages in zip(cases, triggerers, before, after, strict=True):
            asked = [one for one in requests if one["path"].split("/")[3] == case.project]
            result = result_of(case, triggerer, start, usages[0], usages[1], asked)
            print(f"  {result.line()}; after {time.monotonic() - began:.0f} s", flush=True)
            yield result


def result_of(
    case: Case, triggerer: Triggerer, start: float, before: Usage, after: Usage, asked: list[dict[str, Any]]
) -> Result:
    """What a process has come to."""
    seconds = after.at - before.at
    fired = triggerer.events()
    delays = [fired.get(number, float("inf")) - end for number, end in enumerate(case.ends, start=1)]
    return Result(
        who=case.who,
        exports=case.exports,
        listed=case.listed or case.exports,
        requests=sum(before.at <= one["time"] < after.at for one in asked) / seconds * 60,
        sweep=largest_sweep([one for one in asked if one["time"] >= before.at]),
        sweep_at_start=largest_sweep([one for one in asked if one["time"] < before.at]),
        processor=(after.processor - before.processor) / seconds,
        memory=after.memory,
        stalls=triggerer.stalls(before.at, after.at),
        stalls_at_start=triggerer.stalls(start, before.at),
        delays=delays,
    )


def largest_sweep(asked: list[dict[str, Any]]) -> int:
    """How many requests belong together, at most: from a first page, or a pause, to the next."""
    most, size, last = 0, 0, float("-inf")
    for one in asked:
        first_page = one["method"] == "operations.list" and "pageToken" not in one["query"]
        size = 1 if first_page or one["time"] - last > PAUSE else size + 1
        most, last = max(most, size), one["time"]
    return most


def measure_most(service: Service) -> list[Result]:
    """Where most is waited for."""
    return list(
        measure(
            [
                Case("ours", MOST),
                Case("sleeping", MOST),
                Case("ours", FEW, listed=MOST),
                *(Case("ours", size) for size in SIZES[:-2]),
                Case("sleeping", SIZES[0]),
            ],
            service,
        )
    )


def poke(service: Service) -> Poke:
    """Look once, as a sensor does in a process of its own each time."""
    name = service.hold("poke", 1)[0]
    before = len(service.requests())
    command = [sys.executable, "-c", POKE.format(name=name)]
    said = subprocess.run(
        command, env=environment(service.url, "poke"), stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return Poke(len(service.requests()) - before, float(said.split()[-1]))


def run() -> waiting_report.Report:
    """Measure everything."""
    began = time.monotonic()
    os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).parents[1] / ".build" / "airflow-home"))
    os.environ.setdefault("AIRFLOW__CORE__FERNET_KEY", Fernet.generate_key().decode())
    with closing(Service()) as service:
        names = service.hold("idle", MOST)
        page = service.milliseconds(f"projects/idle/operations?pageSize={PAGE}")
        get = statistics.median(service.milliseconds(name) for name in names[:3])
        print(
            f"  the service answers a page of {PAGE} in {page:.1f} ms, operations.get in {get:.1f} ms", flush=True
        )
        poked = poke(service)
        most = measure_most(service)
        if next(one for one in most if one.who == "sleeping" and one.exports == MOST).stalls.others > DISTURBED:
            print("  the machine stood still: once more", flush=True)
            most = measure_most(service)
        large = [Case("ours", SIZES[-2]), Case("sleeping", SIZES[-2]), Case("polling", SIZES[-2])]
        ending = [Case("ours", DELAYED, ending=True), Case("polling", DELAYED, ending=True)]
        peers = [Case("polling", size) for size in SIZES if size != SIZES[-2]]
        results = [
            *most,
            *measure([*large, *ending], service),
            *measure([*peers, Case("sleeping", SIZES[1])], service, INTERVAL),
        ]
    return waiting_report.Report(results, poked, INTERVAL, time.monotonic() - began, (page, get))


def main(*, write: bool = False) -> bool:
    """Print the table and draw the plot; tells whether the promises hold."""
    print("Waiting for exports in one process of the triggerer, at an interval of", f"{INTERVAL:g} s", flush=True)
    report = run()
    print(report.text())
    report.draw(waiting_report.RESULTS if write else Path(__file__).parents[1] / ".build")
    if write:
        report.write()
    return all(promise.kept for promise in report.promises())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What waiting costs a triggerer.")
    parser.add_argument("--write", action="store_true", help="write table and plot to benchmarks/results")
    sys.exit(not main(write=parser.parse_args().write))
