"""DAGs as each version of Airflow parses and stores them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any


def parse(path: Path | str) -> Any:
    """The DAG bag of a file or folder.

    :raises ValueError: if a file cannot be imported.
    """
    make = _dag_bags().DagBag
    # Airflow's own examples, which are no longer asked for since 3.3.
    without: dict[str, Any] = (
        {"include_examples": False} if "include_examples" in signature(make).parameters else {}
    )
    bag = make(str(path), safe_mode=False, **without)
    if bag.import_errors:
        raise ValueError(f"{path} could not be imported:\n" + "\n".join(bag.import_errors.values()))
    return bag


def store(bag: Any) -> None:
    """Put the DAGs of a bag into Airflow's database: Airflow 3 runs what is there, and assets are looked for."""
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    if not AIRFLOW_V_3_0_PLUS:
        bag.sync_to_db()
        return
    import_module("airflow.dag_processing.bundles.manager").DagBundlesManager().sync_bundles_to_db()
    if hasattr(bag, "sync_to_db"):  # Airflow 3.0
        bag.sync_to_db("dags-folder", None)
    else:
        _dag_bags().sync_bag_to_db(bag, "dags-folder", None)


def _dag_bags() -> ModuleType:
    there = find_spec("airflow.dag_processing.dagbag")  # since Airflow 3.2
    return import_module("airflow.dag_processing.dagbag" if there else "airflow.models.dagbag")
