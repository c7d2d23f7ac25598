"""What a scenario does: runs, their one task, and what must hold when it has ended."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import psutil
from cluster import Cluster
from service import Export, Service
from waiting import wait_for

ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


@dataclass
class Verdict:
    """What is counted after each scenario."""

    exports: int = 0
    orphans: list[str] = field(default_factory=list)
    healthy_cancelled: list[str] = field(default_factory=list)

    @property
    def complaint(self) -> str:
        """What must not be."""
        orphans = f"exports that nobody waits for: {', '.join(self.orphans)}. " if self.orphans else ""
        cancelled = f"cancelled unasked: {', '.join(self.healthy_cancelled)}." if self.healthy_cancelled else ""
        return orphans + cancelled


class Play:
    """A scenario in a cluster.

    :param name: of the scenario.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.user, self.service = cluster, cluster.user, cluster.service
        self._name = re.sub(r"[^a-z0-9]+", "-", name.lower())[:36].strip("-")
        self._runs: list[Run] = []

    def start(self, dag_id: str, *, seconds: float | None = None, hold_answer: bool = False, **conf: Any) -> Task:
        """Start a run; its export ends after so many seconds, or when it is told to.

        :param hold_answer: the task does not hear of its export.
        """
        return self.start_mapped(dag_id, [-1], seconds=seconds, hold_answer=hold_answer, **conf)[0]

    def start_mapped(
        self,
        dag_id: str,
        indexes: list[int] | range,
        *,
        seconds: float | None = None,
        hold_answer: bool = False,
        **conf: Any,
    ) -> list[Task]:
        """Start a run of a mapped task; returns the task instances of these indexes."""
        run = Run(self, dag_id, f"{secrets.token_hex(4)}-{self._name}", list(indexes))
        if seconds is not None:
            run.service.end_after(seconds, run.run_id)
        if hold_answer:
            run.service.hold_answer(run.run_id)
        run.create(conf)
        self._runs.append(run)
        return run.tasks

    def sees_looks(self, number: int) -> None:
        """Wait until the exports have been looked at so many times more."""
        before = len(self.service.requests("operations."))
        wait_for(lambda: len(self.service.requests("operations.")) >= before + number, f"{number} looks")

    def trigger_logs(self, triggerer: int) -> str:
        """What its tasks' triggers have logged, the last time that they ran in a triggerer."""
        return "".join(self.cluster.task_logs(run.run_id, f".trigger.{triggerer}.log") for run in self._runs)

    def verdict(self) -> Verdict:
        """Exports that run though no task waits for them, and exports that were cancelled unasked.

        Which cancellations were asked for, the scenario has said.
        """
        verdict = Verdict()
        for run in self._runs:
            states = run.states()
            for task in run.tasks:
                exports = task.exports()
                verdict.exports += len(exports)
                waiting = states.get(task.map_index) not in (None, *ENDED)
                live = [one for one in exports if one.live]
                verdict.orphans += [f"{one.description} {one}" for one in live[: len(live) - waiting]]
                verdict.healthy_cancelled += [
                    f"{one.description} {one}"
                    for one in exports
                    if one.seen in ("CANCELLING", "CANCELLED") and one.name not in run.cancelled
                ]
        return verdict

    def tidy(self) -> None:
        """Leave nothing to the scenarios that come after."""
        for run in self._runs:
            run.end()
            for task in run.tasks:
                for export in task.exports():
                    if export.live:
                        run.service.finish(export.name)


class Run:
    """A DAG run, which has one task, perhaps mapped."""

    def __init__(self, play: Play, dag_id: str, run_id: str, indexes: list[int]) -> None:
        self.play, self.dag_id, self.run_id = play, dag_id, run_id
        self.service: Service = play.cluster.small_service if dag_id == "full_queue" else play.service
        self.cancelled: set[str] = set()
        self.tasks = [Task(self, index) for index in indexes]

    def create(self, conf: dict[str, Any]) -> None:
        """Start it."""
        self.play.user.start_run(*self.names, conf)

    @property
    def names(self) -> tuple[str, str]:
        """Of its DAG, and its own."""
        return self.dag_id, self.run_id

    def log(self) -> str:
        """All that its tasks have logged."""
        return self.play.cluster.task_logs(self.run_id)

    def states(self) -> dict[int, str | None]:
        """The state of each task instance, by map index; none where the run was deleted."""
        return self.play.user.states(*self.names)

    def delete(self) -> None:
        """Delete it; Airflow wants it ended before, and its scheduler breaks where it is at work on it just then."""
        self.end()
        wait_for(lambda: set(self.states().values()) <= set(ENDED), f"{self.run_id} to have ended")
        self.play.user.delete_run(*self.names)

    def end(self) -> None:
        """Mark it as failed."""
        self.play.user.end_run(*self.names)


