"""Metrics of exports, through Airflow's own statistics.

| metric | is |
|---|---|
| ``ee.export.submitted`` | counter: exports started |
| ``ee.export.adopted`` | counter: exports of an earlier try gone on with |
| ``ee.export.succeeded`` | counter: exports waited for that have succeeded |
| ``ee.export.failed.<error>`` | counter: tasks' tries ended by an error, by its class (``QuotaError``, …) |
| ``ee.export.eecu_seconds`` | counter: compute of the exports that have ended, in whole EECU-seconds |
| ``ee.export.queue_time`` | timer: from submission to start |
| ``ee.export.run_time`` | timer: from start to end |
| ``ee.requests`` | counter: HTTP requests, tagged ``method`` and ``status`` (0: no answer) |
| ``ee.sweeps`` | counter: looks of a triggerer for all that waits in it |

Those of an export are tagged ``type`` with the service's word for it (``EXPORT_IMAGE``). Where Airflow's backend
takes no tags, it leaves them out. An export is counted by each task that waits for it. A try that fails is
counted whether it is retried, skipped or final.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.errors import EarthEngineError, OperationError
from airflow_provider_ee.reporting import harmless

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.operation import Operation


@harmless("A metric")
def submitted(operation: Operation, *, adopted: bool) -> None:
    """An export was started, or one of an earlier try is gone on with."""
    _stats().incr(f"ee.export.{'adopted' if adopted else 'submitted'}", tags=_tags(operation))


@harmless("A metric")
def ended(operations: Iterable[Operation]) -> None:
    """Operations that a task has waited for have ended."""
    stats = _stats()
    for operation in operations:
        tags = _tags(operation)
        if operation.state == "SUCCEEDED":
            stats.incr("ee.export.succeeded", tags=tags)
        stats.incr("ee.export.eecu_seconds", round(operation.eecu_seconds), tags=tags)
        for name, seconds in (("queue", operation.queue_seconds), ("run", operation.run_seconds)):
            if seconds is not None:
                stats.timing(f"ee.export.{name}_time", timedelta(seconds=seconds), tags=tags)


@contextmanager
def failures_counted() -> Iterator[None]:
    """Count the error that ends the body."""
    try:
        yield
    except EarthEngineError as error:
        _failed(error)
        raise


@harmless("A metric")
def requested(method: str, status: int) -> None:
    """A request was made.

    :param method: of the service: ``image.export``, ``operations.get``, …
    :param status: of the answer; 0 where there was none.
    """
    _stats().incr("ee.requests", tags={"method": method, "status": str(status)})


@harmless("A metric")
def swept() -> None:
    """A triggerer has looked for all that waits in it."""
    _stats().incr("ee.sweeps")


@harmless("A metric")
def _failed(error: EarthEngineError) -> None:
    operation = error.operation if isinstance(error, OperationError) else None
    _stats().incr(f"ee.export.failed.{type(error).__name__}", tags=_tags(operation))


def _tags(operation: Operation | None) -> dict[str, str]:
    return {"type": operation.type} if operation and operation.type else {}


def _stats() -> Any:
    from airflow.providers.common.compat.sdk import Stats

    return Stats
