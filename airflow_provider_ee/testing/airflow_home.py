"""Gives Airflow a home of its own for a test: no metadata database of the user's is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

_BUNDLES = (
    '[{"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}]'
)


class AirflowHome:
    """A home for Airflow, with a database that is new for each test.

    :param home: an empty folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._migrated = home / "migrated.db"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While the body lasts, Airflow has this home, and a database that nobody has used."""
        if not self._migrated.exists():
            with self._connected(self._migrated):
                from airflow.utils.db import initdb

                initdb()
        database = self._home / "airflow.db"
        shutil.copy(self._migrated, database)
        try:
            with self._connected(database):
                yield
        finally:
            from airflow import settings

            _connect(settings)  # as it was before
            for path in self._home.glob("airflow.db*"):
                path.unlink()

    @contextmanager
    def _connected(self, database: Path) -> Iterator[None]:
        with mock.patch.dict(os.environ, self._environment(database)):
            from airflow import settings

            _connect(settings)
            found = settings.engine.url.database if settings.engine else None
            if found != str(database):
                raise RuntimeError(
                    f"Airflow would run on its database {found}, not on one for tests; start pytest without "
                    "what configures Airflow's database."
                )
            try:
                yield
            finally:
                settings.dispose_orm()

    def _environment(self, database: Path) -> dict[str, str]:
        dags = self._home / "dags"  # empty: what is run is given by its path
        dags.mkdir(exist_ok=True)
        url = f"sqlite:///{database}"
        return {
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": _BUNDLES,
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url.replace("sqlite:", "sqlite+aiosqlite:"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self._home / "logs"),
            "AIRFLOW__SECRETS__BACKEND": "",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__WORKERS__SECRETS_BACKEND": "",
        }


def _connect(settings: Any) -> None:
    """Connect Airflow to the database that its configuration names now."""
    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()
