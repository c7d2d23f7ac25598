"""An export is started once: what is sent, what is looked for, and what is cancelled."""

from __future__ import annotations

import itertools
import json
import logging
import string
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ee.earthengine import submission
from airflow_provider_ee.earthengine.attempt import Attempt, Record
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    DuplicateRequestError,
    EarthEngineError,
    NotFoundError,
    QuotaError,
    RequestError,
    SupersededError,
    TransientError,
)
from airflow_provider_ee.earthengine.mark import Mark, task_key
from airflow_provider_ee.earthengine.messages import PreparedRequest, clean_description
from airflow_provider_ee.earthengine.submission import GRACE, Submission

EPOCH = 1_600_000_000.0
KEY = task_key("", "dag", "run", "task", -1)
OTHER_KEY = task_key("", "dag", "run", "another task", -1)
Answer = Exception | Callable[[], Any]


class FakeClock:
    """Time passes when somebody sleeps; the wall clock may be wrong."""

    def __init__(self, error: float = 0.0) -> None:
        self.seconds, self.error = 0.0, error
        self.slept: list[float] = []

    def now(self) -> float:
        return EPOCH + self.seconds + self.error

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
            self.seconds += seconds


class FakeMemory:
    """The task state store; closed to a try that has been replaced."""

    def __init__(self, *, lasts: bool = True) -> None:
        self.lasts, self.record = lasts, None  # type: tuple[bool, Any]
        self.replaced = False
        self.failures: list[Exception | None] = []

    def read(self) -> Any:
        return self.record

    def write(self, record: dict[str, Any]) -> None:
        if self.replaced:
            raise SupersededError("another try")
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            raise failure
        if self.lasts:
            self.record = dict(record)


