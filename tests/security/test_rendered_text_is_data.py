"""Whoever may trigger a DAG fills its templates: what they write is never opened, imported or rendered again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowException, timezone
from examples import GRID, constant_image

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.operators.export import EEImageExportOperator, EETableExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor


class Auditor:
    """Hears of every file that Python opens and every module that it imports."""

    def __init__(self) -> None:
        self.touched: list[str] | None = None
        sys.addaudithook(self._hear)  # which cannot be taken back

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.touched is not None and event in ("open", "import", "os.listdir", "os.system", "subprocess.Popen"):
            self.touched.append(str(arguments[0]))


AUDITOR = Auditor()


@pytest.fixture
def touched() -> Iterator[list[str]]:
    """The files and modules that the test has led to."""
    AUDITOR.touched = []
    yield AUDITOR.touched
    AUDITOR.touched = None


class Task:
    """A task instance that keeps nothing."""

    run_id, map_index, try_number, max_tries = "manual", -1, 1, 0

    def xcom_push(self, key: str, value: Any) -> None:
        """Nothing."""


def run(operator: Any, **params: Any) -> Any:
    """Render and execute, as Airflow does."""
    context = {"ti": Task(), "ds": "2020-01-15", "params": params}
    operator.render_template_fields(context)
    return operator.execute(context)


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    """A DAG whose folder lies beside what is none of its business."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "inside.json").write_text(json.dumps(constant_image()))
    for name in ("outside.json", "hostile_module.py"):
        (tmp_path / name).write_text("{}")
    return DAG(
        "dag",
        schedule=None,
        start_date=timezone.datetime(2020, 1, 1),
        template_searchpath=[str(tmp_path / "dags")],
    )


HOSTILE = [
    "{tmp}/outside.json",
    "file://{tmp}/outside.json",
    "../outside.json",
    "inside.json",
    "hostile_module.run",
    "hostile_module:run",
    "{{% include 'inside.json' %}}",
    "{{{{ cycler.__init__.__globals__.os.system('true') }}}}",
    "gs://bucket/../../outside.json",
    "@{tmp}/outside.json",
]
FIELDS = [
    name
    for name in dict.fromkeys((*EEImageExportOperator.template_fields, *EETableExportOperator.template_fields))
    if name != "expression_kwargs"
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.usefixtures("connected_emulator")
def test_no_field_of_an_export_leads_to_a_file_or_to_code(
    dag: DAG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touched: list[str], text: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path / "dags")
    for field in FIELDS:
        operators = (EEImageExportOperator, EETableExportOperator)
        operator_class = next(one for one in operators if field in one.template_fields)
        given = {"destination": "gs://bucket/prefix", "expression": constant_image(), field: "{{ params.text }}"}
        operator = operator_class(task_id=f"export_{field}", dag=dag, **given)
        touched.clear()
        with suppress(AirflowException, ValueError, TypeError):  # most are refused
            run(operator, text=text.format(tmp=tmp_path))
        assert not [name for name in touched if "outside" in name or "inside.json" in name or "hostile" in name]
    assert "hostile_module" not in sys.modules


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.usefixtures("connected_emulator")
def test_no_operation_that_a_sensor_is_told_leads_anywhere(
    dag: DAG, tmp_path: Path, touched: list[str], text: str
) -> None:
    sensor = EEOperationSensor(task_id="sense", dag=dag, operation="{{ params.text }}")
    touched.clear()
    with pytest.raises(AirflowException):
        run(sensor, text=text.format(tmp=tmp_path))
    assert not [name for name in touched if "outside" in name or "inside.json" in name or "hostile" in name]


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "{tmp}/outside",
        "../dags/../outside",
        "..\\outside",
        "./../outside",
        "inside.json/../../outside",
    ],
)
@pytest.mark.usefixtures("connected_emulator")
def test_a_template_whose_name_is_filled_in_lies_beside_the_dag(
    dag: DAG, tmp_path: Path, touched: list[str], name: str
) -> None:
    operator = EEImageExportOperator(
        task_id="export", dag=dag, expression="{{ params.name }}.json", destination="gs://bucket/prefix"
    )
    touched.clear()
    with pytest.raises(AirflowException, match="was not found beside the DAG or in its template_searchpath"):
        run(operator, name=name.format(tmp=tmp_path))
    assert str(tmp_path / "outside.json") not in touched
    run(operator, name="inside")
    assert str(tmp_path / "dags" / "inside.json") in touched


def test_what_is_filled_into_a_template_is_not_rendered_again(
    dag: DAG, tmp_path: Path, connected_emulator: EarthEngineEmulator
) -> None:
    text = "{{ params.description }}{% include 'outside.json' %}"
    image = json.dumps(constant_image()).replace('"0"', " {{ params.text | tojson }} ")
    (tmp_path / "dags" / "template.json").write_text(image)
    operator = EEImageExportOperator(
        task_id="export",
        dag=dag,
        expression="template.json",
        destination="gs://bucket/{{ params.text }}",
        grid=GRID,
    )
    run(operator, text=text, description="not-this")
    assert list(json.loads(operator.expression)["values"]) == [text]
    assert operator.destination == f"gs://bucket/{text}"


@pytest.mark.usefixtures("connected_emulator")
def test_a_template_beside_the_dag_reaches_nothing_but_its_values(dag: DAG, tmp_path: Path) -> None:
    (tmp_path / "dags" / "template.json").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    operator = EEImageExportOperator(
        task_id="export", dag=dag, expression="template.json", destination="gs://bucket/prefix"
    )
    with pytest.raises(Exception, match=r"unsafe|is undefined"):
        run(operator)


def test_a_crs_names_no_file(tmp_path: Path) -> None:
    """PROJ opens whatever it is told to."""
    pytest.importorskip("pyproj")
    codes = tmp_path / "codes"
    codes.write_text("<mine> +proj=merc +ellps=bessel <>\n")
    for crs in (f"+init={codes}:mine", f"init={codes}:mine", f"+proj=merc +nadgrids={codes} +type=crs"):
        with pytest.raises(RequestError, match="names a file; give a code, or WKT that needs none"):
            PixelGrid.from_region([-67.7, -47.9, -67.6, -47.8], crs, 10)
