"""Earth Engine, as far as an export task knows it, and the lines of workers and triggerers to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from earthengine.exactly_once_faults import ACTIONS, ACTIONS_DEFERRED, CANCEL_REFUSED, FREEZING, FREEZING_TRIGGERER

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    DuplicateRequestError,
    NotFoundError,
    QuotaError,
    RequestError,
    TransientError,
)

if TYPE_CHECKING:
    from earthengine.exactly_once_model import World
    from earthengine.exactly_once_triggerer import Triggerer
    from earthengine.exactly_once_worker import Worker

EPOCH = 1_600_000_000.0
TRIP = 0.5  # of a request to the service, and of its answer
LAG = 9.0  # of the list; shorter than the grace
LATE = 9.0  # of a request whose sender is gone; shorter than the grace
CANCELLING = 5.0
EXPORT_TAKES = 10_000.0  # longer than whatever two faults may cost
REFUSES = 15_000.0  # longer than two looks of a wait are apart


@dataclass
class Export:
    """An operation of the service."""

    name: str
    description: str
    generation: int
    """The true one: how often the task had been cleared for the worker that asked for it."""
    try_number: int
    """Of the worker that asked for it."""
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

    def could_be_seen_to_succeed(self, now: float) -> bool:
        """Whether it has succeeded so long ago that somebody could know."""
        return self.state(now) in ("RUNNING", "SUCCEEDED") and now >= self.created + EXPORT_TAKES + 2 * TRIP


_TRANSIENT = "503 Service Unavailable"
_BEFORE_EXPORT = (
    "die",
    "late",
    "unavailable",
    "full",
    "full, id burnt",
    "refused",
    "timeout, late",
    "lag",
    "sent twice",
)
_AFTER_EXPORT = ("die", "lost")
_LISTING = ("die", "unavailable", "forbidden")
_GETTING = ("die", "unavailable", "export fails")


class Service:
    """The truth is in ``exports``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.exports: list[Export] = []
        self.first = world.scenario.first
        """What strikes the first request."""
        self.refuses_until = 0.0
        """Looks of triggerers."""
        self._ids: set[str] = set()

    def clock(self) -> float:
        """What its answers say, in seconds since the epoch."""
        return EPOCH + self.world.now + self.world.scenario.service_ahead

    def start(self, body: bytes, worker: Worker, lag: float = 0.0) -> Export:
        request = json.loads(body)
        if request["requestId"] in self._ids:
            self.world.tell(f"service: {request['requestId']} refused as a repeat")
            raise DuplicateRequestError("A different Operation was already started with the given request_id")
        self._ids.add(request["requestId"])
        self.world.airflow.check_start(worker)
        now = self.world.now
        name = f"projects/p/operations/{len(self.exports)}"
        export = Export(name, request["description"], worker.generation, worker.try_number, now, now + lag)
        self.exports.append(export)
        self.world.tell(f"service: {request['requestId']} started {export.name}")
        return export

    def burn(self, body: bytes) -> None:
        self._ids.add(json.loads(body)["requestId"])

    def arrive_late(self, body: bytes, worker: Worker) -> None:
        """What somebody has sent who does not hear the answer."""
        with suppress(DuplicateRequestError):
            self.start(body, worker)

    def find(self, name: str) -> Export | None:
        return next((export for export in self.exports if export.name == name), None)

    def look(self, name: str) -> dict[str, Any]:
        """The resource, as ``get`` answers it."""
        export = self.find(name)
        if export is None:
            raise NotFoundError("404")
        export.succeeded |= not export.failed and self.world.now >= export.created + EXPORT_TAKES
        return self.resource(export)

    def resource(self, export: Export) -> dict[str, Any]:
        state = export.state(self.world.now)
        created = EPOCH + export.created + self.world.scenario.service_ahead
        resource: dict[str, Any] = {
            "name": export.name,
            "metadata": {
                "state": state,
                "description": export.description,
                "createTime": _timestamp(created, whole=export is self.exports[0]),
            },
        }
        if state == "CANCELLED":
            resource["error"] = {"code": 1, "message": "Cancelled."}
        if state == "FAILED":
            resource["error"] = {"code": 13, "message": "An internal error has occurred"}
        return resource

    def cancel(self, name: str, canceller: Worker | Triggerer) -> None:
        export = self.find(name)
        if export is None:
            raise NotFoundError("404")
        if export.state(self.world.now) != "RUNNING":
            raise RequestError("400 it has ended")
        self.world.airflow.check_cancel(canceller, export)
        canceller.cancelled.append(export)
        export.cancelled_at = self.world.now
        self.world.tell(f"service: {name} cancelled by {canceller}")

    def fail(self, name: str) -> None:
        export = self.find(name)
        if export and export.state(self.world.now) == "RUNNING":
            export.failed = True


def _timestamp(time: float, *, whole: bool) -> str:
    """As the service writes it: without a fraction where that is zero, as it is of the first export."""
    told = datetime.fromtimestamp(int(time) if whole else time, timezone.utc)
    return told.isoformat().replace("+00:00", "Z")


