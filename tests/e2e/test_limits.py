"""Time that runs out, a queue that is full, many at once."""

from __future__ import annotations

import time

import pytest
from play import Play
from waiting import wait_for

pytestmark = [pytest.mark.e2e]
EVERYWHERE = pytest.mark.backends("sqlite", "postgres", "celery")
TWO_SCHEDULERS = pytest.mark.backends("sqlite", "postgres")


@pytest.mark.parametrize("dag_id", ["wait_timeout", "execution_timeout", "deferral_timeout"])
def test_a_timeout_cancels_and_fails_without_a_retry(play: Play, dag_id: str) -> None:
    task = play.start(dag_id)
    export = task.export_while_deferred()
    task.is_cancelled(export)
    task.until("failed")
    assert task.info["try_number"] == 1
    task.only_export()


def test_a_full_queue_is_waited_for_without_a_slot(play: Play) -> None:
    small = play.cluster.small_service
    running, queued = (small.start_export("small", f"somebody-{number}") for number in range(2))
    task = play.start("full_queue")
    task.until("deferred")
    assert not task.exports()
    assert wait_for(lambda: small.requests("image.export")[2:], "the task to ask")
    running.finish()
    queued.finish()
    task.succeeds_with(task.export_while_deferred())
    task.only_export()


@EVERYWHERE
def test_a_sensor_waits_without_a_slot(play: Play) -> None:
    export = play.service.start_export("main", f"somebodys-{time.monotonic_ns()}")
    sensor = play.start("sensor", operation=export.name)
    sensor.until("deferred")
    sensor.succeeds_with(export)


def test_a_sensor_that_times_out_cancels_nothing(play: Play) -> None:
    export = play.service.start_export("main", f"somebodys-{time.monotonic_ns()}")
    sensor = play.start("sensor_timeout", operation=export.name)
    sensor.until("deferred")
    sensor.until("failed")
    assert export.state == "RUNNING"
    export.finish()


def test_forty_tasks_are_one_sweep(play: Play) -> None:
    tasks = play.start_mapped("crowd", range(40))

    def looks() -> int:
        return len(play.service.requests("operations.", "crowd"))

    for task in tasks:
        task.until("deferred", patience=180)
    before, began = looks(), time.monotonic()
    wait_for(lambda: time.monotonic() - began > 12 and looks() >= before + 3, "three looks")
    intervals = (time.monotonic() - began) / 2  # the poll_interval of this DAG
    sweeps = intervals + 1  # the first may come as the time begins, and the last as it ends
    assert looks() - before <= 2 * sweeps, "more than two requests a sweep for forty tasks"
    for task in tasks:
        play.service.finish(task.only_export().name)
    for task in tasks:
        task.until("success", patience=180)
        task.only_export()


@TWO_SCHEDULERS
def test_quick_exports_fail_no_task(play: Play) -> None:
    tasks = [task for _ in range(2) for task in play.start_mapped("quick", range(6), seconds=0.5)]
    for task in tasks:
        task.until("success", patience=150)
        assert [export.seen for export in task.exports()] == ["SUCCEEDED"]
