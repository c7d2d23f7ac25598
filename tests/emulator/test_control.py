"""What tests see of the emulator and how they steer it: log, faults, behaviours, clock, seed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from examples import GRID, constant_image

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock, timestamp

START = 1_600_000_000.0


@pytest.fixture(scope="module")
def running_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EarthEngineEmulator]:
    folder = tmp_path_factory.mktemp("control")
    with EarthEngineEmulator(folder, folder / "output", clock=Clock(lambda: START), slots=10_000) as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: EarthEngineEmulator) -> Iterator[EarthEngineEmulator]:
    """One for all tests, without faults and with an empty log. Everything runs at once, on a stopped clock."""
    requests.delete(f"{running_emulator.url}/_emulator/requests").raise_for_status()
    yield running_emulator
    requests.delete(f"{running_emulator.url}/_emulator/faults").raise_for_status()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project that no other test uses."""
    return f"project-{abs(hash(request.node.nodeid))}"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that are held."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


def control(emulator: EarthEngineEmulator, path: str, **body: Any) -> dict[str, Any]:
    answer = requests.post(f"{emulator.url}/_emulator/{path}", json=body)
    assert answer.ok, answer.text
    return dict(answer.json())


def log(emulator: EarthEngineEmulator) -> list[dict[str, Any]]:
    return list(requests.get(f"{emulator.url}/_emulator/requests").json()["requests"])


def fired(emulator: EarthEngineEmulator) -> list[int]:
    """How often each armed fault has fired."""
    return [fault["fired"] for fault in requests.get(f"{emulator.url}/_emulator/faults").json()["faults"]]


def disarm(emulator: EarthEngineEmulator) -> None:
    requests.delete(f"{emulator.url}/_emulator/faults").raise_for_status()


def export(
    emulator: EarthEngineEmulator, project: str = "p", description: str = "constant", **changes: Any
) -> requests.Response:
    return requests.post(
        f"{emulator.url}/v1/projects/{project}/image:export",
        json={
            "expression": constant_image(),
            "description": description,
            "grid": GRID,
            "fileExportOptions": {
                "fileFormat": "GEO_TIFF",
                "cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "constant"},
            },
            **changes,
        },
        timeout=10,
    )


def config(emulator: EarthEngineEmulator) -> requests.Response:
    return requests.get(f"{emulator.url}/v1/projects/p/config", timeout=10)


def descriptions(emulator: EarthEngineEmulator, project: str, **query: Any) -> list[str]:
    """What one page of the list holds."""
    answer = requests.get(f"{emulator.url}/v1/projects/{project}/operations", params=query)
    answer.raise_for_status()
    return [one["metadata"]["description"] for one in answer.json().get("operations", [])]


