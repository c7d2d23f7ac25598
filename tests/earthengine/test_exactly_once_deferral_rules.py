"""Without any one of the rules for a deferred task, some history breaks a promise."""

from __future__ import annotations

import pytest
from earthengine.exactly_once_faults import FREEZING_TRIGGERER
from earthengine.exactly_once_model import Scenario, explore
from earthengine.exactly_once_mutation import Mutation

from airflow_provider_ee.earthengine import submission
from airflow_provider_ee.operators import export, export_run, task_try
from airflow_provider_ee.triggers import operation

POLL = 11_000.0
DEFERRED = Scenario(deferrable=True, poll=POLL)
DEFERRED_ON_2 = Scenario(deferrable=True, poll=POLL, remembers=False)
NO_RETRY_ON_2 = Scenario(deferrable=True, poll=POLL, retries=0, remembers=False)
FULL = Scenario(deferrable=True, poll=POLL, full="full")
FULL_NO_RETRY_ON_2 = Scenario(deferrable=True, poll=POLL, full="full", retries=0, remembers=False)
LIMITED = Scenario(deferrable=True, poll=POLL, timeout=8_000.0)
LEFT_ALONE = Scenario(deferrable=True, poll=POLL, timeout=8_000.0, triggerers=1, triggerer_back=20_000.0)
MARKS = ("mark failed", "mark success")
FROZEN = tuple(FREEZING_TRIGGERER)

MUTATIONS = [
    Mutation(
        "right before deferring the task's state is looked at",
        export_run,
        "deferred the task.\n        self._check_alive()\n",
        "deferred the task.\n",
        MARKS,
        "orphaned",
        DEFERRED,
    ),
    Mutation(
        "a trigger that another triggerer has taken over cancels nothing",
        operation,
        "        if state in _GOES_ON:\n",
        "        if False:\n",
        FROZEN,
        "wrongly cancelled",
        DEFERRED,
    ),
    Mutation(
        "nor does it before there was on_kill",
        operation,
        "        if state in _GOES_ON:\n",
        "        if False:\n",
        ("stop",),
        "wrongly cancelled",
        DEFERRED_ON_2,
    ),
    Mutation(
        "nor does it where the task has been resumed meanwhile",
        operation,
        "        if state in _GOES_ON:\n",
        '        if state == "deferred":\n',
        (*FROZEN, "trigger breaks"),
        "wrongly cancelled",
        DEFERRED,
    ),
    Mutation(
        "a trigger whose state cannot be asked cancels nothing",
        operation,
        "            )\n            return\n        if state in _GOES_ON:\n",
        '            )\n            state = "failed"\n        if state in _GOES_ON:\n',
        (*FROZEN, "unavailable"),
        "wrongly cancelled",
        DEFERRED,
    ),
    Mutation(
        "a trigger cancels what a user has ended",
        operation,
        "        for name in self.operations:\n            await self._cancel(name)\n",
        "        pass\n",
        MARKS,
        "orphaned",
        DEFERRED,
    ),
    Mutation(
        "and before there was on_kill, where its run is cancelled",
        operation,
        "                await self._cancel_if_abandoned()\n            raise",
        "                pass\n            raise",
        MARKS,
        "orphaned",
        DEFERRED_ON_2,
    ),
    Mutation(
        "the trigger knows whose the operation is",
        export,
        "owner=task_try.names._asdict() if self.cancel_on_kill else None,",
        "owner=None,",
        MARKS,
        "orphaned",
        DEFERRED,
    ),
    Mutation(
        "a trigger cancels at the limit",
        operation,
        "        if not await self._cancel(operation.name):\n            return operation\n",
        "",
        (),
        "orphaned",
        LIMITED,
    ),
    Mutation(
        "and the worker that goes on, where the trigger could not",
        export_run,
        '                    submission.cancel(operation, "which nobody would wait for")\n',
        "                    pass\n",
        ("forbidden",),
        "orphaned",
        LIMITED,
    ),
    Mutation(
        "Airflow itself ends a wait that no triggerer ends",
        export,
        "timeout = None if left is None else timedelta(seconds=left) + self.deferral_backstop",
        "timeout = None",
        ("die",),
        "overtime",
        LEFT_ALONE,
    ),
    Mutation(
        "what Airflow itself ends is cancelled",
        export,
        "return self._run(context, lambda run: run.break_off(end))",
        "raise end",
        ("die",),
        "orphaned",
        LEFT_ALONE,
    ),
    Mutation(
        "on the last try, what a trigger that broke has watched is cancelled",
        export_run,
        "            self._submission.expect()\n",
        "",
        ("trigger breaks",),
        "orphaned",
        NO_RETRY_ON_2,
    ),
    Mutation(
        "an adopted export is known as such to the worker that goes on",
        submission,
        'self.operation, self.adopted, self._unseen = operation, carried["adopted"], None',
        "self.operation, self.adopted, self._unseen = operation, False, None",
        ("die", "cancelled for an earlier try"),
        "wrongly cancelled",
        DEFERRED,
    ),
    Mutation(
        "the worker that goes on knows which request it sends again",
        submission,
        '        self._take_in(carried["record"])\n',
        "        self._number += 1\n",
        ("timeout, late", "late"),
        "doubled",
        FULL,
    ),
    Mutation(
        "and that an earlier one may still be on its way",
        submission,
        'self._unanswered, self._room_delay = carried["unanswered"], carried["room_delay"]',
        'self._unanswered, self._room_delay = False, carried["room_delay"]',
        ("timeout, late", "refused"),
        "orphaned",
        FULL_NO_RETRY_ON_2,
    ),
    Mutation(
        "a wait for room is not begun by a task that has been ended",
        export_run,
        "            self._check_alive()\n            raise Deferral(self._submission.carried(), room",
        "            raise Deferral(self._submission.carried(), room",
        ("timeout, late", *MARKS),
        "orphaned",
        FULL,
    ),
    Mutation(
        "a deferred task that was cleared cancels what it has left",
        submission,
        '        if operation.state in ("PENDING", "RUNNING"):\n',
        "        if False:\n",
        ("die", "clear", "mark failed, later clear"),
        "orphaned",
        DEFERRED,
    ),
    Mutation(
        "the generation is larger after a clear",
        task_try,
        "generation=self.max_tries,",
        "generation=0,",
        ("clear",),
        "lost",
        DEFERRED,
    ),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_without_a_rule_some_history_breaks_the_promise(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation.apply(monkeypatch)
    findings = explore(mutation.scenario, only=mutation.faults or ("none",), enough=1)
    assert mutation.finds in findings.kinds(), str(findings)
