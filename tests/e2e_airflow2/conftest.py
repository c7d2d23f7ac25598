"""The scenarios of this folder are played on Airflow 2.11, on PostgreSQL where it answers, else on SQLite."""

from __future__ import annotations

import pytest
from backends import known_backends
from cluster_airflow2 import Airflow2Cluster
from scenarios import *  # noqa: F403 (hooks and a fixture)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each scenario once, whatever backends Airflow 3 plays it on."""
    if "play" in metafunc.fixturenames:
        metafunc.parametrize("play", [_backend()], indirect=True, scope="function")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_order(items, list(known_backends()))  # noqa: F405


@pytest.fixture
def cluster_type() -> type[Airflow2Cluster]:
    return Airflow2Cluster


def _backend() -> str:
    return "sqlite" if known_backends()["postgres"].missing else "postgres"