class FakeService:
    """The service as it is: ids are used once, lists may lag, a page holds 500."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.tells_time = True
        self.calls: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.used: set[str] = set()
        self.cancelled: list[str] = []
        self.lag = 0.0
        self.answers: list[str | Exception] = []
        """What the next exports meet: an error, a "lost" answer, a full queue that has "burnt" the id; or are served."""
        self.lists: list[Exception | None] = []
        """What the next lists meet."""
        self.ends: dict[str, tuple[float, str]] = {}
        """When an operation changes its state by itself."""

    @property
    def answered_at(self) -> float | None:
        return EPOCH + self._clock.seconds if self.tells_time else None

    def export(self, kind: str, body: bytes) -> dict[str, Any]:
        request = json.loads(body)
        self.calls.append("POST")
        self.sent.append(request)
        meets = self.answers.pop(0) if self.answers else None
        if isinstance(meets, Exception):
            raise meets
        if meets == "burnt":
            self.used.add(request["requestId"])
            raise QuotaError("Too many tasks already in the queue")
        if request["requestId"] in self.used:
            raise DuplicateRequestError("already started with the given request_id")
        self.used.add(request["requestId"])
        started = self.has(request["description"], listed_in=self.lag)
        if meets == "lost":
            raise TransientError("connection lost")
        return started

    def has(
        self, description: str, state: str = "PENDING", *, age: float = 0.0, listed_in: float = 0.0
    ) -> dict[str, Any]:
        """An operation that is there."""
        created = datetime.fromtimestamp(EPOCH + self._clock.seconds - age, timezone.utc)
        operation = {
            "name": f"projects/p/operations/{len(self.operations)}",
            "metadata": {"state": state, "description": description, "createTime": created.isoformat()},
            "listed_from": self._clock.seconds + listed_in,
        }
        self.operations.append(operation)
        return operation

    def get_operation(self, name: str) -> dict[str, Any]:
        self.calls.append("GET")
        found = next((operation for operation in self.operations if operation["name"] == name), None)
        if found is None:
            raise NotFoundError("404")
        time, state = self.ends.get(name, (float("inf"), ""))
        if self._clock.seconds >= time:
            found["metadata"]["state"] = state
        return found

    def list_operations(self) -> Iterator[dict[str, Any]]:
        failure = self.lists.pop(0) if self.lists else None
        listed = [each for each in reversed(self.operations) if each["listed_from"] <= self._clock.seconds]
        for start in range(0, max(1, len(listed)), 500):
            self.calls.append("LIST")
            if failure:
                raise failure
            yield from listed[start : start + 500]

    def cancel_operation(self, name: str) -> None:
        self.calls.append("CANCEL")
        self.cancelled.append(name)
        for operation in self.operations:
            if operation["name"] == name:
                operation["metadata"]["state"] = "CANCELLING"

    @property
    def ids(self) -> list[str]:
        return [request["requestId"] for request in self.sent]


class Task:
    """A task instance, whose tries share a service and a memory."""

    def __init__(
        self, *, remembers: bool = True, key: str = KEY, description: str = "text", **fields: Any
    ) -> None:
        self.clock = FakeClock()
        self.service = FakeService(self.clock)
        self.memory = FakeMemory(lasts=remembers)
        self.key = key
        self.request = PreparedRequest("image", b"{}", {"description": description, **fields})

    def submission(self, try_number: int = 1, generation: int = 2, **options: Any) -> Submission:
        maybe_cleared = options.pop("maybe_cleared", False)
        attempt = Attempt(self.key, generation, try_number, maybe_cleared)
        return Submission(self.service, self.memory, self.clock, attempt, **options)

    def start(self, try_number: int = 1, generation: int = 2, **options: Any) -> Any:
        return self.submission(try_number, generation, **options).start(lambda: self.request)

    def marked(self, generation: int, number: int, key: str = "") -> str:
        return f"text--{key or self.key}-{generation}-{number}"

    def remembers(self, operation: str | None = None, generation: int = 2, number: int = 0, **fields: Any) -> None:
        """What an earlier try has written down."""
        record = {
            "birth": EPOCH,
            "fingerprint": self.request.fingerprint(),
            "try_number": 1,
            "first_generation": 2,
            "lowest": 0,
        }
        known = Record(generation=generation, number=number, operation=operation, **{**record, **fields})
        self.memory.record = asdict(known)


@pytest.fixture(autouse=True)
def _exact_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "jitter", lambda: 1.0)


@pytest.fixture
def task() -> Task:
    return Task()


# A first try


def test_a_first_try_is_one_request_and_nothing_else(task: Task) -> None:
    submission = task.submission()
    operation = submission.start(lambda: task.request)
    assert task.service.calls == ["POST"]
    assert task.service.sent == [{"expression": {}, "description": task.marked(2, 0), "requestId": f"{KEY}-2-0"}]
    assert submission.operation == operation
    assert not submission.adopted
    assert task.clock.slept == []


def test_the_id_is_remembered_before_the_request_and_the_name_after(task: Task) -> None:
    records: list[Any] = []
    write = task.memory.write
    task.memory.write = lambda record: (records.append((list(task.service.calls), record)), write(record))[1]  # type: ignore[method-assign]
    name = task.start().name
    (before, planned), (after, known) = records
    assert (before, planned["operation"]) == ([], None)
    assert (after, known["operation"]) == (["POST"], name)
    assert (known["generation"], known["number"]) == (2, 0)


def test_a_request_whose_id_cannot_be_remembered_is_not_sent(task: Task) -> None:
    task.memory.failures = [TransientError("no store")]
    with pytest.raises(TransientError, match="no store"):
        task.start()
    assert task.service.calls == []


def test_a_name_that_cannot_be_stored_is_no_failure(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.memory.failures = [None, TransientError("no store")]
    assert task.start().name
    assert "could not be stored" in caplog.text


# Answers that are lost


def test_a_lost_answer_is_followed_by_the_same_id_which_leads_to_the_operation(task: Task) -> None:
    task.service.answers = ["lost"]
    submission = task.submission()
    operation = submission.start(lambda: task.request)
    assert task.service.ids == [f"{KEY}-2-0"] * 2
    assert len(task.service.operations) == 1
    assert operation.name == task.service.operations[0]["name"]
    assert submission.adopted


def test_a_request_that_never_arrived_is_sent_again_with_growing_pauses(task: Task) -> None:
    task.service.answers = [TransientError("503")] * 4
    task.start()
    assert task.service.ids == [f"{KEY}-2-0"] * 5
    assert task.clock.slept == [1, 2, 4, 8]


def test_the_pause_is_the_one_that_the_service_asks_for(task: Task) -> None:
    task.service.answers = [TransientError("429", retry_after=17), TransientError("429", retry_after=1e6)]
    task.start()
    assert task.clock.slept == [17, 60]


def test_repeats_are_counted_and_the_next_try_goes_on_with_the_same_id(task: Task) -> None:
    task.service.answers = [TransientError("503")] * 3
    with pytest.raises(TransientError):
        task.start(repeats=2)
    task.start(2)
    assert task.service.ids == [f"{KEY}-2-0"] * 4


def test_a_list_that_lags_is_looked_at_again(task: Task) -> None:
    task.service.answers, task.service.lag = ["lost"], 50.0
    operation = task.start()
    assert operation.name == task.service.operations[0]["name"]
    assert len(task.service.operations) == 1
    assert task.clock.slept == [1, 2, 5, 10, 20, 30]


def test_only_after_the_whole_grace_the_id_counts_as_burnt(task: Task) -> None:
    task.service.used = {f"{KEY}-2-0"}
    task.start()
    assert task.service.ids == [f"{KEY}-2-0", f"{KEY}-2-1"]
    assert task.clock.slept == list(GRACE)
    assert task.service.sent[-1]["description"] == task.marked(2, 1)


def test_the_grace_is_spent_once_for_each_number(task: Task) -> None:
    task.service.used = {f"{KEY}-2-{number}" for number in range(2)}
    task.start()
    assert task.service.ids[-1] == f"{KEY}-2-2"
    assert task.clock.slept == list(GRACE) * 2


def test_an_id_that_was_burnt_leaves_patience_for_the_next(task: Task) -> None:
    task.service.used, task.service.lag = {f"{KEY}-2-0"}, 30.0
    task.service.answers = [None, "lost"]  # refused; accepted, and the answer lost
    assert task.start().name == task.service.operations[0]["name"]
    assert len(task.service.operations) == 1


def test_a_refusal_to_look_at_what_was_started_is_no_reason_to_end_it(task: Task) -> None:
    name = task.start().name
    task.service.get_operation = lambda name: (_ for _ in ()).throw(AuthError("not now"))  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="not now"):
        task.start(2)
    assert task.service.cancelled == []
    del task.service.get_operation
    assert task.start(3).name == name


def test_a_record_of_another_version_is_read_as_far_as_it_can_be(task: Task) -> None:
    name = task.start().name
    task.memory.record = {**task.memory.record, "colour": "green"}
    assert task.start(2).name == name
    task.memory.record = {"colour": "green"}
    task.clock.seconds += 3_600
    assert task.start(3).name == name
    assert task.service.cancelled == []


def test_a_list_that_fails_is_asked_again(task: Task) -> None:
    task.service.answers, task.service.lists = ["lost"], [TransientError("503")] * 3
    assert task.start().name == task.service.operations[0]["name"]
    assert len(task.service.operations) == 1


def test_a_list_that_fails_to_the_end_never_leads_to_a_new_id(task: Task) -> None:
    task.service.used, task.service.lists = {f"{KEY}-2-0"}, [TransientError("503")] * 100
    with pytest.raises(TransientError):
        task.start()
    assert task.service.ids == [f"{KEY}-2-0"]


def test_a_last_look_that_fails_after_empty_ones_is_no_empty_one(task: Task) -> None:
    task.service.used, task.service.lists = {f"{KEY}-2-0"}, [*[None] * len(GRACE), TransientError("503")]
    with pytest.raises(TransientError):
        task.start()
    assert task.service.ids == [f"{KEY}-2-0"]


@pytest.mark.parametrize("refusal", [AuthError("no right"), NotFoundError("hidden")])
def test_a_list_that_is_forbidden_is_said_and_no_other_id_tried(task: Task, refusal: EarthEngineError) -> None:
    task.service.used, task.service.lists = {f"{KEY}-2-0"}, [refusal]
    with pytest.raises(AuthError, match=r"cannot be listed.*grant the caller earthengine\.operations\.list"):
        task.start()
    assert task.service.ids == [f"{KEY}-2-0"]


# A full queue


def full(times: int) -> list[str | Exception]:
    return [QuotaError("Too many tasks already in the queue")] * times


def test_a_full_queue_is_waited_for_with_the_same_id(task: Task) -> None:
    task.service.answers = full(7)
    task.start()
    assert task.service.calls == ["POST"] * 8
    assert set(task.service.ids) == {f"{KEY}-2-0"}
    assert task.clock.slept == [30, 60, 120, 240, 300, 300, 300]


def test_a_full_queue_is_waited_for_no_longer_than_is_said(task: Task) -> None:
    task.service.answers = full(100)
    with pytest.raises(QuotaError):
        task.start(room_timeout=100)
    assert task.clock.slept == [30, 60, 10]
    assert len(task.service.operations) == 0


def test_an_id_that_a_full_queue_burnt_is_replaced_when_nothing_is_found(task: Task) -> None:
    task.service.answers = ["burnt"]
    task.start()
    assert task.service.ids == [f"{KEY}-2-0", f"{KEY}-2-0", f"{KEY}-2-1"]
    assert len(task.service.operations) == 1


def test_any_number_of_ids_may_be_burnt(task: Task) -> None:
    task.service.answers = [answer for _ in range(4) for answer in ("burnt", "served as a repeat")]
    task.start()
    assert task.service.ids[-1] == f"{KEY}-2-4"
    assert len(task.service.operations) == 1


# Refused for good


def test_a_request_that_is_refused_is_not_repeated_and_nothing_looked_for(task: Task) -> None:
    task.service.answers = [RequestError("400")]
    with pytest.raises(RequestError, match="400"):
        task.start()
    assert task.service.calls == ["POST"]


def test_a_refusal_after_a_lost_answer_looks_for_what_that_has_started(task: Task) -> None:
    task.service.answers, task.service.lag = ["lost", RequestError("400")], 20.0
    operation = task.start()
    assert operation.name == task.service.operations[0]["name"]
    assert task.service.calls.count("POST") == 2


def test_a_refusal_stands_when_an_earlier_request_is_not_seen_over_the_grace(task: Task) -> None:
    task.service.answers = [TransientError("timeout"), RequestError("400")]
    with pytest.raises(RequestError, match="400"):
        task.start()
    assert task.clock.slept == [1, *GRACE]


def test_what_was_started_is_found_for_a_task_that_gives_up(task: Task) -> None:
    task.service.answers = ["lost", *[TransientError("503")] * 9]
    submission = task.submission(repeats=1)
    with pytest.raises(TransientError):
        submission.start(lambda: task.request)
    found = submission.find_unanswered()
    assert found
    assert found.name == task.service.operations[0]["name"]


def test_nothing_is_looked_for_when_every_request_was_answered(task: Task) -> None:
    submission = task.submission()
    task.service.answers = [RequestError("400")]
    with pytest.raises(RequestError):
        submission.start(lambda: task.request)
    assert submission.find_unanswered() is None
    assert task.service.calls == ["POST"]


def test_what_the_memory_names_is_told_though_it_cannot_be_looked_at(task: Task) -> None:
    name = task.service.has(task.marked(2, 0), "RUNNING")["name"]
    task.remembers(name)
    task.service.get_operation = lambda name: (_ for _ in ()).throw(TransientError("503"))  # type: ignore[method-assign]
    submission = task.submission(2)
    with pytest.raises(TransientError):
        submission.start(lambda: task.request)
    found = submission.find_unanswered()
    assert found
    assert (found.name, found.done) == (name, False)


def test_a_memory_that_cannot_be_read_does_not_hide_what_was_started(task: Task) -> None:
    name = task.service.has(task.marked(2, 0), "RUNNING")["name"]
    task.memory.read = lambda: (_ for _ in ()).throw(TransientError("no store"))  # type: ignore[method-assign]
    submission = task.submission(2)
    with pytest.raises(TransientError, match="no store"):
        submission.start(lambda: task.request)
    found = submission.find_unanswered()
    assert found
    assert found.name == name
    assert task.service.sent == []


# A later try


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUCCEEDED"])
def test_a_name_in_memory_costs_one_request(task: Task, state: str) -> None:
    name = task.service.has(task.marked(2, 0), state)["name"]
    task.remembers(name)
    submission = task.submission(2)
    assert submission.start(lambda: task.request).name == name
    assert submission.adopted
    assert task.service.calls == ["GET"]


def test_without_a_name_five_thousand_operations_are_ten_pages() -> None:
    task = Task(remembers=False)
    ours = task.service.has(task.marked(2, 0), "RUNNING")
    for number in range(4_999):
        task.service.has(f"other-{number}", "SUCCEEDED")
    assert task.start(2).name == ours["name"]
    assert task.service.calls == ["LIST"] * 10


def test_a_search_in_vain_among_five_thousand_is_eleven_requests() -> None:
    task = Task(remembers=False)
    for number in range(5_000):
        task.service.has(f"other-{number}", "SUCCEEDED")
    task.start(2)
    assert task.service.calls == ["LIST"] * 10 + ["POST"]


def test_the_search_ends_with_the_page_that_shows_it() -> None:
    task = Task(remembers=False)
    for number in range(5_000):
        task.service.has(f"other-{number}", "SUCCEEDED")
    task.service.has(task.marked(2, 0), "RUNNING")
    task.start(2)
    assert task.service.calls == ["LIST"]


def test_a_try_that_died_before_the_name_was_known_is_found_by_its_mark(task: Task) -> None:
    task.remembers(None)
    ours = task.service.has(task.marked(2, 0), "RUNNING")
    task.service.has(task.marked(2, 0, OTHER_KEY), "RUNNING")
    assert task.start(2).name == ours["name"]
    assert task.service.sent == []


def test_a_name_that_the_service_has_forgotten_is_looked_for_by_its_mark(task: Task) -> None:
    task.remembers("projects/p/operations/gone")
    task.start(2)
    assert task.service.calls == ["GET", "LIST", "POST"]


def test_what_is_being_cancelled_is_waited_for_and_followed_by_another(task: Task) -> None:
    name = task.service.has(task.marked(2, 0), "CANCELLING")["name"]
    task.remembers(name)
    task.service.ends[name] = (20.0, "CANCELLED")
    assert task.start(2).name != name
    assert task.clock.seconds >= 20
    assert task.service.ids == [f"{KEY}-2-1"]


def test_what_ends_well_although_it_was_to_be_cancelled_is_adopted(task: Task) -> None:
    name = task.service.has(task.marked(2, 0), "CANCELLING")["name"]
    task.remembers(name)
    task.service.ends[name] = (20.0, "SUCCEEDED")
    assert task.start(2).name == name
    assert task.service.sent == []


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED"])
@pytest.mark.parametrize("named", [True, False])
def test_what_ended_badly_is_followed_by_the_next_number(task: Task, state: str, named: bool) -> None:
    name = task.service.has(task.marked(2, 0), state)["name"]
    task.remembers(name if named else None)
    task.start(2)
    assert task.service.ids == [f"{KEY}-2-1"]


def test_the_number_goes_past_the_highest_that_is_found() -> None:
    task = Task(remembers=False)
    for number in (0, 1, 4):
        task.service.has(task.marked(2, number), "FAILED")
    task.start(2)
    assert task.service.ids == [f"{KEY}-2-5"]


def test_another_export_follows_an_adopted_one_that_was_cancelled(task: Task) -> None:
    name = task.service.has(task.marked(2, 0), "RUNNING")["name"]
    task.remembers(name)
    submission = task.submission(2)
    submission.start(lambda: task.request)
    assert submission.start_another(lambda: task.request).name != name
    assert not submission.adopted
    assert task.service.ids == [f"{KEY}-2-1"]


def test_an_adopted_operation_of_another_request_is_said(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    name = task.service.has(task.marked(2, 0), "RUNNING")["name"]
    task.remembers(name, fingerprint="of another request")
    task.start(2)
    assert "clear the task to export anew" in caplog.text
    assert task.memory.record["fingerprint"] == "of another request"


def test_an_adopted_operation_of_the_same_request_needs_no_warning(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    task.remembers(task.service.has(task.marked(2, 0), "RUNNING")["name"])
    with caplog.at_level(logging.WARNING):
        task.start(2)
    assert caplog.text == ""


def test_a_memory_that_holds_nonsense_is_no_memory(task: Task) -> None:
    task.memory.record = {"number": 1, "written by": "a later version"}
    ours = task.service.has(task.marked(2, 0), "RUNNING")
    assert task.start(2).name == ours["name"]


# A task that was cleared


def test_a_clear_starts_a_new_export_and_cancels_the_old_one(task: Task) -> None:
    old = task.start(1, 2).name
    new = task.start(2, 4).name
    assert new != old
    assert task.service.cancelled == [old]
    assert task.service.ids == [f"{KEY}-2-0", f"{KEY}-4-0"]


def test_live_exports_of_any_smaller_generation_are_cancelled() -> None:
    task = Task(remembers=False)
    live = [task.service.has(task.marked(generation, 0), "RUNNING")["name"] for generation in (0, 1)]
    task.service.has(task.marked(1, 1), "SUCCEEDED")
    another = task.service.has(task.marked(0, 0, OTHER_KEY), "RUNNING")["name"]
    task.start(2, maybe_cleared=True)
    assert sorted(task.service.cancelled) == sorted(live)
    assert another not in task.service.cancelled


@pytest.mark.parametrize("refusal", [RequestError("400 it has ended"), NotFoundError("404")])
def test_what_cannot_be_cancelled_any_more_is_no_failure(task: Task, refusal: Exception) -> None:
    task.start(1, 2)
    task.service.cancel_operation = lambda name: (_ for _ in ()).throw(refusal)  # type: ignore[method-assign]
    assert task.start(2, 4)


def test_the_late_request_of_a_cleared_try_is_cancelled_at_the_end(task: Task) -> None:
    task.start(1, 2)
    submission = task.submission(2, 4)
    submission.start(lambda: task.request)
    late = task.service.has(task.marked(2, 1), "RUNNING")["name"]
    task.service.cancelled.clear()
    submission.cancel_leftovers()
    assert late in task.service.cancelled
    assert submission.operation
    assert submission.operation.name not in task.service.cancelled


def test_a_request_that_may_still_arrive_is_waited_for(task: Task) -> None:
    task.remembers(None, generation=2)
    submission = task.submission(2, 4)
    submission.start(lambda: task.request)
    late = task.service.has(task.marked(2, 0), "RUNNING", listed_in=40.0)["name"]
    submission.cancel_leftovers()
    assert task.service.cancelled == [late]
    assert task.clock.seconds < sum(GRACE)


def test_a_task_that_was_never_cleared_does_not_look_for_leftovers(task: Task) -> None:
    for one in (task.submission(1), task.submission(2)):
        one.start(lambda: task.request)
        task.service.calls.clear()
        one.cancel_leftovers()
        assert task.service.calls == []


@pytest.mark.parametrize(("maybe_cleared", "looks"), [(True, ["LIST"]), (False, [])])
def test_without_a_memory_the_task_says_whether_it_may_have_been_cleared(
    maybe_cleared: bool, looks: list[str]
) -> None:
    task = Task(remembers=False)
    submission = task.submission(2, maybe_cleared=maybe_cleared)
    submission.cancel_leftovers()
    assert task.service.calls == looks


# A run that was deleted and made again


@pytest.mark.parametrize("age", [20.0, 86_400.0])
@pytest.mark.parametrize("error", [0.0, 7_200.0, -7_200.0])
def test_the_export_of_a_deleted_run_is_not_adopted(task: Task, age: float, error: float) -> None:
    """However young it is, and however wrong the clock of the worker: the service's own clock decides."""
    task.clock.error = error
    task.service.used = {f"{KEY}-2-0"}
    old = task.service.has(task.marked(2, 0), "RUNNING", age=age)["name"]
    assert task.start().name != old
    assert task.service.cancelled == [old]
    assert task.service.ids == [f"{KEY}-2-0", f"{KEY}-2-1"]


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_a_deleted_run_that_has_ended_is_left_as_it_is(task: Task, state: str) -> None:
    task.service.used = {f"{KEY}-2-0"}
    old = task.service.has(task.marked(2, 0), state, age=60)["name"]
    assert task.start().name != old
    assert task.service.cancelled == []
    assert task.service.ids[-1] == f"{KEY}-2-1"


