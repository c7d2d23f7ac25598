"""A model of one export task, of Airflow and of the service, in time that is only counted.

The code under test is the real one: ``ExportRun``, ``Submission``, ``KillSwitch``, ``TaskTry`` and
``wait_for_operation``. What is modelled is what surrounds them. Every interaction of a worker with the service,
with the task state store or with Airflow is a point at which a fault may be chosen; a history is the faults that
were chosen, by number of the point. ``explore`` runs every history of up to two faults.

Workers are threads of which one runs at a time, so that a history is the same whenever it is run.
"""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ee.earthengine import submission
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    DuplicateRequestError,
    EarthEngineError,
    NotFoundError,
    OperationCancelledError,
    QuotaError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.earthengine.messages import PreparedRequest
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.operators import export_run
from airflow_provider_ee.operators.export_run import Waiting
from airflow_provider_ee.operators.kill_switch import KillSwitch
from airflow_provider_ee.operators.task_try import TaskTry
from airflow_provider_ee.outcome import airflow_exception

EPOCH = 1_600_000_000.0
TRIP = 0.5  # of a request to the service, and of its answer
GRACE = (4.0, 8.0)  # 12 s, and a look at the end of each
LAG = 9.0  # of the list; shorter than the grace
LATE = 9.0  # of a request whose sender is gone; shorter than the grace
KILL_SLOWLY = 3.3  # from a user's action to SIGTERM: until the next heartbeat of the worker
KILL_AT_ONCE = 0.2
DEATH_NOTICED = 3.0  # by the executor
HEARTBEAT_TIMEOUT = 20.0
QUEUED = 1.0
CANCELLING = 5.0
EXPORT_TAKES = 10_000.0  # longer than whatever two faults may cost
POLL = 6_000.0

FREEZES = (0.7, 2.2, 40.0)
"""Seconds after the next try has begun at which a frozen worker goes on."""


SUCCESS_BY_MARK = "a success that a user has marked looks like that of the try in the place of a replaced one"
STRAGGLER_FORGOTTEN = "without a memory nobody knows that a request of a cleared try may still arrive"


class Died(BaseException):
    """The worker is gone, whatever it was doing."""


