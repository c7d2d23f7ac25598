"""The page of pains answers all fifteen, and what it tells people to look up is there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, BaseSensorOperator
from pages import PROJECT, headings

from airflow_provider_ee.decorators.export import ee_export_task
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.operators import export
from airflow_provider_ee.provider_info import CONNECTION_FIELDS
from airflow_provider_ee.sensors.operation import EEOperationSensor

PAGE = PROJECT / "docs" / "pains.md"
OPERATORS = [getattr(export, name) for name in export.__all__ if name.endswith("Operator")]


def parameters(*callables: Any) -> Iterator[str]:
    for one in callables:
        yield from inspect.signature(one).parameters


def known_names() -> set[str]:
    grid = [name for name in vars(PixelGrid) if not name.startswith("_")]
    methods = [getattr(PixelGrid, name) for name in grid if callable(getattr(PixelGrid, name))]
    return {
        *parameters(*OPERATORS, EEOperationSensor, BaseOperator, BaseSensorOperator, DAG),
        *parameters(export_tiles, *methods),
        *(function.__name__ for function in (export_tiles, ee_export_task)),
        *grid,
        *CONNECTION_FIELDS,
        "map_index_template",  # of every task, on Airflow 3 through its own parameters
    }


def sections() -> dict[str, str]:
    return dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", PAGE.read_text(), re.MULTILINE))


def test_there_are_fifteen_each_with_its_own_heading() -> None:
    assert [text.partition(".")[0] for level, text in headings(PAGE) if level == 2] == [
        str(number) for number in range(1, 16)
    ]


@pytest.mark.parametrize("heading", sections(), ids=lambda heading: heading.partition(".")[0])
def test_the_names_to_look_up_exist(heading: str) -> None:
    (names,) = re.findall(r"^Names: (.+)$", sections()[heading], re.MULTILINE)
    named = re.findall(r"`([^`]+)`", names)
    assert named
    assert set(named) - known_names() == set()
