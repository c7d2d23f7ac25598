"""What a DAG author writes into a test, run by pytest as they would run it: in a process and a folder of its own."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest
from examples import GRID
from pages import PROJECT, blocks

import airflow_provider_ee.testing

pytest_plugins = ["pytester"]

PAGE = PROJECT / "docs" / "testing-your-dags.md"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a DAG and its tests, of somebody whose Airflow has a database."""
    monkeypatch.setenv("AIRFLOW_HOME", str(pytester.path / "airflow"))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{pytester.path}/theirs.db")
    pytester.mkdir("dags")
    return pytester


def as_on_this_airflow(code: str) -> str:
    """Airflow 2.11 has some names elsewhere, as the page says."""
    return re.sub(
        r"^from airflow\.sdk import", "from airflow.providers.common.compat.sdk import", code, flags=re.M
    )


def test_loading_the_plugin_loads_neither_airflow_nor_the_emulator() -> None:
    program = "import sys, pytest; before = set(sys.modules); import airflow_provider_ee.testing; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) <= {
        "airflow_provider_ee",
        "airflow_provider_ee.testing",
        "importlib.util",
        "importlib._abc",
    }


def test_pytest_finds_the_plugin_by_itself() -> None:
    """Under the name of its module, so that ``-p`` does not load it twice."""
    (found,) = importlib.metadata.entry_points(group="pytest11", name="airflow_provider_ee.testing")
    assert found.load() is airflow_provider_ee.testing


def test_without_the_extra_it_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        airflow_provider_ee.testing, "find_spec", lambda name: None if name == "rasterio" else name
    )
    pytester.makepyfile("def test_a_dag(earth_engine): ...")
    result = pytester.runpytest_inprocess("-p", "airflow_provider_ee.testing")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*needs rasterio: pip install 'airflow-provider-ee[[]emulator]'."])


@pytest.mark.whole_dag
def test_the_code_of_the_page_runs_in_two_processes_at_once(project: pytest.Pytester) -> None:
    dag, test, faults, _ = (block.text for block in blocks(PAGE, "python"))
    assert len(test.strip().splitlines()) < 15
    (project.path / "dags" / "daily_ndvi.py").write_text(as_on_this_airflow(dag))
    project.makepyfile(test_daily_ndvi=test, test_faults=faults)
    # Airflow 3.0's dag.test() gives up a task that has failed after a deferral, as the page says.
    gives_up = importlib.metadata.version("apache-airflow").startswith("3.0.")
    chosen = ("-k", "not fault_of_the_service") if gives_up else ()
    project.runpytest_subprocess("-n", "2", *chosen).assert_outcomes(passed=5 if gives_up else 6)
    assert not (project.path / "theirs.db").exists()


DAGS = """
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor
from beside import GRID

RED = {"functionName": "Image.constant", "arguments": {"value": {"constantValue": 7}}}
IMAGE = {"result": "0", "values": {"0": {"functionInvocationValue": RED}}}

with DAG("several", schedule=None, start_date=datetime(2020, 1, 1), default_args={"grid": GRID}) as several:
    waits = EEImageExportOperator(
        task_id="waits", expression=IMAGE, destination="gs://bucket/{{ dag_run.conf['name'] }}",
        wait_for_completion=True, ee_conn_id="google_cloud_default", retries=1, retry_delay=timedelta(hours=1),
    )
    EEOperationSensor(task_id="sees", operation=waits.output, mode="reschedule", ee_conn_id="google_cloud_default")
    EEImageExportOperator.partial(task_id="mapped", expression=IMAGE, ee_conn_id="theirs", retries=0).expand(
        destination=["projects/p/assets/a", "drive://folder/b"]
    )

    @task
    def warehouse():
        raise ConnectionError("not in a test")

    @task
    def stubborn():
        return EarthEngineHook("by_hand").wait_for_operation(EarthEngineHook("by_hand").export_image(
            {"expression": IMAGE, "fileExportOptions": {"fileFormat": "GEO_TIFF", "cloudStorageDestination": {
                "bucket": "bucket", "filenamePrefix": "hook"}}, "grid": GRID})["name"], poll_interval=600)["done"]

    warehouse()
    stubborn()

with DAG("other", schedule=None, start_date=datetime(2020, 1, 1)):
    pass
"""

