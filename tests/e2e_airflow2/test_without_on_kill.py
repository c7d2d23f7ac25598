"""A trigger of Airflow 2.11 is not told why it is ended; it looks at the task's state and decides."""

from __future__ import annotations

import pytest
from play import Play, Task
from test_limits import test_a_timeout_cancels_and_fails_without_a_retry as times_out
from waiting import wait_for

pytestmark = pytest.mark.e2e


def test_cancel_on_kill_false_leaves_the_export(play: Play) -> None:
    task = play.start("survives_kill")
    export = task.export_while_deferred()
    task.mark("failed")
    wait_for(lambda: f"{task.run.run_id}/task/-1/1 " in ends_of_triggers(play), "the trigger to end")
    assert export.state == "RUNNING"
    export.finish()


def test_a_run_that_is_deleted_at_once_leaves_no_export(play: Play) -> None:
    task = play.start("waits")
    export = task.export_while_deferred()
    play.user.delete_run(*task.run.names)
    task.is_cancelled(export)


def test_a_timeout_with_a_retry_left_cancels_and_fails(play: Play) -> None:
    times_out(play, "execution_timeout_and_retries")


@pytest.mark.alone
def test_an_execution_timeout_that_no_trigger_keeps_cancels(play: Play) -> None:
    task = play.start("execution_timeout")
    export = task.export_while_deferred()
    with play.cluster.frozen_triggerer():  # Airflow ends the task itself, and only calls on_kill
        task.until("failed")
        task.is_cancelled(export)
    task.only_export()


@pytest.mark.alone
def test_a_triggerer_that_wakes_up_cancels_no_healthy_export(play: Play) -> None:
    tasks = [play.start("waits"), *play.start_mapped("mapped", range(3))]
    exports = [task.export_while_deferred() for task in tasks]
    (first,) = play.cluster.triggerers
    second = play.cluster.start_triggerer()
    freeze_until_reassigned(play, tasks, first, second)
    assert {export.state for export in exports} == {"RUNNING"}
    play.sees_looks(2)
    tasks[2].mark("failed")
    tasks[3].clear()
    for task, export in zip(tasks[2:], exports[2:], strict=True):
        task.is_cancelled(export)
    tasks[3].export_while_deferred()
    for task, export in zip(tasks[:2], exports[:2], strict=True):
        task.succeeds_with(export)
    play.cluster.end_triggerer(first)


def freeze_until_reassigned(play: Play, tasks: list[Task], first: int, second: int) -> None:
    """Freeze one triggerer until the other runs all triggers, and until the first has ended its own."""

    def lines(triggerer: int, end: str) -> int:
        said = play.cluster.triggerer_says(triggerer).splitlines()
        return sum(line.endswith(end) and any(task.run.run_id in line for task in tasks) for line in said)

    ended, started = lines(first, "completed"), lines(second, "starting")
    with play.cluster.frozen_triggerer(first):
        wait_for(lambda: lines(second, "starting") == started + len(tasks), "the triggers to be taken over")
        assert {task.triggerer_id for task in tasks} == {second}
    wait_for(lambda: lines(first, "completed") == ended + len(tasks), "the triggers to be ended")


def ends_of_triggers(play: Play) -> str:
    """Which triggers have ended."""
    said = "".join(play.cluster.triggerer_says(number) for number in play.cluster.triggerers)
    return "\n".join(line for line in said.splitlines() if line.endswith("completed"))
