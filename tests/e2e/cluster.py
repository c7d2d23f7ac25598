"""One Airflow, with its processes, its database and the services that it exports to."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from backends import Backend
from local_airflow import BIN, AirflowApi, Process, commands, environment, free_port
from service import Service
from user import ApiUser
from waiting import wait_for

PROJECT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"

# Everything that Airflow does now and then, it does often; what it takes for dead, it takes for dead soon.
QUICK = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "3",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
    "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": "64",
}


class Cluster:
    """Boots an Airflow and ends it."""

    kind = "e2e"
    dags = DAGS
    settings = QUICK
    known_fault = ""
    user: Any

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        build = PROJECT / ".build"
        self.all_homes, self.all_logs = build / f"{self.kind}-home", build / f"{self.kind}-logs"
        self.home, self.logs = self.all_homes / backend.name, self.all_logs / backend.name
        self.environment: dict[str, str] = {}
        self.triggerers: dict[int, Process] = {}
        self._triggerer_ids: set[int] = set()
        self._processes: list[Process] = []
        self._task_logs = self.logs / "tasks"
        self._launched = 0
        self._port, self._tasks_port = free_port(), free_port()
        self._commands = commands(self._port)
        self._closing = ExitStack()

    def boot(self, say: Callable[[str], None]) -> None:
        """Start the services and the processes, and wait until they are healthy and know the DAGs."""
        for folder in (self.home, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.environment = environment(
            self.home,
            self._port,
            dags=self.dags,
            connections=self._start_services(),
            PYTHONPATH=str(self.dags),  # triggers are imported by name
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{self._tasks_port}/execution/",
            AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(self._task_logs),
            **self.settings,
            **self._closing.enter_context(self.backend.prepared()),
        )
        began = time.monotonic()
        with (self.logs / "db-migrate.log").open("wb") as log:
            command = [BIN / "airflow", "db", "migrate"]
            subprocess.run(command, env=self.environment, check=True, stdout=log, stderr=log)
        say(f"{self.backend.name}: database made, {time.monotonic() - began:.0f} s")
        self._start_airflow()
        triggerer = self._launch_triggerer()
        self.wait_until_ready()
        self._identified(triggerer)
        wait_for(self.user.knows_the_dags, "the DAGs to be parsed")
        say(f"{self.backend.name}: Airflow is healthy, {time.monotonic() - began:.0f} s")

    def _start_services(self) -> dict[str, dict[str, Any]]:
        """Start what is exported to; the extra of each connection."""
        self.service = self._closing.enter_context(Service(self.home / "service"))
        # A queue that is full with one export beside the one that runs.
        self.small_service = self._closing.enter_context(
            Service(self.home / "small-service", slots=1, queue_limit=1)
        )
        return {
            "earth_engine_default": self.service.connection("main"),
            "crowd": self.service.connection("crowd"),
            "small": self.small_service.connection("small"),
        }

    def _start_airflow(self) -> None:
        """Start all but the triggerer."""
        # One for users and one for tasks: in a single one, on SQLite, a user's request blocks the event loop while
        # it waits for a lock that a task's request can give back only through that loop.
        self._api_servers = [
            self._start("api-server", [*self._commands["api-server"], "--apps", "core"]),
            self._start("api-server-tasks", [*commands(self._tasks_port)["api-server"], "--apps", "execution"]),
        ]
        for number in range(self.backend.schedulers):
            self._start(f"scheduler-{number + 1}", self._commands["scheduler"])
        self._start("dag-processor", self._commands["dag-processor"])
        self.worker = self._start("worker", self.backend.worker) if self.backend.worker else None
        self._api = AirflowApi(self.url)
        self.user = ApiUser(self._api)

    def wait_until_ready(self) -> None:
        """Until every process answers."""
        wait_for(self._api.healthy, "Airflow to be healthy")
        self._api.log_in()

    def close(self) -> None:
        """End what was started."""
        for process in self._processes:
            process.kill()
        self._closing.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def dead(self) -> list[str]:
        """Processes that ended by themselves."""
        return [process.log.stem for process in self._processes if not process.alive]

    @property
    def url(self) -> str:
        """Where users find it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def _only_triggerer(self) -> int:
        (number,) = self.triggerers
        return number

    def start_triggerer(self) -> int:
        """Start one, beside those that run; returns its id once it is at work."""
        return self._identified(self._launch_triggerer())

    def _launch_triggerer(self) -> Process:
        self._launched += 1
        return self._start(f"triggerer-{self._launched}", self._commands["triggerer"])

    def _identified(self, triggerer: Process) -> int:
        def ids() -> set[int]:
            return set(self.user.triggerers()) - self._triggerer_ids

        (new,) = wait_for(ids, "a triggerer to be at work")
        self._triggerer_ids.add(new)
        self.triggerers[new] = triggerer
        return int(new)

    def end_triggerer(self, number: int | None = None, *, kill: bool = True) -> None:
        """Kill or terminate one, or the only one."""
        triggerer = self.triggerers.pop(self._only_triggerer if number is None else number)
        if kill:
            triggerer.kill()
        else:
            triggerer.terminate(patience=60)
        self._processes.remove(triggerer)

    @contextmanager
    def frozen_triggerer(self, triggerer: int | None = None, *, runner_only: bool = False) -> Iterator[None]:
        """Freeze a triggerer, or the only one: as a whole, or its event loop alone."""
        leader, *children = self.triggerers[self._only_triggerer if triggerer is None else triggerer].members()
        members = children if runner_only else [leader, *children]
        for member in members:
            member.suspend()
        try:
            yield
        finally:
            for member in members:
                member.resume()

    def restart_api_servers(self) -> None:
        """Kill them, and start them again."""
        for server in self._api_servers:
            server.kill()
        for server in self._api_servers:
            server.start()
        self.wait_until_ready()

    def restart_worker(self) -> None:
        """Kill the Celery worker with all that it runs, and start it again."""
        assert self.worker
        self.worker.kill()
        self.worker.start()

    def task_logs(self, run_id: str, end: str = ".log") -> str:
        """All that the tasks of a run have logged, on workers and triggerers."""
        texts = []
        for path in sorted(self._task_logs.rglob(f"run_id={run_id}/**/*{end}")):
            with suppress(OSError):
                texts.append(path.read_text(errors="replace"))
        return "\n".join(texts)

    def starts_of_triggers(self, run_id: str) -> str:
        """Where a triggerer says that it has started a trigger of a run."""
        return self.task_logs(run_id)

    def _start(self, name: str, arguments: list[Any]) -> Process:
        process = Process([BIN / "airflow", *arguments], self.environment, self.logs / f"{name}.log")
        self._processes.append(process)
        return process.start()