def test_the_retry_of_a_run_that_was_made_again_keeps_to_its_own_export(task: Task) -> None:
    task.service.used = {f"{KEY}-2-0"}
    old = task.service.has(task.marked(2, 0), "RUNNING", age=3_600)["name"]
    new = task.start().name
    task.memory.record["operation"] = None  # the worker died before the name was stored
    assert task.start(2).name == new
    assert set(task.service.cancelled) == {old}


@pytest.mark.parametrize("error", [7_200.0, -7_200.0])
def test_a_wrong_clock_does_not_part_a_run_from_its_own_export(task: Task, error: float) -> None:
    task.clock.error = error
    task.service.answers = ["lost"]
    assert task.start().name == task.service.operations[0]["name"]
    assert task.service.cancelled == []


@pytest.mark.parametrize(
    ("at_first", "later"),
    [
        (0.0, -3_600.0),
        (-3_600.0, 0.0),
        (-3_600.0, -7_200.0),
        (300.0, -300.0),
        (7_200.0, 7_200.0),
    ],
)
def test_a_clock_that_jumps_between_tries_does_not_either(task: Task, at_first: float, later: float) -> None:
    task.clock.error = at_first
    task.service.answers = ["lost", *[TransientError("503")] * 9]
    with pytest.raises(TransientError):
        task.start(repeats=1)
    task.clock.error = later
    assert task.start(2).name == task.service.operations[0]["name"]
    assert task.service.cancelled == []