class RefusedByStoreError(Exception):
    """As the SDK of Airflow raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.error = SimpleNamespace(detail={"status_code": status})


@dataclass
class Export:
    """An operation of the service."""

    name: str
    description: str
    generation: int
    """The true one: how often the task had been cleared for the worker that asked for it."""
    created: float
    listed_from: float
    cancelled_at: float | None = None
    failed: bool = False
    succeeded: bool = False
    """Whether it was seen to; what nobody looks at any more runs for ever, so that it cannot be overlooked."""

    def state(self, now: float) -> str:
        if self.cancelled_at is not None:
            return "CANCELLED" if now >= self.cancelled_at + CANCELLING else "CANCELLING"
        if self.failed:
            return "FAILED"
        return "SUCCEEDED" if self.succeeded else "RUNNING"

    def resource(self, now: float) -> dict[str, Any]:
        state = self.state(now)
        resource: dict[str, Any] = {
            "name": self.name,
            "metadata": {"state": state, "description": self.description, "createTime": _timestamp(self.created)},
        }
        if state == "CANCELLED":
            resource["error"] = {"code": 1, "message": "Cancelled."}
        if state == "FAILED":
            resource["error"] = {"code": 13, "message": "An internal error has occurred"}
        return resource


def _timestamp(seconds: float) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(EPOCH + seconds, timezone.utc).isoformat()


@dataclass(frozen=True)
class Scenario:
    """What the task is like.

    :param waits: whether it waits for its export.
    :param remembers: whether there is a task state store (Airflow 3.3); else Airflow 2.11's database is asked.
    """

    waits: bool = True
    remembers: bool = True
    retries: int = 1


@dataclass(frozen=True)
class Fault:
    point: int
    kind: str
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind} at {self.point} ({self.label})"


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
        self.turn = threading.Lock()
        self.turn.acquire()
        self.service = Service(self)
        self.airflow = Airflow(self)

    def run(self) -> World:
        """Until everything is quiet."""
        self.airflow.queue()
        while self._events:
            time, _, action = heapq.heappop(self._events)
            self.now = max(self.now, time)
            action()
        self._judge()
        return self

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._count), action))

    def is_quiet_until(self, time: float) -> bool:
        return not self._events or self._events[0][0] > time

    def choose(self, label: str, kinds: tuple[str, ...]) -> str | None:
        """The fault that strikes here."""
        kind = self._faults.get(len(self.points))
        self.points.append((label, kinds))
        if kind is not None:
            self.tell(f"FAULT {kind} at {label}")
        return kind

    @property
    def airflow_was_unclear(self) -> bool:
        """Whether a try was replaced, or could not ask Airflow what it is."""
        kinds = self._faults.values()
        return any(kind in FREEZING or kind == "unavailable" or kind.startswith("clear") for kind in kinds)

    def tell(self, what: str) -> None:
        self.story.append(f"{self.now:8.1f}  {what}")

    def violate(self, what: str) -> None:
        self.tell(f"VIOLATION {what}")
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
            owned = airflow.had_a_last_word or export.name in airflow.answered_for
            if export.state(self.now) == "RUNNING" and export.name not in returned and owned:
                if export.created > airflow.settled and not self.scenario.remembers:
                    self.known_holes.add(STRAGGLER_FORGOTTEN)
                elif airflow.marked_success and self.airflow_was_unclear:
                    self.known_holes.add(SUCCESS_BY_MARK)
                else:
                    self.violate(f"orphaned: nobody waits for {export.name}")
        if airflow.state not in ("success", "failed"):
            self.violate(f"stuck: the task ends as {airflow.state}")


# The service


_TRANSIENT = "503 Service Unavailable"
_BEFORE_EXPORT = ("die", "late", "unavailable", "full", "full, id burnt", "refused", "timeout, late", "lag")
_AFTER_EXPORT = ("die", "lost")
_LISTING = ("die", "unavailable", "forbidden")
_GETTING = ("die", "unavailable", "export fails")


class Service:
    """Earth Engine, as far as an export task knows it; the truth is in ``exports``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.exports: list[Export] = []
        self._ids: set[str] = set()

    def start(self, body: bytes, generation: int, lag: float = 0.0) -> Export:
        request = json.loads(body)
        if request["requestId"] in self._ids:
            self.world.tell(f"service: {request['requestId']} refused as a repeat")
            raise DuplicateRequestError("A different Operation was already started with the given request_id")
        self._ids.add(request["requestId"])
        now = self.world.now
        name = f"projects/p/operations/{len(self.exports)}"
        export = Export(name, request["description"], generation, now, now + lag)
        self.exports.append(export)
        self.world.tell(f"service: {request['requestId']} started {export.name}")
        return export

    def burn(self, body: bytes) -> None:
        self._ids.add(json.loads(body)["requestId"])

    def arrive_late(self, body: bytes, generation: int) -> None:
        """What somebody has sent who does not hear the answer."""
        with suppress(DuplicateRequestError):
            self.start(body, generation)

    def find(self, name: str) -> Export | None:
        return next((export for export in self.exports if export.name == name), None)


