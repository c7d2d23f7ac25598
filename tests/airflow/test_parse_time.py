"""What a DAG file imports and builds loads nothing heavy: it is parsed again and again, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "example_dags"
HEAVY = (
    "airflow_provider_ee.earthengine.messages",
    "airflow_provider_ee.earthengine.validation",
    "airflow_provider_ee.earthengine.client",
    "airflow_provider_ee.earthengine.credentials",
    "airflow_provider_ee.earthengine.destination",
    "airflow_provider_ee.earthengine.expression",
    "airflow_provider_ee.earthengine.ee_session",
    "airflow_provider_ee.earthengine.request",
    "airflow_provider_ee.hooks",
    "airflow_provider_ee.emulator",
    "google.auth",
    "google.oauth2",
    "ee",
    "numpy",
    "rasterio",
    "fastjsonschema",
    "scipy",
    "pandas",
)
# Airflow itself loads these at times; then they cost us nothing, but they must not come through us.
SHARED = ("requests", "pydantic", "tenacity", "urllib3", "fastapi")

PROGRAM = """
import sys
from airflow.providers.common.compat.sdk import DAG, BaseOperator, BaseSensorOperator, XComArg, conf
BaseOperator(task_id="plain")  # Airflow 3.0 loads much of itself for the first one
before = set(sys.modules)
import runpy
runpy.run_path(sys.argv[1])
print("\\n".join(sorted(set(sys.modules) - before)))
"""


EVERYTHING = """
from airflow.providers.common.compat.sdk import task
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.operators.export import EETableExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor

EEOperationSensor(task_id="wait", operation="projects/p/operations/A", deferrable=True)
EETableExportOperator(task_id="table", expression="module.function", destination="bq://project.dataset.table")

GRID = PixelGrid.from_bounds("EPSG:32719", 10, (600_000, 4_698_020, 603_000, 4_700_020))

with DAG("decorated", schedule=None, start_date=datetime(2026, 1, 1)):

    @task.ee_export(grid=GRID, deferrable=True)
    def image(day):
        import ee

        return ee.Image("a/" + day)

    image.expand(day=["2020-01-01", "2020-01-02"])
    tiles = export_tiles(GRID.tiles(100, 100), "gs://bucket/tiles/")
    EEImageExportOperator.partial(task_id="mapped", expression="ndvi.json").expand_kwargs(tiles)
"""


def test_building_what_dags_are_made_of_loads_nothing_heavy(tmp_path: Path) -> None:
    dag_file = tmp_path / "dag.py"
    dag_file.write_text((EXAMPLES / "example_ee_image_export.py").read_text() + EVERYTHING)
    program = [sys.executable, "-c", PROGRAM, str(dag_file)]
    loaded = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "airflow_provider_ee.operators.export" in loaded
    assert "airflow_provider_ee.sensors.operation" in loaded
    assert "airflow_provider_ee.decorators.export" in loaded
    heavy = [name for name in loaded if any(name == one or name.startswith(f"{one}.") for one in HEAVY + SHARED)]
    assert heavy == []


def test_the_package_and_its_information_import_nothing_of_airflow() -> None:
    """Airflow imports both while its own configuration is being read."""
    program = (
        "import sys, airflow_provider_ee.provider_info as info; info.get_provider_info();"
        "print([name for name in sys.modules if name.split('.')[0] in ('airflow', 'pydantic', 'requests')])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_the_service_side_knows_nothing_of_airflow() -> None:
    program = (
        "import sys, pkgutil, importlib, airflow_provider_ee.earthengine as package;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.')];"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_the_emulator_imports_nothing_of_ours() -> None:
    """A field misspelt on one side is refused by the other."""
    program = (
        "import sys, pkgutil, importlib, airflow_provider_ee.emulator as package;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.')"
        " if not m.name.endswith('__main__')];"
        "print([name for name in sys.modules if name.startswith('airflow_provider_ee.')"
        " and not name.startswith('airflow_provider_ee.emulator')])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
