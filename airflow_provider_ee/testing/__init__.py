"""A pytest plugin: the fixture ``earth_engine`` runs DAGs against an emulator of the service.

pytest finds it by itself wherever this package is installed. Loading it imports neither Airflow nor the emulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_ee.testing.airflow_home import AirflowHome
    from airflow_provider_ee.testing.dag_runs import Outcome as Outcome
    from airflow_provider_ee.testing.earth_engine import EarthEngine as EarthEngine

__all__ = ["EarthEngine", "Outcome"]

# What the extra brings that Airflow may not.
_EXTRA = ("fastapi", "fastjsonschema", "numpy", "rasterio", "uvicorn")


def __getattr__(name: str) -> Any:
    """For annotations; loaded when they are asked for."""
    if name == "EarthEngine":
        from airflow_provider_ee.testing.earth_engine import EarthEngine

        return EarthEngine
    if name == "Outcome":
        from airflow_provider_ee.testing.dag_runs import Outcome

        return Outcome
    raise AttributeError(name)


@pytest.fixture(scope="session")
def earth_engine_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the assets that expressions load: a sample of Sentinel-2. Override it to use your own."""
    _require_extra()
    from airflow_provider_ee.emulator.sample import write_sample

    folder = tmp_path_factory.mktemp("catalog")
    write_sample(folder)
    return folder


@pytest.fixture(scope="session")
def _earth_engine_airflow(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    _require_extra()
    from airflow_provider_ee.testing.airflow_home import AirflowHome

    return AirflowHome(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def earth_engine(
    earth_engine_catalog: Path, _earth_engine_airflow: AirflowHome, tmp_path: Path
) -> Iterator[EarthEngine]:
    """Google Earth Engine on this machine: run a DAG, look at its exports, inject faults, let time pass."""
    _require_extra()
    from airflow_provider_ee.testing.earth_engine import EarthEngine

    with EarthEngine.started(earth_engine_catalog, tmp_path / "earth-engine", _earth_engine_airflow) as engine:
        yield engine


def _require_extra() -> None:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        pytest.fail(
            f"The fixture earth_engine needs {', '.join(missing)}: pip install 'airflow-provider-ee[emulator]'.",
            pytrace=False,
        )
