"""A model of one export task, of Airflow and of the service, in time that is only counted.

The code under test is the real one: the operator, from ``execute`` or ``resume_execution`` on, ``ExportRun``,
``Submission``, ``KillSwitch``, ``TaskTry`` and ``wait_for_operation`` in workers, ``EEOperationTrigger`` and
``Poller`` in triggerers. What is modelled is what surrounds them. Every interaction of a worker or a triggerer with
the service, with the task state store or with Airflow is a point at which a fault may be chosen; a history is the
faults that were chosen, by number of the point. ``explore`` runs every history of up to two faults.

One of the actors acts at a time, so that a history is the same whenever it is run.
"""

from __future__ import annotations

import gc
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

from earthengine.exactly_once_airflow import Airflow
from earthengine.exactly_once_faults import (
    FREEZING,
    LEFT_BY_DELETED_RUN,
    OVERRULED,
    STRAGGLER_FORGOTTEN,
    SUCCESS_BY_MARK,
    Fault,
)
from earthengine.exactly_once_service import CANCELLING, EPOCH, Export, Service
from earthengine.exactly_once_triggerer import call_in_triggerer
from earthengine.exactly_once_worker import ObservedRun, SilentLog, SimulatedTry, undisturbed
from greenlet import getcurrent

from airflow_provider_ee.earthengine import aside, pollers, polling, submission
from airflow_provider_ee.operators import export_run, task_try
from airflow_provider_ee.triggers import operation as trigger_module


@dataclass(frozen=True)
class Scenario:
    """What the task is like, and its surroundings.

    :param waits: whether it waits for its export.
    :param remembers: whether there is a task state store and triggers are told of kills (Airflow 3.3); else Airflow
        2.11's database is asked.
    :param deferrable: whether it waits in a triggerer.
    :param first: what strikes the first request that nothing else strikes.
    :param timeout: its ``wait_timeout``.
    :param poll: seconds between two looks.
    :param triggerers: how many there are; another comes in the place of one that died, ``triggerer_back`` seconds
        later.
    :param workers_ahead: seconds that the clocks of workers are ahead, of one after the other.
    :param leaves_out: kinds of faults that do not strike here.
    """

    waits: bool = True
    remembers: bool = True
    retries: int = 1
    deferrable: bool = False
    first: str = ""
    timeout: float | None = None
    poll: float = 6_000.0
    triggerers: int = 2
    triggerer_back: float = 60.0
    workers_ahead: tuple[float, ...] = (0.0,)
    triggerers_ahead: float = 0.0
    service_ahead: float = 0.0
    leaves_out: frozenset[str] = frozenset()


class World:
    """One history."""

    def __init__(self, scenario: Scenario, faults: tuple[Fault, ...] = ()) -> None:
        self.scenario = scenario
        self.now = 0.0
        self.points: list[tuple[str, tuple[str, ...]]] = []
        self.story: list[str] = []
        self.violations: list[str] = []
        self.known_holes: set[str] = set()
        self._faults = {fault.point: fault.kind for fault in faults}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._clocks = itertools.count()
        self.process = getcurrent()
        self.service = Service(self)
        self.airflow = Airflow(self)

    def run(self) -> World:
        """Until everything is quiet."""
        if self.scenario.deferrable:
            for _ in range(self.scenario.triggerers):
                self.airflow.start_triggerer()
        with _simulated(self):
            self.airflow.queue()
            while self._events:
                time, _, action = heapq.heappop(self._events)
                self.now = max(self.now, time)
                action()
            for triggerer in self.airflow.triggerers:
                triggerer.discard()
        self._judge()
        return self

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + max(0.0, seconds), next(self._count), action))

    def is_quiet_until(self, time: float) -> bool:
        return not self._events or self._events[0][0] > time

    def choose(self, label: str, kinds: tuple[str, ...]) -> str | None:
        """The fault that strikes here."""
        kind = self._faults.get(len(self.points))
        self.points.append((label, tuple(kind for kind in kinds if kind not in self.scenario.leaves_out)))
        if kind is not None:
            self.tell(f"FAULT {kind} at {label}")
        return kind

    def next_clock(self) -> tuple[float, float]:
        """For another worker: how far its calendar is ahead, and how long its machine has been up."""
        number, ahead = next(self._clocks), self.scenario.workers_ahead
        return ahead[number % len(ahead)], 1_000.0 * (number + 1)

    @property
    def airflow_was_unclear(self) -> bool:
        """Whether a try was replaced, or could not ask Airflow what it is."""
        kinds = self._faults.values()
        return any(kind in FREEZING or kind == "unavailable" or kind.startswith("clear") for kind in kinds)

    @property
    def service_was_down(self) -> bool:
        """Whether somebody's look has failed, or was refused."""
        return any(kind in ("unavailable", "forbidden", "refused for hours") for kind in self._faults.values())

    def tell(self, what: str) -> None:
        self.story.append(f"{self.now:8.1f}  {what}")

    def violate(self, what: str) -> None:
        self.tell(f"VIOLATION {what}")
        if self.airflow.overruled:
            self.known_holes.add(OVERRULED)
        else:
            self.violations.append(what)

    def _judge(self) -> None:
        """Whether what is left is as it must be."""
        self.now += CANCELLING
        airflow = self.airflow
        kept = [export for export in self.service.exports if export.state(self.now) in ("RUNNING", "SUCCEEDED")]
        for generation in {export.generation for export in kept}:
            if len([export for export in kept if export.generation == generation]) > 1:
                self.violate(f"doubled: two exports of generation {generation}")
        returned = {name for _, name in airflow.returned}
        for export in kept:
            if export.state(self.now) == "RUNNING" and export.name not in returned:
                self._judge_left(export)
        if airflow.state not in ("success", "failed") and not airflow.deleted:
            self.violate(f"stuck: the task ends as {airflow.state}")

    def _judge_left(self, export: Export) -> None:
        """An export runs that the task has not returned."""
        airflow = self.airflow
        if airflow.deleted_unheard and export.generation < airflow.generation:
            self.known_holes.add(LEFT_BY_DELETED_RUN)
        elif airflow.had_a_last_word or export.name in airflow.answered_for:
            if export.created > airflow.settled and not self.scenario.remembers:
                self.known_holes.add(STRAGGLER_FORGOTTEN)
            elif airflow.marked_success and self.airflow_was_unclear:
                self.known_holes.add(SUCCESS_BY_MARK)
            else:
                self.violate(f"orphaned: nobody waits for {export.name}")
        elif airflow.excuses:
            self.known_holes |= airflow.excuses
        elif airflow.ended_while_deferred:
            self.violate(f"orphaned: nobody waits for {export.name}, though a triggerer could have heard")


