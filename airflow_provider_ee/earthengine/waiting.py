"""Wait for an operation in this process, within limits of time and compute.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    BudgetExceededError,
    EarthEngineError,
    NotFoundError,
    OperationTimeoutError,
    TransientError,
)
from airflow_provider_ee.earthengine.operation import Operation

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.clock import Clock

REFUSALS_TOLERATED = 300.0
"""Seconds for which 401, 403 and 404 may be a blip, or an operation too new to be known everywhere."""


class Reader(Protocol):
    """Where operations are looked at; an ``EarthEngineClient`` is one."""

    def get_operation(self, name: str) -> dict[str, Any]: ...


def wait_for_operation(
    service: Reader,
    operation: Operation,
    clock: Clock,
    *,
    poll_interval: float = 30.0,
    timeout: float | None = None,
    began: float | None = None,
    max_eecu_seconds: float | None = None,
    seen: Callable[[Operation], None] = lambda operation: None,
    log: logging.Logger | Any = logging.getLogger(__name__),  # noqa: B008 (one logger for all)
) -> Operation:
    """Look at an operation until it has ended, in whatever state; cancels nothing.

    Failures that may pass are survived for as long as the wait may last; refusals for some minutes.

    :param poll_interval: seconds between two looks.
    :param timeout: seconds to wait, from ``began`` on.
    :param began: by the clock's ``monotonic``; now, unless given.
    :param max_eecu_seconds: EECU-seconds that the operation may use.
    :param seen: called with what each look shows.
    :raises OperationTimeoutError: if it has not ended in time.
    :raises BudgetExceededError: if it has used too much.
    :raises TransientError: if looking is refused for too long; a later try may be allowed to.
    """
    began = clock.monotonic() if began is None else began
    refused_since: float | None = None
    while True:
        seen(operation)
        if operation.done:
            return operation
        waited = clock.monotonic() - began
        spent = f"{operation.summary()}, {operation.eecu_seconds:.1f} EECU-seconds spent"
        if max_eecu_seconds is not None and operation.eecu_seconds > max_eecu_seconds:
            raise BudgetExceededError(
                f"Operation {operation.name} has used more than max_eecu_seconds={max_eecu_seconds:g} ({spent}); "
                "shrink the export, or raise the limit.",
                operation,
            )
        if timeout is not None and waited >= timeout:
            raise OperationTimeoutError(
                f"Operation {operation.name} has not ended within {timeout:g} seconds ({spent}); "
                "shrink the export, or raise wait_timeout.",
                operation,
            )
        clock.sleep(min(poll_interval, float("inf") if timeout is None else timeout - waited))
        try:
            operation = Operation(service.get_operation(operation.name))
            refused_since = None
        except TransientError as error:
            log.warning("%s Looking again in %g s.", error, poll_interval)
        except (AuthError, NotFoundError) as error:
            now = clock.monotonic()
            refused_since = now if refused_since is None else refused_since
            if now - refused_since >= REFUSALS_TOLERATED:
                raise _not_for_good(error) from error
            log.warning("%s Looking again in %g s.", error, poll_interval)


def _not_for_good(error: EarthEngineError) -> TransientError:
    return TransientError(f"{error} It has been refused for {REFUSALS_TOLERATED:g} seconds.")
