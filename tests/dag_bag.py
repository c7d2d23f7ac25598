"""The DAGs of a folder, as each version of Airflow parses, stores and serialises them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS
from airflow.serialization import serialized_objects

SINCE_3_2 = "airflow.dag_processing.dagbag"
dag_bags = import_module(SINCE_3_2 if find_spec(SINCE_3_2) else "airflow.models.dagbag")
serialisation: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG


def parsed(folder: Path | str) -> dict[str, Any]:
    """The DAGs in the files of a folder, by their ids."""
    return dict(_bag(folder).dags)


def stored(folder: Path | str) -> dict[str, Any]:
    """The same, once they are in Airflow's database, where Airflow 3 looks for what it runs."""
    bag = _bag(folder)
    if AIRFLOW_V_3_0_PLUS:
        import_module("airflow.dag_processing.bundles.manager").DagBundlesManager().sync_bundles_to_db()
        if AIRFLOW_V_3_1_PLUS:
            dag_bags.sync_bag_to_db(bag, "dags-folder", None)
        else:
            bag.sync_to_db("dags-folder", None)
    return dict(bag.dags)


def _bag(folder: Path | str) -> Any:
    bag = dag_bags.DagBag(str(folder))
    assert not bag.import_errors, bag.import_errors
    return bag
