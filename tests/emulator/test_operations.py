"""The life of operations on a clock that stands still until it is advanced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_ee.emulator.clock import Clock, timestamp
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.operations import AbortedError, Behaviour, Operation, Operations, Report, Work

START = 1_600_000_000.0
INTERNAL = 13


class Pixels:
    """Work that goes as far as it is told, and then waits."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.aborted = threading.Event()
        self._go = threading.Semaphore(0)
        self._reported = threading.Semaphore(0)
        self._units = (0, 0)

    def __call__(self, report: Report) -> None:
        self.started.set()
        try:
            while True:
                assert self._go.acquire(timeout=10)
                done, total = self._units
                report(done, total)
                self._reported.release()
                if done == total:
                    return
        except AbortedError:
            self.aborted.set()
            raise

    def reach(self, done: int, total: int, *, wait: bool = True) -> None:
        """Compute so much."""
        self._units = (done, total)
        self._go.release()
        if wait:
            assert self._reported.acquire(timeout=10)

    def finish(self) -> None:
        """Compute the rest."""
        self.reach(1, 1)


@pytest.fixture
def start() -> Iterator[Callable[..., Operations]]:
    """Make a service's operations: 5 seconds each, two at a time, cancelled within a second."""
    made: list[Operations] = []

    def make(slots: int = 2, task_seconds: float = 5.0, **options: Any) -> Operations:
        made.append(Operations(Clock(lambda: START), task_seconds=task_seconds, slots=slots, **options))
        return made[-1]

    yield make
    for operations in made:
        operations.close()


@pytest.fixture
def operations(start: Callable[..., Operations]) -> Operations:
    return start()


def submit(
    operations: Operations, description: str = "d", *, priority: int = 100, work: Work | None = None, **more: Any
) -> Operation:
    return operations.submit(
        "p", "me", kind="EXPORT_IMAGE", description=description, priority=priority, work=work, **more
    )


def look(operations: Operations, operation: Operation) -> dict[str, Any]:
    """The operation as `get` shows it now."""
    assert operations.get(operation.name) is operation
    return operations.resource(operation)


def state(operations: Operations, operation: Operation) -> str:
    return str(look(operations, operation)["metadata"]["state"])


def states(operations: Operations, *several: Operation) -> list[str]:
    return [state(operations, one) for one in several]


