"""A triggerer freezes, another takes its triggers over, and the first one wakes up.

Airflow then tells the first one's triggers that a user has acted, though none has.
"""

from __future__ import annotations

import os

import pytest
from play import Play, Task
from waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.backends("sqlite", "postgres")]
REPEATS = int(os.environ.get("E2E_REASSIGNMENTS", "20"))
AT_ONCE = 10
ON_KILL = "Trigger cancelled by user action, invoking on_kill"


@pytest.mark.parametrize(
    "repeats", [min(AT_ONCE, REPEATS - before) for before in range(0, REPEATS, AT_ONCE)], ids="{} times".format
)
def test_a_triggerer_that_wakes_up_cancels_no_healthy_export(play: Play, repeats: int) -> None:
    tasks = [play.start("waits"), play.start("waits"), *play.start_mapped("mapped", range(3))]
    exports = [task.export_while_deferred() for task in tasks]
    (first,) = play.cluster.triggerers
    second = play.cluster.start_triggerer()
    for repeat in range(1, repeats + 1):
        freeze_until_reassigned(play, tasks, first, second, runner_only=repeat % 2 == 0)
        assert {export.state for export in exports} == {"RUNNING"}
        first, second = second, first
    play.sees_looks(2)
    for task, export in zip(tasks[:3], exports[:3], strict=True):
        task.succeeds_with(export)
    tasks[3].mark("failed")
    tasks[3].is_cancelled(exports[3])
    tasks[4].clear()
    tasks[4].is_cancelled(exports[4])
    tasks[4].succeeds_with(tasks[4].export_while_deferred())
    play.cluster.end_triggerer(second)


def freeze_until_reassigned(play: Play, tasks: list[Task], first: int, second: int, *, runner_only: bool) -> None:
    """Freeze one triggerer until the other runs all triggers, and until the first has told its own of a user."""

    def run_by_second() -> bool:
        log = play.trigger_logs(second)
        reassigned = {task.triggerer_id for task in tasks} == {second}
        return reassigned and log.count("starting") == len(tasks) and ON_KILL not in log

    with play.cluster.frozen_triggerer(first, runner_only=runner_only):
        wait_for(run_by_second, "the triggers to be taken over")
    wait_for(lambda: play.trigger_logs(first).count(ON_KILL) == len(tasks), "the triggers to be told of a user")
