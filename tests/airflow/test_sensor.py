"""The sensor waits, tells what changes, and ends as the operation ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from examples import GRID, constant_image
from triggering import event_of

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.sensors.operation import EEOperationSensor

EMPTY = {"code": 3, "message": "No valid (un-masked) pixels in export region. (Error code: 3)"}


@pytest.fixture
def submit(connected_emulator: EarthEngineEmulator) -> Callable[..., dict[str, Any]]:
    """Start an export that behaves as told, and return its Operation."""

    def start(description: str = "export", **behaviour: Any) -> dict[str, Any]:
        if behaviour:
            steer(connected_emulator, "operations", {"match": f"^{description}$", **behaviour})
        destination = {"bucket": "bucket", "filenamePrefix": description}
        return EarthEngineHook().export_image(
            {
                "expression": constant_image(),
                "grid": GRID,
                "description": description,
                "fileExportOptions": {"cloudStorageDestination": destination},
            }
        )

    return start


def steer(emulator: EarthEngineEmulator, what: str, body: dict[str, Any]) -> None:
    requests.post(f"{emulator.url}/_emulator/{what}", json=body).raise_for_status()


def advance(emulator: EarthEngineEmulator, seconds: float) -> None:
    steer(emulator, "clock", {"advance_seconds": seconds})


def sensor(run: Any, operation: Any, **arguments: Any) -> EEOperationSensor:
    task_id = f"wait-{len(run.dag.task_ids)}"
    return run.render(EEOperationSensor(task_id=task_id, operation=operation, dag=run.dag, **arguments))


def test_it_pokes_until_the_operation_has_succeeded(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    operation = submit()
    task = sensor(run, operation["name"])
    assert not task.poke(run.context)
    advance(connected_emulator, 10)
    result = task.poke(run.context)
    assert result.is_done
    assert result.xcom_value["metadata"]["state"] == "SUCCEEDED"
    assert result.xcom_value["name"] == operation["name"]


@pytest.mark.parametrize("form", ["name", "dict", "json", "list", "json list"])
def test_an_operation_is_given_as_a_name_a_dict_or_a_list(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator, form: str
) -> None:
    one, two = submit("one"), submit("two")
    advance(connected_emulator, 60)
    given = {
        "name": one["name"],
        "dict": one,
        "json": json.dumps(one),
        "list": [one, two["name"]],
        "json list": json.dumps([one, two]),
    }[form]
    result = sensor(run, given).poke(run.context).xcom_value
    names = [final["name"] for final in result] if "list" in form else result["name"]
    assert names == ([one["name"], two["name"]] if "list" in form else one["name"])


def test_a_list_is_waited_for_to_its_last(run: Any, submit: Any, connected_emulator: EarthEngineEmulator) -> None:
    operations = [submit(f"export-{i}") for i in range(3)]
    task = sensor(run, operations)
    advance(connected_emulator, 5)  # two slots of 5 seconds
    assert not task.poke(run.context)
    advance(connected_emulator, 5)
    assert len(task.poke(run.context).xcom_value) == 3


def test_nothing_to_wait_for_is_no_wait(run: Any, connected_emulator: EarthEngineEmulator) -> None:
    assert sensor(run, []).poke(run.context).xcom_value == []


def test_changes_are_logged_and_only_they(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    task = sensor(run, submit(attempts=2, duration_seconds=10))
    caplog.set_level(logging.INFO)
    logged = capture(task)
    for seconds in (0, 0, 4, 0, 8, 0, 10):
        advance(connected_emulator, seconds)
        task.poke(run.context)
    summaries = [line.split(": ", 1)[1] for line in logged if "EECU" not in line]
    assert [summary.split(",")[0] for summary in summaries] == ["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    assert "attempt 1" in summaries[1]
    assert "attempt 2" in summaries[2]
    assert "ended SUCCEEDED after 20.0 EECU-seconds" in logged[-1]


def capture(task: EEOperationSensor) -> list[str]:
    """The lines that a task logs, whatever logger Airflow gave it."""
    lines: list[str] = []

    class Log:
        def info(self, message: str, *arguments: Any) -> None:
            lines.append(message % arguments)

        warning = info

    type(task).log = Log()  # type: ignore[assignment]
    return lines


@pytest.fixture(autouse=True)
def _restore_log() -> Any:
    yield
    if "log" in vars(EEOperationSensor):
        del EEOperationSensor.log  # type: ignore[misc]


def test_a_rescheduled_sensor_remembers_what_it_logged(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    """Each poke is a new process; where Airflow keeps a task's state, the next one knows."""

    class Store(dict[str, Any]):
        set = dict.__setitem__

    run.context["task_state_store"] = Store()
    operation = submit()
    lines: list[str] = []
    for seconds in (0, 0, 0, 60):
        advance(connected_emulator, seconds)
        task = sensor(run, operation, mode="reschedule")
        lines = lines or capture(task)
        task.poke(run.context)
    assert [line.split(": ")[1].split(",")[0] for line in lines[:2]] == ["RUNNING", "SUCCEEDED"]
    assert len(lines) == 3


