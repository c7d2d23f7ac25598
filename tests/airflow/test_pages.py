"""The code in the README and in the documentation runs as it is written, against the emulator."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import ee
import pytest
from airflow.providers.common.compat.sdk import DAG
from pages import PAGES, PROJECT, blocks, name

RunDag = Callable[..., tuple[dict[str, list[str]], str]]

CODED = [page for page in PAGES if any(not block.not_run for block in blocks(page, "python"))]

# A page's own DAGs, and one for what stands outside of any.
PAGE = """
from datetime import datetime
from airflow.providers.common.compat.sdk import DAG
page = DAG({dag_id!r}, schedule=None, start_date=datetime(2020, 1, 1))
page.__enter__()
{code}
page.__exit__(None, None, None)
"""
_TASK_OUTSIDE = re.compile(r"^(EE\w+Operator|\w+\.expand)\(", re.MULTILINE)
_DAG = re.compile(r"^with DAG\(\s*\"(\w+)\"", re.MULTILINE)
# Written by the emulator for none of these kinds, but accepted.
NOTHING_WRITTEN = {"match": "^(videos|maps|video_maps|classifiers)-", "succeed": True}


def code(page: Path, *, without: str | None = None) -> str:
    """The blocks of a page as one program."""
    texts = [block.text for block in blocks(page, "python") if not block.not_run]
    text = "\n\n".join(text for text in texts if without is None or without not in text)
    # Airflow 2.11 has these elsewhere, as the pages say.
    return re.sub(
        r"^from airflow\.sdk import", "from airflow.providers.common.compat.sdk import", text, flags=re.M
    )


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, with the template that pages export."""
    shutil.copy(PROJECT / "example_dags" / "ndvi.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", CODED, ids=name)
def test_the_blocks_of_python_run_one_after_the_other(page: Path, in_a_folder: Path) -> None:
    ee.Reset()
    with DAG("page", schedule=None, start_date=datetime(2026, 1, 1)):
        exec(compile(code(page), str(page), "exec"), {"__name__": "page"})  # what we wrote ourselves


def test_a_block_that_is_not_run_is_python_too() -> None:
    for page in PAGES:
        for block in blocks(page, "python"):
            compile(block.text, str(page), "exec")


@pytest.mark.whole_dag
def test_the_dags_of_the_pages_export_what_they_say(run_dag: RunDag, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    shutil.copy(PROJECT / "example_dags" / "ndvi.json", folder)
    dag_ids = []
    for page in CODED:
        # What starts an emulator of its own makes no tasks, and has been run.
        program = code(page, without="EarthEngineEmulator(")
        (folder / f"{page.stem}.py").write_text(PAGE.format(dag_id=f"page_{page.stem}", code=program))
        dag_ids += [f"page_{page.stem}"] if _TASK_OUTSIDE.search(program) else []
        dag_ids += _DAG.findall(program)
    ended, log = run_dag(folder, " ".join(dag_ids), NOTHING_WRITTEN)
    failures = [line for line in log.splitlines() if "Exception: " in line]
    assert {state for states in ended.values() for state in states} == {"success"}, (ended, failures)
    written = {path.relative_to(tmp_path / "output").as_posix() for path in (tmp_path / "output").rglob("*.*")}
    assert {
        "gs/my-bucket/composer/20200115.tif",  # getting-started.md
        "gs/my-bucket/first/20200115.tif",
        "gs/my-bucket/ndvi/20200115.tif",  # README.md, images.md
        "assets/my-project/ndvi_20200115.tif",
        "gs/my-bucket/red/20200115.csv",  # tables.md
        "bigquery/my-project/vegetation/red_20200115.ndjson",
        "gs/my-bucket/red/2020-01-15.tif",  # decorator.md
        "gs/my-bucket/green/c0001_r0000.tif",
        "gs/my-bucket/sensed/20200115.tif",  # sensor.md
        "gs/my-bucket/tiles/20200115/c0001_r0000.tif",  # grids.md
        "gs/my-bucket/dict/B4.tif",  # templates.md
        "gs/my-bucket/bounded/20200115.tif",  # costs-and-limits.md
    } <= written, sorted(written)