class Line:
    """A worker's connection with the service; has the shape of an ``EarthEngineClient``."""

    num_retries = 3

    def __init__(self, worker: Worker) -> None:
        self._worker, self._world, self._service = worker, worker.world, worker.world.service

    @property
    def answered_at(self) -> float:
        return EPOCH + self._world.now

    def export(self, kind: str, body: bytes) -> dict[str, Any]:
        generation = self._worker.generation
        fault = self._worker.meets("POST", *_BEFORE_EXPORT, *FREEZING, *_ACTIONS)
        self._worker.travel()
        if fault == "late":
            self._world.after(LATE, lambda: self._service.arrive_late(body, generation))
            self._worker.die()
        if fault == "timeout, late":
            self._world.after(LATE, lambda: self._service.arrive_late(body, generation))
            self._worker.travel(2.0)
            raise TransientError("timeout")
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        if fault == "refused":
            raise RequestError("400 no")
        if fault in ("full", "full, id burnt"):
            if fault == "full, id burnt":
                self._service.burn(body)
            raise QuotaError("Too many tasks already in the queue")
        export = self._service.start(body, generation, LAG if fault == "lag" else 0.0)
        self._worker.travel()
        if self._worker.meets("answer to POST", *_AFTER_EXPORT, *FREEZING, *_ACTIONS) == "lost":
            raise TransientError("connection lost")
        return export.resource(self._world.now)

    def get_operation(self, name: str) -> dict[str, Any]:
        fault = self._worker.meets("GET", *_GETTING, *FREEZING, *_ACTIONS)
        self._worker.travel()
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        export = self._service.find(name)
        if export is None:
            raise NotFoundError("404")
        if fault == "export fails" and export.state(self._world.now) == "RUNNING":
            export.failed = True
        export.succeeded |= not export.failed and self._world.now >= export.created + EXPORT_TAKES
        self._worker.travel()
        return export.resource(self._world.now)

    def list_operations(self) -> Iterator[dict[str, Any]]:
        fault = self._worker.meets("LIST", *_LISTING, *FREEZING, *_ACTIONS)
        self._worker.travel()
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        if fault == "forbidden":
            raise AuthError("403")
        now = self._world.now
        page = [export.resource(now) for export in self._service.exports if export.listed_from <= now]
        self._worker.travel()
        yield from reversed(page)

    def cancel_operation(self, name: str) -> None:
        self._worker.meets("CANCEL", "die", *_ACTIONS)
        self._worker.travel()
        export = self._service.find(name)
        if export is None:
            raise NotFoundError("404")
        if export.state(self._world.now) != "RUNNING":
            raise RequestError("400 it has ended")
        self._world.airflow.check_cancel(self._worker, export)
        self._worker.cancelled.append(export)
        export.cancelled_at = self._world.now
        self._world.tell(f"service: {name} cancelled by {self._worker}")
        self._worker.travel()


# Workers


class SimulatedKillSwitch(KillSwitch):
    """The real one, in the world's time."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def now(self) -> float:
        return EPOCH + self._worker.world.now

    def monotonic(self) -> float:
        return self._worker.world.now

    def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while True:
            self._obey()
            left = until - self.monotonic()
            if left <= 0:
                return
            self._worker.nap(left)


class SilentLog:
    """Tells the story of a history when somebody wants to read it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def info(self, text: str, *arguments: Any) -> None:
        self._worker.world.tell(f"{self._worker}: {text % arguments}")

    warning = error = info


