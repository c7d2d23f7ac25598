"""Airflow's own statistics are told what was exported, what it took and how it was looked for."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from deferrable import Deferrable
from examples import GRID, constant_image

from airflow_provider_ee import metrics
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.emulator.operations import Behaviour
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor
from airflow_provider_ee.triggers.operation import EEOperationTrigger

IMAGE = {"type": "EXPORT_IMAGE"}
DOCUMENTED = re.findall(r"\| ``(ee\.\S+)`` \|", metrics.__doc__ or "")


class Told:
    """What Airflow was told, in place of its backend."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.tags: dict[str, Any] = {}
        self.times: dict[str, timedelta] = {}

    def incr(self, name: str, count: int = 1, *, tags: Any = None) -> None:
        assert isinstance(count, int)
        assert name in DOCUMENTED or f"{name.rpartition('.')[0]}.<error>" in DOCUMENTED
        self.counts[name] += count
        self.tags[name] = tags
        if name == "ee.requests":
            self.counts[f"{tags['method']} {tags['status']}"] += count

    def timing(self, name: str, length: timedelta, *, tags: Any = None) -> None:
        assert name in DOCUMENTED
        self.times[name] = length
        self.tags[name] = tags


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(metrics, "_stats", lambda: told)
    return told


@pytest.fixture
def connected_emulator(start_emulator: Any, connect: Any) -> EarthEngineEmulator:
    emulator: EarthEngineEmulator = start_emulator(clock=Clock(), task_seconds=1e6)
    connect(project="test-project", api_endpoint=emulator.url, anonymous=True, num_retries=0)
    return emulator


def behave(emulator: EarthEngineEmulator, **behaviour: Any) -> None:
    emulator.operations.add_behaviour(Behaviour(**{"duration_seconds": 20, "eecu_seconds": 12.6, **behaviour}))


def export(**arguments: Any) -> EEImageExportOperator:
    given = {
        "task_id": "export",
        "expression": constant_image(),
        "grid": GRID,
        "destination": "gs://bucket/prefix",
    }
    operator = EEImageExportOperator(**{**given, **arguments})
    operator.list_grace = ()
    return operator


def test_an_export_is_counted_from_submission_to_its_end(run: Any, told: Told, connected_emulator: Any) -> None:
    behave(connected_emulator)
    task = Deferrable(run)
    task.execute()
    assert told.counts["ee.export.submitted"] == 1
    assert told.tags["ee.export.submitted"] == IMAGE
    assert not told.counts["ee.export.succeeded"]
    connected_emulator.operations.advance(30)
    task.resume()
    assert told.counts["ee.export.succeeded"] == told.counts["ee.export.submitted"] == 1
    assert told.counts["ee.export.eecu_seconds"] == 13
    assert abs(told.times["ee.export.run_time"] - timedelta(seconds=20)) < timedelta(seconds=1)
    assert timedelta(0) <= told.times["ee.export.queue_time"] < timedelta(seconds=10)
    assert told.tags["ee.export.run_time"] == IMAGE
    assert not any(name.startswith("ee.export.failed") for name in told.counts)


def test_a_retry_that_goes_on_with_an_export_counts_as_adopted(
    run: Any, told: Told, connected_emulator: Any
) -> None:
    task = Deferrable(run, retries=1)
    task.execute()
    task.instance.retry()
    task.execute()
    assert (told.counts["ee.export.submitted"], told.counts["ee.export.adopted"]) == (1, 1)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "No.", "RequestError"),
        (403, "No.", "AuthError"),
        (503, "No.", "TransientError"),
        (429, "Too many tasks already in the queue (3000).", "QuotaError"),
    ],
)
def test_a_failure_is_counted_by_its_kind(
    run: Any, told: Told, connected_emulator: EarthEngineEmulator, status: int, message: str, error: str
) -> None:
    fault = Fault(method="image.export", point="before", status=status, message=message, times=None)
    connected_emulator.faults.arm(fault)
    with pytest.raises(AirflowException):
        run(export(wait_timeout=0.01))
    failed = {name: count for name, count in told.counts.items() if ".failed." in name}
    assert failed == {f"ee.export.failed.{error}": 1}
    assert told.counts[f"image.export {status}"] >= 1
    assert not told.counts["ee.export.submitted"]


def test_a_failed_export_is_counted_with_what_it_took(run: Any, told: Told, connected_emulator: Any) -> None:
    behave(connected_emulator, fail={"code": 3, "message": "No."})
    task = Deferrable(run)
    task.execute()
    connected_emulator.operations.advance(30)
    with pytest.raises(AirflowException):
        task.resume()
    assert told.counts["ee.export.failed.OperationFailedError"] == 1
    assert told.tags["ee.export.failed.OperationFailedError"] == IMAGE
    assert told.counts["ee.export.eecu_seconds"] == 13
    assert not told.counts["ee.export.succeeded"]


