"""A task links to the tasks of its project and to its result, from the moment of submission."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat import sdk
from dag_bag import serialisation
from deferrable import Deferrable
from examples import GRID, constant_image

from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.pages import result_page, tasks_page
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.emulator.operations import Behaviour
from airflow_provider_ee.links import LINKS, push_links
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor

TASKS = "_link_EETasksLink"
RESULT = "_link_EEResultLink"
TASKS_PAGE = "https://console.cloud.google.com/earth-engine/tasks?project=test-project"
BUCKET_PAGE = "https://console.cloud.google.com/storage/browser/bucket/ndvi?prefix=2020-01-15"


@pytest.mark.parametrize(
    ("destination", "page"),
    [
        ("gs://bucket/ndvi/2020-01-15", BUCKET_PAGE),
        ("gs://bucket/prefix", "https://console.cloud.google.com/storage/browser/bucket?prefix=prefix"),
        ("gs://bucket/folder/", "https://console.cloud.google.com/storage/browser/bucket/folder"),
        (
            "gs://bucket/a b/?q=1&x=#c/ü%2F",
            "https://console.cloud.google.com/storage/browser/bucket/a%20b/%3Fq%3D1%26x%3D%23c?prefix=%C3%BC%252F",
        ),
        (
            "projects/p/assets/a b/c&d=e",
            "https://code.earthengine.google.com/?asset=projects%2Fp%2Fassets%2Fa+b%2Fc%26d%3De",
        ),
        (
            "bq://project.dataset.table",
            "https://console.cloud.google.com/bigquery?project=project&p=project&d=dataset&t=table&page=table",
        ),
        (
            "bq://example.com:old.data&set.ta ble",
            "https://console.cloud.google.com/bigquery"
            "?project=example.com%3Aold&p=example.com%3Aold&d=data%26set&t=ta+ble&page=table",
        ),
        ("drive://my folder/ndvi", "https://drive.google.com/drive/search?q=my+folder"),
        ("drive:///ndvi", "https://drive.google.com/drive/search?q=ndvi"),
    ],
)
def test_every_part_of_a_page_is_quoted(destination: str, page: str) -> None:
    assert result_page(destination) == page


def test_a_project_is_quoted_too() -> None:
    assert tasks_page("example.com:p").endswith("/tasks?project=example.com%3Ap")


def export(**arguments: Any) -> EEImageExportOperator:
    given = {"destination": "gs://bucket/ndvi/{{ ds }}", **arguments}
    return EEImageExportOperator(task_id="export", expression=constant_image(), grid=GRID, **given)


@pytest.fixture
def connected_emulator(start_emulator: Any, connect: Any) -> EarthEngineEmulator:
    emulator: EarthEngineEmulator = start_emulator(clock=Clock(), task_seconds=1e6)
    connect(project="test-project", api_endpoint=emulator.url, anonymous=True, num_retries=0)
    return emulator


def test_both_links_are_there_once_the_export_is_submitted(run: Any, connected_emulator: Any) -> None:
    task = run.render(export())
    task.execute(run.context)
    assert run.ti.xcoms[TASKS] == TASKS_PAGE
    assert run.ti.xcoms[RESULT] == BUCKET_PAGE


def test_both_are_there_while_the_task_is_deferred(run: Any, connected_emulator: Any) -> None:
    task = Deferrable(run, destination="projects/p/assets/a")
    task.execute()
    assert task.deferral
    assert task.instance.xcoms[TASKS] == TASKS_PAGE
    assert task.instance.xcoms[RESULT] == "https://code.earthengine.google.com/?asset=projects%2Fp%2Fassets%2Fa"


def test_an_export_that_a_retry_adopts_is_linked_too(run: Any, connected_emulator: Any) -> None:
    task = Deferrable(run, retries=1)
    task.execute()
    task.instance.xcoms.clear()  # so does Airflow before each try
    task.instance.retry()
    task.execute()
    assert {TASKS, RESULT} <= set(task.instance.xcoms)


def test_there_is_none_where_nothing_was_submitted(run: Any, connected_emulator: EarthEngineEmulator) -> None:
    connected_emulator.faults.arm(Fault(method="image.export", point="before", status=400, message="No."))
    with pytest.raises(sdk.AirflowFailException):
        run(export())
    assert not run.ti.xcoms


def refuse(key: str, value: str) -> None:
    raise ConnectionError("Airflow does not answer")


def test_no_export_is_lost_where_no_link_can_be_pushed(run: Any, connected_emulator: Any) -> None:
    push = run.ti.xcom_push
    run.ti.xcom_push = lambda key, value: (refuse if key.startswith("_link_") else push)(key, value)
    operation = run(export())
    assert [one.state for one in connected_emulator.operations.all()] == ["RUNNING"]
    connected_emulator.operations.advance(1e7)
    assert sensing(run, operation).poke(run.context)


def test_a_finished_export_is_returned_where_nothing_can_be_pushed(run: Any, connected_emulator: Any) -> None:
    task = Deferrable(run)
    task.execute()
    connected_emulator.operations.advance(1e7)
    event = task.trigger()
    context = task.instance.context()
    context["ti"].xcom_push = refuse
    task.instance.context = lambda: context  # type: ignore[method-assign]
    assert task.resume(event)["metadata"]["state"] == "SUCCEEDED"


def test_a_folder_in_drive_is_searched_for_until_the_service_tells_its_page(
    run: Any, connected_emulator: Any
) -> None:
    task = Deferrable(run, destination="drive://maps/ndvi")
    task.execute()
    assert task.instance.xcoms[RESULT] == "https://drive.google.com/drive/search?q=maps"
    connected_emulator.operations.advance(1e7)
    (page,) = task.resume()["metadata"]["destinationUris"]
    assert task.instance.xcoms[RESULT] == page


def sensing(run: Any, operation: Any, **arguments: Any) -> EEOperationSensor:
    return run.render(EEOperationSensor(task_id="wait", operation=operation, dag=run.dag, **arguments))


def test_a_sensor_links_to_the_tasks_at_its_first_look(run: Any, connected_emulator: Any) -> None:
    operation = run(export())
    run.ti.xcoms.clear()
    assert not sensing(run, operation).poke(run.context)
    assert run.ti.xcoms == {TASKS: TASKS_PAGE}


def test_a_deferred_sensor_links_to_the_tasks(run: Any, connected_emulator: Any) -> None:
    operation = run(export())
    run.ti.xcoms.clear()
    with pytest.raises(sdk.TaskDeferred):
        sensing(run, operation, deferrable=True).execute(run.context)
    assert run.ti.xcoms[TASKS] == TASKS_PAGE


def test_a_sensor_links_to_the_page_that_the_service_tells_of_the_result(
    run: Any, connected_emulator: Any
) -> None:
    connected_emulator.operations.add_behaviour(Behaviour(duration_seconds=0))
    operation = run(export())
    connected_emulator.operations.advance(1)
    sensor = sensing(run, operation)
    final = sensor.poke(run.context).xcom_value
    assert [run.ti.xcoms[RESULT]] == final["metadata"]["destinationUris"]


def test_a_sensor_of_several_operations_links_to_no_single_result(run: Any, connected_emulator: Any) -> None:
    connected_emulator.operations.add_behaviour(Behaviour(duration_seconds=0))
    operations = [run(export()), run(export(request_id="second"))]
    connected_emulator.operations.advance(1)
    run.ti.xcoms.clear()
    assert sensing(run, operations).poke(run.context)
    assert set(run.ti.xcoms) == {TASKS}


def test_where_a_result_is_not_known_no_link_is_pushed() -> None:
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    push_links(ti, [Operation({"name": "projects/p/operations/A"})])
    assert set(pushed) == {TASKS}


READ = """
import json, sys
from types import SimpleNamespace
from airflow_provider_ee.links import LINKS
from airflow.providers.common.compat.sdk import XCom
asked = []
XCom.get_value = lambda **wanted: asked.append(wanted) or {"_link_EETasksLink": "https://tasks"}.get(wanted["key"])
print(json.dumps([link.get_link(None, ti_key="key") for link in LINKS] + [asked]))
"""


def test_airflow_reads_what_was_pushed(tmp_path: Path) -> None:
    told = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True).stdout
    tasks, result, asked = json.loads(told.splitlines()[-1])
    assert (tasks, result) == ("https://tasks", "")
    assert asked == [{"ti_key": "key", "key": TASKS}, {"ti_key": "key", "key": RESULT}]


def test_a_stored_dag_names_both_links(run: Any) -> None:
    export(dag=run.dag)
    sensing(run, "projects/p/operations/A")
    stored = json.dumps(serialisation.to_dict(run.dag))
    dag = serialisation.from_dict(json.loads(stored))
    for task_id in ("export", "wait"):
        assert {link.name for link in dag.get_task(task_id).operator_extra_links} == {link.name for link in LINKS}
