"""Operations: from a request that was accepted to a final state, on the emulator's clock.

REST pages: https://developers.google.com/earth-engine/reference/rest/Shared.Types/OperationMetadata,
https://developers.google.com/earth-engine/guides/processing_environments
"""

from __future__ import annotations

import heapq
import itertools
import re
import secrets
import string
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ee.emulator.clock import Clock, timestamp
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.limits import computing

CANCELLED = 1  # google.rpc.Code
INTERNAL = 13

_ID_CHARACTERS = string.ascii_uppercase + "234567"
_MOST_SECONDS_TO_CLOSE = 10.0
_STAGES = ("Create Local Files", "Write Files to Destination")

Report = Callable[[int, int], None]
Work = Callable[[Report], Any]
"""Computes an export and reports (done, total) units on its way."""


class AbortedError(Exception):
    """Raised in the work of an operation that was cancelled."""


@dataclass(frozen=True)
class Behaviour:
    """How operations behave whose description matches.

    ``succeed`` and ``fail`` take the place of the work: nothing is computed and nothing is written.
    """

    match: str = ""
    fail: dict[str, Any] | None = None
    succeed: bool = False
    stay: str | None = None
    duration_seconds: float | None = None
    eecu_seconds: float | None = None
    attempts: int = 1


@dataclass(eq=False)
class Operation:
    """An operation as it truly is, whatever lists say."""

    project: str
    id: str
    user: str
    type: str
    description: str
    priority: int
    create_time: float
    work: Work | None
    behaviour: Behaviour
    duration: float
    destination_uris: tuple[str, ...] = ()
    state: str = "PENDING"
    start_time: float | None = None
    end_time: float | None = None
    cancel_time: float | None = None
    update_time: float = 0.0
    error: dict[str, Any] | None = None
    done_units: int = 0
    total_units: int = 0
    finish_time: float | None = None
    running: Future[Any] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Resource name."""
        return f"projects/{self.project}/operations/{self.id}"

    @property
    def done(self) -> bool:
        """Whether the state is final."""
        return self.state in ("SUCCEEDED", "FAILED", "CANCELLED")

    def report(self, done: int, total: int) -> None:
        """Called by the work, in its own thread."""
        self.done_units, self.total_units = done, total
        self.require_wanted()

    def require_wanted(self) -> None:
        """Raises AbortedError once it is cancelled."""
        if self.cancel_time is not None:
            raise AbortedError

    def to_rest(self, now: float) -> dict[str, Any]:
        """The resource; what the service leaves out while it is not known is left out."""
        fraction, attempt = self._progress(now)
        metadata: dict[str, Any] = {
            "@type": "type.googleapis.com/google.earthengine.v1.OperationMetadata",
            "state": self.state,
            "description": self.description,
            "type": self.type,
            "priority": self.priority,
            "createTime": timestamp(self.create_time),
            "updateTime": timestamp(self.update_time if self.done else now),
            "startTime": timestamp(self.start_time or 0.0),
            "attempt": attempt,
        }
        if self.start_time is not None:
            metadata |= {
                "progress": round(fraction, 4),
                "stages": [_stage(*part) for part in zip(_STAGES, (fraction * 2, fraction * 2 - 1), strict=True)],
                "batchEecuUsageSeconds": round(self._eecu_seconds(now), 3),
            }
        resource: dict[str, Any] = {"name": self.name, "metadata": metadata}
        if self.done:
            metadata["endTime"] = timestamp(now if self.end_time is None else self.end_time)
            resource["done"] = True
            if self.error:
                resource["error"] = self.error
            else:
                metadata["destinationUris"] = list(self.destination_uris)
                resource["response"] = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return resource

    def _progress(self, now: float) -> tuple[float, int]:
        """Share of the latest attempt that is done, and its number."""
        if self.start_time is None:
            return 0.0, 1
        if self.state == "SUCCEEDED":
            return 1.0, self.behaviour.attempts
        passed = self._seconds(now) / self.duration if self.duration else float(self.behaviour.attempts)
        attempt = min(int(passed) + 1, self.behaviour.attempts)
        fraction = min(passed - attempt + 1, 0.99)
        if self.running is not None:
            fraction = min(fraction, self.done_units / self.total_units if self.total_units else 0.0)
        return max(fraction, 0.0), attempt

    def _eecu_seconds(self, now: float) -> float:
        """An invented price: one EECU-second a second, or the behaviour's total spread over the time."""
        seconds = self._seconds(now)
        if self.behaviour.eecu_seconds is None:
            return seconds
        whole = self.duration * self.behaviour.attempts
        return self.behaviour.eecu_seconds * min(seconds / whole if whole else 1.0, 1.0)

    def _seconds(self, now: float) -> float:
        """How long it has run, or ran."""
        if self.start_time is None:
            return 0.0
        return max((now if self.end_time is None else self.end_time) - self.start_time, 0.0)


