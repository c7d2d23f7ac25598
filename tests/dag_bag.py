"""The DAGs of a folder, by their ids, and what Airflow serialises them with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.serialization import serialized_objects

from airflow_provider_ee.testing.dag_bag import parse, store

serialisation: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG


def parsed(folder: Path | str) -> dict[str, Any]:
    """The DAGs in the files of a folder."""
    return dict(parse(folder).dags)


def stored(folder: Path | str) -> dict[str, Any]:
    """The same, once they are in Airflow's database."""
    bag = parse(folder)
    store(bag)
    return dict(bag.dags)
