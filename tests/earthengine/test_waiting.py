"""Waiting survives what passes, keeps its limits, and costs nothing once there is nothing to wait for."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    BudgetExceededError,
    NotFoundError,
    OperationTimeoutError,
    QuotaError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.waiting import REFUSALS_TOLERATED, wait_for_operation

NAME = "projects/p/operations/ABC"


class FakeClock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return 1_600_000_000 + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class FakeService:
    """Answers one after the other; the last one again and again."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def get_operation(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def resource(state: str = "RUNNING", **metadata: Any) -> dict[str, Any]:
    return {"name": NAME, "metadata": {"state": state, **metadata}}


def wait(
    service: FakeService, clock: FakeClock, started: dict[str, Any] | None = None, **options: Any
) -> Operation:
    return wait_for_operation(service, Operation(started or resource("PENDING")), clock, **options)


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_a_finished_operation_costs_no_request(state: str) -> None:
    service, clock = FakeService(resource()), FakeClock()
    assert wait(service, clock, resource(state)).state == state
    assert service.asked == []
    assert clock.slept == []


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_an_operation_is_looked_at_until_it_has_ended_in_whatever_state(state: str) -> None:
    service, clock = FakeService(resource(), resource(), resource(state)), FakeClock()
    assert wait(service, clock, poll_interval=30).state == state
    assert service.asked == [NAME] * 3
    assert clock.slept == [30] * 3


def test_cancelling_is_no_end() -> None:
    service = FakeService(resource("CANCELLING"), resource("CANCELLED"))
    assert wait(service, FakeClock()).state == "CANCELLED"
    assert len(service.asked) == 2


def test_what_is_new_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    half = resource(progress=0.5, batchEecuUsageSeconds=2.5)
    service = FakeService(half, half, TransientError("503."), TransientError("503."), half, resource("SUCCEEDED"))
    with caplog.at_level(logging.INFO):
        wait(service, FakeClock())
    assert [record.getMessage() for record in caplog.records] == [
        f"Operation {NAME}: PENDING, attempt 1, 0.0 EECU-seconds",
        f"Operation {NAME}: RUNNING, 50%, attempt 1, 2.5 EECU-seconds",
        "503. Looking again.",
        f"Operation {NAME}: SUCCEEDED, attempt 1, 0.0 EECU-seconds",
    ]


def stalled(days: float, **metadata: Any) -> list[dict[str, Any]]:
    """What hourly looks show where only updateTime moves."""
    return [resource(updateTime=f"2026-01-01T00:00:{hour % 60:02}Z", **metadata) for hour in range(int(days * 24))]


def test_an_operation_that_does_not_move_for_a_day_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    wait(FakeService(*stalled(3, progress=0.5), resource("SUCCEEDED")), FakeClock(), poll_interval=3600)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "has not moved for 24 hours (RUNNING, 50%, attempt 1" in warnings[0]


