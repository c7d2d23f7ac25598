"""A process that runs a try of the task, or goes on with it after a deferral.

What runs is the real operator, from ``execute`` or ``resume_execution`` on, with the real ``ExportRun``,
``Submission``, ``KillSwitch`` and ``TaskTry``. Workers are greenlets: like threads of which one runs at a time, but a
switch between threads takes longer than all that happens between two of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from earthengine.exactly_once_faults import (
    ACTIONS,
    DEATH_NOTICED,
    FREEZING,
    HEARTBEAT_TIMEOUT,
    KILL_SLOWLY,
    QUEUED,
    Died,
)
from earthengine.exactly_once_service import EPOCH, TRIP, Export, Line
from greenlet import getcurrent, greenlet

from airflow_provider_ee.earthengine.errors import OperationCancelledError
from airflow_provider_ee.earthengine.messages import PreparedRequest
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.operators import export_run
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.operators.kill_switch import KillSwitch
from airflow_provider_ee.operators.task_try import TaskTry

if TYPE_CHECKING:
    from earthengine.exactly_once_airflow import Airflow
    from earthengine.exactly_once_model import Scenario, World

GRACE = (4.0, 8.0)  # 12 s, and a look at the end of each
REQUEST = PreparedRequest("image", b"{}", {"description": "text"})
# As much as the operator reads of a checked request.
_CHECKED = SimpleNamespace(
    description="text",
    destination="gs://bucket/text",
    kind="image",
    expression={"result": "0", "values": {"0": {"constantValue": 1}}},
    pixel_count=None,
    prepared=lambda: REQUEST,
)


class RefusedByStoreError(Exception):
    """As the SDK of Airflow raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.error = SimpleNamespace(detail={"status_code": status})


class SimulatedKillSwitch(KillSwitch):
    """The real one, in the world's time, by the worker's clocks."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def now(self) -> float:
        return EPOCH + self._worker.world.now + self._worker.ahead

    def monotonic(self) -> float:
        return self._worker.world.now + self._worker.up_for

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

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def info(self, text: str, *arguments: Any) -> None:
        self._world.tell(f"{self._name}: {text % arguments}")

    warning = error = exception = info


class SimulatedOperator(EEImageExportOperator):
    """The real one, on a worker of the model, with a request that was checked beforehand."""

    worker: Worker
    list_grace = GRACE

    @classmethod
    def on(cls, worker: Worker) -> SimulatedOperator:
        operator = object.__new__(cls)
        vars(operator).update(
            vars(_template(worker.world.scenario)),
            worker=worker,
            retries=worker.world.airflow.retries,
            hook=SimpleNamespace(client=Line(worker), deployment=""),
            _kill_switch=worker.kill_switch,
        )
        return operator

    @property
    def log(self) -> Any:  # type: ignore[override]
        return SilentLog(self.worker.world, str(self.worker))

    def _request(self, context: Any) -> Any:
        return _CHECKED


@lru_cache
def _template(scenario: Scenario) -> EEImageExportOperator:
    waiting: dict[str, Any] = {"poll_interval": scenario.poll, "wait_timeout": scenario.timeout}
    return EEImageExportOperator(
        task_id="task",
        expression="{}",
        destination="gs://bucket/prefix",
        wait_for_completion=scenario.waits,
        deferrable=scenario.deferrable,
        **(waiting if scenario.waits else {}),
    )


@dataclass(frozen=True)
class Deferred:
    """What Airflow is told where a task defers itself: as plain data, as it is kept."""

    trigger: Mapping[str, Any]
    timeout: timedelta | None

    @classmethod
    def by(cls, deferred: TaskDeferred) -> Deferred:
        return cls(json.loads(json.dumps(deferred.trigger.serialize()[1])), deferred.timeout)


class Worker:
    """A process.

    :param resumes: the method with which it goes on with a deferred try, and its arguments; None: it begins one.
    """

    def __init__(self, airflow: Airflow, resumes: tuple[str, dict[str, Any]] | None = None) -> None:
        self.world = airflow.world
        self.uid, self.try_number, self.max_tries = airflow.uid, airflow.try_number, airflow.max_tries
        self.generation = airflow.generation
        self.dead = self.ended = self.signalled = self.undisturbed = False
        self.knows_the_end = False
        """Whether it was told, in time to act on it, that no other try follows."""
        self.could_ask = True
        """Whether Airflow has answered when it was asked last."""
        self.frozen_until = 0.0
        self.cancelled: list[Export] = []
        self.run_: export_run.ExportRun | None = None
        self.ahead, self.up_for = self.world.next_clock()
        self.kill_switch = SimulatedKillSwitch(self)
        self._resumes = resumes
        self._sleep = 0
        self._process = greenlet(self._work)
        self._process.worker = self  # type: ignore[attr-defined]

    def __str__(self) -> str:
        return f"try {self.try_number}, resumed" if self._resumes else f"try {self.try_number}"

    @property
    def operation(self) -> str | None:
        """What it has started or adopted."""
        submission = self.run_._submission if self.run_ else None
        return submission.operation.name if submission and submission.operation else None

    def start(self) -> None:
        self._process.switch()

    def _work(self) -> None:
        self.world.tell(f"{self} begins, generation {self.max_tries}")
        try:
            self._execute()
        except Died:
            self.world.tell(f"{self} died")
            self.world.after(DEATH_NOTICED, lambda: self.world.airflow.lost(self))
        self.ended = True

    def _execute(self) -> None:
        airflow = self.world.airflow
        operation: Operation | None = None
        failure: BaseException | None = None
        try:
            operation = Operation(self._task())
        except TaskDeferred as deferred:
            self._defer(Deferred.by(deferred))
            return
        except (AirflowException, ConnectionError) as error:
            failure = error
            cause = error.__cause__ or error
            cancelled = isinstance(cause, OperationCancelledError) and not airflow.time_is_over
            if cancelled and airflow.is_current(self):
                self.world.violate("wrongly cancelled: the task fails since somebody cancelled its export")
            self.world.tell(f"{self} fails: {type(cause).__name__}: {cause}")
        self.meets("end", "die", *FREEZING, *ACTIONS)
        airflow.has_ended(self, operation, failure)

    def _task(self) -> dict[str, Any]:
        """What Airflow's runner does with the operator."""
        operator = SimulatedOperator.on(self)
        context = simulated_context(self)
        if self._resumes is None:
            # What ``execute`` does, which Airflow lets nobody call but its own runner.
            return operator._run(context, lambda run: run.run())  # type: ignore[arg-type]
        self.meets("beginning", "die", *FREEZING, *ACTIONS)
        method, arguments = self._resumes
        resumed: dict[str, Any] = operator.resume_execution(method, arguments, context)  # type: ignore[arg-type]
        return resumed

    def _defer(self, deferred: Deferred) -> None:
        airflow = self.world.airflow
        in_time = airflow.is_current(self) or not self.could_ask
        self.meets("deferral", "die", *FREEZING, *ACTIONS)
        self.travel(0.1)
        airflow.defer(self, deferred, in_time=in_time)

    # What may happen to it

    def meets(self, label: str, *kinds: str) -> str | None:
        """The fault that strikes at this interaction, if it is not dealt with here."""
        if self.dead:
            raise Died
        world = self.world
        if world.airflow.worker is not self:  # users act while the worker that they see does something
            kinds = tuple(kind for kind in kinds if kind not in ACTIONS)
        kind = world.choose(f"{self}: {label}", kinds)
        if kind == "die":
            self.die()
        elif kind in FREEZING:
            self._freeze(FREEZING[kind])
        elif kind in ACTIONS:
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
        self.could_ask = True

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
        world.process.switch()

    def _resume(self, sleep: int) -> Callable[[], None]:
        def resume() -> None:
            if sleep == self._sleep and not self.ended:
                self._process.switch()

        return resume


