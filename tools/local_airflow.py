"""An Airflow on this machine, in processes of its own on the loopback address."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

BIN = Path(sys.executable).parent
HEALTH = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(
    home: Path, port: int, *, dags: Path, connections: dict[str, dict[str, Any]], **more: str
) -> dict[str, str]:
    """Home, database and secrets of its own; nothing of the user's.

    :param connections: extra of each Earth Engine connection.
    :param more: further variables.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    defined = {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps({"conn_type": "earth_engine", "extra": extra})
        for name, extra in connections.items()
    }
    return {
        **kept,
        **defined,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1,localhost",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=20",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # The end of a task is reported up to this late, and a sensor that comes back sooner is failed for it.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        **more,
    }


def commands(port: int) -> dict[str, list[str]]:
    """What Airflow consists of. Without serving logs: that would be open to other machines."""
    return {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }


class Process:
    """A command that can be started, frozen and ended, with all that it starts.

    :param command: program and arguments.
    :param log: where its output goes; appended to.
    """

    def __init__(self, command: list[Any], environment: dict[str, str], log: Path) -> None:
        self._command, self._environment, self.log = command, environment, log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to it and to all that it has started."""
        for member in self.members():
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)

    def terminate(self, patience: float) -> None:
        """Ask it to end; what has not ended in time is killed."""
        if self._child is None:
            return
        if self.alive:
            self._child.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=patience)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._child is None:
            return
        self.signal(signal.SIGKILL)
        self._child.wait()

    def members(self) -> list[psutil.Process]:
        """The process and what it has started, also what has outlived it: they share its session."""
        leader = self._child.pid if self._child else None
        return [process for process in psutil.process_iter() if leader and _session_of(process) == leader]


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:  # it has ended, or it is somebody else's
        return None


class AirflowApi:
    """Airflow's REST API, as a user calls it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._one_by_one = threading.Lock()

    def log_in(self) -> None:
        """Get a token; everybody is an admin here."""
        token = self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def healthy(self) -> bool:
        """Whether every process is."""
        try:
            health = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        return all(health[part]["status"] == "healthy" for part in HEALTH)

    def ask(self, verb: str, path: str, body: Any = None, **query: Any) -> Any:
        """What is answered; None where there is no such thing."""
        with nullcontext() if verb == "GET" else self._one_by_one:  # on SQLite writers shut each other out
            answer = self._session.request(verb, f"{self.url}/api/v2/{path}", json=body, params=query, timeout=60)
        if answer.status_code == 404:
            return None
        if not answer.ok:
            raise RuntimeError(f"{verb} {path}: {answer.status_code} {answer.text:.500}")
        return answer.json() if answer.content else {}
