"""What is promised of an export holds while its task is deferred, whoever dies, freezes or acts meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from earthengine.exactly_once_faults import (
    ACTIONS_DEFERRED,
    CANCEL_REFUSED,
    DEFERRAL_REFUSED,
    DELETED_RUN,
    FREEZING,
    FREEZING_TRIGGERER,
    LEFT_BY_DELETED_RUN,
    NOBODY_THERE,
    NOT_TOLD,
    OVERRULED,
    RETRIES_LOWERED,
    STRAGGLER_FORGOTTEN,
    SUCCESS_BY_MARK,
)
from earthengine.exactly_once_model import Scenario, World, explore

pytestmark = pytest.mark.explores

POLL = 11_000.0  # longer than an export takes: every look is one more point for faults
WAIT_TIMEOUT = 8_000.0
HOUR = 3_600.0

ANYWHERE = {SUCCESS_BY_MARK, RETRIES_LOWERED, NOBODY_THERE, NOT_TOLD, CANCEL_REFUSED, LEFT_BY_DELETED_RUN}
ON_3 = ANYWHERE | {DEFERRAL_REFUSED}
ON_2 = ANYWHERE | {STRAGGLER_FORGOTTEN, DELETED_RUN, OVERRULED}

# What strikes a task on its way to the deferral has struck in the scenarios that are not deferred.
_SLOWLY = "freeze until 2.2 s after the next try"
_WELL_TRIED = frozenset(
    {
        "clear, SIGTERM at once",
        "mark success",
        "mark failed, later clear",
        "retries - 1",
        "retries + 1",
        "lag",
        "sent twice",
    }
    | (set(FREEZING) - {_SLOWLY})
    | (set(FREEZING_TRIGGERER) - {"freeze for 44 s", "freeze for hours"})
)
_TRIED_WITHOUT_A_QUEUE = _WELL_TRIED | {
    "SIGTERM",
    "delete",
    "delete, run again",
    "stop",
    "refused for hours",
    "trigger breaks",
    "export fails",
    "freeze for 44 s",
}
_BEFORE_THE_TRIGGER = frozenset(
    {"late", "full", "full, id burnt", "timeout, late", "lost", "refused", "forbidden"}
)

# Several lengths of a freeze, and of a kill, count while a request is on its way, which the others try.
_SHORTER = frozenset(
    {"clear, SIGTERM at once", "lag", "sent twice", "freeze for a moment", "freeze for 40 s"}
    | (set(FREEZING) - {_SLOWLY})
)
DEFERRED = Scenario(deferrable=True, poll=POLL, leaves_out=_SHORTER)
DEFERRED_ON_2 = Scenario(deferrable=True, poll=POLL, remembers=False, leaves_out=_SHORTER)
FULL = Scenario(
    deferrable=True, poll=POLL, first="full", leaves_out=_TRIED_WITHOUT_A_QUEUE - {"SIGTERM", "freeze for 44 s"}
)
FULL_ON_2 = Scenario(deferrable=True, poll=POLL, first="full", remembers=False, leaves_out=_TRIED_WITHOUT_A_QUEUE)
BURNT = Scenario(
    deferrable=True,
    poll=POLL,
    first="full, id burnt",
    leaves_out=_TRIED_WITHOUT_A_QUEUE | {"refused", "forbidden", "unavailable"},
)
LIMITED = Scenario(
    deferrable=True,
    poll=POLL,
    timeout=WAIT_TIMEOUT,
    leaves_out=_WELL_TRIED | _BEFORE_THE_TRIGGER | {"SIGTERM", "delete", "delete, run again", "trigger breaks"},
)
LEFT_ALONE = Scenario(
    deferrable=True,
    poll=POLL,
    timeout=WAIT_TIMEOUT,
    triggerers=1,
    triggerer_back=20_000.0,
    leaves_out=_WELL_TRIED | _BEFORE_THE_TRIGGER | {"SIGTERM", "delete, run again", "trigger breaks"},
)
LEFT_ALONE_TO_THE_END = replace(LEFT_ALONE, timeout=10_500.0)
NO_RETRY = Scenario(deferrable=True, poll=POLL, retries=0)


def test_without_faults_a_deferred_task_makes_one_request_and_two_looks() -> None:
    world = World(DEFERRED).run()
    assert world.airflow.state == "success"
    assert [export.state(world.now) for export in world.service.exports] == ["SUCCEEDED"]
    asked = [label.split(": ")[-1] for label, _ in world.points if label.split(": ")[-1].isupper()]
    assert asked == ["POST", "GET", "GET"]


@pytest.mark.parametrize(
    ("scenario", "at_least", "holes"),
    [
        pytest.param(DEFERRED, 8_500, ON_3, id="deferred"),
        pytest.param(DEFERRED_ON_2, 7_000, ON_2, id="deferred on Airflow 2"),
        pytest.param(FULL, 6_000, ON_3, id="no room at first"),
        pytest.param(FULL_ON_2, 5_000, ON_2, id="no room at first on Airflow 2"),
        pytest.param(BURNT, 6_000, ON_3, id="no room at first, and the id is burnt"),
    ],
)
def test_no_history_of_two_faults_breaks_the_promise(scenario: Scenario, at_least: int, holes: set[str]) -> None:
    findings = explore(scenario)
    assert not findings.violations, str(findings)
    assert findings.known_holes <= holes
    assert findings.histories >= at_least
    assert findings.succeeded > findings.histories / 3


@pytest.mark.parametrize(
    ("scenario", "at_least"),
    [
        pytest.param(LIMITED, 4_000, id="two triggerers"),
        pytest.param(LEFT_ALONE, 3_000, id="one that is away for long"),
    ],
)
def test_no_history_of_two_faults_leaves_an_export_whose_time_is_over(scenario: Scenario, at_least: int) -> None:
    findings = explore(scenario)
    assert not findings.violations, str(findings)
    assert findings.known_holes <= ON_3
    assert findings.histories >= at_least


def test_what_a_broken_trigger_has_watched_is_cancelled_though_airflow_does_not_tell_its_name() -> None:
    findings = explore(NO_RETRY, only=("trigger breaks", "unavailable"))
    assert not findings.violations, str(findings)


def test_a_replaced_try_whose_deferral_was_broken_off_cancels_nothing_of_its_successor() -> None:
    findings = explore(replace(LEFT_ALONE, remembers=False), only=("die", _SLOWLY), enough=1)
    assert not findings.violations, str(findings)


def test_an_export_that_has_ended_in_time_is_returned_though_a_triggerer_was_frozen() -> None:
    findings = explore(LEFT_ALONE_TO_THE_END, most=1)
    assert not findings.violations, str(findings)


@pytest.mark.parametrize("remembers", [True, False], ids=["Airflow 3", "Airflow 2"])
@pytest.mark.parametrize("first", ["", "full"], ids=["room", "no room at first"])
@pytest.mark.parametrize("service_ahead", [0.0, HOUR, -HOUR])
@pytest.mark.parametrize("triggerers_ahead", [0.0, HOUR, -HOUR])
@pytest.mark.parametrize("workers_ahead", [(0.0,), (HOUR, -HOUR), (-HOUR, HOUR)])
def test_clocks_that_are_wrong_change_nothing(
    workers_ahead: tuple[float, ...], triggerers_ahead: float, service_ahead: float, first: str, remembers: bool
) -> None:
    scenario = Scenario(
        deferrable=True,
        poll=POLL,
        timeout=WAIT_TIMEOUT,
        first=first,
        remembers=remembers,
        workers_ahead=workers_ahead,
        triggerers_ahead=triggerers_ahead,
        service_ahead=service_ahead,
    )
    world = World(scenario).run()
    (export,) = world.service.exports
    assert world.airflow.state == "failed"
    assert export.cancelled_at == pytest.approx(world.airflow.try_began + WAIT_TIMEOUT, abs=5.0)


@pytest.mark.parametrize("ahead", [(HOUR, -HOUR, 0.0), (-HOUR, HOUR, 0.0)], ids=["first ahead", "first behind"])
@pytest.mark.parametrize("remembers", [True, False], ids=["Airflow 3", "Airflow 2"])
def test_no_fault_breaks_the_promise_where_clocks_are_wrong(remembers: bool, ahead: tuple[float, ...]) -> None:
    scenario = Scenario(
        deferrable=True, poll=POLL, remembers=remembers, workers_ahead=ahead, service_ahead=ahead[1]
    )
    acts = ("die", "late", "lost", "clear", *FREEZING, *ACTIONS_DEFERRED)
    findings = explore(scenario, only=acts, most=1)
    assert not findings.violations, str(findings)
