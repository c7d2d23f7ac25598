"""A retry policy for tasks that call Earth Engine by the hook; needs Airflow 3.3.

Operators and sensors of this package decide by themselves whether a failure is final. Where they leave a retry to
Airflow, and in tasks that call the hook themselves, the policy retries what may pass after as long as the service
asks for, and nothing else::

    @task(retries=5, retry_policy=EarthEngineRetryPolicy())
    def count_operations():
        return len(list(EarthEngineHook().list_operations()))
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.errors import EarthEngineError, QuotaError, TransientError

try:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
except ImportError:
    raise ImportError(
        "airflow_provider_ee.retry_policy needs Airflow 3.3 or newer; leave retry_policy out and set retries."
    ) from None

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

DELAY_FOR_ROOM = timedelta(minutes=5)
"""How long a full queue or a spent quota is left alone."""


class EarthEngineRetryPolicy(RetryPolicy):
    """Retry what may pass, fail at once what will not, and leave other errors to Airflow."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decide by the Earth Engine error that was raised, or that another was raised from."""
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_ee.outcome import airflow_exception

        error = _earth_engine_error(exception)
        if error is None:
            return RetryDecision.default()
        reason = f"{type(error).__name__}: {error}"
        # What was raised from an error is left to whoever did so, and knew more.
        if error is exception and isinstance(airflow_exception(error), AirflowFailException):
            return RetryDecision.fail(reason)
        if isinstance(error, QuotaError):
            return RetryDecision.retry(DELAY_FOR_ROOM, reason)
        if isinstance(error, TransientError) and error.retry_after is not None:
            return RetryDecision.retry(timedelta(seconds=error.retry_after), reason)
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """It has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> EarthEngineRetryPolicy:
        """A policy like every other of its class."""
        return cls()


def _earth_engine_error(exception: BaseException | None) -> EarthEngineError | None:
    while exception is not None and not isinstance(exception, EarthEngineError):
        exception = exception.__cause__
    return exception
