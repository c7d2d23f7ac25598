"""Wait for an operation, within limits of time and compute.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_ee.earthengine.errors import (
    BudgetExceededError,
    EarthEngineError,
    OperationError,
    OperationTimeoutError,
    QuotaError,
    TransientError,
)
from airflow_provider_ee.earthengine.operation import Operation

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.clock import Clock

REFUSALS_TOLERATED = 300.0
"""Seconds for which 401, 403 and 404 may be a blip, or an operation too new to be known everywhere."""

STALLED_AFTER = 86_400.0
"""Seconds without any work after which an operation is warned about."""


class Reader(Protocol):
    """Where operations are looked at; an ``EarthEngineClient`` is one."""

    def get_operation(self, name: str) -> dict[str, Any]: ...


class Wait:
    """What one wait has seen of its operation, and what ends it before the operation does.

    Moments are seconds of one clock that never jumps.

    :param operation: as it was last seen.
    :param until: the moment at which the wait is over, if there is one.
    :param limit: what has set that moment, for the error: ``wait_timeout=3600``.
    :param max_eecu_seconds: EECU-seconds that the operation may use.
    """

    def __init__(
        self,
        operation: Operation,
        *,
        until: float | None = None,
        limit: str = "",
        max_eecu_seconds: float | None = None,
        log: logging.Logger | Any = logging.getLogger(__name__),  # noqa: B008 (one logger for all)
    ) -> None:
        self.until = until
        # As text: thousands of waits are kept, and a text is nothing to the garbage collector.
        self._seen = json.dumps(dict(operation.resource))
        self._limit, self._max_eecu_seconds, self._log = limit, max_eecu_seconds, log
        self._said = ""
        self._trouble_since: float | None = None
        self._refused_since: float | None = None
        self._work = ""
        self._worked_at = 0.0
        self._warned = False

    @property
    def operation(self) -> Operation:
        """As it was last seen."""
        return Operation(json.loads(self._seen))

    def saw(self, operation: Operation, now: float) -> None:
        """Take in what a look has shown, and say what is new.

        :raises BudgetExceededError: if the operation has used too much.
        :raises OperationTimeoutError: if it has not ended in time.
        """
        self._seen = json.dumps(dict(operation.resource))
        self._trouble_since = self._refused_since = None
        self._say_what_is_new(operation, now)
        if operation.done:
            return
        if self._max_eecu_seconds is not None and operation.eecu_seconds > self._max_eecu_seconds:
            raise BudgetExceededError(
                f"Operation {operation.name} has used more than max_eecu_seconds={self._max_eecu_seconds:g} "
                f"({_spent(operation)}); shrink the export, or raise the limit.",
                operation,
            )
        self._check_time(now)

    def failed(self, error: EarthEngineError, now: float) -> None:
        """Take in that a look has failed: what may pass is survived, anything else for some minutes.

        :raises TransientError: if looking is refused for too long; a later try may be allowed to.
        :raises OperationTimeoutError: if the time is over.
        """
        if self._trouble_since is None:
            self._trouble_since = now
            self._log.warning("%s Looking again.", error)
        if isinstance(error, (TransientError, QuotaError)):
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = now
        elif now - self._refused_since >= REFUSALS_TOLERATED:
            raise TransientError(f"{error} It has been refused for {REFUSALS_TOLERATED:g} seconds.") from error
        self._check_time(now)

    def _check_time(self, now: float) -> None:
        if self.until is not None and now >= self.until:
            operation = self.operation
            raise OperationTimeoutError(
                f"Operation {operation.name} has not ended within {self._limit} seconds "
                f"({_spent(operation)}); shrink the export, or raise the limit.",
                operation,
            )

    def _say_what_is_new(self, operation: Operation, now: float) -> None:
        summary, work = operation.summary(), repr(operation.work)
        if summary != self._said:
            self._said = summary
            self._log.info(
                "Operation %s: %s, %.1f EECU-seconds", operation.name, self._said, operation.eecu_seconds
            )
        if work != self._work:
            self._work, self._worked_at, self._warned = work, now, False
        elif now - self._worked_at >= STALLED_AFTER and not self._warned and not operation.done:
            self._warned = True
            self._log.warning(
                "Operation %s has not moved for %.0f hours (%s); if it is stuck, clear the task to export anew",
                operation.name,
                (now - self._worked_at) / 3600,
                _spent(operation),
            )


def _spent(operation: Operation) -> str:
    return f"{operation.summary()}, {operation.eecu_seconds:.1f} EECU-seconds spent"


_ENDS: dict[str, type[OperationError | TransientError]] = {
    error.__name__: error for error in (OperationTimeoutError, BudgetExceededError, TransientError)
}


@dataclass(frozen=True)
class WaitEnd:
    """How a wait in another process has ended.

    :param operations: as they were last seen.
    :param error: why the wait has ended before they did, if it has.
    """

    operations: Sequence[Operation]
    error: EarthEngineError | None = None

    def to_event(self) -> dict[str, Any]:
        """As plain data."""
        error = {"kind": type(self.error).__name__, "message": str(self.error)} if self.error else None
        return {"operations": [dict(operation.resource) for operation in self.operations], "error": error}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> WaitEnd:
        """From plain data.

        :raises ValueError: if it is not what ``to_event`` makes; nothing is known then of the operations.
        """
        try:
            operations = [Operation(resource) for resource in event["operations"]]
            told = event["error"]
            kind = _ENDS[told["kind"]] if told else None
        except (KeyError, TypeError) as error:
            raise ValueError(f"The trigger has sent what is not understood: {event!r:.200}.") from error
        if kind is None:
            return cls(operations)
        if issubclass(kind, OperationError):
            return cls(operations, kind(told["message"], operations[0]))
        return cls(operations, kind(told["message"]))


def wait_for_operation(
    service: Reader,
    operation: Operation,
    clock: Clock,
    *,
    poll_interval: float = 30.0,
    timeout: float | None = None,
    limit: str = "wait_timeout",
    began: float | None = None,
    max_eecu_seconds: float | None = None,
    log: logging.Logger | Any = logging.getLogger(__name__),  # noqa: B008 (one logger for all)
) -> Operation:
    """Look at an operation in this process until it has ended, in whatever state; cancels nothing.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get

    :param service: where to look: an ``EarthEngineClient``.
    :param operation: as it was last seen.
    :param clock: whose time passes: a ``SystemClock``.
    :param poll_interval: seconds between two looks.
    :param timeout: seconds to wait, from ``began`` on.
    :param limit: what the caller knows the timeout as.
    :param began: by the clock's ``monotonic``; now, unless given.
    :param max_eecu_seconds: EECU-seconds that the operation may use.
    :param log: where to tell what changes.
    :raises OperationTimeoutError: if it has not ended in time.
    :raises BudgetExceededError: if it has used too much.
    :raises TransientError: if looking is refused for too long; a later try may be allowed to.
    """
    began = clock.monotonic() if began is None else began
    wait = Wait(
        operation,
        until=None if timeout is None else began + timeout,
        limit="" if timeout is None else f"{limit}={timeout:g}",
        max_eecu_seconds=max_eecu_seconds,
        log=log,
    )
    wait.saw(operation, clock.monotonic())
    while not wait.operation.done:
        left = poll_interval if wait.until is None else wait.until - clock.monotonic()
        clock.sleep(max(0.0, min(poll_interval, left)))  # time passes between two looks at the clock, too
        try:
            seen = Operation(service.get_operation(operation.name))
        except EarthEngineError as error:
            wait.failed(error, clock.monotonic())
        else:
            wait.saw(seen, clock.monotonic())
    return wait.operation
