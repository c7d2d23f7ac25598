"""The retry policy for Airflow 3.3, and that older versions say what to do without it."""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    NotFoundError,
    OperationFailedError,
    QuotaError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.earthengine.operation import Operation

HAS_POLICIES = (
    find_spec("airflow.sdk") is not None and find_spec("airflow.sdk.definitions.retry_policy") is not None
)
needs_policies = pytest.mark.skipif(not HAS_POLICIES, reason="Airflow before 3.3 has no retry policies")

OPERATION = Operation({"name": "projects/p/operations/A"})


def decide(error: BaseException) -> Any:
    from airflow_provider_ee.retry_policy import EarthEngineRetryPolicy

    return EarthEngineRetryPolicy().evaluate(error, try_number=1, max_tries=3)


@needs_policies
@pytest.mark.parametrize(
    "error",
    [
        RequestError("wrong"),
        AuthError("not allowed"),
        NotFoundError("not there"),
        OperationFailedError("its fault", OPERATION, code=3),
    ],
)
def test_what_will_not_pass_is_not_retried(error: EarthEngineError) -> None:
    decision = decide(error)
    assert decision.action.value == "fail"
    assert str(error) in decision.reason


@needs_policies
@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (TransientError("busy", retry_after=90), timedelta(seconds=90)),
        (QuotaError("full"), timedelta(minutes=5)),
    ],
)
def test_what_may_pass_is_retried_when_it_may_have_passed(error: EarthEngineError, delay: timedelta) -> None:
    decision = decide(error)
    assert (decision.action.value, decision.retry_delay) == ("retry", delay)


@needs_policies
def test_what_an_operator_leaves_to_airflow_is_retried_as_its_cause_asks_for() -> None:
    wrapped = AirflowException("busy")
    wrapped.__cause__ = TransientError("busy", retry_after=7)
    assert decide(wrapped).retry_delay == timedelta(seconds=7)
    # Whoever raised it from a refusal knew why it may pass.
    wrapped.__cause__ = AuthError("not allowed")
    assert decide(wrapped).action.value == "default"


@needs_policies
@pytest.mark.parametrize(
    "error",
    [
        KeyError("something else"),
        TransientError("busy"),
        OperationFailedError("the service's fault", OPERATION, code=13, retryable=True),
    ],
)
def test_the_rest_is_left_to_the_task(error: BaseException) -> None:
    assert decide(error).action.value == "default"


@needs_policies
def test_it_is_written_into_a_serialised_dag() -> None:
    from airflow_provider_ee.retry_policy import EarthEngineRetryPolicy

    policy = EarthEngineRetryPolicy()
    assert isinstance(EarthEngineRetryPolicy.deserialize(policy.serialize()), EarthEngineRetryPolicy)


@pytest.mark.skipif(HAS_POLICIES, reason="Airflow 3.3 has retry policies")
def test_an_older_airflow_is_told_what_to_do_instead() -> None:
    with pytest.raises(ImportError, match=r"needs Airflow 3\.3 or newer; leave retry_policy out and set retries"):
        import airflow_provider_ee.retry_policy  # noqa: F401
