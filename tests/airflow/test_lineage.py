"""OpenLineage and Airflow's assets are told what an export reads, what it writes and what it took."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.lineage import hook as compat_hook
from airflow.providers.common.compat.sdk import AirflowException, Asset, AssetAlias, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from deferrable import Deferrable
from examples import GRID, constant_image

from airflow_provider_ee.assets import asset_uri, create_asset
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.operations import Behaviour
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor

SCENE = {
    "result": "0",
    "values": {
        "0": {
            "functionInvocationValue": {
                "functionName": "Image.load",
                "arguments": {"id": {"constantValue": "COPERNICUS/S2/scene"}},
            }
        }
    },
}
SCENE_NAME = "projects/earthengine-public/assets/COPERNICUS/S2/scene"
URI = "earthengine://projects/p/assets/a"


@pytest.fixture
def connected_emulator(start_emulator: Any, connect: Any) -> EarthEngineEmulator:
    emulator: EarthEngineEmulator = start_emulator(clock=Clock(), task_seconds=1e6)
    emulator.operations.add_behaviour(
        Behaviour(match="[^z]$", duration_seconds=10, succeed=True, eecu_seconds=12.5)
    )
    connect(project="test-project", api_endpoint=emulator.url, anonymous=True, num_retries=0)
    return emulator


def test_airflow_knows_the_scheme() -> None:
    assert Asset(URI).uri == URI
    assert Asset(f"{URI}/").uri == URI
    assert create_asset(name="projects/p/assets/a", extra={"k": 1}).uri == URI


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 only warns")
@pytest.mark.parametrize(
    "bad", ["users/a/b", "projects/p", "projects/p/assets/", "projects/p/assets/a?b=c", "p/a"]
)
def test_a_uri_that_names_no_asset_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="write earthengine://projects/PROJECT/assets/NAME"):
        Asset(f"earthengine://{bad}")


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("projects/p/assets/a", URI),
        ("gs://bucket/a/b", "gs://bucket/a/b"),
        ("bq://project.dataset.table", "bigquery://project/dataset/table"),
        ("bq://example.com:p.dataset.table", "bigquery://example.com:p/dataset/table"),
        ("drive://folder/prefix", None),
    ],
)
def test_what_is_written_has_the_uri_that_airflow_knows_it_by(written: str, uri: str | None) -> None:
    assert asset_uri(written) == uri


class Events(defaultdict[Any, Any]):
    """What Airflow keeps of the events of outlets."""

    def __init__(self) -> None:
        super().__init__(Events.of_one)

    def __getitem__(self, outlet: Any) -> Any:
        return super().__getitem__(repr(outlet))  # an Asset of Airflow 3.0 has no hash

    @staticmethod
    def of_one() -> SimpleNamespace:
        added: list[Any] = []
        return SimpleNamespace(extra={}, added=added, add=lambda asset, extra: added.append((asset.uri, extra)))


class TestAssetEvents:
    def deferred(self, run: Any, **arguments: Any) -> tuple[Deferrable, Events]:
        task, events = Deferrable(run, expression=SCENE, **arguments), Events()
        original = task.instance.context
        task.instance.context = lambda: {**original(), "outlet_events": events}  # type: ignore[method-assign]
        task.execute()
        return task, events

    def waited(
        self, run: Any, emulator: EarthEngineEmulator, **arguments: Any
    ) -> tuple[Deferrable, Events, dict[str, Any]]:
        task, events = self.deferred(run, **arguments)
        emulator.operations.advance(100)
        return task, events, task.resume()

    def test_come_where_airflow_broke_off_a_wait_that_was_over(self, run: Any, connected_emulator: Any) -> None:
        alias = AssetAlias("ndvi")
        task, events = self.deferred(run, outlets=[alias], destination="projects/p/assets/a")
        connected_emulator.operations.advance(100)
        task.break_off("Trigger failure")
        assert [uri for uri, _ in events[alias].added] == [URI]

    def test_carry_the_operation_and_what_it_wrote(self, run: Any, connected_emulator: Any) -> None:
        asset = Asset("gs://bucket/ndvi")
        _, events, operation = self.waited(run, connected_emulator, outlets=[asset])
        assert events[asset].extra == {
            "destination": "gs://bucket/prefix",
            "operation": operation["name"],
            "state": "SUCCEEDED",
            "destination_uris": tuple(operation["metadata"]["destinationUris"]),
            "eecu_seconds": 12.5,
        }

    def test_of_an_alias_name_the_destination(self, run: Any, connected_emulator: Any) -> None:
        alias = AssetAlias("ndvi")
        _, events, operation = self.waited(
            run, connected_emulator, outlets=[alias], destination="projects/p/assets/a"
        )
        ((uri, extra),) = events[alias].added
        assert uri == URI
        assert extra["operation"] == operation["name"]

    def test_of_an_alias_wait_until_it_is_written(self, run: Any, connected_emulator: Any) -> None:
        alias, asset = AssetAlias("ndvi"), Asset("gs://bucket/ndvi")
        run.context["outlet_events"] = events = Events()
        operation = run(export(outlets=[alias, asset]))
        assert not events[alias].added
        assert events[asset].extra["state"] == operation["metadata"]["state"] != "SUCCEEDED"

    def test_keep_what_the_author_adds(self, run: Any, connected_emulator: Any) -> None:
        asset = Asset("gs://bucket/ndvi")
        run.context["outlet_events"] = events = Events()
        events[asset].extra["mine"] = 1
        run(export(outlets=[asset]))
        assert events[asset].extra["mine"] == 1

    def test_that_airflow_does_not_take_cost_no_export(self, run: Any, connected_emulator: Any) -> None:
        run.context["outlet_events"] = {}
        operation = run(export(outlets=[AssetAlias("ndvi"), Asset("gs://bucket/ndvi")]))
        assert [one.name for one in connected_emulator.operations.all()] == [operation["name"]]

    def test_of_a_sensor_carry_every_operation(self, run: Any, connected_emulator: Any) -> None:
        asset = Asset("gs://bucket/ndvi")
        operations = [run(export()), run(export(request_id="second"))]
        connected_emulator.operations.advance(100)
        run.context["outlet_events"] = events = Events()
        run.render(EEOperationSensor(task_id="w", operation=operations, outlets=[asset])).poke(run.context)
        told = events[asset].extra["operations"]
        assert [one["operation"] for one in told] == [one["name"] for one in operations]
        assert {one["state"] for one in told} == {"SUCCEEDED"}


def export(**arguments: Any) -> EEImageExportOperator:
    given = {"task_id": "export", "expression": SCENE, "grid": GRID, "destination": "gs://bucket/prefix"}
    return EEImageExportOperator(**{**given, **arguments})


def test_a_function_that_exports_with_the_hook_has_lineage_too(
    connected_emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, list[str]] = {"in": [], "out": []}
    collector = SimpleNamespace(
        add_input_asset=lambda context, uri: told["in"].append(Asset(uri).uri),
        add_output_asset=lambda context, uri: told["out"].append(Asset(uri).uri),
    )
    monkeypatch.setattr(compat_hook, "get_hook_lineage_collector", lambda: collector)
    odd = json.loads(json.dumps(SCENE).replace("COPERNICUS/S2/scene", "a name with?"))
    for expression in (SCENE, odd):
        request = {
            "expression": expression,
            "grid": GRID,
            "assetExportOptions": {"earthEngineDestination": {"name": "projects/p/assets/a"}},
        }
        EarthEngineHook().export_image(request)
    assert told["in"][0] == f"earthengine://{SCENE_NAME}"
    assert told["out"] == [URI, URI]


class TestOpenLineage:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("airflow.providers.openlineage", reason="OpenLineage is not installed")

    def test_is_told_inputs_outputs_and_facets(self, run: Any, connected_emulator: Any) -> None:
        task = Deferrable(run, expression=SCENE)
        task.execute()
        connected_emulator.operations.advance(100)
        operation = task.resume()
        lineage = extracted(task.operator)
        assert names(lineage.inputs) == [("earthengine", SCENE_NAME)]
        assert names(lineage.outputs) == [("gs://bucket", "prefix")]
        facet = lineage.run_facets["earthEngine"]
        assert facet.operations == [{"name": operation["name"], "state": "SUCCEEDED", "eecuSeconds": 12.5}]
        assert (facet.kind, facet.eecuSeconds) == ("image", 12.5)
        assert facet.pixelCount == GRID["dimensions"]["width"] * GRID["dimensions"]["height"]
        assert len(facet.expressionHash) == 64
        query = lineage.run_facets["externalQuery"]
        assert (query.externalQueryId, query.source) == (operation["name"], "earthengine")

    def test_is_told_of_a_failed_export(self, run: Any, connected_emulator: Any) -> None:
        connected_emulator.operations.add_behaviour(
            Behaviour(fail={"code": 3, "message": "No."}, eecu_seconds=3, duration_seconds=1)
        )
        task = Deferrable(run, expression=SCENE)
        task.execute()
        connected_emulator.operations.advance(100)
        with pytest.raises(AirflowException):
            task.resume()
        lineage = extracted(task.operator, "failed")
        assert lineage.run_facets["earthEngine"].operations[0]["state"] == "FAILED"
        assert names(lineage.inputs) == [("earthengine", SCENE_NAME)]

    @pytest.mark.parametrize(
        ("destination", "dataset"),
        [
            ("projects/p/assets/a", ("earthengine", "projects/p/assets/a")),
            ("drive://maps/ndvi", ("drive", "maps/ndvi")),
            ("gs://bucket/a/b", ("gs://bucket", "a/b")),
        ],
    )
    def test_names_what_is_written(
        self, run: Any, connected_emulator: Any, destination: str, dataset: Any
    ) -> None:
        task = run.render(export(destination=destination))
        task.execute(run.context)
        assert names(extracted(task).outputs) == [dataset]

    def test_is_told_what_the_author_declares_as_well(self, run: Any, connected_emulator: Any) -> None:
        task = run.render(export(inlets=[Asset(URI)], outlets=[Asset("earthengine://projects/p/assets/b")]))
        task.execute(run.context)
        lineage = extracted(task)
        assert names(lineage.inputs) == [("earthengine", "projects/p/assets/a"), ("earthengine", SCENE_NAME)]
        assert ("earthengine", "projects/p/assets/b") in names(lineage.outputs)

    def test_is_told_nothing_of_a_request_that_was_wrong(self, run: Any, connected_emulator: Any) -> None:
        task = run.render(export(destination="nowhere"))
        with pytest.raises(AirflowException):
            task.execute(run.context)
        lineage = extracted(task, "failed")
        assert (lineage.inputs, lineage.outputs, lineage.run_facets) == ([], [], {})

    def test_is_told_by_a_sensor_what_it_waited_for(self, run: Any, connected_emulator: Any) -> None:
        operation = run(export())
        connected_emulator.operations.advance(100)
        sensor = run.render(EEOperationSensor(task_id="w", operation=operation))
        sensor.poke(run.context)
        lineage = extracted(sensor)
        assert lineage.run_facets["externalQuery"].externalQueryId == operation["name"]
        assert lineage.run_facets["earthEngine"].eecuSeconds == 12.5

    def test_a_task_that_is_deferred_ends_without_a_word(self, run: Any, connected_emulator: Any) -> None:
        task = run.render(export(deferrable=True))
        with pytest.raises(TaskDeferred):
            task.execute(run.context)


def extracted(task: Any, state: str = "success") -> Any:
    """What OpenLineage's own plugin makes of a task."""
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.utils.state import TaskInstanceState

    arguments = [SimpleNamespace(run_id="run"), task]
    state = TaskInstanceState(state)
    try:
        return ExtractorManager().extract_metadata(*arguments, state, None)
    except TypeError:  # before 2.3
        return ExtractorManager().extract_metadata(*arguments, complete=True, task_instance=None)