class Worker:
    """A process that runs one try."""

    def __init__(self, airflow: Airflow) -> None:
        self.world = airflow.world
        self.uid, self.try_number, self.max_tries = airflow.uid, airflow.try_number, airflow.max_tries
        self.generation = airflow.generation
        self.dead = self.ended = self.signalled = self.undisturbed = False
        self.knows_the_end = False
        """Whether it was told, in time to act on it, that no other try follows."""
        self.frozen_until = 0.0
        self.cancelled: list[Export] = []
        self.run_: export_run.ExportRun | None = None
        self.kill_switch = SimulatedKillSwitch(self)
        self._turn = threading.Lock()
        self._turn.acquire()
        self._sleep = 0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.failure: BaseException | None = None

    def __str__(self) -> str:
        return f"try {self.try_number}"

    @property
    def operation(self) -> str | None:
        """What it has started or adopted."""
        submission = self.run_._submission if self.run_ else None
        return submission.operation.name if submission and submission.operation else None

    def start(self) -> None:
        self._thread.start()
        self._take_turns()
        if self.failure:
            raise self.failure

    def _take_turns(self) -> None:
        self._turn.release()
        self.world.turn.acquire()

    def _work(self) -> None:
        _this.worker = self
        self._turn.acquire()
        self.world.tell(f"{self} begins, generation {self.max_tries}")
        try:
            self._execute()
        except Died:
            self.world.tell(f"{self} died")
            self.world.after(DEATH_NOTICED, lambda: self.world.airflow.lost(self))
        except BaseException as error:  # a fault of the model
            self.failure = error
        self.ended = True
        self.world.turn.release()

    def _execute(self) -> None:
        airflow, scenario = self.world.airflow, self.world.scenario
        operation: Operation | None = None
        failure: BaseException | None = None
        try:
            self.run_ = export_run.ExportRun(
                Line(self),  # type: ignore[arg-type]
                SimulatedTry(self),
                "",
                Waiting(for_completion=scenario.waits, poll_interval=POLL, list_grace=GRACE),
                self.kill_switch,
                SilentLog(self),
            )
            operation = self.run_.run(lambda: REQUEST, lambda submitted: None)
        except EarthEngineError as error:
            failure = airflow_exception(error)
            if isinstance(error, OperationCancelledError) and airflow.is_current(self):
                self.world.violate("wrongly cancelled: the task fails since somebody cancelled its export")
            self.world.tell(f"{self} fails: {type(error).__name__}: {error}")
        except ConnectionError as error:
            failure = error
        self.meets("end", "die", *FREEZING, *_ACTIONS)
        airflow.has_ended(self, operation, failure)

    # What may happen to it

    def meets(self, label: str, *kinds: str) -> str | None:
        """The fault that strikes at this interaction, if it is not dealt with here."""
        if self.dead:
            raise Died
        world = self.world
        if world.airflow.worker is not self:  # users act while the worker that they see does something
            kinds = tuple(kind for kind in kinds if kind not in _ACTIONS)
        kind = world.choose(f"{self}: {label}", kinds)
        if kind == "die":
            self.die()
        elif kind in FREEZING:
            self._freeze(FREEZING[kind])
        elif kind in _ACTIONS:
            world.airflow.act(kind)
        else:
            return kind
        return None

    def die(self) -> None:
        self.dead = True
        raise Died

    def _freeze(self, longer: float) -> None:
        world = self.world
        self.frozen_until = world.now + HEARTBEAT_TIMEOUT + QUEUED + longer
        world.after(HEARTBEAT_TIMEOUT, lambda: world.airflow.lost(self))
        self._sleep_until(self.frozen_until)
        world.tell(f"{self} goes on after having been frozen")
        if not world.airflow.is_current(self):
            world.after(KILL_SLOWLY, self.kill)

    def kill(self) -> None:
        """SIGTERM; comes when a frozen machine goes on, whose supervisor sends it."""
        if self.ended or self.dead:
            return
        if self.world.now < self.frozen_until:
            self.world.after(self.frozen_until - self.world.now + KILL_SLOWLY, self.kill)
            return
        self.world.tell(f"{self} gets SIGTERM")
        self.signalled = True
        self._sleep += 1
        self.world.after(0, self._resume(self._sleep))

    def hears(self) -> None:
        """Airflow tells it how things are."""
        self.knows_the_end = self.world.airflow.state in ("failed", "success")

    # Time

    def travel(self, seconds: float = TRIP) -> None:
        """A request or an answer is on its way; a signal handler runs, and does not end the waiting."""
        until = self.world.now + seconds
        while self.world.now < until:
            self.nap(until - self.world.now)

    def nap(self, seconds: float) -> None:
        """Let time pass, until a signal comes."""
        self._sleep_until(self.world.now + seconds)
        if self.signalled:
            self.signalled = False
            if not self.undisturbed:
                self.hears()
                self.kill_switch.press()

    def _sleep_until(self, time: float) -> None:
        world = self.world
        if self.dead:
            raise Died
        if world.is_quiet_until(time):
            world.now = time
            return
        self._sleep += 1
        world.after(time - world.now, self._resume(self._sleep))
        world.turn.release()
        self._turn.acquire()

    def _resume(self, sleep: int) -> Callable[[], None]:
        def resume() -> None:
            if sleep == self._sleep and not self.ended:
                self._take_turns()
                if self.failure:
                    raise self.failure

        return resume


