"""The scenarios of this folder are played on Airflow 3."""

from __future__ import annotations

import pytest
from backends import known_backends
from cluster import Cluster
from scenarios import *  # noqa: F403 (hooks and a fixture)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each on the backends that its marker names."""
    if "play" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("backends")
        metafunc.parametrize("play", marker.args if marker else ["sqlite"], indirect=True, scope="function")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_order(items, list(known_backends()))  # noqa: F405


@pytest.fixture
def cluster_type() -> type[Cluster]:
    return Cluster