def until(condition: Callable[[], object]) -> None:
    """Wait for another thread to come to something."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# The request log


def test_the_log_tells_who_asked_for_what_and_got_which_status(
    emulator: EarthEngineEmulator, project: str
) -> None:
    name = export(emulator, project, "logged").json()["name"]
    requests.get(f"{emulator.url}/v1/{name}", params={"alt": "json"})
    requests.post(f"{emulator.url}/v1/{name}:cancel")
    requests.get(f"{emulator.url}/v1/{name}x")
    requests.get(f"{emulator.url}/v1/nonsense")
    now = emulator.operations.now()
    common = {"user": "local", "time": now, "query": {}}
    path = f"/v1/{name}"
    exported = {"verb": "POST", "path": f"/v1/projects/{project}/image:export", "status": 200}
    assert log(emulator) == [
        {**common, **exported, "method": "image.export", "description": "logged"},
        {
            **common,
            "method": "operations.get",
            "verb": "GET",
            "path": path,
            "query": {"alt": "json"},
            "description": "logged",
            "status": 200,
        },
        {
            **common,
            "method": "operations.cancel",
            "verb": "POST",
            "path": f"{path}:cancel",
            "description": "logged",
            "status": 200,
        },
        {
            **common,
            "method": "operations.get",
            "verb": "GET",
            "path": f"{path}x",
            "description": "",
            "status": 404,
        },
        {**common, "method": None, "verb": "GET", "path": "/v1/nonsense", "description": "", "status": 404},
    ]


def test_the_log_can_be_emptied_and_leaves_its_own_requests_out(emulator: EarthEngineEmulator) -> None:
    config(emulator)
    assert len(log(emulator)) == 1
    requests.delete(f"{emulator.url}/_emulator/requests").raise_for_status()
    assert log(emulator) == []


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b'{"expression": {"constantValue": {"description": "inner"}}, "description": "outer"}', "outer"),
        (rb'{"description": "\u0061-b"}', "a-b"),
        (b'{"description": 5}', ""),
        (b'["description"]', ""),
        (b'{"description": "broken', ""),
        (b"[" * 100_000, ""),
        (b"\xff", ""),
        (b"", ""),
    ],
)
def test_the_log_names_the_description_of_the_request_itself(
    emulator: EarthEngineEmulator, body: bytes, description: str
) -> None:
    requests.post(f"{emulator.url}/v1/projects/p/image:export", data=body)
    assert [entry["description"] for entry in log(emulator)] == [description]


def test_the_log_names_users_and_those_who_are_none(start_emulator: Callable[..., EarthEngineEmulator]) -> None:
    emulator = start_emulator(tokens={"alice": "secret-a", "bob": "secret-b"})
    for token in ("secret-a", "secret-b", "secret-c"):
        requests.get(f"{emulator.url}/v1/projects/p/config", headers={"Authorization": f"Bearer {token}"})
    entries = log(emulator)
    assert [(entry["user"], entry["status"]) for entry in entries] == [("alice", 200), ("bob", 200), (None, 401)]
    assert "secret" not in json.dumps(entries)


# Faults


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_status_fault_answers_with_an_error_and_its_headers(
    emulator: EarthEngineEmulator, project: str, point: str
) -> None:
    """Before: nothing has happened. After: it has, and nobody is told."""
    fault = {"status": 429, "message": "Too Many Requests", "headers": {"Retry-After": "7"}}
    control(emulator, "faults", method="image.export", point=point, **fault)
    answer = export(emulator, project)
    assert answer.status_code == 429
    assert answer.json() == {
        "error": {"code": 429, "message": "Too Many Requests", "status": "RESOURCE_EXHAUSTED"}
    }
    assert answer.headers["Retry-After"] == "7"
    assert fired(emulator) == [1]
    assert len(descriptions(emulator, project)) == (point == "after")
    assert export(emulator, project).status_code == 200, "once is enough"


@pytest.mark.parametrize(
    ("fault", "takes_effect"),
    [
        ({"drop": True}, False),
        ({"drop": True, "point": "after"}, True),
        ({"cut": True, "point": "after"}, True),
        ({"cut": True, "status": 503}, False),
        ({"cut": True, "status": 503, "point": "after"}, True),
    ],
)
def test_a_dropped_or_cut_answer_is_a_broken_connection_and_the_next_request_is_well(
    emulator: EarthEngineEmulator, project: str, fault: dict[str, Any], takes_effect: bool
) -> None:
    control(emulator, "faults", method="image.export", **fault)
    with requests.Session() as session:
        session.get(f"{emulator.url}/v1/projects/p/config").raise_for_status()
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            session.post(f"{emulator.url}/v1/projects/{project}/image:export", json=json.loads(body()))
        assert fired(emulator) == [1]
        assert session.get(f"{emulator.url}/v1/projects/p/config").ok
    assert len(descriptions(emulator, project)) == takes_effect


def body() -> str:
    destination = {"bucket": "bucket", "filenamePrefix": "constant"}
    options = {"fileFormat": "GEO_TIFF", "cloudStorageDestination": destination}
    return json.dumps({"expression": constant_image(), "grid": GRID, "fileExportOptions": options})


def test_a_cut_answer_is_announced_whole_and_sent_half(emulator: EarthEngineEmulator) -> None:
    whole = config(emulator)
    control(emulator, "faults", method="getConfig", point="after", cut=True)
    answer = requests.get(f"{emulator.url}/v1/projects/p/config", stream=True)
    assert fired(emulator) == [1]
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(whole.content)))
    assert answer.raw.read(len(whole.content) // 2) == whole.content[: len(whole.content) // 2]
    with pytest.raises(Exception, match="IncompleteRead"):
        answer.raw.read()


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_refusal_too_is_lost_on_its_way(emulator: EarthEngineEmulator, project: str, point: str) -> None:
    """The repeat of a request is refused, and whoever sent it does not learn that either."""
    control(emulator, "faults", method="image.export", point=point, drop=True, skip=1)
    assert export(emulator, project, requestId=project).ok
    with pytest.raises(requests.ConnectionError):
        export(emulator, project, requestId=project)
    assert fired(emulator) == [1]
    assert len(descriptions(emulator, project)) == 1


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_delayed_answer_comes_and_is_the_right_one(emulator: EarthEngineEmulator, point: str) -> None:
    control(emulator, "faults", method="getConfig", point=point, delay_seconds=0.15)
    began = time.monotonic()
    assert config(emulator).ok
    assert 0.15 <= time.monotonic() - began < 5
    assert fired(emulator) == [1]


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_held_request_waits_until_it_is_released(
    emulator: EarthEngineEmulator, project: str, pool: ThreadPoolExecutor, point: str
) -> None:
    control(emulator, "faults", method="image.export", point=point, hold="door")
    held = pool.submit(export, emulator, project)
    until(lambda: fired(emulator) == [1])
    until(lambda: point == "before" or descriptions(emulator, project))
    assert export(emulator, "other").ok, "others are served meanwhile"
    assert not held.done()
    assert len(descriptions(emulator, project)) == (point == "after")
    assert log(emulator)[0]["status"] is None
    control(emulator, "release", hold="door")
    assert held.result(10).ok
    assert len(descriptions(emulator, project)) == 1


def test_a_held_answer_can_be_lost_when_it_is_released(
    emulator: EarthEngineEmulator, pool: ThreadPoolExecutor
) -> None:
    control(emulator, "faults", method="getConfig", hold="door", status=503)
    held = pool.submit(config, emulator)
    until(lambda: fired(emulator) == [1])
    control(emulator, "release", hold="door")
    assert held.result(10).status_code == 503


def test_who_comes_after_the_release_is_not_held_any_more(emulator: EarthEngineEmulator) -> None:
    control(emulator, "faults", method="getConfig", hold="early", times=2)
    control(emulator, "release", hold="early")
    assert config(emulator).ok
    assert config(emulator).ok
    assert fired(emulator) == [2]


def test_one_release_lets_all_go_that_are_held_under_a_name(
    emulator: EarthEngineEmulator, pool: ThreadPoolExecutor
) -> None:
    """Also where two faults share it, the second armed while the first holds somebody."""
    control(emulator, "faults", method="getConfig", hold="door")
    held: list[Future[requests.Response]] = [pool.submit(config, emulator)]
    until(lambda: fired(emulator) == [1])
    control(emulator, "faults", method="getConfig", hold="door", times=2)
    held += [pool.submit(config, emulator) for _ in range(2)]
    until(lambda: fired(emulator) == [1, 2])
    assert not any(one.done() for one in held)
    control(emulator, "release", hold="door")
    assert all(one.result(10).ok for one in held)


def test_a_name_can_hold_again_after_its_release(emulator: EarthEngineEmulator, pool: ThreadPoolExecutor) -> None:
    for _ in range(2):
        disarm(emulator)
        control(emulator, "faults", method="getConfig", hold="again")
        held = pool.submit(config, emulator)
        until(lambda: fired(emulator) == [1])
        assert not held.done()
        control(emulator, "release", hold="again")
        assert held.result(10).ok


def test_what_is_held_goes_on_when_the_faults_are_cleared(
    emulator: EarthEngineEmulator, pool: ThreadPoolExecutor
) -> None:
    control(emulator, "faults", method="getConfig", hold="door", times=None)
    held = [pool.submit(config, emulator) for _ in range(3)]
    until(lambda: fired(emulator) == [3])
    disarm(emulator)
    assert all(one.result(10).ok for one in held)
    assert config(emulator).ok
    assert fired(emulator) == []


def test_somebody_who_gives_up_while_held_harms_nobody(emulator: EarthEngineEmulator) -> None:
    control(emulator, "faults", method="getConfig", hold="door")
    with pytest.raises(requests.Timeout):
        requests.get(f"{emulator.url}/v1/projects/p/config", timeout=0.2)
    assert fired(emulator) == [1]
    control(emulator, "release", hold="door")
    assert config(emulator).ok


def test_the_emulator_stops_while_somebody_is_held(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with EarthEngineEmulator(tmp_path, tmp_path) as emulator:
        control(emulator, "faults", method="getConfig", hold="for ever")
        held = pool.submit(config, emulator)
        until(lambda: fired(emulator) == [1])
    held.exception(10)  # an answer or none, but not for ever


def test_a_fault_strikes_those_that_it_matches_after_some_and_not_too_often(
    emulator: EarthEngineEmulator, project: str
) -> None:
    control(emulator, "faults", method="image.export", match="^a-[0-9]$", skip=1, times=2, status=503)
    codes = [
        export(emulator, project, description).status_code
        for description in ("b-1", "a-1", "a-x", "a-2", "b-2", "a-3", "a-4")
    ]
    assert codes == [200, 200, 200, 503, 200, 503, 200]
    (fault,) = requests.get(f"{emulator.url}/_emulator/faults").json()["faults"]
    assert (fault["seen"], fault["fired"]) == (4, 2)


def test_a_fault_without_end_strikes_always(emulator: EarthEngineEmulator) -> None:
    control(emulator, "faults", method="getConfig", status=500, times=None)
    assert {config(emulator).status_code for _ in range(5)} == {500}
    assert fired(emulator) == [5]


def test_a_fault_on_an_operation_goes_by_its_description(emulator: EarthEngineEmulator, project: str) -> None:
    unlucky, lucky = (export(emulator, project, which).json()["name"] for which in ("unlucky", "lucky"))
    control(emulator, "faults", method="operations.get", match="^unlucky$", status=500)
    assert requests.get(f"{emulator.url}/v1/{lucky}").ok
    assert requests.get(f"{emulator.url}/v1/{unlucky}").status_code == 500
    assert fired(emulator) == [1]


def test_faults_strike_one_after_the_other_in_the_order_of_arming(emulator: EarthEngineEmulator) -> None:
    control(emulator, "faults", method="getConfig", status=503)
    control(emulator, "faults", method="getConfig", drop=True)
    control(emulator, "faults", method="getConfig", status=429)
    assert config(emulator).status_code == 503
    assert fired(emulator) == [1, 0, 0]
    with pytest.raises(requests.ConnectionError):
        config(emulator)
    assert config(emulator).status_code == 429
    assert config(emulator).ok
    assert fired(emulator) == [1, 1, 1]


def test_of_many_at_once_a_fault_strikes_as_many_as_it_says(
    emulator: EarthEngineEmulator, pool: ThreadPoolExecutor
) -> None:
    control(emulator, "faults", method="getConfig", status=503, skip=5, times=7)
    codes = [one.status_code for one in pool.map(lambda _: config(emulator), range(40))]
    assert (codes.count(503), codes.count(200)) == (7, 33)
    assert fired(emulator) == [7]


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"status": 500},
        {"method": "image.exports", "status": 500},
        {"method": "image.export"},
        {"method": "image.export", "status": 99},
        {"method": "image.export", "status": 100},
        {"method": "image.export", "status": "503x"},
        {"method": "image.export", "cut": True},
        {"method": "image.export", "drop": True, "headers": {"Retry-After": "1"}},
        {"method": "image.export", "drop": True, "message": "gone"},
        {"method": "image.export", "drop": True, "point": "during"},
        {"method": "image.export", "drop": True, "times": 0},
        {"method": "image.export", "drop": True, "skip": -1},
        {"method": "image.export", "drop": True, "match": "("},
        {"method": "image.export", "delay_seconds": -1},
        {"method": "image.export", "hide": "x"},
        {"method": "operations.get", "order": "oldest"},
        {"method": "operations.list", "order": "random"},
        {"method": "operations.list", "hide": "["},
        {"method": "operations.list", "fail_page": 0},
        {"method": "image.export", "drop": True, "dealy_seconds": 1},
    ],
)
def test_a_fault_that_would_not_do_what_it_says_is_refused(
    emulator: EarthEngineEmulator, fault: dict[str, Any]
) -> None:
    answer = requests.post(f"{emulator.url}/_emulator/faults", json=fault)
    assert answer.status_code in (400, 422), answer.text
    assert fired(emulator) == []


# Faults of lists


@pytest.fixture
def listed(emulator: EarthEngineEmulator, project: str) -> str:
    """A project with four operations."""
    for description in ("a", "b", "c", "d"):
        export(emulator, project, description).raise_for_status()
    return project


@pytest.mark.parametrize(("order", "expected"), [("oldest", "abcd"), ("newest", "dcba")])
def test_a_list_may_come_in_another_order(
    emulator: EarthEngineEmulator, listed: str, order: str, expected: str
) -> None:
    control(emulator, "faults", method="operations.list", order=order)
    assert descriptions(emulator, listed) == list(expected)
    assert fired(emulator) == [1]
    assert descriptions(emulator, listed) == list("dcba")


def test_a_list_may_come_in_no_order_but_whole(emulator: EarthEngineEmulator, project: str) -> None:
    control(emulator, "seed", operations=25, project=project)
    control(emulator, "faults", method="operations.list", order="shuffled", times=None)
    pages, token = [], {}
    for _ in range(3):
        answer = requests.get(
            f"{emulator.url}/v1/projects/{project}/operations", params={"pageSize": 10, **token}
        ).json()
        pages += [one["name"] for one in answer["operations"]]
        token = {"pageToken": answer.get("nextPageToken")}
    assert len(pages) == len(set(pages)) == 25
    assert pages != sorted(pages, reverse=True)
    assert fired(emulator) == [3]


def test_a_list_may_lag_while_the_truth_is_known(emulator: EarthEngineEmulator, listed: str) -> None:
    control(emulator, "faults", method="operations.list", hide="^[cd]$", times=2)
    assert descriptions(emulator, listed) == ["b", "a"]
    assert descriptions(emulator, listed) == ["b", "a"]
    assert fired(emulator) == [2]
    assert descriptions(emulator, listed) == list("dcba")
    control(emulator, "faults", method="operations.list", hide="")
    assert descriptions(emulator, listed) == []
    truth = requests.get(f"{emulator.url}/_emulator/operations").json()["operations"]
    mine = [one for one in truth if one["name"].startswith(f"projects/{listed}/")]
    assert [one["metadata"]["description"] for one in mine] == list("abcd")
    assert {one["user"] for one in mine} == {"local"}


@pytest.mark.parametrize(
    ("fault", "code"), [({}, 503), ({"status": 500, "message": "page"}, 500), ({"status": 401}, 401)]
)
def test_one_page_of_a_list_fails_and_only_that(
    emulator: EarthEngineEmulator, listed: str, fault: dict[str, Any], code: int
) -> None:
    control(emulator, "faults", method="operations.list", fail_page=2, **fault)
    url = f"{emulator.url}/v1/projects/{listed}/operations"
    for _ in range(3):
        first = requests.get(url, params={"pageSize": 2})
        assert first.ok
    assert fired(emulator) == [0]
    second = {"pageSize": 2, "pageToken": first.json()["nextPageToken"]}
    failed = requests.get(url, params=second)
    assert (failed.status_code, failed.json()["error"]["code"]) == (code, code)
    assert failed.json()["error"]["message"] == fault.get("message", "The service is currently unavailable.")
    assert fired(emulator) == [1]
    assert len(requests.get(url, params=second).json()["operations"]) == 2


def test_a_list_as_a_whole_fails_like_other_calls(emulator: EarthEngineEmulator, listed: str) -> None:
    control(emulator, "faults", method="operations.list", status=503)
    control(emulator, "faults", method="operations.list", point="after", cut=True)
    url = f"{emulator.url}/v1/projects/{listed}/operations"
    assert requests.get(url).status_code == 503
    with pytest.raises(requests.RequestException):
        requests.get(url)
    assert fired(emulator) == [1, 1]
    assert descriptions(emulator, listed) == list("dcba")


# Behaviours and the clock


@pytest.mark.parametrize(
    ("behaviour", "seen"),
    [
        ({}, ["RUNNING", "SUCCEEDED", "SUCCEEDED"]),
        ({"fail": {"code": 8, "message": "out of memory"}}, ["RUNNING", "FAILED", "FAILED"]),
        ({"stay": "PENDING"}, ["PENDING", "PENDING", "PENDING"]),
        ({"stay": "RUNNING"}, ["RUNNING", "RUNNING", "RUNNING"]),
        ({"duration_seconds": 8}, ["RUNNING", "RUNNING", "SUCCEEDED"]),
        ({"attempts": 2}, ["RUNNING", "RUNNING", "SUCCEEDED"]),
    ],
)
def test_operations_behave_as_they_are_told(
    emulator: EarthEngineEmulator, project: str, behaviour: dict[str, Any], seen: list[str]
) -> None:
    control(emulator, "operations", match=f"^{project}$", **behaviour)
    name = export(emulator, project, project).json()["name"]
    other = export(emulator, project, "other").json()["name"]
    shown = []
    for _ in seen:
        operation = requests.get(f"{emulator.url}/v1/{name}").json()
        shown.append(operation["metadata"]["state"])
        control(emulator, "clock", advance_seconds=6)
    assert shown == seen
    assert operation.get("error") == behaviour.get("fail")
    assert requests.get(f"{emulator.url}/v1/{other}").json()["metadata"]["state"] == "SUCCEEDED"


def test_an_operation_costs_what_it_is_told(emulator: EarthEngineEmulator, project: str) -> None:
    control(emulator, "operations", match=f"^{project}$", eecu_seconds=1000)
    name = export(emulator, project, project).json()["name"]
    costs = []
    for seconds in (0, 1, 4):
        control(emulator, "clock", advance_seconds=seconds)
        operation = requests.get(f"{emulator.url}/v1/{name}").json()
        costs.append(operation["metadata"]["batchEecuUsageSeconds"])
    assert costs == pytest.approx([0, 200, 1000], rel=1e-3)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("operations", {"match": "("}),
        ("operations", {"fail": {}}),
        ("operations", {"fail": "no"}),
        ("operations", {"stay": "SUCCEEDED"}),
        ("operations", {"attempts": 0}),
        ("operations", {"duration_seconds": -1}),
        ("operations", {"eecu": 5}),
        ("clock", {}),
        ("clock", {"advance_seconds": -1}),
        ("clock", {"advance_seconds": 1e18}),
        ("clock", {"seconds": 1}),
        ("seed", {"operations": 0, "project": "p"}),
        ("seed", {"operations": -5, "project": "p"}),
        ("settings", {"burn": True}),
        ("settings", {"duplicate_status": 200}),
        ("release", {}),
    ],
)
def test_control_requests_that_make_no_sense_are_refused(
    emulator: EarthEngineEmulator, path: str, body: dict[str, Any]
) -> None:
    answer = requests.post(f"{emulator.url}/_emulator/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("body.")
    assert export(emulator).ok


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock", '{"advance_seconds": %s}'),
        ("operations", '{"duration_seconds": %s}'),
        ("operations", '{"eecu_seconds": %s}'),
        ("faults", '{"method": "getConfig", "delay_seconds": %s}'),
    ],
)
def test_numbers_that_are_none_are_refused(
    emulator: EarthEngineEmulator, path: str, body: str, number: str
) -> None:
    url = f"{emulator.url}/_emulator/{path}"
    answer = requests.post(url, data=body % number, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert config(emulator).ok


def test_the_clock_moves_on_its_own_and_by_as_much_as_it_is_told(
    start_emulator: Callable[..., EarthEngineEmulator],
) -> None:
    emulator = start_emulator(clock=Clock())
    before = time.time()
    now = control(emulator, "clock", advance_seconds=3600)["now"]
    assert before + 3600 <= now <= time.time() + 3600
    assert control(emulator, "clock", advance_seconds=0)["now"] >= now


def test_operations_go_on_while_nobody_looks(
    start_emulator: Callable[..., EarthEngineEmulator], tmp_path: Path
) -> None:
    emulator = start_emulator(clock=Clock(), task_seconds=0)
    export(emulator).raise_for_status()
    until((tmp_path / "output" / "gs" / "bucket" / "constant.tif").exists)


def test_two_who_advance_the_clock_at_once_both_do(
    emulator: EarthEngineEmulator, pool: ThreadPoolExecutor
) -> None:
    before = emulator.operations.now()
    for answer in pool.map(lambda _: control(emulator, "clock", advance_seconds=1), range(20)):
        assert answer["now"] > before
    assert emulator.operations.now() == pytest.approx(before + 20)


def test_advancing_waits_for_pixels_while_others_are_served(
    start_emulator: Callable[..., EarthEngineEmulator], pool: ThreadPoolExecutor
) -> None:
    emulator = start_emulator()
    go = threading.Event()

    def slowly(report: Callable[[int, int], None]) -> tuple[str, ...]:
        assert go.wait(10)
        return ()

    operation = emulator.operations.submit("p", "me", kind="EXPORT_IMAGE", description="", priority=1, work=slowly)
    advancing = pool.submit(control, emulator, "clock", advance_seconds=100)
    until(lambda: emulator.operations.now() > START)
    shown = requests.get(f"{emulator.url}/v1/{operation.name}", timeout=5).json()
    assert shown["metadata"]["state"] == "RUNNING"
    assert not advancing.done()
    go.set()
    assert advancing.result(10)["now"] == START + 100
    shown = requests.get(f"{emulator.url}/v1/{operation.name}").json()
    assert shown["metadata"]["endTime"] == timestamp(START + 5)


# Seed


def test_a_seed_of_5000_can_be_paged_through(emulator: EarthEngineEmulator, project: str) -> None:
    mine = export(emulator, project, "mine").json()["name"]
    control(emulator, "seed", operations=5000, project=project)
    url = f"{emulator.url}/v1/projects/{project}/operations"
    operations: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    with requests.Session() as session:
        for page in range(11):
            answer = session.get(url, params={"pageSize": 500, **token}).json()
            assert len(answer["operations"]) == (500 if page < 10 else 1)
            operations += answer["operations"]
            token = {"pageToken": answer.get("nextPageToken", "")}
    assert not token["pageToken"]
    assert operations[0]["name"] == mine
    assert len({one["name"] for one in operations}) == 5001
    created = [one["metadata"]["createTime"] for one in operations]
    assert created == sorted(created, reverse=True), "newest first"
    assert {one["metadata"]["state"] for one in operations[1:]} == {"SUCCEEDED"}
    assert [entry["method"] for entry in log(emulator)] == ["image.export"] + ["operations.list"] * 11


def test_a_seed_goes_to_the_project_that_was_asked_for_last(emulator: EarthEngineEmulator, project: str) -> None:
    answer = requests.post(f"{emulator.url}/_emulator/seed", json={"operations": 1})
    assert answer.status_code == 400
    assert "Say which project to seed" in answer.text
    assert descriptions(emulator, project) == []
    control(emulator, "seed", operations=2)
    assert len(descriptions(emulator, project)) == 2


def test_a_second_seed_adds_to_the_first(emulator: EarthEngineEmulator, project: str) -> None:
    control(emulator, "seed", operations=3, project=project)
    control(emulator, "seed", operations=3, project=project)
    assert len(set(descriptions(emulator, project))) == 6


# Who may steer


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("127.0.0.1:1", 200),
        ("127.8.9.1", 200),
        ("[::1]:8085", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8085", 403),
        ("localhost@evil.example", 403),
        ("[", 403),
        ("localhost:name", 200),
        ("0.0.0.0", 403),
        ("192.168.0.1", 403),
    ],
)
def test_control_answers_to_loopback_names_only(emulator: EarthEngineEmulator, host: str, code: int) -> None:
    """A page whose name was made to lead here sends its own name along."""
    for path in ("requests", "faults"):
        answer = requests.get(f"{emulator.url}/_emulator/{path}", headers={"Host": host})
        assert answer.status_code == code
    answer = requests.post(f"{emulator.url}/_emulator/settings", json={}, headers={"Host": host})
    assert answer.status_code == code
    assert code == 200 or answer.json()["error"]["status"] == "PERMISSION_DENIED"


def test_control_takes_nothing_that_a_form_of_a_page_can_send(emulator: EarthEngineEmulator) -> None:
    """Pages may post text to any address, without asking first, but not JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = requests.post(
            f"{emulator.url}/_emulator/clock", data='{"advance_seconds": 1}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 422


def test_elsewhere_than_on_loopback_control_needs_a_token(
    start_emulator: Callable[..., EarthEngineEmulator],
) -> None:
    emulator = start_emulator(host="0.0.0.0", tokens={"alice": "secret-a"})
    url = emulator.url.replace("0.0.0.0", "127.0.0.1")
    for path in ("requests", "operations"):
        answer = requests.get(f"{url}/_emulator/{path}")
        assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert requests.delete(f"{url}/_emulator/faults").status_code == 401
    with_token = {"Authorization": "Bearer secret-a", "Host": "emulator.example"}
    assert requests.get(f"{url}/_emulator/requests", headers=with_token).json() == {"requests": []}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_emulator_that_is_open_to_others_names_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is open to others; name a token"):
        EarthEngineEmulator(tmp_path, tmp_path, host=host)