def _stage(name: str, fraction: float) -> dict[str, Any]:
    complete = round(min(max(fraction, 0.0), 1.0) * 100, 2)
    return {"displayName": name, "completeWorkUnits": complete, "totalWorkUnits": "100", "description": f"{name}."}


class Operations:
    """All operations. Up to ``slots`` run at a time, by priority and then by age.

    States change when they are looked at: ``settle`` plays what has happened since the last look, in the
    order of the clock. Pixels are computed in threads, in real time; an operation whose time has come but
    whose pixels are not there yet goes on running.
    """

    def __init__(self, clock: Clock, *, task_seconds: float, slots: int, cancel_seconds: float = 1.0) -> None:
        self._clock = clock
        self._task_seconds = task_seconds
        self._cancel_seconds = cancel_seconds
        self._threads = ThreadPoolExecutor(max_workers=min(slots, 4), thread_name_prefix="export")
        self._free_since = [0.0] * slots
        self._by_name: dict[str, Operation] = {}
        self._by_project: dict[str, list[Operation]] = {}
        self._waiting: list[tuple[int, int, Operation]] = []  # a heap: by priority and then by age
        self._age = itertools.count()
        self._pending: Counter[str] = Counter()
        self._active: list[Operation] = []
        self._leaving: deque[Operation] = deque()  # cancelled before they ran
        self._seeded = itertools.count()
        self._behaviours: list[Behaviour] = []
        self._lock = threading.RLock()
        self._advancing = threading.Lock()

    def close(self) -> None:
        """Abort what is running, and wait a while for it to end."""
        with self._lock:
            self._waiting.clear()
            for operation in self._active:
                operation.cancel_time = self._clock.now()
            running = [one.running for one in self._active if one.running]
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait((each for each in running if not each.cancelled()), _MOST_SECONDS_TO_CLOSE)

    def now(self) -> float:
        """The time that operations live in."""
        return self._clock.now()

    def add_behaviour(self, behaviour: Behaviour) -> None:
        """Applies to operations that are submitted from now on; the latest that matches counts."""
        self._behaviours.insert(0, behaviour)

    def submit(
        self,
        project: str,
        user: str,
        *,
        kind: str,
        description: str,
        priority: int,
        work: Work | None,
        destination_uris: tuple[str, ...] = (),
    ) -> Operation:
        """Queue an operation."""
        with self._lock:
            self.settle()  # what it finds is older than this operation
            behaviour = next((b for b in self._behaviours if re.search(b.match, description)), Behaviour())
            duration = self._task_seconds if behaviour.duration_seconds is None else behaviour.duration_seconds
            operation = Operation(
                project=project,
                id="".join(secrets.choice(_ID_CHARACTERS) for _ in range(24)),
                user=user,
                type=kind,
                description=description,
                priority=priority,
                create_time=self._clock.now(),
                work=None if behaviour.fail or behaviour.succeed else work,
                behaviour=behaviour,
                duration=duration,
                destination_uris=destination_uris,
            )
            self._remember(operation)
            self._pending[user] += 1
            if behaviour.stay != "PENDING":
                heapq.heappush(self._waiting, (-priority, next(self._age), operation))
            return operation

    def seed(self, project: str, number: int) -> None:
        """Add operations of other people that succeeded in the past."""
        with self._lock:
            now = self._clock.now()
            for position, index in zip(range(number), self._seeded, strict=False):
                ended = now - 60.0 * (number - position)
                operation = Operation(
                    project, f"SEED{index:020d}", "somebody", "EXPORT_IMAGE", f"seeded-{index}", 100,
                    create_time=ended - 30.0, work=None, behaviour=Behaviour(), duration=20.0,
                    state="SUCCEEDED", start_time=ended - 20.0, end_time=ended, update_time=ended,
                )  # fmt: skip
                self._remember(operation)
            self._by_project[project].sort(key=lambda one: one.create_time)

    def get(self, name: str) -> Operation | None:
        """The operation of a name, as it is now."""
        self.settle()
        return self._by_name.get(name)

    def of_project(self, project: str) -> list[Operation]:
        """The operations of a project, oldest first, as they are now."""
        self.settle()
        with self._lock:
            return list(self._by_project.get(project, ()))

    def all(self) -> Iterable[Operation]:
        """Every operation, as it is now."""
        self.settle()
        with self._lock:
            return list(self._by_name.values())

    def resource(self, operation: Operation) -> dict[str, Any]:
        """An operation as REST shows it, at one moment: none of it may change meanwhile."""
        with self._lock:
            return operation.to_rest(self._clock.now())

    def pending_of(self, user: str) -> int:
        """How many operations of a user are queued."""
        self.settle()
        with self._lock:
            return self._pending[user]

    def cancel(self, operation: Operation) -> None:
        """Ask for an operation to end; one that has ended is left alone."""
        with self._lock:
            self.settle()
            if operation.done or operation.cancel_time is not None:
                return
            operation.cancel_time = self._clock.now()
            if operation.state == "PENDING":
                self._pending[operation.user] -= 1
                self._leaving.append(operation)
            elif operation.running:
                operation.running.cancel()
            operation.state = "CANCELLING"

    def advance(self, seconds: float) -> None:
        """Let time pass, from one end to the next: it stands still until the pixels due by then are there."""
        with self._advancing:
            until = self._clock.now() + seconds
            while True:
                while late := self.settle():
                    wait(late)
                left = until - self._clock.now()
                if left <= 0:
                    return
                self._clock.advance(min(left, self._seconds_to_next_end()))

    def _seconds_to_next_end(self) -> float:
        with self._lock:
            ends = [_ends_at(one, self._cancel_seconds) for one in self._active]
            return max(min(ends, default=float("inf")) - self._clock.now(), 0.0)

    def settle(self) -> list[Future[Any]]:
        """Play what has happened up to now; returns the work that is late."""
        with self._lock:
            now = self._clock.now()
            while self._start_next() or self._end_next(now):
                pass
            while self._leaving and (end := _ends_at(self._leaving[0], self._cancel_seconds)) <= now:
                _conclude(self._leaving.popleft(), end)
            return [
                one.running for one in self._active if one.running and _due_at(one, self._cancel_seconds) <= now
            ]

    def _remember(self, operation: Operation) -> None:
        self._by_name[operation.name] = operation
        self._by_project.setdefault(operation.project, []).append(operation)

    def _start_next(self) -> bool:
        while self._waiting and self._waiting[0][-1].state != "PENDING":
            heapq.heappop(self._waiting)
        if not self._waiting or not self._free_since:
            return False
        operation = heapq.heappop(self._waiting)[-1]
        self._pending[operation.user] -= 1
        self._active.append(operation)
        operation.start_time = max(heapq.heappop(self._free_since), operation.create_time)
        operation.state = "RUNNING"
        if operation.work is not None:
            operation.running = self._threads.submit(self._compute, operation, operation.work)
        return True

    def _compute(self, operation: Operation, work: Work) -> None:
        try:
            with computing(operation.require_wanted):
                work(operation.report)
        finally:
            operation.finish_time = self._clock.now()

    def _end_next(self, now: float) -> bool:
        due = [
            (end, index)
            for index, one in enumerate(self._active)
            if (end := _ends_at(one, self._cancel_seconds)) <= now and (one.running is None or one.running.done())
        ]
        if not due:
            return False
        end, index = min(due)
        operation = self._active.pop(index)
        _conclude(operation, end)
        heapq.heappush(self._free_since, end)
        return True