def test_a_sensor_counts_each_operation_once_however_often_it_looks(
    run: Any, told: Told, connected_emulator: Any
) -> None:
    behave(connected_emulator, match="^a--", duration_seconds=20)
    behave(connected_emulator, match="^b--", duration_seconds=200)
    operations = [run(export(description="a")), run(export(description="b", request_id="b"))]
    connected_emulator.operations.advance(30)

    def poke() -> bool:
        return bool(run.render(EEOperationSensor(task_id="w", operation=operations)).poke(run.context))

    assert not poke()  # each in a process of its own, as in reschedule mode
    assert not poke()
    assert not told.counts["ee.export.succeeded"]
    connected_emulator.operations.advance(300)
    assert poke()
    assert told.counts["ee.export.succeeded"] == 2
    assert told.counts["ee.export.eecu_seconds"] == 26


def test_a_sensor_counts_a_failure(run: Any, told: Told, connected_emulator: Any) -> None:
    behave(connected_emulator, fail={"code": 3, "message": "No."})
    operation = run(export())
    connected_emulator.operations.advance(30)
    with pytest.raises(AirflowException):
        run.render(EEOperationSensor(task_id="w", operation=operation)).poke(run.context)
    assert told.counts["ee.export.failed.OperationFailedError"] == 1
    assert told.counts["ee.export.eecu_seconds"] == 13


def test_sweeps_and_requests_of_a_triggerer_are_counted(run: Any, told: Told, connected_emulator: Any) -> None:
    behave(connected_emulator)
    operation = run(export())
    before = told.counts["ee.requests"]

    async def wait() -> None:
        trigger = EEOperationTrigger(operations=[operation["name"]], poll_interval=0.05)
        events = asyncio.ensure_future(anext(trigger.run()))
        while told.counts["ee.sweeps"] < 2:
            await asyncio.sleep(0.01)
        connected_emulator.operations.advance(30)
        await events

    asyncio.run(wait())
    assert (
        told.counts["operations.get 200"] == told.counts["ee.requests"] - before >= told.counts["ee.sweeps"] >= 2
    )


class Broken:
    """A backend that fails whatever it is told."""

    def incr(self, *told: Any, **more: Any) -> None:
        raise ValueError("broken")

    timing = incr


def test_no_export_is_lost_where_statistics_break(
    run: Any, connected_emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_stats", Broken)
    behave(connected_emulator)
    task = Deferrable(run)
    task.execute()
    connected_emulator.operations.advance(30)
    assert task.resume()["metadata"]["state"] == "SUCCEEDED"
    assert len(connected_emulator.operations.all()) == 1


def test_an_error_stays_what_it_is_where_statistics_break(
    run: Any, connected_emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_stats", Broken)
    with pytest.raises(AirflowFailException, match="destination"):
        run(export(destination="nowhere"))


PROGRAM = """
try:  # as Airflow begins a task
    from airflow.sdk.observability.metrics import stats_utils
    from airflow.sdk.observability import stats
except ImportError:  # before 3.2 it need not
    pass
else:
    if hasattr(stats, "initialize"):
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    else:  # 3.2
        stats.Stats.initialize(factory=stats_utils.get_stats_factory(stats.Stats))
from airflow_provider_ee import metrics
from airflow_provider_ee.earthengine.operation import Operation
times = {"createTime": "2026-01-01T00:00:00Z", "startTime": "2026-01-01T00:00:02Z", "endTime": "2026-01-01T00:00:05Z"}
metadata = {"state": "SUCCEEDED", "type": "EXPORT_IMAGE", "batchEecuUsageSeconds": 12.6, **times}
operation = Operation({"name": "projects/p/operations/A", "metadata": metadata})
metrics.submitted(operation, adopted=False)
metrics.ended([operation])
metrics.requested("image.export", 200)
metrics.swept()
"""


def test_they_arrive_at_statsd(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(0.2)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(statsd.getsockname()[1]))
        ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr[-2000:]
        arrived = set()
        try:
            while True:
                arrived.add(statsd.recv(1000).decode())
        except TimeoutError:
            pass
    assert {line for line in arrived if line.startswith("airflow.ee.")} == {
        "airflow.ee.export.submitted:1|c",
        "airflow.ee.export.succeeded:1|c",
        "airflow.ee.export.eecu_seconds:13|c",
        "airflow.ee.export.queue_time:2000.000000|ms",
        "airflow.ee.export.run_time:3000.000000|ms",
        "airflow.ee.requests:1|c",
        "airflow.ee.sweeps:1|c",
    }
