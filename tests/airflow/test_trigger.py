"""The trigger tells how a wait has ended, keeps its limits, and cancels only what nobody goes on with."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_ee.earthengine import pollers as pollers_module
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    BudgetExceededError,
    NotFoundError,
    OperationTimeoutError,
    TransientError,
)
from airflow_provider_ee.earthengine.pollers import Caller, Pollers, pollers
from airflow_provider_ee.earthengine.waiting import WaitEnd
from airflow_provider_ee.triggers import operation as trigger_module
from airflow_provider_ee.triggers.operation import EEOperationTrigger

sys.path.insert(0, str(Path(__file__).parents[1] / "earthengine"))
from polling_service import CountingService, name_of
from virtual_time import run, time

EPOCH = 1_700_000_000.0  # the service's clock when a test begins
OWNER = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1}


class Triggerer:
    """Runs triggers in counted time, on a machine whose clock may be wrong."""

    def __init__(self, service: CountingService, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        self.state: str | Exception | None = "deferred"
        self.opening: Callable[[], Exception | None] = lambda: None
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(pollers_module, "Pollers", functools.partial(Pollers, call=service.call))
        self.clock_is_ahead(0.0)

    def clock_is_ahead(self, seconds: float) -> None:
        self.service.clock_offset = -seconds
        self._monkeypatch.setattr(trigger_module.time, "time", lambda: EPOCH + seconds + time())

    def trigger(self, **arguments: Any) -> EEOperationTrigger:
        classpath, arguments = EEOperationTrigger(**{"operations": [name_of(0)], **arguments}).serialize()
        assert classpath == f"{EEOperationTrigger.__module__}.{EEOperationTrigger.__name__}"
        trigger = EEOperationTrigger(**json.loads(json.dumps(arguments)))
        trigger.trigger_id = 1

        async def open_() -> tuple[Caller, CountingService]:
            if failure := self.opening():
                raise failure
            return Caller("https://e", "p", "me"), self.service

        async def state() -> str | None:
            if isinstance(self.state, Exception):
                raise self.state
            return self.state

        self._monkeypatch.setattr(trigger, "_open", open_)
        self._monkeypatch.setattr(trigger, "_task_state", state)
        return trigger

    def event(self, **arguments: Any) -> dict[str, Any]:
        """What a trigger tells; it is told once."""

        async def collected() -> list[Any]:
            events = [event.payload async for event in self.trigger(**arguments).run()]
            assert not pollers(lambda: None).running
            return events

        (payload,) = run(collected())
        assert json.loads(json.dumps(payload)) == payload
        return payload

    def end(self, **arguments: Any) -> WaitEnd:
        return WaitEnd.from_event(self.event(**arguments))

    def kill(self, after: float, **arguments: Any) -> None:
        """Airflow takes the trigger from this triggerer, as it does when a user acts."""

        async def scenario() -> None:
            trigger = self.trigger(**arguments)
            running = asyncio.ensure_future(anext(trigger.run()))
            await asyncio.sleep(after)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            if hasattr(BaseTrigger, "on_kill"):
                await trigger.on_kill()
            assert not pollers(lambda: None).running

        run(scenario())


@pytest.fixture
def triggerer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Triggerer]:
    return Triggerer(CountingService(3), monkeypatch)


class TestTheEnd:
    @pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED"])
    def test_of_an_operation_is_told_with_the_operation(self, triggerer: Triggerer, state: str) -> None:
        triggerer.service.states[0] = state
        event = triggerer.event(carried={"began_at": 5})
        assert event["operations"][0]["metadata"]["state"] == state
        assert event["carried"] == {"began_at": 5}
        assert WaitEnd.from_event(event).error is None
        assert len(triggerer.service.requests) == 1

    def test_is_not_looked_for_in_the_first_seconds(self, triggerer: Triggerer) -> None:
        triggerer.service.end([0], at=0.0)
        triggerer.event(poll_interval=1.0)
        assert triggerer.service.requests[0][0] >= 10

    def test_of_several_is_that_of_the_last(self, triggerer: Triggerer) -> None:
        triggerer.service.end([0], at=100.0)
        triggerer.service.end([1], at=10.0)
        end = triggerer.end(operations=[name_of(0), name_of(1)])
        assert [operation.state for operation in end.operations] == ["SUCCEEDED", "SUCCEEDED"]

    def test_of_several_comes_with_the_first_failure(self, triggerer: Triggerer) -> None:
        triggerer.service.states[1] = "FAILED"
        end = triggerer.end(operations=[name_of(0), name_of(1)])
        assert [operation.state for operation in end.operations] == ["RUNNING", "FAILED"]

    def test_is_told_in_the_order_that_was_given(self, triggerer: Triggerer) -> None:
        triggerer.service.spelling = "123456"
        triggerer.service.end(range(3), at=0.0)
        end = triggerer.end(operations=[name_of(2), name_of(0), name_of(1)])
        assert [operation.name[-3:] for operation in end.operations] == ["OP2", "OP0", "OP1"]

    def test_that_is_not_understood_fails_loudly(self) -> None:
        with pytest.raises(ValueError, match="The trigger has sent what is not understood"):
            WaitEnd.from_event({"status": "done"})


class TestLimits:
    def test_of_time_cancel_the_operation(self, triggerer: Triggerer) -> None:
        end = triggerer.end(deadline=EPOCH + 100, limit="wait_timeout=100", owner=OWNER)
        assert isinstance(end.error, OperationTimeoutError)
        assert "has not ended within wait_timeout=100 seconds (RUNNING" in str(end.error)
        assert triggerer.service.cancelled == [name_of(0)]
        assert end.operations[0].state == "CANCELLING"
        assert triggerer.service.requests[-1][0] == pytest.approx(100, abs=1)

    def test_of_compute_cancel_the_operation(self, triggerer: Triggerer) -> None:
        triggerer.service.metadata = {"batchEecuUsageSeconds": 10.5}
        end = triggerer.end(max_eecu_seconds=10.0, owner=None)  # whatever a kill would do
        assert isinstance(end.error, BudgetExceededError)
        assert "10.5 EECU-seconds spent" in str(end.error)
        assert triggerer.service.cancelled == [name_of(0)]

    def test_do_not_cancel_what_ends_in_time(self, triggerer: Triggerer) -> None:
        triggerer.service.end([0], at=99.0)
        end = triggerer.end(deadline=EPOCH + 100, limit="wait_timeout=100", owner=OWNER)
        assert end.error is None
        assert triggerer.service.cancelled == []

    def test_that_could_not_be_kept_are_left_to_the_worker(self, triggerer: Triggerer) -> None:
        triggerer.service.failing = lambda request: TransientError("503.") if "cancel" in request else None
        end = triggerer.end(deadline=EPOCH + 50, limit="wait_timeout=50", owner=OWNER)
        assert isinstance(end.error, OperationTimeoutError)
        assert end.operations[0].state == "RUNNING"

    @pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
    def test_are_kept_by_a_machine_whose_clock_is_wrong(self, triggerer: Triggerer, ahead: float) -> None:
        triggerer.clock_is_ahead(ahead)
        triggerer.end(deadline=EPOCH + 100, limit="wait_timeout=100", owner=OWNER)
        assert triggerer.service.requests[-1][0] == pytest.approx(100, abs=1)

    def test_hold_while_the_service_is_down(self, triggerer: Triggerer) -> None:
        triggerer.service.failing = lambda request: TransientError("503.") if time() > 20 else None
        end = triggerer.end(deadline=EPOCH + 100, limit="wait_timeout=100", owner=OWNER)
        assert isinstance(end.error, OperationTimeoutError)

    def test_are_not_judged_before_the_service_has_told_the_time(self, triggerer: Triggerer) -> None:
        triggerer.clock_is_ahead(3600)
        triggerer.service.end([0], at=0.0)
        triggerer.service.failing = lambda request: TransientError("503.") if time() < 200 else None
        assert triggerer.end(deadline=EPOCH + 3000, limit="wait_timeout=3000", owner=OWNER).error is None


class TestRefusals:
    @pytest.mark.parametrize("refusal", [AuthError("403."), AuthError("401."), NotFoundError("404.")])
    def test_that_pass_after_a_minute_are_survived(self, triggerer: Triggerer, refusal: Exception) -> None:
        triggerer.service.end([0], at=0.0)
        triggerer.service.failing = lambda request: refusal if time() < 70 else None
        assert triggerer.end().error is None

    @pytest.mark.parametrize("refusal", [AuthError("403."), NotFoundError("404.")])
    def test_that_last_are_told_as_what_a_retry_may_mend(self, triggerer: Triggerer, refusal: Exception) -> None:
        triggerer.service.failing = lambda request: refusal
        end = triggerer.end(owner=OWNER)
        assert isinstance(end.error, TransientError)
        assert "has been refused for 300 seconds" in str(end.error)
        assert triggerer.service.cancelled == []

    def test_of_the_connection_are_survived_for_minutes(self, triggerer: Triggerer) -> None:
        triggerer.service.end([0], at=0.0)
        triggerer.opening = lambda: RuntimeError("Airflow does not answer") if time() < 200 else None
        assert triggerer.end().error is None

    def test_of_the_connection_that_last_break_the_trigger(self, triggerer: Triggerer) -> None:
        triggerer.opening = lambda: AuthError("no such key.")
        with pytest.raises(AuthError, match="no such key"):
            triggerer.event(owner=OWNER)
        assert triggerer.service.cancelled == []


class TestOwnership:
    @pytest.mark.parametrize("after", [1.0, 50.0])
    @pytest.mark.parametrize("state", ["failed", "success", "skipped", None])
    def test_what_nobody_goes_on_with_is_cancelled(
        self, triggerer: Triggerer, state: str | None, after: float
    ) -> None:
        triggerer.state = state
        triggerer.kill(after, owner=OWNER)
        assert triggerer.service.cancelled == [name_of(0)]

    @pytest.mark.parametrize(
        "state", ["deferred", "scheduled", "queued", "running", "up_for_retry", "restarting", ConnectionError()]
    )
    def test_what_somebody_goes_on_with_is_left(self, triggerer: Triggerer, state: Any) -> None:
        triggerer.state = state
        triggerer.kill(50.0, owner=OWNER)
        assert triggerer.service.cancelled == []

    def test_what_is_not_one_s_own_is_left(self, triggerer: Triggerer) -> None:
        triggerer.state = "failed"
        triggerer.kill(50.0, owner=None)
        assert triggerer.service.cancelled == []

    def test_a_cancel_that_fails_is_repeated(self, triggerer: Triggerer) -> None:
        failures = iter([TransientError("503.")] * 2)
        triggerer.service.failing = lambda request: next(failures, None) if "cancel" in request else None
        triggerer.state = "failed"
        triggerer.kill(50.0, owner=OWNER)
        assert triggerer.service.cancelled == [name_of(0)]

    def test_a_shutdown_asks_for_nothing_on_airflow_3_3(self, triggerer: Triggerer) -> None:
        if not hasattr(BaseTrigger, "on_kill"):
            pytest.skip("Airflow 3.3 tells a shutdown from a kill")
        triggerer.state = "failed"

        async def scenario() -> None:
            running = asyncio.ensure_future(anext(triggerer.trigger(owner=OWNER).run()))
            await asyncio.sleep(50)
            running.cancel()
            await asyncio.wait([running])

        run(scenario())
        assert triggerer.service.cancelled == []


class TestRoom:
    def test_is_waited_for_without_a_request(self, triggerer: Triggerer) -> None:
        event = triggerer.event(operations=[], room_delay=45.0, carried={"record": {}})
        assert event == {"room": True, "carried": {"record": {}}}
        assert triggerer.service.requests == []

    def test_leaves_nothing_to_cancel(self, triggerer: Triggerer) -> None:
        triggerer.state = "failed"
        triggerer.kill(5.0, operations=[], room_delay=45.0, owner=OWNER)
        assert triggerer.service.requests == []
