"""Operators and sensors, rendered and executed as Airflow does, without a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import DAG, BaseOperator, timezone

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.operations import Behaviour


class TaskInstance:
    """What a task may do with its instance, kept in memory."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.run_id = "manual__2020-01-15"
        self.map_index = -1
        self.try_number = 1
        self.max_tries = 0

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class Run:
    """Renders and executes operators of one DAG."""

    def __init__(self, **dag: Any) -> None:
        self.dag = DAG("dag", schedule=None, start_date=timezone.datetime(2020, 1, 1), **dag)
        self.ti = TaskInstance()
        self.context: dict[str, Any] = {"ti": self.ti, "ds": "2020-01-15", "ds_nodash": "20200115", "params": {}}

    def render(self, operator: BaseOperator) -> Any:
        operator.render_template_fields(self.context)
        return operator

    def __call__(self, operator: BaseOperator) -> Any:
        return self.render(operator).execute(self.context)


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def sent(connected_emulator: EarthEngineEmulator) -> Callable[[], list[str]]:
    """The methods that were called."""

    def methods() -> list[str]:
        log = requests.get(f"{connected_emulator.url}/_emulator/requests").json()["requests"]
        return [entry["method"] for entry in log]

    return methods


@pytest.fixture
def started(connected_emulator: EarthEngineEmulator) -> Callable[[], list[str]]:
    """The states of all exports, oldest first, once cancelling has ended."""

    def states() -> list[str]:
        connected_emulator.operations.advance(2)
        return [operation.state for operation in connected_emulator.operations.all()]

    return states


@pytest.fixture
def endless(connected_emulator: EarthEngineEmulator) -> None:
    """No export ends by itself."""
    connected_emulator.operations.add_behaviour(Behaviour(stay="RUNNING"))
