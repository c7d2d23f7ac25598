"""A task that is deferred goes on in another worker as if it had never left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from deferrable import EXPORT, Deferrable

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.emulator.operations import Behaviour
from airflow_provider_ee.operators.export import EEImageExportOperator

TIMEOUT = "Trigger timeout" if AIRFLOW_V_3_0_PLUS else "Trigger/execution timeout"
FAILURE = "Trigger failure"


@pytest.fixture
def connected_emulator(start_emulator: Any, connect: Any) -> EarthEngineEmulator:
    """An emulator that lives in the time of the workers."""
    emulator: EarthEngineEmulator = start_emulator(clock=Clock(), task_seconds=1e6)
    connect(project="test-project", api_endpoint=emulator.url, anonymous=True, num_retries=0)
    return emulator


@pytest.fixture(params=[True, False], ids=["with a store", "without a store"])
def deferrable(run: Any, request: Any, connected_emulator: EarthEngineEmulator) -> Callable[..., Deferrable]:
    return lambda **arguments: Deferrable(run, remembers=request.param, **arguments)


@pytest.fixture
def quick(connected_emulator: EarthEngineEmulator) -> None:
    connected_emulator.operations.add_behaviour(Behaviour(duration_seconds=0))


class TestTheWait:
    def test_costs_one_look_and_no_request_of_the_worker_that_resumes(
        self, deferrable: Any, quick: None, sent: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable()
        assert task.execute() is None
        assert sent() == ["image.export"]
        connected_emulator.operations.advance(10)
        event = task.trigger()
        assert sent() == ["image.export", "operations.get"]
        assert task.resume(event)["metadata"]["state"] == "SUCCEEDED"
        assert sent() == ["image.export", "operations.get"]

    def test_shows_what_is_waited_for(self, deferrable: Any, endless: None) -> None:
        task = deferrable()
        task.execute()
        (name,) = task.deferral.trigger.operations
        assert task.instance.xcoms["operation"] == name
        assert task.instance.xcoms["destination"] == "gs://bucket/prefix"
        assert task.deferral.timeout is None

    def test_of_a_retry_whose_export_has_ended_is_none(
        self, deferrable: Any, connected_emulator: EarthEngineEmulator, quick: None
    ) -> None:
        task = deferrable(retries=1)
        task.execute()
        connected_emulator.operations.advance(10)
        task.instance.retry()
        assert task.execute()["metadata"]["state"] == "SUCCEEDED"

    @pytest.mark.parametrize(
        ("given", "limit", "seconds"),
        [
            ({"wait_timeout": 100}, "wait_timeout=100", 100),
            (
                {"execution_timeout": timedelta(seconds=50)},
                "execution_timeout=50",
                50 if AIRFLOW_V_3_0_PLUS else 25,
            ),
            ({"wait_timeout": 100, "execution_timeout": timedelta(hours=1)}, "wait_timeout=100", 100),
        ],
    )
    def test_is_limited_by_the_service_s_clock(
        self, deferrable: Any, endless: None, given: dict[str, Any], limit: str, seconds: float
    ) -> None:
        task = deferrable(**given)
        task.execute()
        trigger = task.deferral.trigger
        assert trigger.limit == limit
        assert trigger.deadline == pytest.approx(Clock().now() + seconds, abs=10)
        assert task.deferral.timeout.total_seconds() == pytest.approx(seconds + 600, abs=10)

    def test_that_takes_too_long_fails_the_task_for_good(
        self, deferrable: Any, endless: None, started: Any, sent: Any
    ) -> None:
        task = deferrable(wait_timeout=0.1, retries=3)
        task.execute()
        event = task.trigger()
        assert started() == ["CANCELLED"]
        calls = sent()
        with pytest.raises(AirflowFailException, match=r"within wait_timeout=0\.1 seconds"):
            task.resume(event)
        assert sent() == calls

    def test_whose_trigger_could_not_cancel_is_cancelled_by_the_worker(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable(wait_timeout=0.1)
        task.execute()
        connected_emulator.faults.arm(Fault(method="operations.cancel", status=403, times=1))
        event = task.trigger()
        assert started() == ["RUNNING"]
        with pytest.raises(AirflowFailException, match="wait_timeout"):
            task.resume(event)
        assert started() == ["CANCELLED"]

    def test_that_costs_too_much_fails_the_task_for_good(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable(max_eecu_seconds=60, retries=3)
        task.execute()
        connected_emulator.operations.advance(100)
        with pytest.raises(AirflowFailException, match="max_eecu_seconds=60"):
            task.resume()
        assert started() == ["CANCELLED"]

    def test_for_an_adopted_export_that_was_cancelled_for_an_earlier_try_begins_anew(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable(retries=1)
        task.execute()
        task.instance.retry()
        task.execute()
        (first,) = task.deferral.trigger.operations
        connected_emulator.operations.cancel(connected_emulator.operations.get(first))
        connected_emulator.operations.advance(2)
        assert task.resume() is None
        assert task.deferral.trigger.operations != [first]
        assert task.instance.xcoms["operation"] != first
        assert task.instance.xcoms["destination"] == "gs://bucket/prefix"
        assert started() == ["CANCELLED", "RUNNING"]

    def test_for_an_export_that_somebody_else_cancelled_fails_the_task(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable(retries=1)
        task.execute()
        for operation in connected_emulator.operations.all():
            connected_emulator.operations.cancel(operation)
        connected_emulator.operations.advance(2)
        with pytest.raises(AirflowFailException, match="was cancelled"):
            task.resume()
        assert started() == ["CANCELLED"]

    def test_cancels_what_a_cleared_try_has_started_late(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable()
        task.execute()
        task.instance.clear()
        task.execute()
        assert started() == ["CANCELLED", "RUNNING"]


class TestAskedForWithoutAWait:
    def test_is_waiting_for_room_only(self, deferrable: Any, sent: Any) -> None:
        task = deferrable(wait_for_completion=False, poll_interval=None)
        assert task.execute()["metadata"]["state"] == "PENDING"

    def test_is_how_airflow_is_configured_to_wait(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        starts = EEImageExportOperator(task_id="starts", dag=run.dag, **EXPORT)
        waits = EEImageExportOperator(task_id="waits", dag=run.dag, wait_for_completion=True, **EXPORT)
        holds = EEImageExportOperator(
            task_id="holds", dag=run.dag, wait_for_completion=True, deferrable=False, **EXPORT
        )
        assert (starts.wait_for_completion, starts.deferrable) == (False, True)
        assert (waits.wait_for_completion, waits.deferrable) == (True, True)
        assert (holds.wait_for_completion, holds.deferrable) == (True, False)


class TestAFullQueue:
    def test_is_waited_for_in_the_triggerer_and_then_met_with_the_same_id(
        self, deferrable: Any, connected_emulator: EarthEngineEmulator, sent: Any, endless: None
    ) -> None:
        connected_emulator.service._queue_limit = 0
        task = deferrable()
        task.execute()
        first = task.deferral.trigger
        assert (first.operations, first.carried["record"]["number"]) == ([], 0)
        assert 30 <= first.room_delay <= 38
        task.resume({"room": True, "carried": first.carried})
        assert 60 <= task.deferral.trigger.room_delay <= 75
        connected_emulator.service._queue_limit = 3000
        task.resume({"room": True, "carried": task.deferral.trigger.carried})
        (operation,) = connected_emulator.operations.all()
        assert task.deferral.trigger.operations == [operation.name]
        assert operation.description.endswith("-0-0")
        assert sent() == ["image.export"] * 3

    def test_is_waited_for_as_long_as_the_user_says(
        self, deferrable: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        connected_emulator.service._queue_limit = 0
        task = deferrable(wait_timeout=1000)
        task.execute()
        carried = {**task.deferral.trigger.carried, "began_at": Clock().now() - 990}
        task.resume({"room": True, "carried": carried})
        assert task.deferral.trigger.room_delay <= 12
        carried["began_at"] -= 20
        with pytest.raises(AirflowException, match="Too many tasks already in the queue") as failure:
            task.resume({"room": True, "carried": carried})
        assert not isinstance(failure.value, AirflowFailException)

    def test_whose_deferral_a_user_has_ended_leaves_nothing(
        self, deferrable: Any, connected_emulator: EarthEngineEmulator, sent: Any
    ) -> None:
        connected_emulator.service._queue_limit = 0
        task = deferrable()
        task.execute()
        task.instance.state = "failed"
        with pytest.raises(AirflowException):
            task.resume({"room": True, "carried": task.deferral.trigger.carried})
        assert "operations.cancel" not in sent()


class TestTheEndOfADeferral:
    def test_that_a_user_has_brought_about_before_it_began_cancels_the_export(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable()
        submit = connected_emulator.operations.submit

        def submit_while_a_user_acts(*arguments: Any, **options: Any) -> Any:
            task.instance.state = "failed"
            return submit(*arguments, **options)

        connected_emulator.operations.submit = submit_while_a_user_acts  # type: ignore[method-assign]
        with pytest.raises(AirflowException, match=r"has ended this task|has this task as failed"):
            task.execute()
        assert started() == ["CANCELLED"]

    @pytest.mark.parametrize("retries", [0, 1])
    def test_by_its_time_cancels_the_export_for_good(
        self, deferrable: Any, endless: None, started: Any, retries: int
    ) -> None:
        task = deferrable(retries=retries)
        task.execute()
        with pytest.raises(AirflowFailException, match="The time of this task was over while it was deferred"):
            task.break_off(TIMEOUT)
        assert started() == ["CANCELLED"]

    def test_by_a_trigger_that_broke_leaves_the_export_to_the_retry(
        self, deferrable: Any, endless: None, started: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable(retries=1)
        task.execute()
        with pytest.raises(AirflowException, match=FAILURE):
            task.break_off(FAILURE)
        assert started() == ["RUNNING"]
        task.instance.retry()
        task.execute()
        assert task.deferral.trigger.operations == [connected_emulator.operations.all()[0].name]
        assert started() == ["RUNNING"]

    def test_by_a_trigger_that_broke_at_the_last_try_cancels_the_export(
        self, deferrable: Any, endless: None, started: Any
    ) -> None:
        task = deferrable()
        task.execute()
        with pytest.raises(AirflowException, match=FAILURE):
            task.break_off(FAILURE)
        assert started() == ["CANCELLED"]

    @pytest.mark.parametrize("reason", [TIMEOUT, FAILURE])
    def test_loses_no_result_of_an_export_that_has_succeeded_meanwhile(
        self, deferrable: Any, quick: None, reason: str, sent: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable()
        task.execute()
        connected_emulator.operations.advance(10)
        assert task.break_off(reason)["metadata"]["state"] == "SUCCEEDED"
        assert "operations.cancel" not in sent()

    @pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="Airflow 2 ends a task whose time is over without resuming it")
    @pytest.mark.parametrize(("retries", "state"), [(0, "CANCELLED"), (1, "RUNNING")])
    def test_that_only_a_kill_tells_of_cancels_unless_a_retry_follows(
        self,
        deferrable: Any,
        endless: None,
        started: Any,
        monkeypatch: pytest.MonkeyPatch,
        retries: int,
        state: str,
    ) -> None:
        task = deferrable(retries=retries)
        task.execute()
        operator, context = task._worker()
        context["ti"].next_method = "__fail__"
        monkeypatch.setattr("airflow.operators.python.get_current_context", lambda: context)
        monkeypatch.setattr(
            "airflow.providers.common.compat.sdk.get_current_context", lambda: context, raising=False
        )
        operator.on_kill()
        assert started() == [state]

    def test_that_cannot_open_the_connection_may_be_retried(
        self, deferrable: Any, quick: None, connect: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        task = deferrable(retries=1)
        task.execute()
        connected_emulator.operations.advance(10)
        event = task.trigger()
        connect(project="test-project", key_path="/nowhere/key.json")
        with pytest.raises(AirflowException, match="is left as it is") as failure:
            task.resume(event)
        assert not isinstance(failure.value, AirflowFailException)

    def test_while_room_was_waited_for_cancels_nothing(
        self, deferrable: Any, sent: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        connected_emulator.service._queue_limit = 0
        task = deferrable()
        task.execute()
        with pytest.raises(AirflowException, match=FAILURE):
            task.break_off(FAILURE)
        assert "operations.cancel" not in sent()


def test_what_cannot_be_handed_to_a_triggerer_is_found_out_before_anything_is_sent(
    deferrable: Any, sent: Any
) -> None:
    task = deferrable()
    task.spoiled = {"project_id": b"bytes"}
    with pytest.raises(TypeError, match="not JSON serializable"):
        task.execute()
    assert sent() == []
