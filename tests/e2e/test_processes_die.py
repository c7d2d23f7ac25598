"""Something dies, freezes or breaks while an export runs; it goes on, and there is one."""

from __future__ import annotations

import pytest
from play import Play
from waiting import wait_for

pytestmark = [pytest.mark.e2e]
TWO_SCHEDULERS = pytest.mark.backends("sqlite", "postgres")


@TWO_SCHEDULERS
@pytest.mark.parametrize("dag_id", ["waits_and_retries", "holds_a_slot"])
def test_a_task_that_dies_before_it_hears_of_its_export_finds_it(play: Play, dag_id: str) -> None:
    task = play.start(dag_id, hold_answer=True)
    task.until_held()
    task.dies()
    task.until_try(2)
    task.succeeds_with(task.only_export())


@TWO_SCHEDULERS
def test_a_worker_that_is_lost_before_it_hears_of_its_export_finds_it(play: Play) -> None:
    task = play.start("waits_and_retries", hold_answer=True)
    task.until_held()
    task.worker_dies()
    task.until_try(2)
    task.succeeds_with(task.export_while_deferred())
    task.only_export()


def test_a_task_that_dies_before_it_is_deferred_goes_on_with_its_export(play: Play) -> None:
    task = play.start("stopped_before_deferring")
    wait_for(lambda: task.xcom("operation"), "the export to be known")
    task.dies()
    task.until_try(2)
    task.succeeds_with(task.export_while_deferred())
    task.only_export()


def test_the_retry_of_a_task_whose_trigger_broke_goes_on_with_its_export(play: Play) -> None:
    task = play.start("failing_while_deferred")
    task.until_try(2)
    task.succeeds_with(task.export_while_deferred())
    task.only_export()


@pytest.mark.alone
@TWO_SCHEDULERS
@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_a_triggerer_that_ends_and_comes_back_goes_on(play: Play, kill: bool) -> None:
    single, mapped = play.start("waits"), play.start_mapped("mapped", range(3))
    tasks = [single, *mapped]
    exports = [task.export_while_deferred() for task in tasks]
    play.cluster.end_triggerer(kill=kill)
    play.cluster.start_triggerer()
    play.sees_looks(3)
    for export in exports:
        export.finish()
    for task, export in zip(tasks, exports, strict=True):
        task.has_succeeded_with(export)
        task.only_export()


@pytest.mark.alone
def test_what_is_marked_failed_while_no_triggerer_is_there_is_mended_by_a_clear(play: Play) -> None:
    task = play.start("waits")
    left = task.export_while_deferred()
    play.cluster.end_triggerer()
    task.mark("failed")
    task.until("failed")
    play.cluster.start_triggerer()
    assert left.state == "RUNNING"  # nobody was there to be told: Airflow drops the trigger without a word
    task.clear()
    task.is_cancelled(left)
    new = task.export_while_deferred()
    task.succeeds_with(new)
    assert [export.name for export in task.exports()] == [left.name, new.name]


@pytest.mark.alone
@TWO_SCHEDULERS
def test_an_api_server_that_is_killed_and_comes_back_ends_no_export(play: Play) -> None:
    tasks = [play.start("waits"), *play.start_mapped("mapped", range(3))]
    exports = [task.export_while_deferred() for task in tasks]
    play.cluster.restart_api_servers()
    for export in exports:
        export.finish()
    for task, export in zip(tasks, exports, strict=True):
        task.has_succeeded_with(export)
        task.only_export()


@pytest.mark.alone
@pytest.mark.backends("celery")
def test_a_celery_worker_that_is_killed_while_it_submits(play: Play) -> None:
    task = play.start("waits_and_retries", hold_answer=True)
    task.until_held()
    play.cluster.restart_worker()
    task.until_try(2)
    task.succeeds_with(task.export_while_deferred())
    task.only_export()