def _due_at(operation: Operation, cancel_seconds: float) -> float:
    if operation.cancel_time is not None:
        return operation.cancel_time + cancel_seconds
    if operation.behaviour.stay == "RUNNING":
        return float("inf")
    return (operation.start_time or 0.0) + operation.duration * operation.behaviour.attempts


def _ends_at(operation: Operation, cancel_seconds: float) -> float:
    # Pixels that come late make an operation run longer: whoever looked meanwhile saw it run.
    return max(_due_at(operation, cancel_seconds), operation.finish_time or 0.0)


def _conclude(operation: Operation, end: float) -> None:
    operation.end_time = operation.update_time = end
    operation.state, operation.error = _outcome(operation)
    operation.work = operation.running = None  # they hold the request, which may be large


def _outcome(operation: Operation) -> tuple[str, dict[str, Any] | None]:
    failure = operation.behaviour.fail
    if operation.cancel_time is not None:
        return "CANCELLED", {"code": CANCELLED, "message": "Cancelled."}
    if failure is None and operation.running is not None:
        error = operation.running.exception()
        if isinstance(error, EvaluationError):
            failure = {"code": error.code, "message": error.message}
        elif error is not None:
            failure = {"code": INTERNAL, "message": f"An internal error has occurred ({error!r})."}
    return ("FAILED", failure) if failure else ("SUCCEEDED", None)
