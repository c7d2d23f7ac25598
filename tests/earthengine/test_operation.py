"""An Operation is read leniently: the service leaves out what is false or not known yet."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_ee.earthengine.errors import (
    OperationCancelledError,
    OperationFailedError,
    error_from_operation,
)
from airflow_provider_ee.earthengine.operation import Operation

NAME = "projects/p/operations/ABC"


def operation(state: str | None = None, *, error: dict[str, Any] | None = None, **metadata: Any) -> Operation:
    if state:
        metadata["state"] = state
    return Operation({"name": NAME, "metadata": metadata, **({"error": error} if error else {})})


@pytest.mark.parametrize(
    ("resource", "state"),
    [
        ({}, "PENDING"),
        ({"metadata": {"state": "STATE_UNSPECIFIED"}}, "PENDING"),
        ({"metadata": {"state": "RUNNING"}}, "RUNNING"),
        ({"done": True}, "SUCCEEDED"),
        ({"response": {}}, "SUCCEEDED"),
        ({"done": True, "error": {"code": 3, "message": "no"}}, "FAILED"),
        ({"done": True, "error": {"code": 1, "message": "Cancelled."}}, "CANCELLED"),
        ({"metadata": {"state": "SOMETHING_NEW"}}, "SOMETHING_NEW"),
        ({"done": True, "metadata": {"state": "RUNNING"}, "error": {"code": 3, "message": "no"}}, "FAILED"),
        ({"done": True, "metadata": {"state": "SOMETHING_NEW"}, "response": {}}, "SUCCEEDED"),
        ({"metadata": [1]}, "PENDING"),
    ],
)
def test_the_state_is_read_or_implied(resource: dict[str, Any], state: str) -> None:
    assert Operation({"name": NAME, **resource}).state == state


def test_only_three_states_are_final() -> None:
    states = ["PENDING", "RUNNING", "CANCELLING", "SUCCEEDED", "CANCELLED", "FAILED", "SOMETHING_NEW"]
    assert [state for state in states if operation(state).done] == ["SUCCEEDED", "CANCELLED", "FAILED"]


def test_a_summary_is_one_line_for_a_log() -> None:
    stages = [
        {"displayName": "Create Local Files", "completeWorkUnits": 100, "totalWorkUnits": "100"},
        {"displayName": "Write Files", "completeWorkUnits": 3.5, "totalWorkUnits": "10"},
    ]
    running = operation("RUNNING", progress=0.426, stages=stages, attempt=2)
    assert running.summary() == "RUNNING, 43%, Write Files, attempt 2"
    assert operation("PENDING").summary() == "PENDING, attempt 1"
    assert operation("RUNNING", stages=[{"displayName": "Early"}]).summary() == "RUNNING, 0%, Early, attempt 1"


def test_odd_values_do_not_break_the_view() -> None:
    odd = operation("RUNNING", progress="x", attempt=1e400, batchEecuUsageSeconds="nope", stages=[None, 5])
    assert (odd.progress, odd.attempt, odd.eecu_seconds, odd.stage) == (0.0, 1, 0.0, "")


def test_success_and_progress_are_no_error() -> None:
    assert error_from_operation(operation("SUCCEEDED")) is None
    assert error_from_operation(operation("RUNNING")) is None


def test_a_cancelled_operation() -> None:
    error = error_from_operation(operation("CANCELLED", error={"code": 1, "message": "Cancelled."}))
    assert isinstance(error, OperationCancelledError)
    assert str(error) == f"Operation {NAME} was cancelled."


@pytest.mark.parametrize(
    ("code", "message", "retryable", "empty", "advice"),
    [
        (3, "Export too large: specified 9 pixels (max: 1). (Error code: 3)", False, False, ""),
        (3, "Image.select: Band pattern 'b' did not match any bands.", False, False, ""),
        (8, "Execution failed; out of memory.", False, False, "use smaller tiles or a larger tileScale"),
        (3, "User memory limit exceeded.", False, False, "use smaller tiles or a larger tileScale"),
        (3, "Computation timed out.", False, False, "use smaller tiles or a larger tileScale"),
        (13, "Internal error.", True, False, ""),
        (2, "An internal error has occurred (request: 1-2-3).", True, False, ""),
        (3, "Internal error in the expression (Error code: 3)", False, False, ""),
        (3, "No valid (un-masked) pixels in export region.", False, True, ""),
    ],
)
def test_a_failed_operation_tells_what_fits(
    code: int, message: str, retryable: bool, empty: bool, advice: str
) -> None:
    error = error_from_operation(operation("FAILED", error={"code": code, "message": message}, attempt=5))
    assert isinstance(error, OperationFailedError)
    assert (error.code, error.retryable, error.empty) == (code, retryable, empty)
    assert message.rstrip(".") in str(error)
    assert advice in str(error)