TESTS = """
from datetime import date, datetime, timezone

import pytest

from several import several  # Airflow is there before the fixture is

EVERY = {"mapped[0]", "mapped[1]", "sees", "stubborn", "waits", "warehouse"}


@pytest.mark.parametrize("dag", ["dags/several.py", several])
def test_a_dag_by_its_path_and_as_it_is(earth_engine, dag):
    earth_engine.connect("by_hand")
    earth_engine.inject("image.export", status=503, match="waits")
    run = earth_engine.run(
        dag, datetime(2020, 1, 15, tzinfo=timezone.utc), dag_id="several", conf={"name": "x"}, mark_success="ware.*"
    )
    assert (run.state, run.errors, run.tasks) == ("success", {}, dict.fromkeys(EVERY, "success"))
    assert {one["method"] for one in earth_engine.requests()} >= {"image.export", "operations.get"}
    for place in ("gs://bucket/x", "gs://bucket/x.tif", "gs://bucket/hook"):
        assert earth_engine.path(place).suffix == ".tif"
    earth_engine.advance(60)
    assert set(earth_engine.files()) >= {"gs/bucket/hook.tif", "gs/bucket/x.tif", "drive/folder/b.tif"}
    assert earth_engine.path("projects/p/assets/a") == earth_engine.output / "assets/p/a.tif"
    assert earth_engine.path("drive://folder/b").is_file()
    with pytest.raises(FileNotFoundError, match="No export has written gs://bucket/y; there is: assets/p/a.json, "):
        earth_engine.path("gs://bucket/y")


def test_what_fails_says_why(earth_engine):
    earth_engine.connect("by_hand")
    earth_engine.fail("An internal error has occurred.", code=13, match="waits")
    earth_engine.behave("mapped", succeed=True)
    run = earth_engine.run("dags/several.py", date(2020, 1, 15), dag_id="several", conf={"name": "x"})
    assert run.tasks == {**dict.fromkeys(EVERY, "success"), "waits": "failed", "sees": "upstream_failed", "warehouse": "failed"}
    assert run.errors.keys() == {"waits", "warehouse"}
    assert "An internal error" in run.errors["waits"]


def test_what_cannot_be_run_is_refused(earth_engine, tmp_path):
    with pytest.raises(ValueError, match="The DAGs in .*several.py are: other, several; give the dag_id of one"):
        earth_engine.run("dags/several.py")
    with pytest.raises(ValueError, match="none_such is not among them"):
        earth_engine.run("dags/several.py", dag_id="none_such")
    with pytest.raises(ValueError, match="There is no file .*dags/none.py"):
        earth_engine.run("dags/none.py")
    with pytest.raises(ValueError, match="There is no file"):
        earth_engine.run("dags")
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_the_kind")
    with pytest.raises(ValueError, match="could not be imported(.|\\n)*nothing_of_the_kind"):
        earth_engine.run(broken)
    with pytest.raises(ValueError, match="no method"):
        earth_engine.inject("image.exports", status=503)
    with pytest.raises(ValueError, match="is not a place"):
        earth_engine.path("s3://bucket/x")
"""


@pytest.mark.whole_dag
def test_whatever_a_test_asks_for(project: pytest.Pytester) -> None:
    (project.path / "dags" / "several.py").write_text(DAGS)
    (project.path / "dags" / "beside.py").write_text(f"GRID = {GRID!r}")
    project.makepyfile(test_several=TESTS)
    project.makeini("[pytest]\npythonpath = dags")
    project.runpytest_subprocess().assert_outcomes(passed=4)
    assert not (project.path / "theirs.db").exists()