def simulated_context(worker: Worker) -> dict[str, Any]:
    """A task's context, as far as the operator reads it."""
    airflow = worker.world.airflow
    ti = SimpleNamespace(
        try_number=worker.try_number,
        max_tries=worker.max_tries,
        run_id="run",
        map_index=-1,
        xcom_push=partial(push_xcom, worker),
        xcom_pull=lambda key, **_: pulled_xcom(worker, key),
    )
    context: dict[str, Any] = {"ti": ti}
    if worker.world.scenario.remembers:
        ti.get_task_states = lambda **_: {"run": {"task": told_state(worker)}}
        context["task_state_store"] = Store(worker)
    else:
        ti.refresh_from_db = None
        ti.read = lambda: (told_state(worker), airflow.try_number)
    return context


def push_xcom(worker: Worker, key: str, value: Any) -> None:
    """XComs are taken from whoever sends them, as long as there is a task instance."""
    if worker.world.airflow.deleted:
        raise ConnectionError("404 there is no such task instance")
    worker.world.airflow.xcoms[key] = value


def pulled_xcom(worker: Worker, key: str) -> Any:
    if worker.meets("XCom", "die", "unavailable", *FREEZING, *ACTIONS) == "unavailable":
        raise ConnectionError("Airflow does not answer")
    return worker.world.airflow.xcoms.get(key)


def told_state(worker: Worker) -> str | None:
    """What Airflow answers to a worker that asks what the task is."""
    if worker.meets("state of the task", "die", "unavailable", *FREEZING, *ACTIONS) == "unavailable":
        worker.knows_the_end = worker.could_ask = False
        raise ConnectionError("Airflow does not answer")
    worker.hears()
    return worker.world.airflow.state


class SimulatedTry(TaskTry):
    """The real one; the database of Airflow 2 is the model's."""

    def _state_in_database(self) -> tuple[str | None, int]:
        state_and_try: tuple[str | None, int] = self._ti.read()
        return state_and_try


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
        fault = self._worker.meets(what, "die", "unavailable", "lost", *FREEZING, *ACTIONS)
        self._worker.travel(0.1)
        if self._airflow.uid != self._worker.uid:
            return "replaced"
        if fault == "unavailable":
            raise ConnectionError("Airflow does not answer")
        return fault


# What stands in the place of the real


class ObservedRun(export_run.ExportRun):
    """The real one; its worker tells what it has started."""

    def __init__(self, client: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(client, *arguments, **named)
        client.worker.run_ = self


def _acting() -> Worker:
    worker: Worker = getcurrent().worker  # type: ignore[attr-defined]
    return worker


@contextmanager
def undisturbed() -> Iterator[None]:
    """Stands for ``undisturbed``, which works on the signals of the process that the tests run in."""
    worker = _acting()
    worker.undisturbed = True
    yield
    worker.undisturbed = False