def test_without_the_services_time_the_workers_is_taken(task: Task) -> None:
    refused = DuplicateRequestError("already started with the given request_id")
    task.service.answers = [refused]
    task.service.tells_time = False
    old = task.service.has(task.marked(2, 0), "RUNNING", age=60)["name"]
    assert task.start().name != old
    assert task.service.cancelled == [old]


# A request id of the user's


def test_a_given_id_is_sent_as_it_is_and_the_mark_is_there_all_the_same() -> None:
    task = Task(requestId="mine-1")
    task.start()
    assert task.service.ids == ["mine-1"]
    assert task.service.sent[0]["description"] == task.marked(2, 0)


def test_a_given_id_is_repeated_and_its_operation_found_by_the_mark() -> None:
    task = Task(requestId="mine-1")
    task.service.answers = ["lost"]
    assert task.start().name == task.service.operations[0]["name"]
    assert task.service.ids == ["mine-1"] * 2
    assert len(task.service.operations) == 1


def test_a_given_id_that_another_export_has_used_is_said_at_once() -> None:
    task = Task(requestId="mine-1")
    task.service.used = {"mine-1"}
    with pytest.raises(DuplicateRequestError, match="request_id 'mine-1' has been used by another export"):
        task.start()
    assert task.clock.slept == []
    assert task.service.ids == ["mine-1"]


