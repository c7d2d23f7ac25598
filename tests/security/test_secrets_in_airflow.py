"""A whole run of a DAG leaves no secret behind: not in Airflow's database, not in a log, not on the emulator."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock

pytestmark = pytest.mark.whole_dag

DAGS = Path(__file__).parent / "dags"
TESTS = Path(__file__).parents[1]
# dag.test() wants a database, and a process of its own keeps that from the other tests.
PROGRAM = """
import logging
import sys
from airflow.utils.db import initdb
initdb()
# All but Airflow itself is as talkative as can be; that would log what it is asked to mask.
for name in ("airflow_provider_ee", "ee", "google", "googleapiclient", "google_auth_httplib2", "requests", "urllib3"):
    logging.getLogger(name).setLevel(logging.DEBUG)
from dag_bag import stored
dag = stored(sys.argv[1])[sys.argv[2]]
for task in dag.tasks:
    task.list_grace = ()
for task in dag.test().get_task_instances():
    print("ended:", task.task_id, getattr(task.state, "value", task.state))
"""

TOKEN = "the-token-of-the-emulator"
WRONG_TOKEN = "a-token-that-is-wrong-but-secret"
REFRESH_TOKEN = "1//a-refresh-token"
VARIABLES = {"secret_word": "a-word-that-is-secret", "secret_tag": "a-tag-that-is-secret"}


def connection(**extra: Any) -> str:
    return json.dumps({"conn_type": "earth_engine", "extra": {"project": "p", "num_retries": 0, **extra}})


def everything_in(database: Path) -> str:
    """All that a database holds, as text."""
    with sqlite3.connect(database) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in opened.execute(f'SELECT * FROM "{table}"')]
    values = (value for row in rows for value in row if value is not None)
    return "\n".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values)


def test_a_run_leaves_no_secret_behind(
    start_emulator: Callable[..., EarthEngineEmulator], service_account_key: dict[str, Any], tmp_path: Path
) -> None:
    emulator = start_emulator(tokens={"alice": TOKEN}, clock=Clock(), task_seconds=0.3)
    home, key = tmp_path / "airflow", service_account_key
    broken = {**key, "private_key": key["private_key"][:200]}
    connections = {
        "earth_engine_default": connection(token=TOKEN, api_endpoint=emulator.url),
        "wrong_token": connection(token=WRONG_TOKEN, api_endpoint=emulator.url),
        "unreachable_key": connection(keyfile_dict=json.dumps(key)),
        "broken_key": connection(keyfile_dict=json.dumps(broken)),
        "key_for_a_path": connection(key_path=key["private_key"]),
        "key_for_an_emulator": connection(
            keyfile_dict={"type": "authorized_user", "refresh_token": REFRESH_TOKEN}, api_endpoint=emulator.url
        ),
        "no_json": connection(keyfile_dict=json.dumps(key)[:-1]),
    }
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(tmp_path / "lineage"), "append": True}
        ),
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(DAGS)]),
        "HTTPS_PROXY": "http://127.0.0.1:1",  # no test signs in at Google
        **{f"AIRFLOW_CONN_{conn_id.upper()}": text for conn_id, text in connections.items()},
        **{f"AIRFLOW_VAR_{name.upper()}": value for name, value in VARIABLES.items()},
    }
    command = [sys.executable, "-c", PROGRAM, str(DAGS), "keeps_secrets"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    shown = finished.stdout + finished.stderr
    assert finished.returncode == 0, shown[-3000:]

    ended = dict(line.split()[1:] for line in finished.stdout.splitlines() if line.startswith("ended: "))
    succeeded = {task for task, state in ended.items() if state == "success"}
    assert succeeded == {"waits", "senses", "computes"}, shown[-5000:]
    assert len(ended) == len(succeeded) + 2 + len(connections) - 1

    told = {
        "the output": shown,
        "the database": everything_in(home / "airflow.db"),
        "the logs": "\n".join(path.read_text() for path in (home / "logs").rglob("*") if path.is_file()),
        "the lineage": (tmp_path / "lineage").read_text() if (tmp_path / "lineage").exists() else "",
        "the requests": requests.get(
            f"{emulator.url}/_emulator/requests", headers={"Authorization": f"Bearer {TOKEN}"}
        ).text,
        "the operations": json.dumps([emulator.operations.resource(one) for one in emulator.operations.all()]),
    }
    # They are looked for where there is something to find.
    operation = emulator.operations.all()[0].name
    for where, text in told.items():
        # Airflow 3 writes no file for what dag.test() runs, and lineage is told where OpenLineage is installed.
        assert operation in text or (not text and where in ("the logs", "the lineage")), where
    assert "***" in told["the database"]
    assert "could not be read" in shown
    secrets = [TOKEN, WRONG_TOKEN, REFRESH_TOKEN, *key["private_key"].splitlines()[1:-1]]
    assert {(secret, where) for where, text in told.items() for secret in secrets if secret in text} == set()
    # What an exception quotes, Airflow 3 masks in the logs of workers; not in what dag.test() prints, nor where
    # OpenLineage itself tells of errors.
    del told["the output"], told["the lineage"]
    words = VARIABLES.values()
    assert {(word, where) for where, text in told.items() for word in words if word in text} == set()
