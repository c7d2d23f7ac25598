"""The ee library has one session a process: a task uses that of its connection, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ee
import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowFailException
from examples import GRID
from google.auth.credentials import AnonymousCredentials

from airflow_provider_ee.earthengine import ee_session
from airflow_provider_ee.earthengine.errors import AuthError, RequestError, TransientError
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.operators.export import EEImageExportOperator


@pytest.fixture(autouse=True)
def no_session() -> Iterator[None]:
    ee.Reset()
    yield
    ee.Reset()


def calls(emulator: EarthEngineEmulator) -> list[str]:
    """The methods that were called."""
    log = requests.get(f"{emulator.url}/_emulator/requests").json()["requests"]
    return [entry["method"] for entry in log]


@pytest.mark.usefixtures("connected_emulator")
def test_it_is_made_of_the_connection() -> None:
    EarthEngineHook(project_id="other").initialize_ee()
    assert ee_session._present().project == "other"
    assert ee.Image(1).serialize()


def test_a_second_call_changes_nothing(connected_emulator: EarthEngineEmulator) -> None:
    EarthEngineHook().initialize_ee()
    before = calls(connected_emulator)
    EarthEngineHook().initialize_ee()
    assert calls(connected_emulator) == before


def test_another_connection_s_is_not_used(
    connected_emulator: EarthEngineEmulator, connect: Callable[..., None]
) -> None:
    connect("other", project="elsewhere", api_endpoint=connected_emulator.url, anonymous=True)
    EarthEngineHook().initialize_ee()
    with pytest.raises(RequestError) as refusal:
        EarthEngineHook("other").initialize_ee()
    assert str(refusal.value) == (
        "ee is initialised in this process for the project 'test-project' already, and not by this connection "
        "(project 'elsewhere'); take ee.Initialize out of the DAG file, or call ee.Reset()."
    )
    ee.Reset()
    EarthEngineHook("other").initialize_ee()


def test_a_session_of_somebody_else_s_is_not_used(connected_emulator: EarthEngineEmulator) -> None:
    ee.Initialize(AnonymousCredentials(), url=connected_emulator.url, project="test-project")
    with pytest.raises(RequestError, match="is initialised in this process for the project 'test-project'"):
        EarthEngineHook().initialize_ee()


def test_a_session_that_was_replaced_behind_our_back_is_noticed(connected_emulator: EarthEngineEmulator) -> None:
    EarthEngineHook().initialize_ee()
    ee.Initialize(AnonymousCredentials(), url=connected_emulator.url, project="elsewhere")
    with pytest.raises(RequestError, match="for the project 'elsewhere' already"):
        EarthEngineHook().initialize_ee()


def test_a_task_leaves_no_session_behind(
    connected_emulator: EarthEngineEmulator, connect: Callable[..., None], run: Any
) -> None:
    """Tasks of other connections may follow in the same process."""
    connect("other", project="elsewhere", api_endpoint=connected_emulator.url, anonymous=True)

    def one() -> Any:
        return ee.Image(1)

    arguments = {"expression": one, "grid": GRID, "destination": "gs://bucket/a"}
    for number, conn_id in enumerate(("earth_engine_default", "other")):
        run(EEImageExportOperator(task_id=f"export{number}", dag=run.dag, ee_conn_id=conn_id, **arguments))
        assert not ee.data.is_initialized()


def test_a_task_keeps_the_session_that_it_found(connected_emulator: EarthEngineEmulator, run: Any) -> None:
    EarthEngineHook().initialize_ee()
    arguments = {"expression": lambda: ee.Image(1), "grid": GRID, "destination": "gs://bucket/a"}
    run(EEImageExportOperator(task_id="export", dag=run.dag, **arguments))
    assert ee.data.is_initialized()


def test_why_there_is_none_is_told(connected_emulator: EarthEngineEmulator) -> None:
    connected_emulator.faults.arm(
        Fault(
            method="algorithms.list", status=403, message="Google Earth Engine API has not been used in project 1"
        )
    )
    with pytest.raises(AuthError, match="has not been used in project 1"):
        EarthEngineHook().initialize_ee()
    assert not ee.data.is_initialized()


def test_a_service_that_cannot_be_reached_may_be_tried_again(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the library's own attempts
    connect(project="p", api_endpoint="http://127.0.0.1:9", anonymous=True)
    with pytest.raises(TransientError, match=r"ee\.Initialize failed for the project 'p'"):
        EarthEngineHook().initialize_ee()


def test_without_the_library_it_is_named(connected_emulator: EarthEngineEmulator, monkeypatch: Any) -> None:
    monkeypatch.setattr(ee_session, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"add earthengine-api: pip install 'airflow-provider-ee\[ee\]'"):
        EarthEngineHook().initialize_ee()


@pytest.mark.usefixtures("connected_emulator")
def test_an_object_of_another_kind_is_refused(run: Any) -> None:
    arguments = {"expression": lambda: ee.FeatureCollection([]), "grid": GRID, "destination": "gs://bucket/a"}
    with pytest.raises(
        AirflowFailException,
        match=r"expression is an ee\.FeatureCollection, but the export of the kind image takes an ee\.Image\.",
    ):
        run(EEImageExportOperator(task_id="export", dag=run.dag, **arguments))


def test_a_function_that_initialises_ee_itself_is_told(connected_emulator: EarthEngineEmulator, run: Any) -> None:
    def build() -> Any:
        ee.Initialize(AnonymousCredentials(), url=connected_emulator.url, project="other")
        return ee.Image(1)

    arguments = {"expression": build, "grid": GRID, "destination": "gs://bucket/a"}
    with pytest.raises(AirflowFailException, match=r"has initialised ee itself; leave ee\.Initialize out"):
        run(EEImageExportOperator(task_id="export", dag=run.dag, **arguments))
    assert not ee.data.is_initialized()


@pytest.mark.usefixtures("connected_emulator")
def test_a_module_may_hold_what_ee_makes(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scenes_of_a_module.py").write_text(
        "import ee\nSCENES = ee.ImageCollection('COPERNICUS/S2_SR_HARMONIZED')\ndef build(): return SCENES.median()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    arguments = {"expression": "scenes_of_a_module.build", "grid": GRID, "destination": "gs://bucket/a"}
    assert run(EEImageExportOperator(task_id="export", dag=run.dag, **arguments))["name"]


@pytest.mark.usefixtures("connected_emulator")
def test_a_graph_that_the_client_cannot_write_is_told(run: Any) -> None:
    def build() -> Any:
        image = ee.Image(0)
        for number in range(3_000):
            image = image.add(number)
        return image

    arguments = {"expression": build, "grid": GRID, "destination": "gs://bucket/a"}
    with pytest.raises(AirflowFailException, match="expression nests deeper than"):
        run(EEImageExportOperator(task_id="export", dag=run.dag, **arguments))