def test_a_given_id_after_clears_is_followed_by_made_ones() -> None:
    task = Task(requestId="mine-1")
    first = task.start(1, 2).name
    second = task.start(2, 4).name
    third = task.start(3, 6).name
    assert len({first, second, third}) == 3
    assert task.service.ids == ["mine-1", "mine-1", f"{KEY}-4-1", "mine-1", f"{KEY}-6-1"]
    assert set(task.service.cancelled) >= {first, second}


def test_a_given_id_whose_export_failed_is_followed_by_a_made_one() -> None:
    task = Task(requestId="mine-1")
    task.start()
    task.service.operations[0]["metadata"]["state"] = "FAILED"
    task.start(2)
    assert task.service.ids == ["mine-1", f"{KEY}-2-1"]


# A try that has been replaced


def test_a_replaced_try_sends_nothing(task: Task) -> None:
    task.memory.replaced = True
    with pytest.raises(SupersededError):
        task.start()
    assert task.service.calls == []


def test_a_replaced_try_to_which_the_memory_looks_empty_cancels_nothing(task: Task) -> None:
    task.service.has(task.marked(2, 0), "RUNNING", age=3_600)
    task.service.has(task.marked(1, 0), "RUNNING", age=3_600)
    task.memory.replaced = True
    with pytest.raises(SupersededError):
        task.start(2)
    assert task.service.calls == []