@pytest.mark.parametrize(
    "moved",
    [
        {"progress": 0.501},
        {"attempt": 2},
        {"stages": [{"displayName": "Tiles", "completeWorkUnits": "3", "totalWorkUnits": "9"}]},
        {"state": "CANCELLING"},
    ],
)
def test_any_work_is_a_move(moved: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    before, after = {"progress": 0.5}, {"progress": 0.5, **moved}
    answers = [*stalled(0.9, **before), *stalled(0.9, **after), resource("SUCCEEDED")]
    wait(FakeService(*answers), FakeClock(), poll_interval=3600)
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_failures_that_may_pass_are_survived_however_many(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService(*[TransientError(f"blip {number}.") for number in range(100)], resource("SUCCEEDED"))
    assert wait(service, FakeClock(), poll_interval=60).state == "SUCCEEDED"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["blip 0. Looking again."]


@pytest.mark.parametrize("refusal", [AuthError("401"), AuthError("403"), NotFoundError("404")])
def test_refusals_are_survived_for_minutes(refusal: Exception) -> None:
    clock = FakeClock()
    service = FakeService(*[refusal] * 5, resource("SUCCEEDED"))
    assert wait(service, clock, poll_interval=60).state == "SUCCEEDED"


@pytest.mark.parametrize("refusal", [AuthError("told so."), NotFoundError("told so."), RequestError("told so.")])
def test_lasting_refusals_end_in_an_error_that_a_retry_may_mend(refusal: Exception) -> None:
    clock = FakeClock()
    with pytest.raises(TransientError, match=r"told so\. It has been refused for 300 seconds\.") as raised:
        wait(FakeService(refusal), clock, poll_interval=30)
    assert raised.value.__cause__ is refusal
    assert REFUSALS_TOLERATED <= clock.seconds - 1000 <= REFUSALS_TOLERATED + 30


def test_one_answer_ends_a_series_of_refusals() -> None:
    refused = [AuthError("403")] * 9
    service = FakeService(*refused, resource(), *refused, resource("SUCCEEDED"))
    assert wait(service, FakeClock(), poll_interval=30).state == "SUCCEEDED"


def test_a_daily_quota_is_survived_however_long() -> None:
    service = FakeService(*[QuotaError("per day")] * 50, resource("SUCCEEDED"))
    assert wait(service, FakeClock(), poll_interval=60).state == "SUCCEEDED"


def test_the_time_that_is_given_is_used_up_and_no_more() -> None:
    clock = FakeClock()
    with pytest.raises(
        OperationTimeoutError,
        match=r"has not ended within wait_timeout=100 seconds \(RUNNING, 25%.*spent\); .*raise the limit",
    ) as raised:
        wait(FakeService(resource(progress=0.25)), clock, poll_interval=30, timeout=100)
    assert clock.slept == [30, 30, 30, 10]
    assert raised.value.operation.progress == 0.25


def test_a_time_that_is_over_between_two_looks_at_the_clock_ends_the_wait() -> None:
    class MovingClock(FakeClock):
        """Each look at it takes its time; as the real one, it sleeps no negative time."""

        def monotonic(self) -> float:
            self.seconds += 0.7
            return self.seconds

        def sleep(self, seconds: float) -> None:
            assert seconds >= 0
            super().sleep(seconds)

    for thousandth in range(0, 3000, 50):
        with pytest.raises(OperationTimeoutError):
            wait(FakeService(resource()), MovingClock(), poll_interval=1, timeout=1 + thousandth / 1000)


def test_an_operation_that_ends_with_the_time_is_no_timeout() -> None:
    service = FakeService(resource(), resource("SUCCEEDED"))
    assert wait(service, FakeClock(), poll_interval=30, timeout=60).state == "SUCCEEDED"


def test_time_that_was_spent_before_counts() -> None:
    clock = FakeClock()
    with pytest.raises(OperationTimeoutError):
        wait(FakeService(resource()), clock, poll_interval=30, timeout=100, began=clock.monotonic() - 90)
    assert clock.slept == [10]


def test_time_passes_while_nobody_answers() -> None:
    clock = FakeClock()
    with pytest.raises(OperationTimeoutError):
        wait(FakeService(TransientError("503")), clock, poll_interval=30, timeout=100)
    assert clock.seconds == 1100


def test_compute_above_the_budget_ends_the_wait() -> None:
    service = FakeService(resource(batchEecuUsageSeconds=10), resource(batchEecuUsageSeconds=10.5))
    with pytest.raises(BudgetExceededError, match=r"more than max_eecu_seconds=10 .*10\.5 EECU-seconds") as raised:
        wait(service, FakeClock(), max_eecu_seconds=10)
    assert raised.value.operation.eecu_seconds == 10.5
    assert len(service.asked) == 2


def test_an_operation_that_has_ended_is_not_over_budget() -> None:
    service = FakeService(resource("SUCCEEDED", batchEecuUsageSeconds=99))
    assert wait(service, FakeClock(), max_eecu_seconds=10).state == "SUCCEEDED"