class Line:
    """A worker's connection with the service; has the shape of an ``EarthEngineClient``."""

    num_retries = 3

    def __init__(self, worker: Worker) -> None:
        self.worker, self._world, self._service = worker, worker.world, worker.world.service
        self.answered_at: float | None = None

    def export(self, kind: str, body: bytes) -> dict[str, Any]:
        worker = self.worker
        fault = worker.meets("POST", *_BEFORE_EXPORT, *FREEZING, *ACTIONS)
        if fault is None:
            fault, self._service.first = self._service.first, ""
        worker.travel()
        if fault == "late":
            self._world.after(LATE, lambda: self._service.arrive_late(body, worker))
            worker.die()
        if fault == "timeout, late":
            self._world.after(LATE, lambda: self._service.arrive_late(body, worker))
            worker.travel(2.0)
            raise TransientError("timeout")
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        if fault in ("full", "full, id burnt"):
            if fault == "full, id burnt":
                self._service.burn(body)
            self._answer()
            raise QuotaError("Too many tasks already in the queue")
        if fault == "sent twice":  # by somebody on the way
            self._service.arrive_late(body, worker)
        if fault == "refused":
            self._answer()
            raise RequestError("400 no")
        try:
            export = self._service.start(body, worker, LAG if fault == "lag" else 0.0)
        except DuplicateRequestError:
            self._answer()
            raise
        worker.travel()
        if "lost" in (fault, worker.meets("answer to POST", *_AFTER_EXPORT, *FREEZING, *ACTIONS)):
            raise TransientError("connection lost")
        self._answer()
        return self._service.resource(export)

    def get_operation(self, name: str) -> dict[str, Any]:
        fault = self.worker.meets("GET", *_GETTING, *FREEZING, *ACTIONS)
        self.worker.travel()
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        if fault == "export fails":
            self._service.fail(name)
        self._answer()
        resource = self._service.look(name)
        self.worker.travel()
        return resource

    def list_operations(self) -> Iterator[dict[str, Any]]:
        fault = self.worker.meets("LIST", *_LISTING, *FREEZING, *ACTIONS)
        self.worker.travel()
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        self._answer()
        if fault == "forbidden":
            raise AuthError("403")
        now = self._world.now
        page = [self._service.resource(export) for export in self._service.exports if export.listed_from <= now]
        self.worker.travel()
        yield from reversed(page)

    def cancel_operation(self, name: str) -> None:
        self.worker.meets("CANCEL", "die", *ACTIONS)
        self.worker.travel()
        self._answer()
        self._service.cancel(name, self.worker)
        self.worker.travel()

    def _answer(self) -> None:
        self.answered_at = self._service.clock()


class TriggererLine:
    """A triggerer's connection with the service. What is called takes effect there, ``TRIP`` after it was sent."""

    def __init__(self, triggerer: Triggerer) -> None:
        self._triggerer, self._service = triggerer, triggerer.world.service
        self.answered_at: float | None = None
        self.clock_offset = 0.0

    def meets(self, method: str, name: str) -> str | None:
        """What happens where a request is about to be sent."""
        if method == "cancel_operation":
            return self._triggerer.meets("CANCEL", "die", "die, request arrives", "unavailable", "forbidden")
        cancelled_too = ("cancelled for an earlier try",) if self._is_adopted(name) else ()
        return self._triggerer.meets(
            "GET",
            "die",
            "stop",
            "unavailable",
            "refused for hours",
            "trigger breaks",
            "export fails",
            *cancelled_too,
            *FREEZING_TRIGGERER,
            *ACTIONS_DEFERRED,
        )

    def _is_adopted(self, name: str) -> bool:
        export, airflow = self._service.find(name), self._triggerer.world.airflow
        return export is not None and export.try_number != airflow.try_number

    def suffer(self, fault: str | None, name: str) -> None:
        """What a fault makes of a request that has arrived."""
        now = self._service.world.now
        if fault == "unavailable":
            raise TransientError(_TRANSIENT)
        if fault == "forbidden":
            self._triggerer.could_not(CANCEL_REFUSED)
            raise AuthError("403")
        if fault == "trigger breaks":
            self._triggerer.break_triggers()
        if fault == "refused for hours":
            self._service.refuses_until = now + REFUSES
        if fault == "export fails":
            self._service.fail(name)
        if fault == "cancelled for an earlier try" and (export := self._service.find(name)):
            export.cancelled_at = now - CANCELLING

    def get_operation(self, name: str) -> dict[str, Any]:
        self._answer()
        if self._service.world.now < self._service.refuses_until:
            raise AuthError("403")
        return self._service.look(name)

    def cancel_operation(self, name: str) -> None:
        self._answer()
        self._service.cancel(name, self._triggerer)

    def _answer(self) -> None:
        self.answered_at = self._service.clock()
        self.clock_offset = self.answered_at - self._triggerer.clock()