def test_a_failed_operation_fails_the_task_for_good(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    message = "Image.select: Band pattern 'B99' did not match any bands. Available bands: [B2, B3]"
    task = sensor(run, submit(fail={"code": 3, "message": message}))
    advance(connected_emulator, 10)
    with pytest.raises(AirflowFailException, match="Band pattern 'B99' did not match any bands"):
        task.poke(run.context)


def test_an_internal_error_fails_too_since_a_look_mends_nothing(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    task = sensor(run, submit(fail={"code": 13, "message": "Internal error."}))
    advance(connected_emulator, 10)
    with pytest.raises(AirflowFailException, match=r"Internal error\."):
        task.poke(run.context)


def test_a_cancelled_operation_fails_the_task_for_good(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    operation = submit()
    EarthEngineHook().cancel_operation(operation["name"])
    task = sensor(run, operation)
    assert not task.poke(run.context)
    advance(connected_emulator, 2)
    with pytest.raises(AirflowFailException, match=r"was cancelled\."):
        task.poke(run.context)


def test_one_failure_ends_the_wait_for_a_list(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    bad = submit("bad", fail={"code": 3, "message": "No."}, duration_seconds=1)
    task = sensor(run, [submit("slow", duration_seconds=1000), bad])
    advance(connected_emulator, 5)
    with pytest.raises(AirflowFailException, match=r"failed: No\."):
        task.poke(run.context)


def test_an_empty_export_fails_or_skips_as_asked(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    operation = submit(fail=EMPTY)
    advance(connected_emulator, 10)
    with pytest.raises(AirflowFailException, match="No valid"):
        sensor(run, operation).poke(run.context)
    with pytest.raises(AirflowSkipException, match="No valid"):
        sensor(run, operation, skip_if_empty=True).poke(run.context)


def test_a_list_is_skipped_only_if_all_of_it_is_empty(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    empty, full = submit("empty", fail=EMPTY), submit("full")
    advance(connected_emulator, 60)
    states = [
        one["metadata"]["state"]
        for one in sensor(run, [empty, full], skip_if_empty=True).poke(run.context).xcom_value
    ]
    assert states == ["FAILED", "SUCCEEDED"]
    with pytest.raises(AirflowSkipException):
        sensor(run, [empty, empty], skip_if_empty=True).poke(run.context)


def test_a_service_that_is_away_is_asked_again(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator
) -> None:
    task = sensor(run, submit())
    steer(connected_emulator, "faults", {"method": "operations.get", "status": 503, "times": 3})
    lines = capture(task)
    assert [bool(task.poke(run.context)) for _ in range(3)] == [False] * 3
    assert all("Looking again at the next poke." in line for line in lines)
    advance(connected_emulator, 10)
    assert task.poke(run.context).is_done


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_look_that_is_refused_may_be_retried(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator, status: int
) -> None:
    task = sensor(run, submit())
    steer(connected_emulator, "faults", {"method": "operations.get", "status": status, "message": "No."})
    with pytest.raises(AirflowException) as failure:
        task.poke(run.context)
    assert not isinstance(failure.value, AirflowFailException)


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_timeout_says_that_the_export_runs_on_and_cancels_nothing(
    run: Any, submit: Any, connected_emulator: EarthEngineEmulator, soft_fail: bool
) -> None:
    operation = submit()
    task = sensor(run, operation, timeout=0, poke_interval=0.01, soft_fail=soft_fail)
    with pytest.raises(
        AirflowSkipException if soft_fail else AirflowSensorTimeout,
        match=rf"Not cancelled, so it runs on: {operation['name']}\.",
    ):
        task.execute(run.context)
    state = EarthEngineHook().get_operation(operation["name"])["metadata"]["state"]
    assert state == "RUNNING"


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (None, "operation is empty: the task it comes from returned nothing, perhaps because it was skipped."),
        ("", "operation is empty"),
        ("{{ none }}", "operation is empty"),
        ([None], "operation is empty"),
        ({"done": True}, "operation {'done': True} has no name of the form projects/PROJECT/operations/ID; give"),
        ({}, "operation {} has no name"),
        (0, "operation 0 has no name"),
        ("ABCDEF", "operation 'ABCDEF' has no name of the form projects/PROJECT/operations/ID"),
        ("{'name': 'projects/p/operations/A'}", "operation is text that is neither a name nor JSON"),
        ({"name": "../../etc/passwd"}, "operation {'name': '../../etc/passwd'} has no name of the form"),
        ("/etc/passwd.json", "operation '/etc/passwd.json' has no name of the form"),
        (
            "projects/elsewhere/operations/A",
            "operation projects/elsewhere/operations/A belongs to project 'elsewhere', but this sensor looks in "
            "'test-project'; set project_id='elsewhere' if that is meant.",
        ),
    ],
)
def test_bad_input_fails_the_task_with_a_sentence(
    run: Any, sent: Callable[[], list[str]], operation: Any, sentence: str
) -> None:
    with pytest.raises(AirflowFailException) as failure:
        sensor(run, operation).poke(run.context)
    assert sentence in str(failure.value)
    assert sent() == []


def test_a_project_number_cannot_be_told_from_another_project(
    run: Any, connected_emulator: EarthEngineEmulator
) -> None:
    with pytest.raises(AirflowException, match="not found"):
        sensor(run, "projects/123456/operations/A").poke(run.context)


def test_a_flag_that_is_none_is_refused_while_the_dag_is_parsed(run: Any) -> None:
    with pytest.raises(ValueError, match="deferrable='False' must be True or False"):
        sensor(run, "projects/p/operations/A", deferrable="False")


class TestDeferred:
    """``deferrable=True``"""

    def deferral(self, run: Any, operation: Any, **arguments: Any) -> TaskDeferred:
        arguments = {"deferrable": True, "poke_interval": 0.02, **arguments}
        with pytest.raises(TaskDeferred) as deferred:
            sensor(run, operation, **arguments).execute(run.context)
        return deferred.value

    def resumed(self, run: Any, operation: Any, event: dict[str, Any], **arguments: Any) -> Any:
        """The worker that goes on is another one."""
        task = sensor(run, operation, deferrable=True, **arguments)
        return task.resume_execution("execute_complete", {"event": event}, run.context)

    def test_what_has_ended_is_not_waited_for(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        operation = submit()
        advance(connected_emulator, 10)
        result = sensor(run, operation, deferrable=True).execute(run.context)
        assert result["metadata"]["state"] == "SUCCEEDED"

    @pytest.mark.parametrize("count", [None, 1, 3])
    def test_it_returns_what_it_was_given_as_it_ended(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator, sent: Any, count: int | None
    ) -> None:
        first = submit("first")
        advance(connected_emulator, 10)  # it has ended before the sensor looks
        later = [submit(f"later{number}", duration_seconds=100) for number in range(2)]
        given: Any = {None: later[0], 1: [later[0]], 3: [later[0], first, later[1]]}[count]
        deferral = self.deferral(run, given)
        advance(connected_emulator, 300)
        event = event_of(deferral)
        looks = len(sent())
        result = self.resumed(run, given, event)
        assert len(sent()) == looks
        final = [result] if count is None else result
        names = [given["name"]] if count is None else [one["name"] for one in given]
        assert [one["name"] for one in final] == names
        assert {one["metadata"]["state"] for one in final} == {"SUCCEEDED"}

    def test_a_failed_operation_fails_the_task_for_good(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        operations = [submit("endless", stay="RUNNING"), submit("failing", fail={"code": 13, "message": "no"})]
        deferral = self.deferral(run, operations)
        advance(connected_emulator, 10)
        with pytest.raises(AirflowFailException, match="failed: no"):
            self.resumed(run, operations, event_of(deferral))

    @pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
    def test_what_has_failed_already_skips_the_task_as_in_other_modes(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator, flag: str
    ) -> None:
        operation = submit("failing", fail={"code": 13, "message": "no"})
        advance(connected_emulator, 10)
        for mode in ({"deferrable": False}, {"deferrable": True}):
            with pytest.raises(AirflowSkipException):
                sensor(run, operation, **mode, **{flag: True}).execute(run.context)

    def test_an_operation_may_be_given_twice_and_in_two_spellings(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        operation = submit(duration_seconds=100)
        given = [operation["name"], operation["name"].replace("test-project", "123456")]
        deferral = self.deferral(run, operation["name"])
        assert deferral.trigger.operations == [operation["name"]]
        advance(connected_emulator, 300)
        assert len(self.resumed(run, given, event_of(deferral))) == 2

    def test_a_look_that_is_refused_is_left_to_the_triggerer(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        operation = submit()
        steer(connected_emulator, "faults", {"method": "operations.get", "status": 403, "times": 1})
        advance(connected_emulator, 10)
        deferral = self.deferral(run, operation)
        assert self.resumed(run, operation, event_of(deferral))["metadata"]["state"] == "SUCCEEDED"

    def test_an_empty_one_ends_the_wait_for_no_other(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        operations = [submit("later", duration_seconds=100), submit("empty", fail=EMPTY)]
        deferral = self.deferral(run, operations, skip_if_empty=True)
        advance(connected_emulator, 300)
        result = self.resumed(run, operations, event_of(deferral), skip_if_empty=True)
        assert [one["metadata"]["state"] for one in result] == ["SUCCEEDED", "FAILED"]

    def test_it_skips_where_all_were_empty(
        self, run: Any, submit: Any, connected_emulator: EarthEngineEmulator
    ) -> None:
        operation = submit("empty", fail=EMPTY)
        deferral = self.deferral(run, operation, skip_if_empty=True)
        advance(connected_emulator, 10)
        with pytest.raises(AirflowSkipException):
            self.resumed(run, operation, event_of(deferral), skip_if_empty=True)

    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            ({"timeout": 100}, 100),
            ({"timeout": timedelta(minutes=2)}, 120),
            ({"timeout": 100, "execution_timeout": timedelta(seconds=50)}, 50),
        ],
    )
    def test_its_time_is_airflow_s_to_keep(
        self, run: Any, submit: Any, given: dict[str, Any], seconds: int
    ) -> None:
        deferral = self.deferral(run, submit(stay="RUNNING"), **given)
        assert deferral.timeout == timedelta(seconds=seconds)
        assert (deferral.trigger.owner, deferral.trigger.deadline) == (None, None)

    @pytest.mark.parametrize("soft_fail", [False, True])
    def test_a_timeout_says_what_runs_on_and_cancels_nothing(
        self, run: Any, submit: Any, sent: Any, soft_fail: bool
    ) -> None:
        operation = submit(stay="RUNNING")
        reason = "Trigger timeout" if AIRFLOW_V_3_0_PLUS else "Trigger/execution timeout"
        task = sensor(run, operation, deferrable=True, soft_fail=soft_fail)
        with pytest.raises(
            AirflowSkipException if soft_fail else AirflowSensorTimeout,
            match=rf"Not cancelled, so it runs on: {operation['name']}\.",
        ):
            task.resume_execution("__fail__", {"error": reason}, run.context)
        assert "operations.cancel" not in sent()

    def test_a_trigger_that_broke_may_be_retried(self, run: Any, submit: Any) -> None:
        task = sensor(run, submit(stay="RUNNING"), deferrable=True)
        with pytest.raises(AirflowException, match="Trigger failure") as failure:
            task.resume_execution("__fail__", {"error": "Trigger failure"}, run.context)
        assert not isinstance(failure.value, (AirflowFailException, AirflowSensorTimeout))

    def test_it_is_how_airflow_is_configured_to_wait(self, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not sensor(run, "projects/p/operations/A").deferrable
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        assert sensor(run, "projects/p/operations/A").deferrable
        assert not sensor(run, "projects/p/operations/A", deferrable=False).deferrable
