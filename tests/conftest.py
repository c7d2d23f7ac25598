"""An Airflow home of its own for the tests, and the emulator."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# A busy machine must not fail a test of behaviour.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Airflow reads its configuration when it is first imported.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(AIRFLOW_HOME / "dags"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)
for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_") or name.endswith("_PROXY")]:
    del os.environ[name]
os.environ.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
os.environ["HOME"] = str(AIRFLOW_HOME)  # no login of the person who runs the tests

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock


class StoppedClock:
    """Time that passes only when somebody advances it."""

    def __init__(self) -> None:
        self.seconds = 1_600_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="session")
def sample_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample catalog."""
    from airflow_provider_ee.emulator.sample import write_sample

    folder = tmp_path_factory.mktemp("catalog")
    write_sample(folder)
    return folder


@pytest.fixture
def emulators() -> list[EarthEngineEmulator]:
    """Those that the test has started."""
    return []


@pytest.fixture
def start_emulator(
    tmp_path: Path, emulators: list[EarthEngineEmulator]
) -> Iterator[Callable[..., EarthEngineEmulator]]:
    """Start emulators with an empty catalog and a stopped clock: nothing ends before time is advanced."""
    started = emulators

    def start(**options: Any) -> EarthEngineEmulator:
        options = {"catalog": tmp_path, "clock": Clock(StoppedClock()), **options}
        emulator = EarthEngineEmulator(output=tmp_path / "output", **options)
        started.append(emulator)
        return emulator.__enter__()

    yield start
    for emulator in started:
        emulator.__exit__(None, None, None)


@pytest.fixture
def emulator(start_emulator: Callable[..., EarthEngineEmulator]) -> EarthEngineEmulator:
    """An emulator on a stopped clock."""
    return start_emulator()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Define an Airflow connection by its extra."""

    def define(conn_id: str = "earth_engine_default", conn_type: str = "earth_engine", **extra: Any) -> None:
        connection = json.dumps({"conn_type": conn_type, "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)

    return define


@pytest.fixture
def connected_emulator(emulator: EarthEngineEmulator, connect: Callable[..., None]) -> EarthEngineEmulator:
    """An emulator that the default connection leads to."""
    connect(project="test-project", api_endpoint=emulator.url, anonymous=True, num_retries=0)
    return emulator


@pytest.fixture(scope="module")
def real_client() -> Iterator[None]:
    """The earthengine-api client, which builds expressions offline from the algorithms in its wheel."""
    import ee
    from ee import apitestcase

    install = ee.data._install_cloud_api_resource  # replaced by the case, and not put back
    case = apitestcase.ApiTestCase()
    case.setUp()
    yield
    case.tearDown()
    ee.data._install_cloud_api_resource = install
    ee.Reset()


@pytest.fixture(scope="session")
def service_account_key() -> dict[str, Any]:
    """A service account's key, made for these tests."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "key-project",
        "private_key_id": "0123456789abcdef",
        "private_key": private.decode(),
        "client_email": "robot@key-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
