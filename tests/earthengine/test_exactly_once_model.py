"""No history of two faults doubles, orphans, loses or wrongly cancels an export; without a rule some does."""

from __future__ import annotations

import pytest
from earthengine.exactly_once_faults import FREEZING, STRAGGLER_FORGOTTEN, SUCCESS_BY_MARK, Fault
from earthengine.exactly_once_model import Scenario, World, explore
from earthengine.exactly_once_mutation import Mutation

from airflow_provider_ee.earthengine import marked_operations, submission
from airflow_provider_ee.operators import export_run, task_try

WAITS, SUBMITS = Scenario(), Scenario(waits=False)
ANSWER_LOST = Scenario(first="lost")
WAITS_ON_2, SUBMITS_ON_2 = Scenario(remembers=False), Scenario(waits=False, remembers=False)


pytestmark = pytest.mark.explores


def test_without_faults_one_request_starts_one_export() -> None:
    world = World(WAITS).run()
    assert world.airflow.state == "success"
    assert [export.state(world.now) for export in world.service.exports] == ["SUCCEEDED"]
    assert len([label for label, _ in world.points if "POST" in label and "answer" not in label]) == 1
    assert not [label for label, _ in world.points if "LIST" in label]


def test_a_history_is_the_same_whenever_it_is_run() -> None:
    point = next(i for i, (label, _) in enumerate(World(WAITS).run().points) if "POST" in label)
    freeze = next(kind for kind in World(WAITS).run().points[point][1] if kind.startswith("freeze"))
    stories = {tuple(World(WAITS, (Fault(point, freeze),)).run().story) for _ in range(3)}
    assert len(stories) == 1
    assert "goes on after having been frozen" in " ".join(*stories)


@pytest.mark.parametrize(
    ("scenario", "at_least", "holes"),
    [
        (WAITS, 7_000, {SUCCESS_BY_MARK}),
        (SUBMITS, 4_500, {SUCCESS_BY_MARK}),
        (WAITS_ON_2, 5_000, {SUCCESS_BY_MARK, STRAGGLER_FORGOTTEN}),
        (SUBMITS_ON_2, 3_500, {SUCCESS_BY_MARK, STRAGGLER_FORGOTTEN}),
    ],
    ids=["waits", "only submits", "waits on Airflow 2", "only submits on Airflow 2"],
)
def test_no_history_of_two_faults_breaks_the_promise(scenario: Scenario, at_least: int, holes: set[str]) -> None:
    findings = explore(scenario)
    assert not findings.violations, str(findings)
    assert findings.known_holes <= holes
    assert findings.histories >= at_least
    assert findings.succeeded > findings.histories / 3  # it is no feat to fail always


FROZEN = tuple(FREEZING)

MUTATIONS = [
    Mutation(
        "the key is no time, and the same for every try",
        task_try,
        "key=task_key(deployment, *self.names)",
        "key=task_key(deployment, self.try_number, *self.names)",
        ("die",),
        "doubled",
        WAITS,
    ),
    Mutation(
        "the generation does not move when retries are edited",
        task_try,
        "generation=self.max_tries,",
        "generation=self.max_tries - self._task.retries,",
        ("die", "retries - 1", "retries + 1"),
        "lost",
        WAITS,
    ),
    Mutation(
        "a lost answer is followed by the same id",
        submission,
        "self._back_off(error, lost)\n",
        "self._back_off(error, lost)\n                self._number += 1\n",
        ("lost",),
        "doubled",
        WAITS,
    ),
    Mutation(
        "a full queue is followed by the same id",
        submission,
        "self._wait_for_room(error)\n",
        "self._wait_for_room(error)\n                self._number += 1\n",
        ("timeout, late", "full"),
        "doubled",
        WAITS,
    ),
    Mutation(
        "an operation that is not listed is looked for over the grace",
        submission,
        "delay = next(self._grace, None)\n            if delay is None:\n                if failure",
        "delay = None\n            if delay is None:\n                if failure",
        ("lag", "die", "lost"),
        "doubled",
        WAITS,
    ),
    Mutation(
        "an operation that was cancelled is not adopted",
        submission,
        'frozenset({"PENDING", "RUNNING", "SUCCEEDED"})',
        'frozenset({"PENDING", "RUNNING", "SUCCEEDED", "CANCELLED"})',
        ("clear", "clear, SIGTERM at once"),
        "lost",
        SUBMITS,
    ),
    Mutation(
        "what earlier generations left is cancelled",
        marked_operations,
        '        if operation.state in ("PENDING", "RUNNING"):\n',
        "        if False:\n",
        ("die", "clear"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "a task that was cleared looks once more before it ends",
        submission,
        "        while cleared:\n",
        "        while False:\n",
        ("late", "clear"),
        "orphaned",
        SUBMITS,
    ),
    Mutation(
        "what may still arrive is waited for",
        submission,
        "delay = next(self._grace, None) if self._straggler else None",
        "delay = None",
        ("late", "clear"),
        "orphaned",
        SUBMITS,
    ),
    Mutation(
        "what the memory names is cancelled though it could not be looked at",
        submission,
        "        if self._unseen:\n            return Operation({",
        "        if False:\n            return Operation({",
        ("die", "unavailable"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "an answer that was lost is looked for before the task fails for good",
        export_run,
        "submission.operation or self._found_unanswered()",
        "submission.operation",
        ("late", "unavailable"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "and is cancelled only if no other try has gone on with it meanwhile",
        export_run,
        "return None if operation and self._task_try.is_replaced() else operation",
        "return operation",
        ("clear, SIGTERM at once", FROZEN[1]),
        "wrongly cancelled",
        ANSWER_LOST,
    ),
    Mutation(
        "a kill cancels nothing that a retry would go on with",
        export_run,
        "            elif self._is_followed(end):\n",
        "            elif self._is_followed(end) and not self._kill_switch.pressed:\n",
        ("SIGTERM",),
        "wrongly cancelled",
        WAITS,
    ),
    Mutation(
        "a kill cancels what nobody will go on with",
        task_try,
        "        if not self.is_alive():\n            return False\n",
        "",
        ("mark failed", "mark success"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "a task that fails for good cancels its export",
        export_run,
        '                    submission.cancel(operation, "which nobody would wait for")\n',
        "                    pass\n",
        ("SIGTERM", "die"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "before each request, and after it, the try must be the current one",
        submission,
        "            self._memory.write(asdict(record))\n",
        "            try:\n                self._memory.write(asdict(record))\n"
        "            except Exception:\n                pass\n",
        (*FROZEN, "clear"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "a request refused for good may follow one that is on its way",
        submission,
        "self._unanswered = unanswered\n                found = self._look_patiently() if unanswered else None",
        "self._unanswered = False\n                found = None",
        ("late", "refused"),
        "orphaned",
        WAITS,
    ),
    Mutation(
        "what is being cancelled is not adopted",
        submission,
        '            if own[number].state == "CANCELLING":\n',
        '            if own[number].state == "CANCELLING":\n                return own[number]\n            if False:\n',
        ("clear, SIGTERM at once",),
        "lost",
        SUBMITS,
    ),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_without_a_rule_some_history_breaks_the_promise(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation.apply(monkeypatch)
    findings = explore(mutation.scenario, only=mutation.faults, enough=1)
    assert mutation.finds in findings.kinds(), str(findings)
