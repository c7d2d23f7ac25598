"""Airflow, as far as one task instance knows it: scheduler, database, and users that act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from earthengine.exactly_once_faults import (
    ACTIONS_BETWEEN,
    ACTIONS_DEFERRED,
    CLOCKS_DISAGREE,
    DEFERRAL_REFUSED,
    DELETED_RUN,
    KILL_AT_ONCE,
    KILL_SLOWLY,
    NOBODY_THERE,
    QUEUED,
    RETRIES_LOWERED,
)
from earthengine.exactly_once_service import Export
from earthengine.exactly_once_triggerer import Triggerer
from earthengine.exactly_once_worker import Deferred, Worker

from airflow_provider_ee.deferral import BROKEN_OFF

if TYPE_CHECKING:
    from earthengine.exactly_once_model import World

    from airflow_provider_ee.earthengine.operation import Operation

BACKSTOP = 650.0
"""Seconds after which at the latest a deferral ends whose time is over; a little more than the operator's."""

LATER = 700.0
"""Seconds after which somebody clears what was marked failed, or makes a deleted run anew."""


@dataclass
class TriggerRow:
    """A trigger in the database."""

    number: int
    deferred: Deferred
    triggerer: Triggerer | None = None


class Airflow:
    """One task instance."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.retries = world.scenario.retries
        self.state: str | None = None
        self.try_number, self.max_tries, self.uid = 0, self.retries, 0
        self.generation = 0
        self.store: dict[str, Any] = {}
        self.xcoms: dict[str, Any] = {}
        self.worker: Worker | None = None
        self.returned: list[tuple[int, str]] = []
        self.result: str | None = None
        self.had_a_last_word = False
        """Whether the last actor has ended by itself, knowing that it is the last: nothing may be left running."""
        self.settled = 0.0
        self.try_began = 0.0
        self.marked_success = self.deleted = self.made_anew = False
        self.answered_for: set[str | None] = set()
        """What other workers knew when they ended, who had been told that nobody follows."""
        self.trigger: TriggerRow | None = None
        self.triggerers: list[Triggerer] = []
        self.ended_while_deferred = False
        self.excuses: set[str] = set()
        """Why nobody may have heard that the task was ended while it was deferred."""
        self.overruled = False
        """Whether a try was deferred which could not know that it had been put an end to."""
        self.deleted_unheard = False
        self._deferrals = 0
        self._resumes: tuple[str, dict[str, Any]] | None = None

    # What Airflow does by itself

    def queue(self) -> None:
        uid = self.uid
        self.world.after(QUEUED, lambda: self._begin(uid))

    def _begin(self, uid: int) -> None:
        if uid != self.uid or self.state not in (None, "up_for_retry") or self.deleted:
            return
        self.try_number += 1
        self.try_began = self.world.now
        self.xcoms.clear()
        self._run(None)

    def _go_on(self, uid: int) -> None:
        if uid == self.uid and self.state == "scheduled":
            self._run(self._resumes)

    def _run(self, resumes: tuple[str, dict[str, Any]] | None) -> None:
        self.state, self.result, self.had_a_last_word = "running", None, False
        self.ended_while_deferred = False
        self.excuses.clear()
        self.worker = Worker(self, resumes)
        self.worker.start()

    def is_current(self, worker: Worker) -> bool:
        return self.uid == worker.uid and self.state == "running" and self.worker is worker

    def has_ended(self, worker: Worker, operation: Operation | None, failure: BaseException | None) -> None:
        """A worker reports how its try went."""
        if not self.is_current(worker):
            self.world.tell(f"{worker} ends, and is not heard")
            if worker.knows_the_end and worker.uid == self.uid:
                self.had_a_last_word = True
            elif worker.knows_the_end:
                self.answered_for.add(worker.operation)
            self._end_of_restarting(worker)
        elif operation is not None:
            self._succeed(worker, operation)
        else:
            self.had_a_last_word = worker.knows_the_end = True
            self._fail(for_good=isinstance(failure, AirflowFailException))
            self._check_failure(worker)
            if self.state == "up_for_retry" and any(e.generation == self.generation for e in worker.cancelled):
                self.world.violate(f"wrongly cancelled: {worker} cancels what its retry would go on with")

    def lost(self, worker: Worker) -> None:
        """A worker is not heard of any more."""
        if worker.ended and not worker.dead:
            return
        if self.is_current(worker):
            self._fail(for_good=False)
        self._end_of_restarting(worker)

    def _end_of_restarting(self, worker: Worker) -> None:
        if self.state == "restarting" and self.worker is worker:
            self._set("up_for_retry")
            self.queue()

    def _succeed(self, worker: Worker, operation: Operation) -> None:
        self.had_a_last_word = True
        export = self.world.service.find(operation.name)
        good = ("RUNNING", "SUCCEEDED", "FAILED")[: 2 if self.world.scenario.waits else 3]
        if self.world.scenario.deferrable and self.world.scenario.waits:
            good = ("SUCCEEDED",)
        if export is None or export.state(self.world.now) not in good:
            self.world.violate(f"lost: the task succeeds with {export and export.state(self.world.now)}")
        elif export.generation != self.generation:
            self._succeed_with_another(export)
        self.returned.append((self.generation, operation.name))
        self.result = operation.name
        self._set("success")

    def _succeed_with_another(self, export: Export) -> None:
        if self.made_anew and not self.world.scenario.remembers:
            self.world.known_holes.add(DELETED_RUN)
        elif self.retries < self.world.scenario.retries:
            self.world.known_holes.add(RETRIES_LOWERED)
        else:
            self.world.violate(f"lost: the task succeeds with {export.name} of generation {export.generation}")

    def _fail(self, *, for_good: bool) -> None:
        if for_good or self.try_number > self.max_tries:
            self._set("failed")
            return
        self.had_a_last_word = False
        self.uid += 1
        self._set("up_for_retry")
        self.queue()

    def _set(self, state: str, actions: tuple[str, ...] = ACTIONS_BETWEEN) -> None:
        self.state = state
        self.settled = self.world.now
        self.world.tell(f"Airflow: the task is {state}")
        kind = self.world.choose(state, actions)
        if kind is not None:
            self.act(kind)

    # Deferral

    def defer(self, worker: Worker, deferred: Deferred, *, in_time: bool) -> None:
        """A worker wants to hand its try over.

        :param in_time: whether it could not know that its task was ended.
        """
        if self.deleted or (self.world.scenario.remembers and not self.is_current(worker)):
            self._refuse(worker, in_time=in_time)
            return
        overruled = self.worker
        # Airflow 2 writes without looking what the task is meanwhile.
        if not self.is_current(worker):
            self._put_back(worker, in_time=in_time)
        self.had_a_last_word = False
        self._deferrals += 1
        self.trigger = TriggerRow(self._deferrals, deferred)
        row = self.trigger
        if deferred.timeout is not None:
            self.world.after(deferred.timeout.total_seconds(), lambda: self._deferral_timed_out(row))
        if overruled is not worker and overruled and not overruled.ended:
            self.world.after(KILL_SLOWLY, overruled.kill)
        self._set("deferred", ACTIONS_DEFERRED)
        self.look_at_triggers()

    def _put_back(self, worker: Worker, *, in_time: bool) -> None:
        if in_time:
            self.overruled = True
        else:
            self.world.violate(f"overruled: {worker} defers, though it was told that its task has ended")

    def _refuse(self, worker: Worker, *, in_time: bool) -> None:
        self.world.tell(f"Airflow refuses the deferral of {worker}")
        if worker.uid == self.uid and self.state in ("failed", "success"):
            if in_time:
                self.ended_while_deferred = True
                self.excuses.add(DEFERRAL_REFUSED)
            else:
                self.had_a_last_word = True
        self._end_of_restarting(worker)

    def start_triggerer(self) -> None:
        triggerer = Triggerer(self, "ABCDE"[len(self.triggerers)])
        self.triggerers.append(triggerer)
        triggerer.will_look()

    def look_at_triggers(self) -> None:
        for triggerer in self.triggerers:
            triggerer.will_look()

    def clean_unused_triggers(self) -> None:
        if self.state != "deferred":
            self.trigger = None

    def submit_event(self, row: TriggerRow, payload: dict[str, Any]) -> None:
        self._wake(row, "execute_complete", {"event": payload})

    def submit_failure(self, row: TriggerRow) -> None:
        self._wake(row, BROKEN_OFF, {"error": "Trigger failure", "traceback": []})

    def _deferral_timed_out(self, row: TriggerRow) -> None:
        self._wake(row, BROKEN_OFF, {"error": "Trigger timeout"})
        self.look_at_triggers()

    def _wake(self, row: TriggerRow, method: str, arguments: dict[str, Any]) -> None:
        if self.trigger is not row or self.state != "deferred":
            self.world.tell("Airflow does not heed a trigger that is of no use any more")
            return
        if row.deferred.trigger["operations"] and self._is_overtime:
            self.world.violate("overtime: the task is deferred for longer than it may")
        self.trigger, self._resumes = None, (method, arguments)
        uid = self.uid
        self._set("scheduled")
        self.world.after(QUEUED, lambda: self._go_on(uid))

    @property
    def _is_overtime(self) -> bool:
        timeout = self.world.scenario.timeout
        return timeout is not None and self.world.now > self.try_began + timeout + BACKSTOP

    # What users do

    def act(self, kind: str) -> None:
        worker, running = self.worker, self.state in ("running", "restarting")
        was_deferred = self.state == "deferred"
        self.world.tell(f"Airflow: {kind}")
        if kind == "SIGTERM":
            if worker and not worker.ended:
                worker.kill()
        elif kind == "retries - 1":
            self.retries = max(0, self.retries - 1)
        elif kind == "retries + 1":
            self.retries += 1
        elif kind.startswith("clear"):
            self._clear()
        elif kind.startswith("delete"):
            self._delete(again=kind.endswith("again"))
        elif self.state not in ("success", "failed"):
            self._mark(kind)
        if running and self.worker is worker and worker and not self.is_current(worker):
            self.world.after(KILL_AT_ONCE if kind.endswith("at once") else KILL_SLOWLY, worker.kill)
        if was_deferred and self.state != "deferred":
            self._end_deferral()

    def _end_deferral(self) -> None:
        self.ended_while_deferred = True
        if not any(triggerer.hears_of(self.trigger) for triggerer in self.triggerers):
            self.excuses.add(NOBODY_THERE)
            self.deleted_unheard |= self.deleted
        self.look_at_triggers()

    def _mark(self, kind: str) -> None:
        self.state = "success" if kind == "mark success" else "failed"
        self.marked_success |= kind == "mark success"
        if kind.endswith("later clear"):
            self.world.after(LATER, self._clear)

    def _clear(self) -> None:
        if self.deleted:
            return
        self.uid += 1
        if self.state == "running":
            self.state = "restarting"
            return
        self.max_tries = self.try_number + self.retries
        self.generation += 1
        self.state = None
        self.queue()

    def _delete(self, *, again: bool) -> None:
        self.uid += 1
        self.state, self.deleted = None, True
        self.xcoms.clear()
        if again:
            self.world.after(LATER, self._make_anew)

    def _make_anew(self) -> None:
        """Another run of the same id, of which nothing tells that it is another."""
        self.try_number, self.max_tries = 0, self.retries
        self.generation += 1
        self.store.clear()
        self.deleted, self.made_anew = False, True
        self.queue()

    # What must not be

    def check_start(self, worker: Worker) -> None:
        """A task whose time is over starts nothing any more."""
        if self.is_current(worker) and self.time_is_over:
            self.world.violate("overtime: an export is started though the time of its task is over")
        if not any(export.generation == worker.generation for export in worker.cancelled):
            return
        if any(self.world.scenario.workers_ahead):
            self.world.known_holes.add(CLOCKS_DISAGREE)
        else:
            self.world.violate(f"lost: {worker} has cancelled its own export, and starts another")

    def _check_failure(self, worker: Worker) -> None:
        """A task whose export has succeeded does not fail, unless nobody can see that."""
        if self.state != "failed" or worker.kill_switch.pressed or self.world.service_was_down:
            return
        for export in self.world.service.exports:
            if export.generation == self.generation and export.could_be_seen_to_succeed(self.world.now):
                self.world.violate(f"lost: the task fails, though {export.name} has succeeded")

    def check_cancel(self, canceller: Worker | Triggerer, export: Export) -> None:
        """Nobody cancels what the task has returned, nor a triggerer what it waits for."""
        if self.state == "success" and self.result == export.name:
            self.world.violate(f"lost: {canceller} cancels the export that the task has returned")
        if isinstance(canceller, Triggerer):
            wrong = self._waits_for(export)
        else:
            wrong = not self.is_current(canceller) and self._holds(export) and not self.time_is_over
        if wrong:
            self.world.violate(f"wrongly cancelled: {canceller} cancels an export that is waited for")

    def _holds(self, export: Export) -> bool:
        """Whether the try that goes on now is known to go on with an export."""
        if export.generation != self.generation:
            return False
        if self.trigger and self.state == "deferred":
            return export.name in self.trigger.deferred.trigger["operations"]
        return self.state == "running" and self.worker is not None and self.worker.operation == export.name

    def _waits_for(self, export: Export) -> bool:
        goes_on = self.state in ("running", "deferred", "scheduled", "up_for_retry")
        return goes_on and export.generation == self.generation and not self.time_is_over

    @property
    def time_is_over(self) -> bool:
        """Whether the wait has lasted as long as it may, but for the time that a request takes."""
        timeout = self.world.scenario.timeout
        return timeout is not None and self.world.now >= self.try_began + timeout - 1.0
