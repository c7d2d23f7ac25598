"""What the fixture ``earth_engine`` gives: an emulator, connections that lead to it, and DAG runs against it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import requests

from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.export_kinds import KINDS
from airflow_provider_ee.emulator.server import EarthEngineEmulator
from airflow_provider_ee.emulator.service import queue_full
from airflow_provider_ee.provider_info import CONNECTION_TYPE, DEFAULT_CONNECTION
from airflow_provider_ee.testing.airflow_home import AirflowHome
from airflow_provider_ee.testing.dag_runs import Outcome, ParsedDag
from airflow_provider_ee.testing.leaping_time import LeapingTime
from airflow_provider_ee.testing.places import files_at

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG


_QUEUE_LIMIT = 3000
"""What the service allows a user unless told otherwise."""


class EarthEngine:
    """Google Earth Engine on this machine, for one test.

    Time leaps: where a task would wait, its time and the emulator's are moved on at once.
    """

    project = "test-project"
    """The Cloud project of the connections."""

    def __init__(self, emulator: EarthEngineEmulator, leaping: LeapingTime, catalog: Path, output: Path) -> None:
        self._emulator, self._leaping = emulator, leaping
        self.catalog = catalog
        """Folder of the assets that expressions load."""
        self.output = output
        """Folder that exports write to."""

    @classmethod
    @contextmanager
    def started(cls, catalog: Path, output: Path, airflow: AirflowHome) -> Iterator[EarthEngine]:
        """One that ends with the body; what it does to the environment and to Airflow ends, too."""
        clock = Clock()
        emulator = EarthEngineEmulator(catalog, output, clock=clock, queue_limit=_QUEUE_LIMIT)
        leaping = LeapingTime(clock, emulator.operations.advance)
        with emulator, mock.patch.dict(os.environ), airflow.in_use(), leaping.in_modules():
            engine = cls(emulator, leaping, catalog, output)
            engine.connect(DEFAULT_CONNECTION)
            yield engine

    @property
    def url(self) -> str:
        """Base URL of the emulator."""
        return self._emulator.url

    def connect(self, *conn_ids: str) -> None:
        """Let Airflow connections of these ids lead to the emulator, as ``earth_engine_default`` does.

        ``run`` does so for each ``ee_conn_id`` that it finds in the DAG; what a template or a function names is
        for you to connect.

        :raises RuntimeError: if Airflow knows another connection of an id, which comes first.
        """
        from airflow.providers.common.compat.sdk import BaseHook

        extra = {"project": self.project, "api_endpoint": self.url, "anonymous": True}
        for conn_id in conn_ids:
            connection = json.dumps({"conn_type": CONNECTION_TYPE, "extra": extra})
            os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = connection
            if BaseHook.get_connection(conn_id).extra_dejson.get("api_endpoint") != self.url:
                raise RuntimeError(
                    f"The connection {conn_id} does not lead to the emulator, since Airflow has it from "
                    "elsewhere; start pytest without the secrets backend that holds it."
                )

    def run(
        self,
        dag: DAG | Path | str,
        day: str | date | None = None,
        *,
        dag_id: str | None = None,
        conf: Mapping[str, Any] | None = None,
        mark_success: str | None = None,
    ) -> Outcome:
        """Run a DAG as a whole, in this process: what you have patched stays patched.

        Airflow gets a database of its own, and waits neither between the tries of a task nor where a task or a
        sensor waits for an export.

        :param dag: the path of its file, or the DAG.
        :param day: its logical date, ``"2020-01-15"`` or a ``datetime``; now, unless given.
        :param dag_id: which DAG of the file, where there are several.
        :param conf: configuration of the run.
        :param mark_success: regular expression of the tasks that succeed without being run, since they need what
            is not here.
        :raises ValueError: if the file cannot be imported, or does not say which DAG is meant.
        """
        parsed = ParsedDag(dag, dag_id)
        self.connect(*parsed.connections)
        with self._leaping.in_triggers():
            return parsed.run(day, conf, mark_success)

    # What has happened

    def path(self, place: str) -> Path:
        """The file that an export has written.

        :param place: as the DAG names it, with or without the ending of the file: ``gs://bucket/prefix``,
            ``drive://folder/prefix``, ``projects/p/assets/name`` or ``bq://project.dataset.table``.
        :raises FileNotFoundError: if there is none; it says what there is.
        :raises ValueError: if it is no place.
        """
        if path := next(files_at(place, self.output), None):
            return path
        raise FileNotFoundError(
            f"No export has written {place}; there is: {', '.join(self.files()) or 'nothing'}."
        )

    def files(self) -> list[str]:
        """What exports have written, as paths below ``output``: ``["gs/bucket/prefix.tif"]``."""
        return sorted(str(path.relative_to(self.output)) for path in self.output.rglob("*") if path.is_file())

    def operations(self) -> list[dict[str, Any]]:
        """All operations, oldest first, as REST shows them."""
        return list(self._control("GET", "operations")["operations"])

    def requests(self) -> list[dict[str, Any]]:
        """All calls of the service, oldest first: ``method`` (``image.export``), ``status``, ``description``, …"""
        return list(self._control("GET", "requests")["requests"])

    # What is to happen

    def advance(self, seconds: float) -> None:
        """Let time pass: operations go on, and end when they are due."""
        self._emulator.operations.advance(seconds)

    def fail(self, message: str, *, code: int = 3, match: str = "") -> None:
        """Let the operations of exports fail that are started from now on.

        :param message: what the service says.
        :param code: ``google.rpc.Code``: 3 where the export is at fault, 13 where the service is.
        :param match: regular expression that the description of an export matches, which begins with yours, or
            with the names of DAG and task.
        """
        self.behave(match, fail={"code": code, "message": message})

    def behave(self, match: str = "", **behaviour: Any) -> None:
        """Say how operations behave that are started from now on; the latest that matches counts.

        :param match: as for ``fail``.
        :param behaviour: ``stay`` (``"PENDING"`` or ``"RUNNING"``: until it is cancelled), ``duration_seconds``,
            ``eecu_seconds``, ``attempts``, ``fail`` (an error of REST) or ``succeed`` (without computing
            anything, for what is not emulated).
        """
        self._control("POST", "operations", {"match": match, **behaviour})

    def fill_queue(self, *, times: int = 1, match: str = "") -> None:
        """Refuse exports, as many times, since there is no room for another task."""
        refusal = queue_full(_QUEUE_LIMIT)
        for kind in KINDS:
            self.inject(kind.method, status=refusal.code, message=refusal.message, times=times, match=match)

    def lose_answer(self, *, times: int = 1, match: str = "") -> None:
        """Let exports be started, and break the connection instead of saying so, as many times."""
        for kind in KINDS:
            self.inject(kind.method, point="after", drop=True, times=times, match=match)

    def inject(self, method: str, **fault: Any) -> None:
        """Spoil calls of a method.

        :param method: ``image.export``, ``operations.get``, ``operations.list``, …
        :param fault: what happens and how often: ``point`` (``"before"`` the call has taken effect, or
            ``"after"``), ``status`` and ``message``, ``drop``, ``cut``, ``delay_seconds``, ``match``, ``skip``,
            ``times`` (1; None: always).
        """
        self._control("POST", "faults", {"method": method, **fault})

    def _control(self, verb: str, what: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False  # no proxy leads to this machine
            answer = session.request(verb, f"{self.url}/_emulator/{what}", json=body, timeout=60)
        if not answer.ok:
            raise ValueError(f"The emulator does not take {dict(body or {})}: {answer.json()}")
        found: dict[str, Any] = answer.json()
        return found
