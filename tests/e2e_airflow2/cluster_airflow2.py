"""One Airflow 2.11: a scheduler that runs tasks, triggerers, and a user who acts without web pages."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backends import Backend
from cluster import Cluster

ACTING = Path(__file__).parent / "acting.py"

QUICK = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
    "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": "64",
}


class Airflow2Cluster(Cluster):
    """As ``Cluster``. On SQLite it runs one task at a time, since Airflow 2 can do no more there."""

    kind = "e2e-airflow2"
    # A task that was cleared while it was deferred begins in the moment in which the triggerer drops its trigger.
    known_fault = "task_instance_trigger_id_fkey"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        one_by_one = {} if backend.database else {"AIRFLOW__CORE__EXECUTOR": "SequentialExecutor"}
        self.settings = {**QUICK, **one_by_one}

    def _start_airflow(self) -> None:
        self._start("scheduler", self._commands["scheduler"])
        self.user = ActingUser(self.environment, self.logs / "user.log")
        self._closing.callback(self.user.close)

    def wait_until_ready(self) -> None:
        """Nobody can be asked."""

    def starts_of_triggers(self, run_id: str) -> str:
        """What the triggerers say of themselves: here that is not in the tasks' logs."""
        return "".join(log.read_text(errors="replace") for log in self.logs.glob("triggerer-*.log"))

    def triggerer_says(self, number: int) -> str:
        """What one of them does."""
        return self.triggerers[number].log.read_text(errors="replace")


class ActingUser:
    """Hands acts to ``acting.py``, one after the other."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, ACTING],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self._one_by_one = threading.Lock()

    def __getattr__(self, act: str) -> Callable[..., Any]:
        return lambda *arguments: self._ask(act, *arguments)

    def states(self, dag_id: str, run_id: str) -> dict[int, str | None]:
        """By map index, which JSON would have as a text."""
        return {int(index): state for index, state in self._ask("states", dag_id, run_id).items()}

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, act: str, *arguments: Any) -> Any:
        with self._one_by_one:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps([act, arguments]) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline() or '{"error": "the user has ended"}')
        if "error" in answer:
            raise RuntimeError(f"{act} {arguments}: {answer['error']}")
        return answer["came_to"]
