"""Plays a case: starts the tries of its task, strikes where it says, and acts for Airflow and its user."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos import wire
from benchmarks.chaos.airflow_model import ENDED, Airflow, TaskInstance, new_run_id
from benchmarks.chaos.scenarios import ACTIONS, BREAKAGES, Case, Hit
from benchmarks.chaos.service import PROJECT, Emulator, Host
from benchmarks.chaos.supervisor import Gate, Supervisor
from benchmarks.chaos.tasks import EXPRESSION, GRID, TIME_LIMIT, pattern
from benchmarks.chaos.worker import Nursery

EXPORT_SECONDS = 2.5
"""How long an export runs that is waited for; others go on for ever, so that one too many is seen."""
_FOR_EVER = 100_000.0
_PATIENCE = 90.0
_MOST_TRIES = 25
_POLL = 0.02
_POINTS = {
    "request": ("image.export", "before"),
    "answer": ("image.export", "after"),
    "poll": ("operations.get", "before"),
    "cancel": ("operations.cancel", "before"),
    "look": ("operations.list", "before"),
}


class StuckError(Exception):
    """Something that must happen has not happened."""


@dataclass
class Trap:
    """A hit that waits for its try: a gate for a message, or a fault of the service."""

    hit: Hit
    gate: Gate | None = None
    fault: int | None = None
    hold: str = ""
    poll_hold: str = ""
    poll_fault: int = -1


class Play:
    """One case on a stage of its own."""

    def __init__(self, case: Case, host: Host, nursery: Nursery) -> None:
        self.case, self._nursery = case, nursery
        self.airflow = Airflow(stores=wire.AIRFLOW3)
        around = case.around
        self.emulator = Emulator(
            host,
            task_seconds=EXPORT_SECONDS if case.wait else _FOR_EVER,
            slots=64,
            queue_limit=1 if around.full else 3000,
        )
        run_id = new_run_id(case.name)
        indexes = range(around.mapped) if around.mapped > 1 else [-1]
        self.rows = [self.airflow.add(index, case.retries, run_id) for index in indexes]
        self.row = self.rows[0]
        self.fired: list[Hit] = []
        self.refusals = 0
        self.last_end: dict[int, float] = {}
        self._holds = 0
        self._workers: list[Supervisor] = []
        self._later: list[Callable[[], None]] = []
        self._blocker: str | None = None
        self._unclean = False
        self.tries_cost = 0
        """How many tries of the last generation were ours to end."""

    def run(self) -> None:
        """From the first try to silence."""
        self._set_up()
        others = [self._launch(row) for row in self.rows[1:]]
        hits = list(self.case.hits)
        while len(self._workers) < _MOST_TRIES:
            if self.row.state in ENDED:
                if hits and hits[0].step == "ended":
                    self.fired.append(hits.pop(0))
                elif not self._unclean:
                    break
                # Otherwise nobody could have cancelled the last try's export: the next one must.
                self._unclean = False
                self.tries_cost = 0
                self.airflow.clear(self.row)
            self._one_try(hits.pop(0) if hits and hits[0].step != "ended" else None)
        for worker in others:
            self._finish(worker)
            while worker.row.state not in ENDED:
                self._finish(self._launch(worker.row))
        self._do_later()
        self._until(lambda: all(one.ended.is_set() or one.refused for one in self._workers), "all workers end")
        self.emulator.settle()
        for worker in self._workers:
            self.refusals += worker.refused

    def close(self) -> None:
        """Leave nothing behind."""
        for worker in self._workers:
            if worker.status is None:
                worker.signal(signal.SIGKILL)
            if worker.gate:
                worker.gate.opened.set()
        self.emulator.close()

    def _set_up(self) -> None:
        around, emulator = self.case.around, self.emulator
        emulator.settings(burn_request_ids=around.burns)
        if around.order:
            emulator.arm("operations.list", order=around.order, times=None)
        if around.lists_lag:
            emulator.arm("operations.list", hide="^chaos-", times=around.lists_lag)
        if around.seeded:
            emulator.seed(around.seeded)
        if around.full:
            emulator.behave(match="^blocker$", stay="PENDING")
            body = {
                "expression": EXPRESSION,
                "grid": GRID,
                "description": "blocker",
                "fileExportOptions": {
                    "fileFormat": "GEO_TIFF",
                    "cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "blocker"},
                },
            }
            answer = emulator.call("POST", f"projects/{PROJECT}/image:export", **body)
            answer.raise_for_status()
            self._blocker = answer.json()["name"]

    # Tries

    def _one_try(self, hit: Hit | None) -> None:
        trap = self._arm(hit) if hit else None
        worker = self._launch(self.row, trap.gate if trap else None)
        if not trap:
            self._finish(worker)
            return
        try:
            struck = self._strike(worker, trap)
        finally:
            if trap.gate:
                trap.gate.opened.set()
            if trap.poll_hold:
                self.emulator.release(trap.poll_hold)
        self.tries_cost += struck and _may_end_try(trap.hit)
        if struck:
            self.fired.append(trap.hit)
        elif trap.hold:
            self._release(trap)

    def _launch(self, row: TaskInstance, gate: Gate | None = None) -> Supervisor:
        """What the scheduler does, or two of them at once."""
        ti_id = self.airflow.queue_next_try(row)
        case = self.case
        job = {
            "url": self.emulator.url,
            "token": None,
            "who": case.who,
            "wait": case.wait,
            "retries": case.retries,
        }
        log = f"{case.name}.log"
        twins = [
            Supervisor(self._nursery, self.airflow, row, ti_id, job, log, gate)
            for _ in range(case.around.schedulers)
        ]
        self._workers += twins
        self._until(lambda: any(one.started.is_set() for one in twins), "a worker starts")
        if row is self.row:
            self._do_later()
        return next(one for one in twins if one.started.is_set())

    def _finish(self, worker: Supervisor) -> None:
        """Wait until a try has ended."""
        self._until(worker.ended.is_set, f"pid {worker.pid} ends")
        self.last_end[worker.row.map_index] = time.time()
        if worker.row is self.row and worker.ti_id:
            self._unclean = worker.status == -signal.SIGKILL

    def _do_later(self) -> None:
        later, self._later = self._later, []
        for action in later:
            action()

    def _until(self, reached: Callable[[], bool], what: str, or_ended: Supervisor | None = None) -> bool:
        until = time.monotonic() + _PATIENCE
        looked = 0.0
        while not reached():
            if or_ended and or_ended.ended.is_set():
                return reached()
            if time.monotonic() > until:
                raise StuckError(f"{what}: not within {_PATIENCE:g} s")
            time.sleep(_POLL)
            if self._blocker and time.monotonic() - looked > 0.1:
                looked = time.monotonic()
                self._make_room()
        return True

    def _make_room(self) -> None:
        if any(one["method"] == "image.export" and one["status"] == 429 for one in self.emulator.requests()):
            self.emulator.call("POST", f"{self._blocker}:cancel")
            self._blocker = None

    # Hits

    def _arm(self, hit: Hit) -> Trap:
        trap = Trap(hit)
        if hit.step in ("memory", "name", "finish"):
            trap.gate = _gate(hit, "ours" if self.case.who == "ours" else self.case.who)
            return trap
        method, point = _POINTS[hit.step]
        if hit.step in ("cancel", "look") and hit.late:
            point = "after"
        fault: dict[str, Any] = {"point": point}
        if hit.step != "look":
            fault["match"] = pattern(self.row.map_index)
        if hit.step in ("request", "answer") and self._blocker:
            fault["skip"] = 1  # the first is told that there is no room
        if hit.blow in BREAKAGES:
            fault |= {
                "503": {"status": 503},
                "drop": {"drop": True},
                "delay": {"delay_seconds": TIME_LIMIT + 0.4},
                "cut": {"cut": True, **({"status": 503} if point == "before" else {})},
            }[hit.blow]
        else:
            trap.hold = fault["hold"] = self._new_hold()
        if hit.step == "cancel":
            trap.poll_hold = self._new_hold()
            match = pattern(self.row.map_index)
            trap.poll_fault = self.emulator.arm("operations.get", hold=trap.poll_hold, match=match)
        trap.fault = self.emulator.arm(method, **fault)
        return trap

    def _new_hold(self) -> str:
        self._holds += 1
        return f"hold-{self._holds}"

    def _reached(self, trap: Trap) -> bool:
        if trap.gate:
            return trap.gate.reached.is_set()
        return trap.fault is not None and self.emulator.fired(trap.fault)

    def _strike(self, worker: Supervisor, trap: Trap) -> bool:
        """Whether the blow has fallen; the try has ended then, or has been replaced."""
        hit = trap.hit
        if hit.step == "cancel" and not self._provoke_cancelling(worker, trap):
            self._finish(worker)
            return False
        if hit.blow in BREAKAGES:
            self._finish(worker)
            return self._reached(trap)
        if not self._until(lambda: self._reached(trap), f"{hit} is reached", or_ended=worker):
            self._finish(worker)
            return False
        if worker.status is not None:
            self._finish(worker)
            return False
        self.airflow.log(self.row, f"-- {hit}")
        blow = {
            "SIGKILL": self._kill,
            "SIGTERM": self._terminate,
            "SIGSTOP": self._stop,
            "replaced": self._replace,
        }.get(hit.blow, self._act)
        return blow(worker, trap)

    def _provoke_cancelling(self, worker: Supervisor, trap: Trap) -> bool:
        waits = lambda: self.emulator.fired(trap.poll_fault)  # noqa: E731
        if not self._until(waits, "the task waits", or_ended=worker):
            return False
        cause = trap.hit.cause
        self.tries_cost += 1
        self.airflow.log(self.row, f"-- {cause}, to make it cancel")
        if cause == "clear":
            self.airflow.clear(self.row)
        elif cause == "mark failed":
            self.airflow.mark(self.row, "failed")
        else:
            worker.signal(signal.SIGTERM)
        return True

    def _release(self, trap: Trap) -> None:
        if trap.gate:
            trap.gate.opened.set()
        elif trap.hold:
            self.emulator.release(trap.hold)

    def _kill(self, worker: Supervisor, trap: Trap) -> bool:
        died = worker.kill()
        if trap.hit.late:
            self._later.append(lambda: self._release(trap))
        else:
            self._release(trap)
        self._finish(worker)
        return died

    def _terminate(self, worker: Supervisor, trap: Trap) -> bool:
        worker.signal(signal.SIGTERM)
        time.sleep(0.1)
        if trap.hit.late:  # its time limit passes first
            time.sleep(TIME_LIMIT)
        self._release(trap)
        self._finish(worker)
        return True

    def _stop(self, worker: Supervisor, trap: Trap) -> bool:
        stopped = worker.freeze(with_host=False)
        if not trap.hit.late:
            self._release(trap)
        time.sleep(TIME_LIMIT + 0.2)
        worker.thaw()
        if trap.hit.late:
            time.sleep(0.1)
            self._release(trap)
        self._finish(worker)
        return stopped

    def _replace(self, worker: Supervisor, trap: Trap) -> bool:
        stopped = worker.freeze(with_host=True)
        if trap.gate and trap.hit.cause != "mark failed":
            trap.gate.opened.set()  # granted, but the worker cannot go on yet
            time.sleep(0.05)
        worker.lose()
        self._unclean = False
        successor = self._launch(self.row) if self.row.state in (None, "up_for_retry") else None
        if successor and trap.hit.late:
            self._finish(successor)
        self._release(trap)
        worker.thaw()
        if successor and not trap.hit.late:
            self._finish(successor)
        self._until(worker.ended.is_set, "the replaced try ends")
        if not successor:
            self._finish(worker)
            # Its execute() was over before anybody told it that Airflow had given it up.
            self._unclean |= worker.believed_success
        return stopped

    def _act(self, worker: Supervisor, trap: Trap) -> bool:
        if self.row.state in ENDED and trap.hit.blow != "clear":
            self._release(trap)
            self._finish(worker)
            return False
        if trap.hit.blow == "clear":
            self.airflow.clear(self.row)
        else:
            self.airflow.mark(self.row, {"mark failed": "failed", "mark success": "success"}[trap.hit.blow])
        self._until(lambda: worker.term_sent, "SIGTERM is sent", or_ended=worker)
        if trap.hit.late and trap.hit.blow == "clear" and not trap.gate:
            self._later.append(lambda: self._release(trap))
        else:
            time.sleep(TIME_LIMIT + 0.3 if trap.hit.late else 0.05)
            self._release(trap)
        self._finish(worker)
        return True


def _gate(hit: Hit, who: str) -> Gate:
    error = 500 if hit.blow == "503" else None
    if hit.step == "finish":
        return Gate("SucceedTask", error=error)
    if wire.AIRFLOW3:
        return Gate("SetTaskStateStore", names=hit.step == "name", error=error)
    return Gate("GetTaskStates", skip=1 if hit.step == "name" else 0, error=error)


# The verdict


@dataclass
class Verdict:
    """What a case has come to."""

    case: Case
    counts: bool
    duplicated: int = 0
    orphaned: int = 0
    lost: int = 0
    started: int = 0
    returned: int = 0
    reasons: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    cell: tuple[str, str] = ("", "")

    @property
    def bad(self) -> bool:
        """Whether a promise was broken."""
        return bool(self.duplicated or self.orphaned or self.lost)


_MARK = re.compile(r"--[a-z0-9]{10}-(\d+)-(\d+)$")
_GOOD = frozenset({"PENDING", "RUNNING", "SUCCEEDED"})
_CONSUMING = frozenset({"SIGKILL", "SIGTERM", "replaced", *ACTIONS})


def judge(play: Play) -> Verdict:
    """Compare what was started with what was returned."""
    case = play.case
    hits = [hit for hit in play.fired if hit.step != "ended"]
    if case.name.startswith("random"):
        counts = bool(hits)
        cell = (hits[0].step, hits[0].blow) if hits else (case.step, case.blow)
    else:
        cell = (case.step, case.blow)
        counts = any((hit.step, hit.blow) == cell for hit in hits)
    verdict = Verdict(case, counts, cell=cell)
    operations = play.emulator.operations()
    reasons: list[str] = []
    for row in play.rows:
        own = [one for one in operations if re.search(pattern(row.map_index), _field(one, "description"))]
        verdict.started += len(own)
        _judge_row(play, row, own, verdict, reasons)
    verdict.reasons = tuple(reasons)
    history = [line for row in play.rows for line in row.history]
    if verdict.bad or not counts:
        history += [
            f"operation {one['name'][-6:]} {_field(one, 'description')} {_field(one, 'state')}"
            for one in operations
            if _field(one, "description").startswith("chaos")
        ]
        told = [
            (f"request {one['method']} {one['description'][-16:]} {one['status']}", one["time"])
            for one in play.emulator.requests()
            if one["method"]
        ]
        history += [
            f"{text} at {when:.2f}"
            for index, (text, when) in enumerate(told)
            if index == 0 or told[index - 1][0] != text  # of a long row of looks only the first
        ]
    verdict.history = tuple(history)
    return verdict


def _judge_row(
    play: Play, row: TaskInstance, own: list[dict[str, Any]], verdict: Verdict, reasons: list[str]
) -> None:
    generations: dict[int, list[dict[str, Any]]] = {}
    for one in own:
        found = _MARK.search(_field(one, "description"))
        generations.setdefault(int(found[1]) if found else row.max_tries, []).append(one)
    returned = row.xcoms.get("return_value") if row.marked else row.returned.get(row.max_tries)
    name = returned["name"] if isinstance(returned, dict) else returned
    succeeded = row.state == "success" and not row.marked
    for generation, started in generations.items():
        good = [one for one in started if _field(one, "state") in _GOOD]
        if len(good) > 1:
            verdict.duplicated += len(good) - 1
            reasons.append(f"{len(good)} exports of generation {generation}")
        for one in good:
            if generation == row.max_tries and one["name"] == name and row.state == "success":
                continue
            live = _field(one, "state") != "SUCCEEDED"
            outlived = generation == row.max_tries and _ended_at(one) > play.last_end.get(row.map_index, 0) + 0.2
            if live or outlived:
                verdict.orphaned += 1
                reasons.append(f"{one['name'][-6:]} of generation {generation} runs on, task {row.state}")
    verdict.returned += bool(succeeded and name)
    final = {one["name"]: one for one in generations.get(row.max_tries, [])}
    if succeeded and (name not in final or _field(final[name], "state") not in _GOOD):
        verdict.lost += 1
        reasons.append(f"success, but {name} is {name in final and _field(final[name], 'state')}")
    hits = play.fired if row is play.row else []
    consumed = play.tries_cost if row is play.row else 0
    if row.state == "failed" and not row.marked and consumed < row.retries + 1:
        verdict.lost += 1
        reasons.append(f"failed in try {row.try_number} of {row.max_tries + 1}, after {consumed} hits")
    disturbed = row.marked or any(hit.blow in (*ACTIONS, "replaced") or hit.step == "cancel" for hit in hits)
    cancelled = [one for one in final.values() if _field(one, "state") in ("CANCELLED", "CANCELLING")]
    if succeeded and cancelled and not disturbed:
        verdict.lost += 1
        reasons.append(f"{cancelled[0]['name'][-6:]} was cancelled, though a retry followed")


def _may_end_try(hit: Hit) -> bool:
    """Whether a hit may cost a try."""
    if hit.step == "memory" or (hit.step == "name" and not wire.AIRFLOW3):
        return hit.blow in _CONSUMING or hit.blow == "503"
    return hit.blow in _CONSUMING


def _field(operation: dict[str, Any], name: str) -> str:
    return str(operation["metadata"].get(name, ""))


def _ended_at(operation: dict[str, Any]) -> float:
    from datetime import datetime

    ended = operation["metadata"].get("endTime")
    return datetime.fromisoformat(ended.replace("Z", "+00:00")).timestamp() if ended else 0.0