def test_a_try_that_is_replaced_while_it_waits_sends_no_more(task: Task) -> None:
    task.service.answers = full(9)
    sleep = task.clock.sleep
    task.clock.sleep = lambda seconds: (setattr(task.memory, "replaced", task.clock.seconds > 60), sleep(seconds))[
        1
    ]  # type: ignore[method-assign]
    with pytest.raises(SupersededError):
        task.start()
    assert task.service.calls == ["POST"] * 2


def test_a_replaced_try_knows_what_it_has_started_and_leaves_it_to_the_next(task: Task) -> None:
    submission = task.submission()
    export = task.service.export
    task.service.export = lambda kind, body: (setattr(task.memory, "replaced", True), export(kind, body))[1]  # type: ignore[method-assign]
    with pytest.raises(SupersededError):
        submission.start(lambda: task.request)
    assert submission.operation
    submission.stand_aside()
    assert task.service.cancelled == []


@pytest.mark.parametrize(("generation", "number"), [(2, 1), (4, 0)])
def test_a_replaced_try_cancels_its_own_when_the_next_has_started_another(
    task: Task, generation: int, number: int
) -> None:
    submission = task.submission()
    own = submission.start(lambda: task.request).name
    task.service.has(task.marked(generation, number), "RUNNING")
    submission.stand_aside()
    assert task.service.cancelled == [own]


