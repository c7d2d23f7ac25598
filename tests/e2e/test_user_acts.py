"""A user acts on a task whose export runs."""

from __future__ import annotations

import pytest
from play import Play
from waiting import wait_for

pytestmark = [pytest.mark.e2e]
EVERYWHERE = pytest.mark.backends("sqlite", "postgres", "celery")
TWO_SCHEDULERS = pytest.mark.backends("sqlite", "postgres")


@EVERYWHERE
def test_an_export_is_waited_for_without_a_slot(play: Play) -> None:
    task = play.start("waits")
    export = task.export_while_deferred()
    assert task.xcom("operation") == export.name
    assert task.xcom("destination") == f"gs://bucket/{task.run.run_id}/-1"
    task.succeeds_with(export)
    assert export.name in task.log()
    task.only_export()


@TWO_SCHEDULERS
@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_mark_while_deferred_cancels(play: Play, state: str) -> None:
    task = play.start("waits")
    export = task.export_while_deferred()
    task.mark(state)
    task.is_cancelled(export)
    assert task.state == state
    task.only_export()


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_mark_of_one_mapped_task_cancels_its_export_only(play: Play, state: str) -> None:
    first, second, third = play.start_mapped("mapped", range(3))
    exports = [task.export_while_deferred() for task in (first, second, third)]
    second.mark(state)
    second.is_cancelled(exports[1])
    first.succeeds_with(exports[0])
    third.succeeds_with(exports[2])


@EVERYWHERE
@pytest.mark.parametrize("dag_id", ["waits", "waits_and_retries"])
def test_a_clear_while_deferred_exports_anew(play: Play, dag_id: str) -> None:
    task = play.start(dag_id)
    old = task.export_while_deferred()
    task.clear()
    task.is_cancelled(old)
    new = task.export_while_deferred()
    task.succeeds_with(new)
    assert [export.name for export in task.exports()] == [old.name, new.name]


def test_a_clear_of_one_mapped_task_exports_anew_for_it_only(play: Play) -> None:
    first, second, third = play.start_mapped("mapped", range(3))
    exports = [task.export_while_deferred() for task in (first, second, third)]
    second.clear()
    second.is_cancelled(exports[1])
    second.succeeds_with(second.export_while_deferred())
    first.succeeds_with(exports[0])
    third.succeeds_with(exports[2])
    assert [len(task.exports()) for task in (first, second, third)] == [1, 2, 1]


@TWO_SCHEDULERS
def test_a_clear_after_success_exports_anew(play: Play) -> None:
    task = play.start("waits")
    old = task.export_while_deferred()
    task.succeeds_with(old)
    task.clear()
    new = task.export_while_deferred()
    task.succeeds_with(new)
    assert new.name != old.name
    assert len(task.exports()) == 2


@pytest.mark.alone
def test_a_run_that_is_deleted_while_deferred_leaves_no_export(play: Play) -> None:
    task = play.start("waits")
    export = task.export_while_deferred()
    with play.cluster.frozen_triggerer():  # it hears of the end when nothing is left of the run
        task.run.delete()
    task.is_cancelled(export)


def test_cancel_on_kill_false_leaves_the_export(play: Play) -> None:
    task = play.start("survives_kill")
    export = task.export_while_deferred()
    task.mark("failed")
    wait_for(lambda: "invoking on_kill" in task.run.log(), "the trigger to be told")
    assert export.state == "RUNNING"
    export.finish()
