"""DAGs run by Airflow itself, in one process, against the emulator."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from scipy.io import netcdf_file

from airflow_provider_ee.emulator import EarthEngineEmulator

NOTHING = {"code": 3, "message": "No valid (un-masked) pixels in export region."}
# How exports behave, by the name of their task.
BEHAVIOURS: list[dict[str, Any]] = [
    {"match": "endless", "stay": "RUNNING"},
    {"match": "dear", "stay": "RUNNING", "eecu_seconds": None},
    {"match": "skipped", "fail": NOTHING},
    {"match": "faulty", "fail": {"code": 13, "message": "An internal error has occurred."}},
]
EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAGS = Path(__file__).parent / "dags"

pytestmark = pytest.mark.whole_dag


def netcdf_band(name: str) -> np.ndarray:
    """A band as the netCDF file holds it."""
    origin = find_spec("xrspatial")
    assert origin, "xarray-spatial holds the source of the sample"
    folder = Path(next(iter(origin.submodule_search_locations or ()))) / "datasets" / "sentinel-2"
    with netcdf_file(folder / f"{name}_band.nc", mmap=False) as source:
        (variable,) = [v for v in source.variables.values() if len(v.shape) == 2]
        return np.array(variable.data, dtype="float64")


def test_the_example_exports_ndvi_pixel_for_pixel(
    run_dag: Callable[..., tuple[dict[str, list[str]], str]], tmp_path: Path
) -> None:
    ended, log = run_dag(EXAMPLES, "example_ee_image_export")
    assert ended == {"export_ndvi": ["success"]}, log[-3000:]

    near_infrared, red = netcdf_band("nir"), netcdf_band("red")
    expected = ((near_infrared - red) / (near_infrared + red)).astype("float32")
    with rasterio.open(tmp_path / "output" / "gs" / "example-bucket" / "ndvi" / "20200115.tif") as image:
        assert image.crs.to_epsg() == 32719
        assert tuple(image.transform)[:6] == (10, 0, 600000, 0, -10, 4700020)
        assert (image.width, image.height) == (300, 200)
        assert image.descriptions == ("NDVI",)
        assert image.dtypes == ("float32",)
        assert image.nodata == -9999
        np.testing.assert_array_equal(image.read(1), expected)


def test_what_authors_write_ends_as_they_would_expect(
    run_dag: Callable[..., tuple[dict[str, list[str]], str]], tmp_path: Path
) -> None:
    ended, log = run_dag(DAGS, "many_ways")
    assert ended == {
        "group.months": ["success"],
        "group.mapped": ["success", "success"],
        "group.wait_mapped": ["success"],
        "asset": ["success"],
        "wait_asset": ["success"],
        "again": ["success"],
        "wait_again": ["success"],
        "wrong_band": ["success"],
        "wait_wrong_band": ["failed"],
        "empty": ["success"],
        "wait_empty": ["skipped"],
        "smuggled": ["success"],
        "smuggled_kwargs": ["failed", "failed", "failed"],
    }
    assert "Band pattern 'B99' did not match any bands" in log
    assert "code of a task's result was run" not in log
    for text in ("'many_ways.explode'", "'ndvi.json'", "'{{ 1 / 0 }}'"):
        assert f"{text}; what a template, a task or a function yields is only ever read as JSON" in log
    written = {str(path.relative_to(tmp_path / "output")) for path in (tmp_path / "output").rglob("*.tif")}
    assert written == {
        "gs/bucket/mapped/0.tif",
        "gs/bucket/mapped/1.tif",
        "assets/p/made/20200115.tif",
        "drive/folder/again-2020-01-15.tif",
    }


def states_by_task(emulator: EarthEngineEmulator) -> dict[str, list[str]]:
    """How the exports of each task have ended."""
    states: dict[str, list[str]] = {}
    for operation in emulator.operations.all():
        states.setdefault(operation.description.split("--")[0].rpartition("-")[2], []).append(operation.state)
    return {task: sorted(ended) for task, ended in states.items()}


def test_tasks_that_stumble_or_wait_leave_one_export_or_none(
    run_dag: Callable[..., tuple[dict[str, list[str]], str]], emulators: list[EarthEngineEmulator]
) -> None:
    ended, log = run_dag(
        DAGS,
        "exactly_once",
        *BEHAVIOURS,
    )
    assert ended == {
        "waits": ["success"],
        "stumbles": ["success"],
        # Airflow 3's dag.test() gives up a task that was cleared while it ran; Airflow 2 tries it again.
        "replaced": ["failed"] if AIRFLOW_V_3_0_PLUS else ["success"],
        "endless": ["failed"],
        "dear": ["failed"],
        "skipped": ["skipped"],
        "faulty": ["failed"],
    }
    assert states_by_task(emulators[0]) == {
        "waits": ["SUCCEEDED"],
        "stumbles": ["SUCCEEDED"],
        **({} if AIRFLOW_V_3_0_PLUS else {"replaced": ["SUCCEEDED"]}),
        "endless": ["CANCELLED"],
        "dear": ["CANCELLED"],
        "skipped": ["FAILED"],
        "faulty": ["FAILED", "FAILED"],  # the service's fault: each try exports anew
    }, log[-3000:]
    assert "Adopted operation" in log
    assert "so this try of it stops" in log or "in the place of this one, which stops" in log
    assert "has used more than max_eecu_seconds=0.5" in log
    assert "has not ended within wait_timeout=1 seconds" in log


def test_tasks_that_are_deferred_end_as_if_they_had_waited(
    run_dag: Callable[..., tuple[dict[str, list[str]], str]], emulators: list[EarthEngineEmulator]
) -> None:
    ended, log = run_dag(
        DAGS,
        "deferred",
        *BEHAVIOURS,
    )
    assert ended == {
        "waits": ["success"],
        "sees": ["success"],
        "sees_all": ["success"],
        "starts": ["success"],
        "sees_end": ["success"],
        "endless": ["failed"],
        "dear": ["failed"],
        "skipped": ["skipped"],
        "faulty": ["failed"],
        "broken": ["success"],
    }, log[-3000:]
    assert states_by_task(emulators[0]) == {
        "waits": ["SUCCEEDED"],
        "starts": ["SUCCEEDED"],
        "endless": ["CANCELLED"],
        "dear": ["CANCELLED"],
        "skipped": ["FAILED"],
        "faulty": ["FAILED", "FAILED"],
        "broken": ["SUCCEEDED"],
    }, log[-3000:]
    assert "has used more than max_eecu_seconds=0.5" in log
    assert "has not ended within wait_timeout=1 seconds" in log


def test_what_functions_build_with_the_client_is_exported(
    run_dag: Callable[..., tuple[dict[str, list[str]], str]],
    emulators: list[EarthEngineEmulator],
    tmp_path: Path,
) -> None:
    ended, log = run_dag(DAGS, "decorated")
    assert ended == {
        "client_task": ["success"],
        "an_object": ["success"],
        "overridden": ["success"],
        "parameters": ["success", "success"],
        "code": ["success"],
        "mapped_code": ["success", "success"],
        "named": ["success", "success"],
        "tiled": ["success", "success"],
        "started": ["failed"],
    }, log[-3000:]
    assert "the ee.batch.Task has been started already as projects/p/operations/1, which runs on; return it" in log
    assert [operation.state for operation in emulators[0].operations.all()] == ["SUCCEEDED"] * 12
    for name in ("parameters c0000_r0000", "parameters c0001_r0000", "named 2020-01-15", "named 2020-02-14"):
        assert f"named: {name}\n" in log

    def pixels(name: str) -> np.ndarray:
        with rasterio.open(tmp_path / "output" / "gs" / "bucket" / f"{name}.tif") as image:
            assert tuple(image.transform)[:2] == (20, 0)
            values: np.ndarray = image.read(1)
            return values

    whole = pixels("client/2020-01-15")
    assert whole.shape == (100, 150)
    for name in ("object/2020-01-15", "overridden/2020-01-15", "code/2020-01-15", "mapped/1"):
        np.testing.assert_array_equal(pixels(name), whole)
    for folder in ("tiles", "tiled/2020-01-15"):
        paths = sorted((tmp_path / "output/gs/bucket" / folder).iterdir())
        np.testing.assert_array_equal(np.hstack([pixels(f"{folder}/{path.stem}") for path in paths]), whole)


@pytest.mark.parametrize("name", ["nir", "red"])
def test_the_source_is_what_the_sample_says(name: str) -> None:
    band = netcdf_band(name)
    assert band.shape == (200, 300)
    assert band.min() >= 659
    assert band.max() <= 5006
