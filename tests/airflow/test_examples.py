"""Each example is run as it stands, by Airflow itself, against the emulator."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dag_bag
import numpy as np
import pytest
import rasterio
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_ee.emulator import EarthEngineEmulator

EXAMPLES = Path(__file__).parents[2] / "example_dags"
RunDag = Callable[..., tuple[dict[str, list[str]], str]]

pytestmark = pytest.mark.whole_dag


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the emulator writes."""
    return tmp_path / "output"


def test_daily_ndvi_and_a_list_of_what_arrived(run_dag: RunDag, output: Path) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_daily_ndvi")
    assert ended == {"export_ndvi": ["success"], "list_files": ["success"]}, log[-3000:]
    assert "Done. Returned value was: ['ndvi/2020-01-15.tif']" in log
    with rasterio.open(output / "gs/example-bucket/ndvi/2020-01-15.tif") as image:
        assert image.shape == (200, 300)


def test_a_day_without_scenes_is_skipped(run_dag: RunDag) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_daily_ndvi", day="2020-01-20")
    assert ended == {"export_ndvi": ["skipped"], "list_files": ["skipped"]}, log[-3000:]


def test_mgrs_tiles_with_a_manifest(run_dag: RunDag, output: Path, tmp_path: Path) -> None:
    """Six of the two hundred squares, at two kilometres: pixels enough to see that each lies where it should."""
    folder = tmp_path / "dags"
    folder.mkdir()
    source = (EXAMPLES / "example_ee_mgrs_tiles.py").read_text()
    (folder / "tiles.py").write_text(source.replace("PIXEL_SIZE = 20 ", "PIXEL_SIZE = 1_000 "))
    with (EXAMPLES / "mgrs_squares.csv").open() as rows:
        squares = list(csv.DictReader(rows))
    assert len(squares) == 200
    near = [one for one in squares if one["crs"] == "EPSG:32719" and one["x"] in ("500000", "600000")]
    with (folder / "mgrs_squares.csv").open("w") as rows:
        writer = csv.DictWriter(rows, list(squares[0]))
        writer.writeheader()
        writer.writerows([one for one in near if one["y"] in ("4500000", "4600000", "4700000")])
    ended, log = run_dag(folder, "example_ee_mgrs_tiles", day="2020-01-01")
    assert ended["manifest"] == ["success"], log[-3000:]
    assert sorted(ended["export_square"]) == ["skipped"] * 5 + ["success"]
    (written,) = (output / "gs/example-bucket/median/2020").iterdir()
    assert written.name == "19FFG.tif"
    with rasterio.open(written) as image:
        assert image.bounds == (600_000, 4_600_000, 700_000, 4_700_000)


def test_an_asset_is_exported_and_shared(
    run_dag: RunDag, output: Path, emulators: list[EarthEngineEmulator]
) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_shared_asset", day="2020-01-01")
    assert ended == {"export_vegetation": ["success"], "share": ["success"]}, log[-3000:]
    with rasterio.open(output / "assets/example-project/vegetation_20200101.tif") as image:
        assert image.descriptions == ("vegetation",)
        assert set(np.unique(image.read(1))) <= {0, 1}
    assert "group:foresters@example.com" in log


def test_a_table_goes_to_bigquery(run_dag: RunDag, output: Path) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_table_to_bigquery")
    assert ended == {"export_statistics": ["success"]}, log[-3000:]
    (table,) = (output / "bigquery").rglob("ndvi_by_region*")
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [(row["region"], row["day"]) for row in rows] == [("west", "2020-01-15"), ("east", "2020-01-15")]
    assert all(-1 < float(row["mean"]) < 1 for row in rows)


def test_scenes_are_waited_for(run_dag: RunDag, output: Path) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_wait_for_scenes")
    assert ended == {
        "scenes_are_there": ["success"],
        "export_ndvi": ["success"],
        "wait_for_export": ["success"],
    }, log[-3000:]
    assert (output / "gs/example-bucket/waited/2020-01-15.tif").is_file()


def test_a_month_of_the_backfill(run_dag: RunDag, output: Path) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_backfill_months", day="2020-01-01")
    assert ended == {"export_month": ["success"]}, log[-3000:]
    assert (output / "gs/example-bucket/months/2020-01-01.tif").is_file()


def test_the_backfill_has_five_years_of_months() -> None:
    from airflow.timetables.base import TimeRestriction

    dag = parsed()["example_ee_backfill_months"]
    restriction = TimeRestriction(dag.start_date, dag.end_date, catchup=True)
    interval, days = None, []
    while run := dag.timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction):
        interval = run.data_interval
        days.append(interval.start.strftime("%Y-%m"))
    assert days == [f"{year}-{month:02}" for year in range(2018, 2023) for month in range(1, 13)]


def parsed() -> dict[str, Any]:
    """The DAGs of the examples, as Airflow parses them."""
    dags = dag_bag.parsed(EXAMPLES)
    if not AIRFLOW_V_3_0_PLUS:
        return dags
    store = dag_bag.serialisation
    return {name: store.from_dict(store.to_dict(dag)) for name, dag in dags.items()}


def test_no_example_is_without_a_test() -> None:
    """The first one is what the demo runs, and compared with the netCDF files elsewhere."""
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    tested = {name for name in names if f', "{name}"' in Path(__file__).read_text()}
    assert names - tested == {"example_ee_image_export"}
