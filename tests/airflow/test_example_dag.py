"""The example DAG, run by Airflow itself in one process, exports the pixels that numpy computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.io import netcdf_file

from airflow_provider_ee.emulator import EarthEngineEmulator

EXAMPLES = Path(__file__).parents[2] / "example_dags"

# dag.test() wants a database, and Airflow 3 a serialised DAG: a process of its own keeps that from the other tests.
PROGRAM = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from airflow.utils.db import initdb
initdb()
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
if AIRFLOW_V_3_0_PLUS:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(sys.argv[1])
    sync_bag_to_db(bag, "dags-folder", None)
else:
    from airflow.models import DagBag
    bag = DagBag(sys.argv[1], include_examples=False)
assert not bag.import_errors, bag.import_errors
dag = bag.dags["example_ee_image_export"]
date = datetime(2020, 1, 15, tzinfo=timezone.utc)
run = dag.test(**({"logical_date": date} if AIRFLOW_V_3_0_PLUS else {"execution_date": date}))
print("state:", run.state.value if hasattr(run.state, "value") else run.state)
"""


def netcdf_band(name: str) -> np.ndarray:
    """A band as the netCDF file holds it."""
    origin = find_spec("xrspatial")
    assert origin, "xarray-spatial holds the source of the sample"
    folder = Path(next(iter(origin.submodule_search_locations or ()))) / "datasets" / "sentinel-2"
    with netcdf_file(folder / f"{name}_band.nc", mmap=False) as source:
        (variable,) = [v for v in source.variables.values() if len(v.shape) == 2]
        return np.array(variable.data, dtype="float64")


def test_the_example_exports_ndvi_pixel_for_pixel(
    start_emulator: Callable[..., EarthEngineEmulator], sample_catalog: Path, tmp_path: Path
) -> None:
    from airflow_provider_ee.emulator.clock import Clock

    emulator = start_emulator(catalog=sample_catalog, task_seconds=1, clock=Clock())
    home = tmp_path / "airflow"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_EARTH_ENGINE_DEFAULT": json.dumps(
            {
                "conn_type": "earth_engine",
                "extra": {"project": "p", "api_endpoint": emulator.url, "anonymous": True},
            }
        ),
    }
    home.mkdir()
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(EXAMPLES)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "state: success" in finished.stdout, finished.stdout[-3000:] + finished.stderr[-3000:]

    near_infrared, red = netcdf_band("nir"), netcdf_band("red")
    expected = ((near_infrared - red) / (near_infrared + red)).astype("float32")
    with rasterio.open(tmp_path / "output" / "gs" / "example-bucket" / "ndvi" / "20200115.tif") as image:
        assert image.crs.to_epsg() == 32719
        assert tuple(image.transform)[:6] == (10, 0, 600000, 0, -10, 4700020)
        assert (image.width, image.height) == (300, 200)
        assert image.descriptions == ("NDVI",)
        assert image.dtypes == ("float32",)
        assert image.nodata == -9999
        np.testing.assert_array_equal(image.read(1), expected[: image.height, : image.width])


@pytest.mark.parametrize("name", ["nir", "red"])
def test_the_source_is_what_the_sample_says(name: str) -> None:
    band = netcdf_band(name)
    assert band.shape == (200, 300)
    assert band.min() >= 659
    assert band.max() <= 5006