def test_a_replaced_try_without_an_export_has_nothing_to_leave(task: Task) -> None:
    task.submission().stand_aside()
    assert task.service.calls == []


# Names


@pytest.mark.parametrize("text", [("Ångström 🛰️ " * 30)[:300], "🛰x" * 150, "a" * 300, "x"])
def test_a_description_keeps_its_mark_whatever_the_text(text: str) -> None:
    mark = Mark(KEY, 123_456_789, 123_456_789)
    described = mark.describe(clean_description(text))
    assert len(described) <= 100
    assert set(described) <= set(string.ascii_letters + string.digits + "_-")
    assert Mark.read(described) == mark


@given(st.text(min_size=1, max_size=300), st.integers(0, 999_999_999), st.integers(0, 999_999_999))
def test_any_description_keeps_any_mark(text: str, generation: int, number: int) -> None:
    mark = Mark(KEY, generation, number)
    described = mark.describe(clean_description("x" + text))
    assert len(described) <= 100
    assert Mark.read(described) == mark


def test_a_text_that_ends_like_a_mark_is_a_text() -> None:
    task = Task(description=f"text--{OTHER_KEY}-7-7")
    task.service.answers = ["lost"]
    task.start()
    described = task.service.sent[0]["description"]
    assert described == f"text--{OTHER_KEY}-7-7--{KEY}-2-0"
    assert Mark.read(described) == Mark(KEY, 2, 0)
    assert task.service.cancelled == []


