"""The official client, served by the emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import ee
import pytest
from google.auth.credentials import AnonymousCredentials

from airflow_provider_ee.emulator import EarthEngineEmulator


@pytest.fixture
def connected(
    start_emulator: Callable[..., EarthEngineEmulator], sample_catalog: Path
) -> Iterator[EarthEngineEmulator]:
    """An emulator that the client is initialised against."""
    emulator = start_emulator(catalog=sample_catalog)
    ee.Initialize(AnonymousCredentials(), url=emulator.url, project="test-project")
    yield emulator
    ee.Reset()