def names(datasets: Any) -> list[tuple[str, str]]:
    return [(dataset.namespace, dataset.name) for dataset in datasets]


WITHOUT = """
    import importlib.abc, json, os, sys
    import airflow.configuration, airflow.providers.common.compat.sdk
    class Missing(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.startswith(("openlineage", "airflow.providers.openlineage")):
                raise ModuleNotFoundError(name)
    sys.meta_path.insert(0, Missing())
    from types import SimpleNamespace
    from airflow_provider_ee.emulator import EarthEngineEmulator
    from airflow_provider_ee.operators.export import EEImageExportOperator
    xcoms = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: xcoms.update({key: value}), run_id="r", try_number=1)
    with EarthEngineEmulator(catalog=sys.argv[1], output=sys.argv[1]) as emulator:
        extra = {"project": "p", "api_endpoint": emulator.url, "anonymous": True}
        os.environ["AIRFLOW_CONN_EARTH_ENGINE_DEFAULT"] = json.dumps({"conn_type": "earth_engine", "extra": extra})
        EEImageExportOperator(
            task_id="t", expression=EXPRESSION, destination="gs://bucket/p"
        ).execute({"ti": ti})
    print(sorted(xcoms), "airflow_provider_ee.lineage" in sys.modules)
"""


def test_without_openlineage_an_export_runs_and_nothing_of_it_is_imported(tmp_path: Path) -> None:
    program = f"EXPRESSION = {json.dumps(constant_image())}\n{textwrap.dedent(WITHOUT)}"
    command = [sys.executable, "-c", program, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    last = told.stdout.splitlines()[-1]
    assert last == "['_link_EEResultLink', '_link_EETasksLink', 'destination', 'operation'] False"


@pytest.mark.whole_dag
def test_what_airflow_and_openlineage_hold_in_the_end(
    run_dag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Airflow's own listeners and tables, with a deferral in between."""
    pytest.importorskip("airflow.providers.openlineage", reason="OpenLineage is not installed")
    events = tmp_path / "events"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT", "60")
    dags = Path(__file__).parent / "dags"
    ended, log = run_dag(dags, "lineage", {"succeed": True, "eecu_seconds": 12.5})
    assert ended == {"export": ["success"]}, log[-2000:]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    (complete,) = [
        event for event in told if event["eventType"] == "COMPLETE" and event["job"]["name"] == "lineage.export"
    ]
    assert [one["name"] for one in complete["inputs"]] == [f"{SCENE_NAME[: SCENE_NAME.index('/COP')]}/{S2}/a"]
    assert {one["name"] for one in complete["outputs"]} == {
        "projects/p/assets/made/20200115",
        "projects/p/assets/made",
    }
    facets = complete["run"]["facets"]
    assert facets["earthEngine"]["eecuSeconds"] == 12.5
    assert facets["externalQuery"]["externalQueryId"] == facets["earthEngine"]["operations"][0]["name"]
    rows = asset_events(tmp_path / "airflow" / "airflow.db")
    assert set(rows) == {"earthengine://projects/p/assets/made", "earthengine://projects/p/assets/made/20200115"}
    assert {extra["state"] for extra in rows.values()} == {"SUCCEEDED"}


S2 = "COPERNICUS/S2_SR_HARMONIZED"


def asset_events(database: Path) -> dict[str, Any]:
    """The extra of each event, by the URI of its asset."""
    table = "asset" if AIRFLOW_V_3_0_PLUS else "dataset"
    query = f"SELECT uri, e.extra FROM {table}_event e JOIN {table} a ON a.id = e.{table}_id"
    with sqlite3.connect(database) as connection:
        return {uri: json.loads(extra) for uri, extra in connection.execute(query)}
