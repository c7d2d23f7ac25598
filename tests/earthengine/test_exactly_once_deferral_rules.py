"""Without any one of the rules for a deferred task, some history breaks a promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from earthengine.exactly_once_faults import FREEZING, FREEZING_TRIGGERER
from earthengine.exactly_once_model import Scenario, explore
from earthengine.exactly_once_mutation import Mutation

from airflow_provider_ee.earthengine import marked_operations, pollers, submission
from airflow_provider_ee.earthengine import operation as resources
from airflow_provider_ee.operators import base, export_run, task_try
from airflow_provider_ee.triggers import operation

pytestmark = pytest.mark.explores

POLL = 11_000.0
DEFERRED = Scenario(deferrable=True, poll=POLL)
DEFERRED_ON_2 = Scenario(deferrable=True, poll=POLL, remembers=False)
NO_RETRY_ON_2 = Scenario(deferrable=True, poll=POLL, retries=0, remembers=False)
FULL = Scenario(deferrable=True, poll=POLL, first="full")
FULL_ON_2 = Scenario(deferrable=True, poll=POLL, first="full", remembers=False)
FULL_FOR_TOO_LONG = Scenario(deferrable=True, poll=POLL, first="full", timeout=30.0)
LIMITED = Scenario(deferrable=True, poll=POLL, timeout=8_000.0)
LEFT_ALONE = Scenario(deferrable=True, poll=POLL, timeout=8_000.0, triggerers=1, triggerer_back=20_000.0)
LEFT_ALONE_TO_THE_END = Scenario(
    deferrable=True, poll=POLL, timeout=10_500.0, triggerers=1, triggerer_back=20_000.0
)
MARKS = ("mark failed", "mark success")
FROZEN = tuple(FREEZING_TRIGGERER)
FROZEN_WORKER = next(iter(FREEZING))

MUTATIONS = [
    Mutation(
        "right before deferring the task's state is looked at",
        export_run,
        "        self._check_running()\n        raise deferral\n",
        "        raise deferral\n",
        MARKS,
        "orphaned",
        DEFERRED,
    ),
    Mutation(
        "and only a try that is running defers",
        task_try,
        'return self.state() == "running"',
        "return self.state() in LIVING",
        (FROZEN_WORKER,),
        "overruled",
        DEFERRED_ON_2,
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
        "a connection that cannot be opened to cancel is tried again",
        pollers,
        "_, service = await asked(self._open, connection, opening)\n        with suppress",
        "_, service = await self._open(connection, opening)\n        with suppress",
        ("unavailable", "mark failed"),
        "orphaned",
        DEFERRED,
    ),
    Mutation(
        "the trigger knows whose the operation is",
        base,
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
        "where another try has taken its place meanwhile, that worker is told so",
        submission,
        '            self._stay_current(carried["record"])\n',
        "            pass\n",
        ("forbidden", FROZEN_WORKER),
        "wrongly cancelled",
        LIMITED,
    ),
    Mutation(
        "no other export is started once the time is over",
        export_run,
        "                self._check_time(operation)\n",
        "",
        ("SIGTERM", "cancelled for an earlier try"),
        "overtime",
        LIMITED,
    ),
    Mutation(
        "nor after a wait for room",
        submission,
        "        if self.time.is_over(self._room_timeout):\n",
        "        if False:\n",
        (),
        "overtime",
        FULL_FOR_TOO_LONG,
    ),
    Mutation(
        "Airflow itself ends a wait that no triggerer ends",
        base,
        "timeout = None if left is None else timedelta(seconds=left) + self.deferral_backstop",
        "timeout = None",
        ("die",),
        "overtime",
        LEFT_ALONE,
    ),
    Mutation(
        "what Airflow itself ends is cancelled",
        base,
        "return self._break_off(context, end)",
        "raise end",
        ("die",),
        "orphaned",
        LEFT_ALONE,
    ),
    Mutation(
        "but what has ended by then is returned",
        export_run,
        "            if operation is None or not operation.done:\n                raise error\n",
        "            raise error\n",
        ("die",),
        "lost",
        LEFT_ALONE_TO_THE_END,
    ),
    Mutation(
        "on the last try, what a trigger that broke has watched is cancelled",
        export_run,
        "operation = self._submission.recover(name)\n",
        "operation = None\n",
        ("trigger breaks",),
        "orphaned",
        NO_RETRY_ON_2,
    ),
    Mutation(
        "and without a memory it is known from the XCom",
        base,
        "run.break_off(end, pushed[OPERATION_KEY])",
        "run.break_off(end, None)",
        ("trigger breaks",),
        "orphaned",
        NO_RETRY_ON_2,
    ),
    Mutation(
        "a try that was replaced while it was deferred is told so when it was broken off",
        submission,
        "        self._stay_current(asdict(self._record or self._new_record(known)))\n",
        "",
        ("die", tuple(FREEZING)[1]),
        "wrongly cancelled",
        replace(LEFT_ALONE, remembers=False),
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
        "the worker that goes on knows that the task was cleared",
        submission,
        '        self._take_in(carried["record"])\n',
        "",
        ("late", "clear"),
        "orphaned",
        FULL,
    ),
    Mutation(
        "what may have been started is looked for before room is waited for",
        submission,
        "found = self._look_patiently() if unanswered and self._postpones else None",
        "found = None",
        ("timeout, late", *MARKS),
        "orphaned",
        FULL,
    ),
    Mutation(
        "a wait for room is not begun by a task that has been ended",
        export_run,
        "            self._check_running()\n            raise self._deferral(",
        "            raise self._deferral(",
        MARKS,
        "overruled",
        FULL_ON_2,
    ),
    Mutation(
        "a deferred task that was cleared cancels what it has left",
        marked_operations,
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
    Mutation(
        "an export is as old as it says, with a fraction or without",
        resources,
        r"(.+?)(?:(\.\d{1,6})\d*)?(Z|",
        r"(.+?)(\.\d{1,6})?\d*(Z|",
        ("sent twice", "die", "delete, run again"),
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