class SimulatedTry(TaskTry):
    """The real one, told of by the model of Airflow."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._airflow = worker, worker.world.airflow
        ti = SimpleNamespace(try_number=worker.try_number, max_tries=worker.max_tries, run_id="run", map_index=-1)
        context: dict[str, Any] = {"ti": ti}
        if worker.world.scenario.remembers:
            ti.get_task_states = self._get_task_states
            context["task_state_store"] = Store(worker)
        else:
            ti.refresh_from_db = None
        task = SimpleNamespace(dag_id="dag", task_id="task", retries=worker.world.airflow.retries)
        super().__init__(context, task)  # type: ignore[arg-type]

    def _get_task_states(self, **_: Any) -> Mapping[str, Mapping[str, str | None]]:
        self._ask()
        return {"run": {"task": self._airflow.state}}

    def _state_in_database(self) -> str | None:
        self._ask()
        if self._airflow.try_number != self._worker.try_number and self._airflow.state not in (None, "failed"):
            return "superseded"
        return self._airflow.state

    def _ask(self) -> None:
        if self._worker.meets("state of the task", "die", "unavailable", *FREEZING, *_ACTIONS) == "unavailable":
            self._worker.knows_the_end = False
            raise ConnectionError("Airflow does not answer")
        self._worker.hears()


class Store:
    """The task state store: kept over tries and clears, and closed to a try that has been replaced."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._airflow = worker, worker.world.airflow

    def get(self, key: str) -> Any:
        if self._call("read") == "replaced":
            return None  # so the SDK reads the refusal
        return self._airflow.store.get(key)

    def set(self, key: str, value: Any) -> None:
        fault = self._call("write")
        if fault == "replaced":
            raise RefusedByStoreError(404)
        self._airflow.store[key] = value
        if fault == "lost":
            raise ConnectionError("Airflow does not answer")

    def _call(self, what: str) -> str | None:
        fault = self._worker.meets(what, "die", "unavailable", "lost", *FREEZING, *_ACTIONS)
        self._worker.travel(0.1)
        if self._airflow.uid != self._worker.uid:
            return "replaced"
        if fault == "unavailable":
            raise ConnectionError("Airflow does not answer")
        return fault


# Airflow


FREEZING: Mapping[str, float] = {f"freeze until {seconds} s after the next try": seconds for seconds in FREEZES}
_ACTIONS = ("SIGTERM", "clear", "clear, SIGTERM at once", "mark failed", "mark success")
_ACTIONS_BETWEEN = ("clear", "mark failed", "retries - 1", "retries + 1")


