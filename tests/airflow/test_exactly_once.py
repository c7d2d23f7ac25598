"""One task instance starts one export: what a user does to a task, and what comes of it."""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException
from examples import GRID, constant_image
from task_instance import TaskInstance

from airflow_provider_ee.earthengine.errors import TransientError
from airflow_provider_ee.earthengine.mark import Mark
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.emulator.operations import Behaviour
from airflow_provider_ee.operators.export import EEImageExportOperator


@pytest.fixture
def connected_emulator(start_emulator: Any, connect: Any) -> EarthEngineEmulator:
    """An emulator that lives in the time of the workers."""
    emulator: EarthEngineEmulator = start_emulator(clock=Clock(), task_seconds=1e6)
    connect(project="test-project", api_endpoint=emulator.url, anonymous=True, num_retries=0)
    return emulator


@pytest.fixture
def export(run: Any, connected_emulator: EarthEngineEmulator) -> Callable[..., dict[str, Any]]:
    """Execute a try of an export task."""
    defaults: dict[str, Any] = {"expression": constant_image(), "destination": "gs://bucket/prefix", "grid": GRID}

    def export_try(
        instance: TaskInstance, context: dict[str, Any] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        operator = make(run, {**defaults, **arguments})
        return execute(run.render(operator), context or instance.context())

    return export_try


def execute(operator: EEImageExportOperator, context: dict[str, Any]) -> dict[str, Any]:
    """Execute in whatever thread: Airflow 2 wraps the method so that it works in the main one only."""
    result: dict[str, Any] = inspect.unwrap(EEImageExportOperator.execute)(operator, context)
    return result


def make(run: Any, arguments: dict[str, Any]) -> EEImageExportOperator:
    operator = EEImageExportOperator(task_id="export", dag=type(run)().dag, **arguments)
    operator.list_grace = (0.01, 0.01)
    return operator


@pytest.fixture
def fault(connected_emulator: EarthEngineEmulator) -> Callable[..., None]:
    return lambda **fault: connected_emulator.faults.arm(Fault(**{"method": "image.export", **fault}))


def test_the_first_try_sends_one_request(export: Any, sent: Any) -> None:
    export(TaskInstance())
    assert sent() == ["image.export"]


def test_a_retry_that_knows_the_name_asks_for_it_once(export: Any, sent: Any, capfd: Any) -> None:
    instance = TaskInstance(retries=1)
    first = export(instance)
    instance.retry()
    assert export(instance)["name"] == first["name"]
    assert sent() == ["image.export", "operations.get"]


def test_a_retry_that_knows_nothing_finds_the_export_among_thousands(
    export: Any, sent: Any, connected_emulator: EarthEngineEmulator
) -> None:
    connected_emulator.operations.seed("test-project", 4_999)
    instance = TaskInstance(retries=1)
    first = export(instance)
    instance.retry()
    instance.forget()
    connected_emulator.faults.arm(Fault(method="operations.list", order="oldest", times=None))
    assert export(instance)["name"] == first["name"]
    assert sent() == ["image.export", *["operations.list"] * 10]


def test_an_answer_that_is_lost_starts_nothing_twice(
    export: Any, fault: Any, sent: Any, connect: Any, connected_emulator: EarthEngineEmulator
) -> None:
    connect(project="test-project", api_endpoint=connected_emulator.url, anonymous=True, num_retries=1)
    fault(point="after", status=503)
    operation = export(TaskInstance())
    assert sent() == ["image.export", "image.export", "operations.list"]
    assert [one.name for one in connected_emulator.operations.all()] == [operation["name"]]


def test_a_clear_exports_anew_and_cancels_what_nobody_waits_for(export: Any, started: Any, endless: None) -> None:
    instance = TaskInstance()
    first = export(instance)
    instance.clear()
    second = export(instance)
    assert second["name"] != first["name"]
    assert started() == ["CANCELLED", "RUNNING"]


def test_a_running_run_that_is_queued_again_goes_on_with_its_export(export: Any, started: Any) -> None:
    instance = TaskInstance(retries=2)
    first = export(instance)
    instance.retry()
    context = {**instance.context(), "dag_run": {"start_date": "another time", "queued_at": "another time"}}
    assert export(instance, context)["name"] == first["name"]
    assert len(started()) == 1


def test_a_run_that_was_deleted_and_made_again_exports_anew(
    export: Any, started: Any, endless: None, connected_emulator: EarthEngineEmulator
) -> None:
    first = export(TaskInstance())
    connected_emulator.operations.advance(20)
    second = export(TaskInstance())  # soon, and under the same run id
    assert second["name"] != first["name"]
    assert started() == ["CANCELLED", "RUNNING"]
    connected_emulator.operations.advance(20)
    third = export(TaskInstance())
    assert third["name"] not in (first["name"], second["name"])


def test_retries_may_be_edited_between_tries(export: Any) -> None:
    instance = TaskInstance(retries=1)
    first = export(instance, retries=1)
    instance.retry()
    assert export(instance, retries=5)["name"] == first["name"]


def test_a_dag_that_was_edited_between_tries_is_told_of(export: Any, capfd: Any, caplog: Any) -> None:
    instance = TaskInstance(retries=1)
    first = export(instance)
    instance.retry()
    assert export(instance, expression=constant_image(8))["name"] == first["name"]
    said = "".join(capfd.readouterr()) + caplog.text
    assert re.search("Adopted operation .* of try 1, ", said)
    assert "clear the task to export anew" in said


def test_other_runs_map_indexes_and_deployments_have_exports_of_their_own(
    export: Any, connect: Any, connected_emulator: EarthEngineEmulator
) -> None:
    names = [export(TaskInstance(run_id))["name"] for run_id in ("manual__1", "manual__2", "a/b ü.+%:@'\"~")]
    names += [export(TaskInstance("manual__1", map_index=index))["name"] for index in (0, 1)]
    connect(
        project="test-project", api_endpoint=connected_emulator.url, anonymous=True, deployment="staging"
    )  # fmt: skip
    names.append(export(TaskInstance("manual__1"))["name"])
    assert len(set(names)) == 6
    assert {one.state for one in connected_emulator.operations.all()} <= {"PENDING", "RUNNING"}


def test_a_long_description_leaves_room_for_the_mark(export: Any, connected_emulator: EarthEngineEmulator) -> None:
    export(TaskInstance(), description="Vegetation 🌿 of the Andes " * 12, destination="gs://bucket")
    (operation,) = connected_emulator.operations.all()
    assert re.fullmatch("[A-Za-z0-9_-]{100}", operation.description)
    assert Mark.read(operation.description)


def test_files_are_named_without_the_mark(export: Any) -> None:
    instance = TaskInstance()
    export(instance, description="NDVI", destination="gs://bucket")
    assert instance.xcoms["destination"] == "gs://bucket/NDVI"


def test_an_id_that_the_user_gives_is_sent_as_it_is_and_a_clear_exports_anew(
    export: Any, connected_emulator: EarthEngineEmulator
) -> None:
    instance = TaskInstance()
    first = export(instance, request_id="mine")
    assert ("local", "mine") in connected_emulator.service._request_ids
    instance.clear()
    second = export(instance, request_id="mine")
    instance.clear()
    third = export(instance, request_id="mine")
    assert len({first["name"], second["name"], third["name"]}) == 3


def test_an_id_that_another_task_has_used_fails_the_task(export: Any, started: Any) -> None:
    export(TaskInstance("one"), request_id="mine")
    with pytest.raises(AirflowFailException, match="request_id 'mine' has been used by another export"):
        export(TaskInstance("other"), request_id="mine")
    assert len(started()) == 1


def test_a_retry_that_may_not_list_says_so_and_starts_nothing(
    export: Any, connected_emulator: EarthEngineEmulator, started: Any
) -> None:
    instance = TaskInstance(retries=1)
    export(instance)
    instance.retry()
    instance.forget()
    connected_emulator.faults.arm(Fault(method="operations.list", status=403, message="No.", times=None))
    with pytest.raises(
        AirflowFailException, match=r"cannot be listed, .* grant the caller earthengine\.operations"
    ):
        export(instance)
    assert len(started()) == 1


def test_a_clock_that_jumps_back_changes_nothing(export: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = TaskInstance(retries=1)
    first = export(instance)
    instance.retry()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    assert export(instance)["name"] == first["name"]
    instance.forget()
    assert export(instance)["name"] == first["name"]


def test_a_try_that_was_replaced_sends_nothing(export: Any, sent: Any) -> None:
    instance = TaskInstance(retries=1)
    old = instance.context()
    instance.retry()
    with pytest.raises(AirflowException, match="in the place of this one, which stops"):
        export(instance, old)
    assert sent() == []


def test_a_full_queue_is_waited_for_only_as_long_as_the_user_says(
    export: Any, connected_emulator: EarthEngineEmulator
) -> None:
    connected_emulator.service._queue_limit = 0
    with pytest.raises(AirflowException, match="Too many tasks already in the queue") as failure:
        export(TaskInstance(), wait_timeout=0.01)
    assert not isinstance(failure.value, AirflowFailException)  # room may be there at a retry


class TestWaiting:
    """``wait_for_completion``"""

    def test_returns_the_operation_as_it_ended(self, export: Any, connected_emulator: EarthEngineEmulator) -> None:
        connected_emulator.operations.add_behaviour(Behaviour(duration_seconds=0))
        connected_emulator.faults.arm(Fault(method="operations.get", status=503, times=2))
        operation = export(TaskInstance(), wait_for_completion=True, poll_interval=0.01)
        assert operation["metadata"]["state"] == "SUCCEEDED"

    def test_cancels_what_takes_too_long(self, export: Any, started: Any, endless: None) -> None:
        with pytest.raises(AirflowFailException, match=r"has not ended within wait_timeout=0\.1 seconds \("):
            export(TaskInstance(retries=3), wait_for_completion=True, poll_interval=0.05, wait_timeout=0.1)
        assert started() == ["CANCELLED"]

    def test_cancels_what_costs_too_much(
        self, export: Any, started: Any, endless: None, connected_emulator: EarthEngineEmulator
    ) -> None:
        instance = TaskInstance(retries=1)
        export(instance)
        connected_emulator.operations.advance(100)
        instance.retry()
        with pytest.raises(
            AirflowFailException, match=r"more than max_eecu_seconds=60 \(RUNNING.* 100.. EECU-seconds"
        ):
            export(instance, wait_for_completion=True, poll_interval=0.05, max_eecu_seconds=60)
        assert started() == ["CANCELLED"]

    def test_exports_anew_where_the_adopted_export_was_cancelled_for_an_earlier_try(
        self, export: Any, endless: None, connected_emulator: EarthEngineEmulator
    ) -> None:
        instance = TaskInstance(retries=1)
        first = export(instance)
        connected_emulator.operations._behaviours[0] = Behaviour(duration_seconds=0)
        instance.retry()
        connected_emulator.faults.arm(Fault(method="operations.get", hold="look", point="after", skip=1))
        with running(lambda: export(instance, wait_for_completion=True, poll_interval=0.01)) as result:
            until(lambda: connected_emulator.faults.report()[0]["fired"])
            connected_emulator.operations.cancel(connected_emulator.operations.get(first["name"]))
            connected_emulator.operations.advance(2)
            connected_emulator.faults.release("look")
        assert result["returned"]["name"] != first["name"]
        assert result["returned"]["metadata"]["state"] == "SUCCEEDED"


class TestKill:
    """``on_kill``"""

    @pytest.fixture
    def kill(
        self, run: Any, connected_emulator: EarthEngineEmulator, endless: None
    ) -> Callable[..., EEImageExportOperator]:
        """Kill a try while it submits (``held``) or waits."""

        def kill_try(instance: TaskInstance, *, held: str | None = None, **arguments: Any) -> dict[str, Any]:
            given = {
                "expression": constant_image(),
                "destination": "gs://bucket/prefix",
                "grid": GRID,
                **arguments,
            }
            operator = run.render(make(run, given))
            if held:
                connected_emulator.faults.arm(Fault(method="image.export", point=held, hold="export"))
            with running(lambda: execute(operator, instance.context())) as result:
                if held:
                    until(lambda: connected_emulator.faults.report()[0]["fired"])
                else:
                    until(lambda: "destination" in instance.xcoms)
                operator.on_kill()
                operator.on_kill()
                if held:
                    connected_emulator.faults.release("export")
            return result

        return kill_try

    @pytest.mark.parametrize("held", ["before", "after"])
    @pytest.mark.parametrize("wait", [True, False])
    def test_while_the_export_is_submitted_leaves_none_running(
        self, kill: Any, started: Any, held: str, wait: bool
    ) -> None:
        result = kill(TaskInstance(), held=held, wait_for_completion=wait)
        assert isinstance(result["raised"], AirflowException)
        assert started() == ["CANCELLED"]

    def test_while_it_waits_cancels_the_export(self, kill: Any, started: Any) -> None:
        result = kill(TaskInstance(), wait_for_completion=True)
        assert "asked this task to end" in str(result["raised"])
        assert started() == ["CANCELLED"]

    def test_leaves_the_export_to_the_retry(self, kill: Any, export: Any, started: Any) -> None:
        instance = TaskInstance(retries=1)
        kill(instance, held="after")
        assert started() == ["RUNNING"]
        instance.retry()
        export(instance)
        assert started() == ["RUNNING"]

    @pytest.mark.parametrize("state", ["failed", "success", "restarting", None])
    def test_cancels_what_a_user_ended_in_spite_of_retries(
        self, kill: Any, started: Any, state: str | None
    ) -> None:
        instance = TaskInstance(retries=3)
        instance.state = state
        kill(instance, wait_for_completion=True)
        assert started() == ["CANCELLED"]

    def test_cancels_nothing_where_the_user_says_so(self, kill: Any, started: Any) -> None:
        kill(TaskInstance(), wait_for_completion=True, cancel_on_kill=False)
        assert started() == ["RUNNING"]


def test_a_retry_whose_request_has_become_wrong_ends_what_was_started(
    export: Any, started: Any, endless: None
) -> None:
    instance = TaskInstance(retries=1)
    export(instance)
    instance.retry()
    with pytest.raises(AirflowFailException, match="destination"):
        export(instance, destination="nowhere")
    assert started() == ["CANCELLED"]


class Code:
    """A function whose second call does not go as its first did."""

    def __init__(self, second: Exception | None) -> None:
        self.second, self.calls = second, 0

    def __call__(self) -> dict[str, Any]:
        self.calls += 1
        if self.calls > 1 and self.second:
            raise self.second
        return constant_image()


def test_a_retry_goes_on_with_its_export_though_code_stumbles(export: Any, started: Any, endless: None) -> None:
    """What a function asks the service may fail for a moment; nothing is lost by that."""
    instance, code = TaskInstance(retries=1), Code(RuntimeError("Too many concurrent aggregations."))
    first = export(instance, expression=code)
    instance.retry()
    assert export(instance, expression=code)["name"] == first["name"]
    assert code.calls == 2
    assert started() == ["RUNNING"]


@pytest.mark.parametrize("end", [AirflowSkipException("not today"), AirflowFailException("never")])
def test_code_that_ends_the_task_ends_its_export(export: Any, started: Any, endless: None, end: Exception) -> None:
    instance, code = TaskInstance(retries=2), Code(end)
    export(instance, expression=code)
    instance.retry()
    with pytest.raises(type(end)):
        export(instance, expression=code)
    assert started() == ["CANCELLED"]


def test_code_that_stumbles_before_anything_was_started_is_tried_again(
    export: Any, started: Any, endless: None
) -> None:
    instance, code = TaskInstance(retries=1), Code(RuntimeError("Too many concurrent aggregations."))
    code.calls = 1
    with pytest.raises(RuntimeError):
        export(instance, expression=code)
    assert started() == []
    code.second = None
    instance.retry()
    assert export(instance, expression=code)["name"]
    assert started() == ["RUNNING"]


def test_a_kill_before_the_last_try_has_begun_ends_what_was_started(
    run: Any, export: Any, started: Any, endless: None
) -> None:
    instance = TaskInstance(retries=1)
    export(instance)
    instance.retry()
    given = {"expression": constant_image(), "destination": "gs://bucket/prefix", "grid": GRID}
    operator = run.render(make(run, given))
    operator.on_kill()
    with pytest.raises(AirflowException, match="asked this task to end"):
        execute(operator, instance.context())
    assert started() == ["CANCELLED"]


def test_cancel_on_kill_counts_where_the_kill_is_noticed_before_it_is_told(
    export: Any, started: Any, endless: None
) -> None:
    instance = TaskInstance()
    instance.state = "failed"
    with pytest.raises(AirflowException, match="Airflow has ended this task"):
        export(instance, cancel_on_kill=False)
    assert started() == ["RUNNING"]


def test_a_retry_policy_is_asked_about_what_airflow_will_ask_it_about(
    run: Any, connected_emulator: EarthEngineEmulator, fault: Any, started: Any, endless: None
) -> None:
    asked: list[BaseException] = []

    def evaluate(exception: BaseException, *_: Any) -> Any:
        asked.append(exception)
        return SimpleNamespace(action=SimpleNamespace(value="fail"))

    fault(point="after", drop=True)
    given = {"expression": constant_image(), "destination": "gs://bucket/prefix", "grid": GRID}
    operator = run.render(make(run, given))
    object.__setattr__(operator, "retry_policy", SimpleNamespace(evaluate=evaluate))
    with pytest.raises(AirflowException):
        execute(operator, TaskInstance(retries=3).context())
    assert isinstance(asked[0].__cause__, TransientError)
    assert started() == ["CANCELLED"]


def test_a_task_that_fails_for_good_leaves_nothing_running(
    export: Any, fault: Any, started: Any, endless: None
) -> None:
    fault(point="after", drop=True)
    with pytest.raises(AirflowException, match="got no answer"):
        export(TaskInstance())
    assert started() == ["CANCELLED"]


@contextmanager
def running(call: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Call something in a thread of its own, which has ended at the end of the body."""
    result: dict[str, Any] = {}

    def target() -> None:
        try:
            result["returned"] = call()
        except BaseException as error:
            result["raised"] = error

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    yield result
    thread.join(timeout=20)
    assert not thread.is_alive()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