@pytest.mark.parametrize(
    "description",
    ["", "text", f"text-{KEY}-1-1", f"--{KEY}-1-1-", f"--{KEY}-1-1\n", f"--{KEY}-1", f"--{KEY.upper()}-1-1"],
)
def test_other_descriptions_have_no_mark(description: str) -> None:
    assert Mark.read(description) is None


def test_marks_are_ordered_by_when_they_were_made() -> None:
    marks = [Mark(KEY, generation, number) for generation in (2, 10) for number in (0, 2, 10)]
    assert sorted(marks, reverse=True) == marks[::-1]


Names = st.tuples(st.text(), st.text(), st.text(), st.text(), st.integers(-1, 1000))


@given(st.lists(Names, min_size=2, max_size=2, unique=True))
def test_distinct_task_instances_have_distinct_keys(names: list[tuple[str | int, ...]]) -> None:
    one, other = (task_key(*each) for each in names)
    assert one != other
    for key in (one, other):
        assert len(key) == 10
        assert set(key) <= set(string.digits + string.ascii_lowercase)


def test_names_that_only_look_alike_when_joined_have_distinct_keys() -> None:
    run_ids = ["scheduled__2020-01-01T00:00:00+00:00", "a b", "a", "ü", "u\u0308", "--", '","', "", "1"]
    keys = {task_key(*names) for names in itertools.product(["", "a"], run_ids, ["t", "t.1"], [-1, 0, 1])}
    assert len(keys) == 2 * len(run_ids) * 2 * 3


def test_a_key_is_the_same_in_every_process() -> None:
    assert task_key("", "dag", "run", "task", -1) == task_key("", "dag", "run", "task", -1)
    assert task_key("", "dag", "run", "task", -1) != task_key("", "dag", "run", "task", "-1")


def test_two_deployments_do_not_touch_each_others_exports() -> None:
    one = Task(key=task_key("one", "dag", "run", "task", -1))
    other = Task(key=task_key("other", "dag", "run", "task", -1))
    other.service, other.clock = one.service, one.clock
    first = one.start(1, 2).name
    assert other.start(1, 2).name != first
    other.start(2, 4)
    assert first not in one.service.cancelled
    assert one.service.calls.count("LIST") == 1  # of the second, for what its first generation left