class Airflow:
    """Scheduler, database and users, as far as one task instance knows them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.retries = world.scenario.retries
        self.state: str | None = None
        self.try_number, self.max_tries, self.uid = 0, self.retries, 0
        self.generation = 0
        self.store: dict[str, Any] = {}
        self.worker: Worker | None = None
        self.returned: list[tuple[int, str]] = []
        self.result: str | None = None
        self.had_a_last_word = False
        """Whether the last worker has ended by itself, knowing that it is the last: nothing may be left running."""
        self.settled = 0.0
        self.marked_success = False
        self.answered_for: set[str | None] = set()
        """What other workers knew when they ended, who had been told that nobody follows."""

    # What Airflow does by itself

    def queue(self) -> None:
        uid = self.uid
        self.world.after(QUEUED, lambda: self._begin(uid))

    def _begin(self, uid: int) -> None:
        if uid != self.uid or self.state not in (None, "up_for_retry"):
            return
        self.try_number += 1
        self.state, self.result, self.had_a_last_word = "running", None, False
        self.worker = Worker(self)
        self.worker.start()

    def is_current(self, worker: Worker) -> bool:
        return self.uid == worker.uid and self.state == "running"

    def has_ended(self, worker: Worker, operation: Operation | None, failure: BaseException | None) -> None:
        """A worker reports how its try went."""
        if not self.is_current(worker):
            self.world.tell(f"{worker} ends, and is not heard")
            if worker.knows_the_end and worker.uid == self.uid:
                self.had_a_last_word = True
            elif worker.knows_the_end:
                self.answered_for.add(worker.operation)
            self._end_of_restarting(worker)
        elif operation is not None:
            self._succeed(worker, operation)
        else:
            self.had_a_last_word = worker.knows_the_end = True
            self._fail(for_good=isinstance(failure, AirflowFailException))
            if self.state == "up_for_retry" and any(e.generation == self.generation for e in worker.cancelled):
                self.world.violate(f"wrongly cancelled: {worker} cancels what its retry would go on with")

    def lost(self, worker: Worker) -> None:
        """A worker is not heard of any more."""
        if worker.ended and not worker.dead:
            return
        if self.is_current(worker):
            self._fail(for_good=False)
        self._end_of_restarting(worker)

    def _end_of_restarting(self, worker: Worker) -> None:
        if self.state == "restarting" and self.worker is worker:
            self._set("up_for_retry")
            self.queue()

    def _succeed(self, worker: Worker, operation: Operation) -> None:
        self.had_a_last_word = True
        export = self.world.service.find(operation.name)
        good = ("RUNNING", "SUCCEEDED", "FAILED")[: 2 if self.world.scenario.waits else 3]
        if export is None or export.state(self.world.now) not in good:
            self.world.violate(f"lost: the task succeeds with {export and export.state(self.world.now)}")
        self.returned.append((self.generation, operation.name))
        self.result = operation.name
        self._set("success")

    def _fail(self, *, for_good: bool) -> None:
        if for_good or self.try_number > self.max_tries:
            self._set("failed")
            return
        self.had_a_last_word = False
        self.uid += 1
        self._set("up_for_retry")
        self.queue()

    def _set(self, state: str) -> None:
        self.state = state
        self.settled = self.world.now
        self.world.tell(f"Airflow: the task is {state}")
        kind = self.world.choose(state, _ACTIONS_BETWEEN)
        if kind is not None:
            self.act(kind)

    # What users do

    def act(self, kind: str) -> None:
        worker, running = self.worker, self.state in ("running", "restarting")
        self.world.tell(f"Airflow: {kind}")
        if kind == "SIGTERM":
            if worker and not worker.ended:
                worker.kill()
        elif kind == "retries - 1":
            self.retries = max(0, self.retries - 1)
        elif kind == "retries + 1":
            self.retries += 1
        elif kind.startswith("clear"):
            self._clear()
        elif self.state not in ("success", "failed"):
            self.state = "failed" if kind == "mark failed" else "success"
            self.marked_success |= kind == "mark success"
        if running and self.worker is worker and worker and not self.is_current(worker):
            self.world.after(KILL_AT_ONCE if kind.endswith("at once") else KILL_SLOWLY, worker.kill)

    def _clear(self) -> None:
        self.uid += 1
        if self.state == "running":
            self.state = "restarting"
            return
        self.max_tries = self.try_number + self.retries
        self.generation += 1
        self.state = None
        self.queue()

    # What must not be

    def check_cancel(self, canceller: Worker, export: Export) -> None:
        """Nobody cancels what the task has returned."""
        if self.state == "success" and self.result == export.name:
            self.world.violate(f"lost: {canceller} cancels the export that the task has returned")


REQUEST = PreparedRequest("image", b"{}", {"description": "text"})


_this = threading.local()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Stands for ``undisturbed``, which works on the signals of the process that the tests run in."""
    _this.worker.undisturbed = True
    yield
    _this.worker.undisturbed = False


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


def explore(
    scenario: Scenario, *, most: int = 2, only: Collection[str] = (), enough: int | None = None
) -> Findings:
    """Every history of up to ``most`` faults, of some kinds only; stops after ``enough`` that end badly."""
    findings = Findings()
    todo: deque[tuple[Fault, ...]] = deque([()])
    while todo:
        faults = todo.popleft()
        with (
            mock.patch.object(export_run, "undisturbed", _undisturbed),
            mock.patch.object(submission, "_jitter", return_value=1.0),
        ):
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