@contextmanager
def _simulated(world: World) -> Iterator[None]:
    """Put what a process has of its own in the place of signals, threads, clocks and chance."""
    in_the_world = [
        (export_run, "undisturbed", undisturbed),
        (export_run, "ExportRun", ObservedRun),
        (task_try, "TaskTry", SimulatedTry),
        (submission, "jitter", lambda: 1.0),
        (pollers, "Pollers", partial(pollers.Pollers, call=call_in_triggerer)),
        (aside, "threading", None),
        (polling, "jitter", lambda: 1.0),
        (polling, "_log", SilentLog(world, "a poller")),
        (trigger_module, "_HAS_ON_KILL", world.scenario.remembers),
        (
            trigger_module,
            "time",
            SimpleNamespace(time=lambda: EPOCH + world.now + world.scenario.triggerers_ahead),
        ),
    ]
    real = [(place, name, getattr(place, name)) for place, name, _ in in_the_world]
    try:
        for place, name, thing in in_the_world:
            setattr(place, name, thing)
        yield
    finally:
        for place, name, thing in real:
            setattr(place, name, thing)


# Exploration


@dataclass
class Findings:
    """What came of all histories."""

    histories: int = 0
    succeeded: int = 0
    violations: list[tuple[tuple[Fault, ...], World]] = field(default_factory=list)
    known_holes: set[str] = field(default_factory=set)
    """Those through which some history fell that would be a violation else."""

    def kinds(self) -> set[str]:
        return {what.split(":")[0] for _, world in self.violations for what in world.violations}

    def __str__(self) -> str:
        lines = [f"{self.histories} histories, {self.succeeded} successes, {len(self.violations)} violations"]
        for faults, world in self.violations[:3]:
            lines += ["", " + ".join(map(str, faults)), *world.story]
        return "\n".join(lines)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Worlds are rubbish soon after they were made, which is looked for a quarter of the time otherwise."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@_collecting_seldom()
def explore(
    scenario: Scenario, *, most: int = 2, only: Collection[str] = (), enough: int | None = None
) -> Findings:
    """Every history of up to ``most`` faults, of some kinds only; stops after ``enough`` that end badly."""
    findings = Findings()
    todo: deque[tuple[Fault, ...]] = deque([()])
    while todo:
        if findings.histories % 500 == 0:
            gc.collect()
        faults = todo.popleft()
        world = World(scenario, faults).run()
        findings.histories += 1
        findings.succeeded += world.airflow.state == "success"
        findings.known_holes |= world.known_holes
        if world.violations:
            findings.violations.append((faults, world))
            if enough and len(findings.violations) >= enough:
                break
        if len(faults) < most:
            first = faults[-1].point + 1 if faults else 0
            for point in range(first, len(world.points)):
                label, kinds = world.points[point]
                todo += [(*faults, Fault(point, kind, label)) for kind in kinds if not only or kind in only]
    return findings