def until(condition: Callable[[], object]) -> None:
    """Wait for a thread to come to something."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# What is shown


def test_a_pending_operation_leaves_out_what_is_not_known(operations: Operations) -> None:
    resource = operations.resource(submit(operations, "first"))
    metadata = resource.pop("metadata")
    name = resource.pop("name")
    assert resource == {}, "neither done, nor error, nor response"
    assert name.startswith("projects/p/operations/")
    assert metadata == {
        "@type": "type.googleapis.com/google.earthengine.v1.OperationMetadata",
        "state": "PENDING",
        "description": "first",
        "type": "EXPORT_IMAGE",
        "priority": 100,
        "createTime": timestamp(START),
        "updateTime": timestamp(START),
        "startTime": "1970-01-01T00:00:00Z",
        "attempt": 1,
    }


@pytest.mark.parametrize(
    ("seconds", "progress", "units"),
    [(0, 0.0, [0, 0]), (1, 0.2, [40, 0]), (2.5, 0.5, [100, 0]), (4, 0.8, [100, 60]), (4.999, 0.99, [100, 98])],
)
def test_a_running_operation_shows_progress_stages_and_cost(
    operations: Operations, seconds: float, progress: float, units: list[float]
) -> None:
    operation = submit(operations)
    operations.advance(seconds)
    resource = look(operations, operation)
    metadata = resource["metadata"]
    assert metadata["state"] == "RUNNING"
    assert metadata["progress"] == pytest.approx(progress)
    assert metadata["batchEecuUsageSeconds"] == pytest.approx(seconds)
    assert [stage["completeWorkUnits"] for stage in metadata["stages"]] == pytest.approx(units)
    assert {stage["totalWorkUnits"] for stage in metadata["stages"]} == {"100"}
    assert metadata["startTime"] == timestamp(START)
    assert metadata["updateTime"] == timestamp(START + seconds)
    assert not {"done", "error", "response"} & resource.keys()
    assert not {"endTime", "destinationUris"} & metadata.keys()


def test_a_succeeded_operation_says_where_its_files_are_and_never_changes_again(operations: Operations) -> None:
    operation = submit(operations, work=lambda report: None, destination_uris=("https://here",))
    operations.advance(5)
    resource = look(operations, operation)
    assert resource["done"] is True
    assert resource["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert "error" not in resource
    metadata = resource["metadata"]
    assert metadata["state"] == "SUCCEEDED"
    assert metadata["destinationUris"] == ["https://here"]
    assert (metadata["progress"], metadata["batchEecuUsageSeconds"]) == (1.0, 5.0)
    assert metadata["endTime"] == metadata["updateTime"] == timestamp(START + 5)
    operations.advance(1000)
    assert look(operations, operation) == resource


def raising(error: Exception) -> Work:
    def work(report: Report) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (EvaluationError("Image.load: Image asset 'x' not found."), 3, "Image.load: Image asset 'x' not found."),
        (ZeroDivisionError("oh"), INTERNAL, "An internal error has occurred (ZeroDivisionError('oh'))."),
    ],
)
def test_an_operation_whose_computation_fails_has_failed(
    operations: Operations, error: Exception, code: int, message: str
) -> None:
    operation = submit(operations, work=raising(error))
    operations.advance(4)
    assert state(operations, operation) == "RUNNING"
    operations.advance(1)
    resource = look(operations, operation)
    assert (resource["done"], resource["metadata"]["state"]) == (True, "FAILED")
    assert resource["error"] == {"code": code, "message": message}
    assert "response" not in resource
    assert "destinationUris" not in resource["metadata"]


def test_a_resource_is_never_half_of_one_state_and_half_of_another(start: Callable[..., Operations]) -> None:
    """Somebody looks at one operation all the time while others end."""
    operations = start(slots=1, task_seconds=1)
    operations.add_behaviour(Behaviour(fail={"code": 3, "message": "no"}))
    waiting = [submit(operations) for _ in range(100)]
    seen: list[dict[str, Any]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.extend(operations.resource(one) for one in waiting)

    with ThreadPoolExecutor(2) as watchers:
        for _ in range(2):
            watchers.submit(watch)
        for _ in waiting:
            operations.advance(1)
        stop.set()
    for resource in seen:
        failed = resource["metadata"]["state"] == "FAILED"
        assert failed == ("done" in resource) == ("error" in resource) == ("endTime" in resource["metadata"])


# Slots and order


def test_as_many_run_as_there_are_slots(operations: Operations) -> None:
    first, second, third = (submit(operations) for _ in range(3))
    assert states(operations, first, second, third) == ["RUNNING", "RUNNING", "PENDING"]
    operations.advance(5)
    assert states(operations, first, second, third) == ["SUCCEEDED", "SUCCEEDED", "RUNNING"]
    assert look(operations, third)["metadata"]["startTime"] == timestamp(START + 5)


def test_higher_priority_goes_first_and_then_age(start: Callable[..., Operations]) -> None:
    operations = start(slots=1)
    priorities = {"running": 0, "low": 99, "old": 100, "young": 100, "high": 9999, "lowest": 0}
    several = {name: submit(operations, name, priority=number) for name, number in priorities.items()}
    assert state(operations, several["running"]) == "RUNNING", "what runs is not pushed aside"
    operations.advance(100)
    by_start = sorted(several, key=lambda name: several[name].start_time or 0)
    assert by_start == ["running", "high", "old", "young", "low", "lowest"]
    assert [several[name].start_time for name in by_start] == [START + 5 * place for place in range(6)]


def test_what_came_while_nobody_looked_does_not_overtake_what_was_already_running(
    start: Callable[..., Operations],
) -> None:
    operations = start(slots=1)
    early = submit(operations, "early", priority=1)
    operations._clock.advance(3)  # time alone passes: nothing settles
    late = submit(operations, "late", priority=9999)
    assert states(operations, early, late) == ["RUNNING", "PENDING"]
    assert early.start_time == START


def test_a_long_time_is_played_in_order(start: Callable[..., Operations]) -> None:
    operations = start(slots=2)
    operations.add_behaviour(Behaviour("long", duration_seconds=12))
    several = [submit(operations, name) for name in ("long", "a", "b", "c")]
    operations.advance(1000)
    assert [(one.start_time, one.end_time) for one in several] == [
        (START, START + 12),
        (START, START + 5),
        (START + 5, START + 10),
        (START + 10, START + 15),
    ]


def test_pending_operations_are_counted_by_user(operations: Operations) -> None:
    several = [submit(operations) for _ in range(5)]
    operations.submit("other", "you", kind="EXPORT_IMAGE", description="", priority=1, work=None)
    assert (operations.pending_of("me"), operations.pending_of("you"), operations.pending_of("nobody")) == (
        3,
        1,
        0,
    )
    operations.cancel(several[-1])
    operations.cancel(several[0])
    assert operations.pending_of("me") == 2, "a running one that is cancelled was not pending"
    operations.advance(100)
    assert operations.pending_of("me") == 0


def test_ten_thousand_operations_take_no_time(operations: Operations) -> None:
    began = time.monotonic()
    several = [submit(operations, priority=number % 7) for number in range(10_000)]
    for operation in several[::2]:
        operations.cancel(operation)
    while operations.pending_of("me"):
        operations.advance(1000)
    assert time.monotonic() - began < 5
    operations.advance(10)
    assert all(one.done for one in several)


# Behaviours


def test_a_behaviour_fails_what_it_matches_without_computing_it(operations: Operations) -> None:
    error = {"code": 8, "message": "Execution failed; out of memory."}
    operations.add_behaviour(Behaviour("^bad", fail=error))
    pixels = Pixels()
    bad, good = submit(operations, "bad", work=pixels), submit(operations, "not bad")
    operations.advance(5)
    assert look(operations, bad)["error"] == error
    assert states(operations, bad, good) == ["FAILED", "SUCCEEDED"]
    assert not pixels.started.is_set()


def test_the_latest_behaviour_that_matches_counts_and_only_from_then_on(operations: Operations) -> None:
    before = submit(operations)
    operations.add_behaviour(Behaviour(duration_seconds=1))
    operations.add_behaviour(Behaviour(duration_seconds=3))
    after = submit(operations)
    operations.advance(10)
    assert [(one.end_time or 0) - START for one in (before, after)] == [5, 3]


def test_attempts_begin_again_and_take_their_time_each(operations: Operations) -> None:
    operations.add_behaviour(Behaviour(attempts=3, fail={"code": 8, "message": "out of memory"}))
    operation = submit(operations)
    shown = []
    for _ in range(8):
        metadata = look(operations, operation)["metadata"]
        shown.append((metadata["attempt"], metadata["progress"]))
        operations.advance(2)
    assert shown == [(1, 0), (1, 0.4), (1, 0.8), (2, 0.2), (2, 0.6), (3, 0), (3, 0.4), (3, 0.8)]
    assert look(operations, operation)["metadata"]["attempt"] == 3
    assert operation.end_time == START + 15


@pytest.mark.parametrize("fail", [None, {"code": 8, "message": "out of memory"}])
def test_attempts_that_take_no_time_are_counted_all_the_same(
    operations: Operations, fail: dict[str, Any] | None
) -> None:
    operations.add_behaviour(Behaviour(attempts=5, duration_seconds=0, fail=fail))
    resource = look(operations, submit(operations))
    assert resource["done"]
    assert resource["metadata"]["attempt"] == 5


def test_one_that_stays_pending_is_in_nobodys_way_and_can_be_cancelled(start: Callable[..., Operations]) -> None:
    operations = start(slots=1)
    operations.add_behaviour(Behaviour("stuck", stay="PENDING"))
    stuck, other = submit(operations, "stuck", priority=9999), submit(operations, "other")
    operations.advance(1e6)
    assert states(operations, stuck, other) == ["PENDING", "SUCCEEDED"]
    assert operations.pending_of("me") == 1
    operations.cancel(stuck)
    operations.advance(1)
    assert state(operations, stuck) == "CANCELLED"
    assert operations.pending_of("me") == 0


def test_one_that_stays_running_keeps_its_slot_until_it_is_cancelled(start: Callable[..., Operations]) -> None:
    operations = start(slots=1)
    operations.add_behaviour(Behaviour("stuck", stay="RUNNING"))
    stuck, other = submit(operations, "stuck"), submit(operations, "other")
    operations.advance(1e6)
    assert states(operations, stuck, other) == ["RUNNING", "PENDING"]
    assert look(operations, stuck)["metadata"]["progress"] == 0.99
    operations.cancel(stuck)
    operations.advance(1)
    assert states(operations, stuck, other) == ["CANCELLED", "RUNNING"]
    assert other.start_time == START + 1e6 + 1


@pytest.mark.parametrize(
    ("behaviour", "costs"),
    [
        (Behaviour(), [0, 1, 2, 3, 4, 5, 5]),
        (Behaviour(eecu_seconds=100), [0, 20, 40, 60, 80, 100, 100]),
        (Behaviour(eecu_seconds=100, duration_seconds=2, attempts=2), [0, 25, 50, 75, 100, 100, 100]),
        (Behaviour(eecu_seconds=100, duration_seconds=0), [100, 100]),
        (Behaviour(eecu_seconds=0), [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_the_cost_grows_evenly_over_the_time(
    operations: Operations, behaviour: Behaviour, costs: list[float]
) -> None:
    operations.add_behaviour(behaviour)
    operation = submit(operations)
    shown = []
    for _ in costs:
        shown.append(look(operations, operation)["metadata"]["batchEecuUsageSeconds"])
        operations.advance(1)
    assert shown == costs


# Pixels


def test_progress_goes_no_further_than_the_pixels(operations: Operations) -> None:
    pixels = Pixels()
    operation = submit(operations, work=pixels)
    operations.settle()
    operations._clock.advance(4)
    assert look(operations, operation)["metadata"]["progress"] == 0
    pixels.reach(1, 4)
    assert look(operations, operation)["metadata"]["progress"] == 0.25
    pixels.reach(39, 40)
    assert look(operations, operation)["metadata"]["progress"] == 0.8, "nor than the time"
    pixels.finish()


def test_an_operation_whose_pixels_are_late_runs_on_and_never_takes_back_its_cost(
    start: Callable[..., Operations],
) -> None:
    operations = start(slots=1)
    pixels = Pixels()
    operation, successor = submit(operations, work=pixels), submit(operations)
    operations.settle()
    operations._clock.advance(60)
    assert states(operations, operation, successor) == ["RUNNING", "PENDING"]
    assert look(operations, operation)["metadata"]["batchEecuUsageSeconds"] == 60
    pixels.finish()
    until(lambda: state(operations, operation) == "SUCCEEDED")
    metadata = look(operations, operation)["metadata"]
    assert (metadata["batchEecuUsageSeconds"], metadata["endTime"]) == (60, timestamp(START + 60))
    assert (state(operations, successor), successor.start_time) == ("RUNNING", START + 60)


def test_advancing_waits_for_the_pixels_and_they_are_not_late_then(start: Callable[..., Operations]) -> None:
    operations = start(slots=1)

    def slowly(report: Report) -> None:
        time.sleep(0.02)

    several = [submit(operations, work=slowly) for _ in range(3)]
    operations.advance(1000)
    assert [one.end_time for one in several] == [START + 5, START + 10, START + 15]
    assert operations.now() == START + 1000


# Cancelling


def test_a_pending_operation_is_cancelled_in_a_while_and_never_runs(start: Callable[..., Operations]) -> None:
    operations = start(slots=1)
    pixels = Pixels()
    submit(operations)
    operation = submit(operations, work=pixels)
    operations.cancel(operation)
    assert state(operations, operation) == "CANCELLING"
    assert "done" not in look(operations, operation)
    operations.advance(1)
    resource = look(operations, operation)
    assert resource["metadata"]["state"] == "CANCELLED"
    assert (resource["done"], resource["error"]) == (True, {"code": 1, "message": "Cancelled."})
    assert resource["metadata"]["endTime"] == timestamp(START + 1)
    operations.advance(100)
    assert not pixels.started.is_set()


def test_a_running_operation_that_is_cancelled_stops_computing_and_frees_its_slot_when_it_has_ended(
    start: Callable[..., Operations],
) -> None:
    operations = start(slots=1)
    pixels = Pixels()
    operation, successor = submit(operations, work=pixels), submit(operations)
    operations.advance(2)
    assert pixels.started.wait(10)
    operations.cancel(operation)
    assert states(operations, operation, successor) == ["CANCELLING", "PENDING"]
    operations._clock.advance(1)
    assert state(operations, operation) == "CANCELLING", "its work has not let go"
    pixels.reach(1, 2, wait=False)
    assert pixels.aborted.wait(10)
    until(lambda: state(operations, operation) == "CANCELLED")
    assert successor.start_time == operation.end_time == START + 3
    assert look(operations, operation)["error"]["code"] == 1
    assert look(operations, operation)["metadata"]["batchEecuUsageSeconds"] == 3


def test_work_that_waits_for_a_thread_does_not_begin_after_a_cancel(start: Callable[..., Operations]) -> None:
    operations = start(slots=5)
    busy = [Pixels() for _ in range(4)]  # as many threads as there are
    for pixels in busy:
        submit(operations, work=pixels)
    waiting = Pixels()
    operation = submit(operations, work=waiting)
    assert state(operations, operation) == "RUNNING"
    operations.cancel(operation)
    operations._clock.advance(1)
    assert state(operations, operation) == "CANCELLED"
    for pixels in busy:
        pixels.finish()
    operations.advance(10)
    assert not waiting.started.is_set()


def test_cancelling_again_changes_nothing(operations: Operations) -> None:
    operation = submit(operations)
    operations.cancel(operation)
    operations.advance(0.5)
    operations.cancel(operation)
    operations.advance(0.5)
    assert state(operations, operation) == "CANCELLED"


@pytest.mark.parametrize("fail", [None, {"code": 3, "message": "no"}])
def test_a_finished_operation_is_not_cancelled(operations: Operations, fail: dict[str, Any] | None) -> None:
    operations.add_behaviour(Behaviour(fail=fail))
    operation = submit(operations)
    operations.advance(5)
    before = look(operations, operation)
    operations.cancel(operation)
    operations.advance(10)
    assert look(operations, operation) == before


def test_an_operation_whose_end_nobody_has_seen_yet_is_not_cancelled_either(operations: Operations) -> None:
    operation = submit(operations)
    operations.settle()
    operations._clock.advance(5)
    operations.cancel(operation)
    assert state(operations, operation) == "SUCCEEDED"


def test_many_cancel_at_once_while_time_passes(operations: Operations) -> None:
    """Whatever comes first, each ends once, and the slots are all there afterwards."""
    several = [submit(operations, work=lambda report: ()) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        advances = [pool.submit(operations.advance, 1) for _ in range(50)]
        list(pool.map(operations.cancel, several * 2))
    assert all(one.exception() is None for one in advances)
    assert operations.now() == START + 50, "no advance is lost"
    operations.advance(10)
    assert {one.state for one in several} <= {"SUCCEEDED", "CANCELLED"}
    assert operations.pending_of("me") == 0
    assert states(operations, *(submit(operations) for _ in range(3))) == ["RUNNING", "RUNNING", "PENDING"]


def test_closing_aborts_what_runs_and_starts_nothing_more(operations: Operations) -> None:
    running = [Pixels(), Pixels()]
    for pixels in running:
        submit(operations, work=pixels)
    waiting = Pixels()
    submit(operations, work=waiting)
    operations.settle()
    closing = threading.Thread(target=operations.close)
    closing.start()
    for pixels in running:
        assert pixels.started.wait(10)
        until(lambda: all(one.cancel_time for one in operations._active))
        pixels.reach(1, 2, wait=False)
        assert pixels.aborted.wait(10)
    closing.join(10)
    operations.advance(100)
    assert not waiting.started.is_set()


# Time


def test_at_a_standstill_nothing_ends_however_often_one_looks(operations: Operations) -> None:
    operation = submit(operations, work=lambda report: ())
    for _ in range(100):
        operations.advance(0)
        assert state(operations, operation) == "RUNNING"


def test_an_operation_of_no_duration_ends_where_it_begins(operations: Operations) -> None:
    operations.add_behaviour(Behaviour(duration_seconds=0))
    several = [submit(operations) for _ in range(5)]
    assert set(states(operations, *several)) == {"SUCCEEDED"}
    assert {one.end_time for one in several} == {START}


def test_time_may_begin_at_zero() -> None:
    operations = Operations(Clock(lambda: 0.0), task_seconds=0, slots=1)
    operation = submit(operations)
    operations.advance(60)
    metadata = look(operations, operation)["metadata"]
    assert metadata["endTime"] == timestamp(0)
    assert metadata["batchEecuUsageSeconds"] == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1.5e9, "2017-07-14T02:40:00Z"),
        (1.5e9 + 0.25, "2017-07-14T02:40:00.250000Z"),
    ],
)
def test_times_are_written_as_the_service_writes_them(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text


# Other people's operations


def test_seeded_operations_lie_in_the_past_and_have_names_of_their_own(operations: Operations) -> None:
    mine = submit(operations)
    operations.seed("p", 3)
    operations.seed("p", 2)
    listed = operations.of_project("p")
    assert listed[-1] is mine, "the newest of all"
    assert [one.create_time for one in listed] == sorted(one.create_time for one in listed)
    assert len({one.name for one in listed}) == 6
    assert len({one.description for one in listed}) == 6
    assert all(one.done and one.user == "somebody" for one in listed[:-1])
    assert operations.of_project("other") == []
    assert mine.state == "RUNNING", "they take no slot"


# Whatever happens

STEPS = st.one_of(
    st.tuples(
        st.just("submit"),
        st.sampled_from([0, 100, 100, 9999]),
        st.sampled_from(["plain", "computed", "failing", "instant", "repeated", "stuck-pending", "stuck-running"]),
    ),
    st.tuples(st.just("advance"), st.sampled_from([0, 0.5, 1, 3, 5, 17])),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
)


def waiting_between(operation: Operation) -> tuple[float, float]:
    """From when to when it could have been started."""
    ends = (operation.start_time, operation.cancel_time)
    return operation.create_time, min((end for end in ends if end is not None), default=float("inf"))


@given(slots=st.integers(1, 3), steps=st.lists(STEPS, min_size=5, max_size=40))
@settings(max_examples=80)
def test_slots_and_order_hold_and_everything_ends(slots: int, steps: list[tuple[Any, ...]]) -> None:
    operations = Operations(Clock(lambda: START), task_seconds=5, slots=slots)
    operations.add_behaviour(Behaviour("failing", fail={"code": 3, "message": "no"}))
    operations.add_behaviour(Behaviour("instant", duration_seconds=0))
    operations.add_behaviour(Behaviour("repeated", attempts=3))
    operations.add_behaviour(Behaviour("stuck-pending", stay="PENDING"))
    operations.add_behaviour(Behaviour("stuck-running", stay="RUNNING"))
    several: list[Operation] = []
    for step, *arguments in steps:
        if step == "submit":
            priority, kind = arguments
            work = (lambda report: ()) if kind == "computed" else None
            several.append(submit(operations, kind, priority=priority, work=work))
        elif step == "advance":
            operations.advance(*arguments)
        elif several:
            operations.cancel(several[arguments[0] % len(several)])
        shown = states(operations, *several)
        started = sum(one.start_time is not None and not one.done for one in several)
        assert shown.count("RUNNING") <= started <= slots
        assert operations.pending_of("me") == shown.count("PENDING")
        if started < slots:
            assert all(one.behaviour.stay for one in several if one.state == "PENDING"), "no slot idles"
    for operation in several:
        if operation.behaviour.stay:
            operations.cancel(operation)
    operations.advance(5 * 3 * len(several) + 10)
    operations.close()

    assert all(one.done for one in several)
    began = [one for one in several if one.start_time is not None]
    for one in began:
        at = one.start_time
        assert sum(other.start_time <= at < other.end_time for other in began) <= slots
        assert one.create_time <= at <= one.end_time
        for other in several:
            since, to = waiting_between(other)
            if other is not one and other.behaviour.stay != "PENDING" and since < at < to:
                better = (-one.priority, several.index(one)) < (-other.priority, several.index(other))
                assert better, f"{other} was to go before {one}"
