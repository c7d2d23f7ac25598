"""An error -> what the Airflow task does about it: fail for good, retry or skip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    NotFoundError,
    OperationFailedError,
    QuotaError,
    SupersededError,
    TransientError,
)


class TaskKilledError(EarthEngineError):
    """Airflow has asked the task to end."""


@contextmanager
def airflow_outcome(*, skip_if_empty: bool = False, only_waits: bool = False) -> Iterator[None]:
    """Raise an ``EarthEngineError`` of the body as the exception that makes Airflow do what fits.

    :param skip_if_empty: skip the task where the export had no valid pixel.
    :param only_waits: the task waits for an export that it did not start: its retry would not export anew,
        and a look that was refused may be allowed a minute later.
    """
    try:
        yield
    except EarthEngineError as error:
        raise airflow_exception(error, skip_if_empty=skip_if_empty, only_waits=only_waits) from error


def airflow_exception(
    error: EarthEngineError, *, skip_if_empty: bool = False, only_waits: bool = False
) -> AirflowException:
    """The exception that makes Airflow do what fits: fail for good, skip, or retry if a retry is left."""
    return _exception_type(error, skip_if_empty=skip_if_empty, only_waits=only_waits)(str(error))


def _exception_type(error: EarthEngineError, *, skip_if_empty: bool, only_waits: bool) -> type[AirflowException]:
    if isinstance(error, OperationFailedError):
        if error.empty and skip_if_empty:
            return AirflowSkipException
        return AirflowException if error.retryable and not only_waits else AirflowFailException
    if isinstance(error, (AuthError, NotFoundError)):
        return AirflowException if only_waits else AirflowFailException
    if isinstance(error, (TransientError, QuotaError, SupersededError, TaskKilledError)):
        return AirflowException
    return AirflowFailException