class Task:
    """A task instance, as a user sees it."""

    def __init__(self, run: Run, map_index: int) -> None:
        self.run, self.map_index = run, map_index
        self._user, self._names = run.play.user, (*run.names, map_index)
        self.words = f"{run.run_id}-{map_index}-"

    @property
    def info(self) -> dict[str, Any]:
        """What Airflow says of it."""
        return self._user.task(*self._names)

    @property
    def state(self) -> str | None:
        """Its state."""
        state: str | None = self.info["state"]
        return state

    def until_held(self) -> None:
        """Wait until the answer to its export is held."""
        wait_for(lambda: self.run.service.holds(self.run.run_id), f"{self} to export")

    def until_try(self, number: int) -> None:
        """Wait for a try of this number."""
        wait_for(lambda: self.info["try_number"] == number, f"try {number} of {self}")

    def only_export(self) -> Export:
        """The one export that it has started in all its tries."""
        exports = self.exports()
        assert len(exports) == 1, f"{self} has exported as {exports}"
        return exports[0]

    def dies(self) -> None:
        """Kill the process in which it runs, as the kernel does when memory runs out."""
        worker = psutil.Process(self.info["pid"])
        assert "airflow" in " ".join(worker.cmdline()), worker
        worker.kill()

    def worker_dies(self) -> None:
        """Kill the process in which it runs together with the one that would tell Airflow so."""
        task = psutil.Process(self.info["pid"])
        for process in (task.parent(), task):
            process.kill()

    @property
    def triggerer_id(self) -> int | None:
        """Which triggerer has its trigger."""
        trigger = self.info["trigger"]
        return trigger["triggerer_id"] if trigger else None

    def until(self, *states: str, patience: float = 90) -> None:
        """Wait for one of these states; an end that was not meant is told at once."""

        def reached() -> bool:
            state = self.state
            assert state in states or state not in ENDED, f"{self} has ended {state}, not {states}\n{self.tail()}"
            return state in states

        try:
            wait_for(reached, f"{self} to be {' or '.join(states)}", patience)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.state}, with {self.exports()}") from None

    def export_while_deferred(self) -> Export:
        """Wait until it is deferred and its trigger runs; the one export that it then waits for."""

        def found() -> list[Export]:
            task, live = self.info, [one for one in self.exports() if one.live]
            assert task["state"] not in ENDED, f"{self} has ended {task['state']}\n{self.tail()}"
            # What a user does before the trigger runs, no trigger hears of.
            running = task["state"] == "deferred" and task["trigger"] and self._trigger_runs(task)
            return live if running and len(live) == 1 else []

        return wait_for(found, f"{self} to wait for one export, deferred")[0]  # type: ignore[no-any-return]

    def exports(self) -> list[Export]:
        """The exports that it has started, oldest first."""
        return self.run.service.exports(self.words)

    def is_cancelled(self, export: Export) -> None:
        """Wait until an export is cancelled, which is as it should be."""
        self.run.cancelled.add(export.name)
        wait_for(lambda: export.state == "CANCELLED", f"{self}: {export} to be cancelled", 60)

    def succeeds_with(self, export: Export) -> None:
        """Let the export succeed, and wait for the task to do so."""
        export.finish()
        self.has_succeeded_with(export)

    def has_succeeded_with(self, export: Export) -> None:
        """Wait for the task to succeed; it has returned this export."""
        self.until("success")
        assert self.xcom("return_value")["name"] == export.name

    def clear(self) -> None:
        """Clear it."""
        self._user.clear(*self._names)

    def mark(self, state: str) -> None:
        """Mark it as failed, or as success."""
        self._user.mark(*self._names, state)

    def xcom(self, key: str) -> Any:
        """What it pushed; None where it has not."""
        return self._user.xcom(*self._names, key)

    def log(self, try_number: int = 1) -> str:
        """What the log page shows of a try."""
        return self._user.log(*self._names, try_number)

    def tail(self) -> str:
        """The end of what it has logged."""
        return self.run.log()[-6000:]

    def _trigger_runs(self, task: dict[str, Any]) -> bool:
        name = f"{self.run.dag_id}/{self.run.run_id}/task/{self.map_index}/{task['try_number']}"
        log = self.run.play.cluster.starts_of_triggers(self.run.run_id)
        return f"trigger {name} (ID {task['trigger']['id']}) starting" in log

    def __str__(self) -> str:
        index = f"/{self.map_index}" if self.map_index >= 0 else ""
        return f"{self.run.dag_id} {self.run.run_id}{index}"
