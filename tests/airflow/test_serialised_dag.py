"""What Airflow stores of a DAG: the same at every parse, small, and without the code of functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DAG_FILE = """
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.operators.export import EEImageExportOperator

GRID = PixelGrid.from_bounds("EPSG:32719", 10, (600_000, 4_000_000, 850_000, 4_200_000))


def build(day):
    return "the source of a function"


class Builder:
    def __call__(self, day):
        return "the source of a function"


with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
    where = {"destination": "gs://bucket/a", "grid": GRID}
    EEImageExportOperator(task_id="plain", expression=build, expression_kwargs={"day": "{{ ds }}"}, **where)
    EEImageExportOperator(task_id="object", expression=Builder(), **where)
    EEImageExportOperator.partial(task_id="partial", expression=build, **where).expand(
        expression_kwargs=[{"day": "2020-01-01"}]
    )
    EEImageExportOperator.partial(task_id="expand", **where).expand(expression=[build, lambda: build(1), Builder()])
    EEImageExportOperator.partial(task_id="kwargs", **where).expand_kwargs([{"expression": build}])

    @task.ee_export(**where)
    def decorated(day):
        return "the source of a function"

    decorated("{{ ds }}")
    decorated.override(task_id="mapped").expand(day=["2020-01-01"])

with DAG("tiles", schedule=None, start_date=datetime(2026, 1, 1)):
    tiles = GRID.tiles(1_000, 1_000)
    assert len(tiles) == 500, len(tiles)
    EEImageExportOperator.partial(task_id="export", expression="ndvi.json", max_pixels=1e9).expand_kwargs(
        export_tiles(tiles, destination="gs://a-bucket-with-a-long-name/ndvi/{{ ds }}/{name}")
    )

    @task.ee_export(destination="gs://bucket/{{ ds }}")
    def decorated_tiles(tile):
        return "the source of a function"

    decorated_tiles.expand(tile=export_tiles(tiles, destination="gs://a-bucket-with-a-long-name/ndvi/{name}"))
"""

# Sorted, as Airflow sorts before it compares: some of its own keys come from sets.
PROGRAM = """
import json, sys
from dag_bag import parsed, serialisation
texts = {dag_id: json.dumps(serialisation.to_dict(dag), sort_keys=True) for dag_id, dag in parsed(sys.argv[1]).items()}
print("texts:" + json.dumps(texts))
"""


def serialised(folder: Path) -> dict[str, str]:
    """What is stored of each DAG of a file that is parsed in a fresh process."""
    program = [sys.executable, "-c", PROGRAM, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # for dag_bag
    shown = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr[-3000:]
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("texts:")]
    texts: dict[str, str] = json.loads(line.removeprefix("texts:"))
    return texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    (folder / "dags.py").write_text(DAG_FILE)
    return folder


@pytest.fixture(scope="module")
def texts(folder: Path) -> dict[str, str]:
    return serialised(folder)


def test_neither_the_source_nor_an_address_of_a_function_is_stored(texts: dict[str, str]) -> None:
    for text in texts.values():
        assert "the source of a function" not in text
        assert " at 0x" not in text
        assert "ndvi.json" in texts["tiles"]


def test_the_same_is_stored_at_every_parse(folder: Path, texts: dict[str, str]) -> None:
    assert serialised(folder) == texts


def test_five_hundred_mapped_tiles_are_small(texts: dict[str, str]) -> None:
    """Both ways of mapping them are in the DAG."""
    tasks: list[dict[str, Any]] = json.loads(texts["tiles"])["dag"]["tasks"]
    sizes = [len(json.dumps(task)) for task in tasks]
    assert len(sizes) == 2
    assert max(sizes) < 300_000, sizes
