"""The service over HTTP: what it answers, and what it refuses in which words."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from examples import GRID, constant_image
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.methods import Method, Methods

StartEmulator = Callable[..., EarthEngineEmulator]

DUPLICATE = "A different Operation was already started with the given request_id."
QUEUE_FULL = "Too many tasks already in the queue ({}). Please wait for some of them to complete."
TOO_LARGE = "Request payload size exceeds the limit: 10485760 bytes."
EMULATED = {
    *(f"{kind}.export" for kind in ("image", "table", "video", "map", "videoMap", "classifier")),
    "value.compute",
    *(f"assets.{name}" for name in ("get", "delete", "listAssets", "getIamPolicy", "setIamPolicy")),
    "listAssets",
    "operations.get",
    "operations.list",
    "operations.cancel",
    "getConfig",
    "algorithms.list",
}


def to_cloud_storage(bucket: str, prefix: str) -> dict[str, Any]:
    destination = {"bucket": bucket, "filenamePrefix": prefix}
    return {"fileFormat": "GEO_TIFF", "cloudStorageDestination": destination}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What surrounds the output folder."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def emulator(folder: Path) -> Iterator[EarthEngineEmulator]:
    """One for all tests that do not look at what others leave; everything runs at once, on a stopped clock."""
    clock = Clock(lambda: 1_600_000_000.0)
    with EarthEngineEmulator(folder, folder / "output", clock=clock, slots=10_000) as emulator:
        yield emulator


@pytest.fixture
def own_emulator(start_emulator: StartEmulator) -> EarthEngineEmulator:
    """One that nobody else has used."""
    return start_emulator()


def request_body(**changes: Any) -> dict[str, Any]:
    """An export to Cloud Storage, with some fields set otherwise; None leaves one out."""
    body = {
        "expression": constant_image(),
        "description": "constant",
        "grid": GRID,
        "fileExportOptions": to_cloud_storage("bucket", "constant"),
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def export(
    emulator: EarthEngineEmulator, *, project: str = "p", token: str = "", **changes: Any
) -> requests.Response:
    return requests.post(
        f"{emulator.url}/v1/projects/{project}/image:export",
        json=request_body(**changes),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def exported(emulator: EarthEngineEmulator, **changes: Any) -> str:
    """The name of an operation that was started."""
    answer = export(emulator, **changes)
    answer.raise_for_status()
    return str(answer.json()["name"])


def post_raw(emulator: EarthEngineEmulator, body: bytes | str) -> requests.Response:
    return requests.post(f"{emulator.url}/v1/projects/p/image:export", data=body)


def get(emulator: EarthEngineEmulator, path: str, **query: Any) -> requests.Response:
    return requests.get(f"{emulator.url}/v1/{path}", params=query)


def control(emulator: EarthEngineEmulator, path: str, **body: Any) -> None:
    requests.post(f"{emulator.url}/_emulator/{path}", json=body).raise_for_status()


def advance(emulator: EarthEngineEmulator, seconds: float) -> None:
    control(emulator, "clock", advance_seconds=seconds)


def refused(answer: requests.Response, code: int, status: str) -> str:
    """The message of a refusal, whose form is that of Google's APIs."""
    assert answer.status_code == code, answer.text
    body = answer.json()
    message = body["error"].pop("message")
    assert body == {"error": {"code": code, "status": status}}
    return str(message)


# The way of an export


def test_an_export_is_answered_with_a_pending_operation_and_ends_with_a_file(
    emulator: EarthEngineEmulator, folder: Path
) -> None:
    submitted = export(emulator)
    assert submitted.status_code == 200
    assert submitted.json()["metadata"]["state"] == "PENDING"
    name = submitted.json()["name"]
    assert re.fullmatch(r"projects/p/operations/[A-Z2-7]{24}", name)
    assert get(emulator, name).json()["metadata"]["state"] == "RUNNING"
    advance(emulator, 5)
    operation = get(emulator, name).json()
    assert (operation["done"], operation["metadata"]["state"]) == (True, "SUCCEEDED")
    assert operation["metadata"]["destinationUris"] == [
        "https://console.developers.google.com/storage/browser/bucket/"
    ]
    assert (folder / "output" / "gs" / "bucket" / "constant.tif").is_file()


def test_a_failed_operation_is_no_http_error(emulator: EarthEngineEmulator) -> None:
    name = exported(emulator, expression={"result": "nowhere", "values": {}})
    advance(emulator, 5)
    answer = get(emulator, name)
    assert answer.status_code == 200
    assert answer.json()["metadata"]["state"] == "FAILED"
    assert answer.json()["error"]["code"] == 3
    assert "nowhere" in answer.json()["error"]["message"]


def test_a_cancelled_operation_is_cancelling_first(emulator: EarthEngineEmulator) -> None:
    name = exported(emulator)
    answer = requests.post(f"{emulator.url}/v1/{name}:cancel", json={})
    assert (answer.status_code, answer.json()) == (200, {})
    assert get(emulator, name).json()["metadata"]["state"] == "CANCELLING"
    advance(emulator, 1)
    cancelled = get(emulator, name)
    assert cancelled.status_code == 200
    assert cancelled.json()["metadata"]["state"] == "CANCELLED"
    assert cancelled.json()["error"] == {"code": 1, "message": "Cancelled."}


def test_cancelling_what_has_ended_is_no_error_and_changes_nothing(emulator: EarthEngineEmulator) -> None:
    name = exported(emulator)
    advance(emulator, 5)
    before = get(emulator, name).json()
    assert requests.post(f"{emulator.url}/v1/{name}:cancel").json() == {}
    assert get(emulator, name).json() == before


def test_a_cancel_has_an_empty_body(emulator: EarthEngineEmulator) -> None:
    name = exported(emulator)
    answer = requests.post(f"{emulator.url}/v1/{name}:cancel", json={"force": True})
    assert 'Unknown name "force"' in refused(answer, 400, "INVALID_ARGUMENT")
    assert get(emulator, name).json()["metadata"]["state"] == "RUNNING"


@pytest.mark.parametrize("priority", [7, {"value": 7}, 7.0])
def test_numbers_may_come_in_the_wrapping_of_the_python_client(
    emulator: EarthEngineEmulator, priority: Any
) -> None:
    answer = export(emulator, priority=priority, maxPixels={"value": "600"})
    assert answer.json()["metadata"]["priority"] == 7


def test_the_priority_is_100_unless_said(emulator: EarthEngineEmulator) -> None:
    assert export(emulator).json()["metadata"]["priority"] == 100


def test_the_last_of_two_equal_keys_counts(emulator: EarthEngineEmulator) -> None:
    body = json.dumps(request_body(description="last"))
    answer = post_raw(emulator, '{"description": "first", ' + body[1:])
    assert answer.json()["metadata"]["description"] == "last"


# Users


@pytest.fixture(scope="module")
def emulator_of_alice(folder: Path) -> Iterator[EarthEngineEmulator]:
    """One that knows a token."""
    with EarthEngineEmulator(folder, folder / "output", tokens={"alice": "secret-a"}) as emulator:
        yield emulator


def test_without_a_named_token_everybody_is_the_same_user(emulator: EarthEngineEmulator) -> None:
    assert export(emulator, token="anything", requestId="a").ok
    assert export(emulator, requestId="a").status_code == 400


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic secret-a", "secret-a", "Bearer secret-a x"]
)
def test_with_one_a_request_without_it_is_not_authenticated(
    emulator_of_alice: EarthEngineEmulator, header: str | None
) -> None:
    url = f"{emulator_of_alice.url}/v1/projects/p/operations"
    answer = requests.get(url, headers={} if header is None else {"Authorization": header})
    message = refused(answer, 401, "UNAUTHENTICATED")
    assert message.startswith("Request had invalid authentication credentials.")
    assert "secret" not in message
    assert requests.get(url, headers={"Authorization": "bearer secret-a"}).ok


def test_a_large_request_that_is_not_authenticated_does_not_spoil_the_connection(
    emulator_of_alice: EarthEngineEmulator,
) -> None:
    with requests.Session() as session:
        url = f"{emulator_of_alice.url}/v1/projects/p/image:export"
        assert session.post(url, data=b" " * 3_000_000).status_code == 401
        session.headers["Authorization"] = "Bearer secret-a"
        assert session.get(f"{emulator_of_alice.url}/v1/projects/p/operations").json() == {}


def test_each_token_is_a_user_with_request_ids_and_a_queue_of_its_own(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(tokens={"alice": "secret-a", "bob": "secret-b"}, queue_limit=1, slots=1)
    assert export(emulator, token="secret-a", requestId="one").ok  # it runs
    assert export(emulator, token="secret-b", requestId="one").ok
    assert export(emulator, token="secret-b").status_code == 429
    assert export(emulator, token="secret-a", requestId="one").status_code == 400
    assert export(emulator, token="secret-a", requestId="two").ok
    listed = requests.get(
        f"{emulator.url}/v1/projects/p/operations", headers={"Authorization": "Bearer secret-a"}
    ).json()
    assert len(listed["operations"]) == 3, "a list holds the operations of all users"


# Request ids


def test_a_repeated_request_id_is_rejected_even_in_another_project(own_emulator: EarthEngineEmulator) -> None:
    exported(own_emulator, requestId="once")
    assert refused(export(own_emulator, requestId="once"), 400, "INVALID_ARGUMENT") == DUPLICATE
    assert refused(export(own_emulator, requestId="once", project="q"), 400, "INVALID_ARGUMENT") == DUPLICATE
    assert "operations" not in get(own_emulator, "projects/q/operations").json()
    exported(own_emulator, requestId="twice")
    exported(own_emulator)
    exported(own_emulator)
    assert len(get(own_emulator, "projects/p/operations").json()["operations"]) == 4


def test_a_request_id_is_remembered_after_its_operation_has_ended(emulator: EarthEngineEmulator) -> None:
    exported(emulator, requestId="once")
    advance(emulator, 1e6)
    assert refused(export(emulator, requestId="once"), 400, "INVALID_ARGUMENT") == DUPLICATE


def test_the_status_of_a_repeated_request_id_can_be_set(own_emulator: EarthEngineEmulator) -> None:
    control(own_emulator, "settings", duplicate_status=409)
    exported(own_emulator, requestId="once")
    assert refused(export(own_emulator, requestId="once"), 409, "ALREADY_EXISTS") == DUPLICATE


@pytest.mark.parametrize("burn", [False, True])
def test_a_rejected_attempt_burns_its_request_id_if_it_is_told_to(
    start_emulator: StartEmulator, burn: bool
) -> None:
    emulator = start_emulator(slots=1, queue_limit=1)
    control(emulator, "settings", burn_request_ids=burn)
    exported(emulator)
    exported(emulator)
    assert export(emulator, requestId="queue-full").status_code == 429
    assert export(emulator, requestId="wrong", description="not so").status_code == 400
    advance(emulator, 100)
    for request_id in ("queue-full", "wrong"):
        again = export(emulator, requestId=request_id)
        assert (again.status_code, DUPLICATE in again.text) == ((400, True) if burn else (200, False))
        advance(emulator, 100)


def test_of_many_with_one_request_id_at_the_same_time_exactly_one_starts(
    own_emulator: EarthEngineEmulator,
) -> None:
    together = threading.Barrier(16)

    def attempt(number: int) -> int:
        together.wait(10)
        return export(own_emulator, requestId="same").status_code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(attempt, range(16)))
    assert sorted(codes) == [200] + [400] * 15
    assert len(get(own_emulator, "projects/p/operations").json()["operations"]) == 1


# The queue


def test_a_full_queue_is_refused_until_there_is_room(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(slots=2, queue_limit=3)
    for number in range(5):
        exported(emulator, project=f"project-{number}")
    message = refused(export(emulator), 429, "RESOURCE_EXHAUSTED")
    assert message == QUEUE_FULL.format(3)
    advance(emulator, 5)
    exported(emulator)


def test_what_is_cancelled_makes_room_at_once(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(slots=1, queue_limit=1)
    exported(emulator)
    pending = exported(emulator)
    assert export(emulator).status_code == 429
    requests.post(f"{emulator.url}/v1/{pending}:cancel").raise_for_status()
    exported(emulator)


def test_the_queue_does_not_overflow_when_many_come_at_once(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(queue_limit=4)
    control(emulator, "operations", stay="PENDING")
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda number: export(emulator).status_code, range(32)))
    assert (codes.count(200), codes.count(429)) == (4, 28)


# Lists


def list_pages(emulator: EarthEngineEmulator, project: str = "p", **query: Any) -> list[list[dict[str, Any]]]:
    pages, token = [], {}
    while True:
        page = get(emulator, f"projects/{project}/operations", **query, **token).json()
        assert page.keys() <= {"operations", "nextPageToken"}
        pages.append(page.get("operations", []))
        if "nextPageToken" not in page:
            return pages
        token = {"pageToken": page["nextPageToken"]}


def test_a_list_is_newest_first_and_of_one_project(emulator: EarthEngineEmulator) -> None:
    names = [exported(emulator, project="mine") for _ in range(3)]
    exported(emulator, project="yours")
    assert [[one["name"] for one in page] for page in list_pages(emulator, "mine")] == [names[::-1]]


def test_the_list_of_an_unknown_project_is_empty(emulator: EarthEngineEmulator) -> None:
    answer = get(emulator, "projects/unknown/operations")
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("page_size", "sizes"),
    [
        (None, [500, 500, 3]),
        ("", [500, 500, 3]),
        ("0", [500, 500, 3]),
        ("501", [500, 500, 3]),
        ("9999999999", [500, 500, 3]),
        ("400", [400, 400, 203]),
    ],
)
def test_a_page_holds_at_most_500(emulator: EarthEngineEmulator, page_size: str | None, sizes: list[int]) -> None:
    project = f"pages-of-{page_size}"
    control(emulator, "seed", operations=1003, project=project)
    pages = list_pages(emulator, project, **({} if page_size is None else {"pageSize": page_size}))
    assert [len(page) for page in pages] == sizes
    assert len({one["name"] for page in pages for one in page}) == 1003


def test_a_last_page_that_is_full_has_no_token(emulator: EarthEngineEmulator) -> None:
    control(emulator, "seed", operations=4, project="four")
    assert [len(page) for page in list_pages(emulator, "four", pageSize=2)] == [2, 2]


def test_nothing_is_left_out_when_operations_start_between_two_pages(emulator: EarthEngineEmulator) -> None:
    control(emulator, "seed", operations=4, project="busy")
    first = get(emulator, "projects/busy/operations", pageSize=2).json()
    exported(emulator, project="busy")
    second = get(emulator, "projects/busy/operations", pageSize=5, pageToken=first["nextPageToken"]).json()
    names = {one["name"] for page in (first, second) for one in page["operations"]}
    assert len([name for name in names if "SEED" in name]) == 4


@pytest.mark.parametrize("page_size", ["-1", "ten", "²", "1.5", "9" * 5000, "0x10", " 5"])
def test_page_sizes_that_are_none(emulator: EarthEngineEmulator, page_size: str) -> None:
    answer = get(emulator, "projects/p/operations", pageSize=page_size)
    assert "page_size" in refused(answer, 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("token", ["zzz", "MS8tNQ==", "MQ==", "Mi94", "ä", "\0", "A" * 5000])
def test_page_tokens_that_are_none(emulator: EarthEngineEmulator, token: str) -> None:
    """Among them one that says page 1, from the fifth before the last."""
    answer = get(emulator, "projects/p/operations", pageToken=token)
    assert refused(answer, 400, "INVALID_ARGUMENT") == "Invalid page token."


# Requests that are wrong


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[1",
        "{'a': 1}",
        "nonsense",
        '{"priority": NaN}',
        '{"priority": Infinity}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        "9" * 5000,
        '{"a":1} {"b":2}',
    ],
)
def test_malformed_json(emulator: EarthEngineEmulator, body: bytes | str) -> None:
    assert refused(post_raw(emulator, body), 400, "INVALID_ARGUMENT").startswith("Invalid JSON payload received. ")


@pytest.mark.parametrize("body", ["[]", "null", '"text"', "1", "true"])
def test_json_that_is_no_object(emulator: EarthEngineEmulator, body: str) -> None:
    assert "Expected a JSON object" in refused(post_raw(emulator, body), 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("body", ["", "{}"])
def test_an_empty_request_lacks_its_expression(emulator: EarthEngineEmulator, body: str) -> None:
    message = refused(post_raw(emulator, body), 400, "INVALID_ARGUMENT")
    assert message == "Invalid argument: 'expression' is required."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maxPixel": 1}, 'Unknown name "maxPixel": Cannot find field.'),
        ({"max_pixels": 1}, 'Unknown name "max_pixels": Cannot find field.'),
        ({"grid": {**GRID, "scale": 10}}, "Unknown name \"scale\" at 'grid': Cannot find field."),
        (
            {"fileExportOptions": {"cloudStorageDestination": {"bucket": "b", "prefix": "x"}}},
            "Unknown name \"prefix\" at 'fileExportOptions.cloudStorageDestination': Cannot find field.",
        ),
        ({"description": 5}, "'description'"),
        ({"priority": "12"}, "'priority'"),
        ({"priority": True}, "'priority'"),
        ({"priority": 10_000}, "'priority'"),
        ({"priority": -1}, "'priority'"),
        ({"priority": 5.5}, "'priority'"),
        ({"priority": {}}, "'priority'"),
        ({"priority": {"value": 1, "more": 2}}, "'priority'"),
        ({"maxPixels": "many"}, "'maxPixels'"),
        ({"maxPixels": {"value": 1.5}}, "'maxPixels'"),
        ({"requestId": "white space"}, "'requestId'"),
        ({"requestId": "x" * 61}, "'requestId'"),
        ({"requestId": "line\n"}, "'requestId'"),
        ({"workloadTag": "-tag"}, "'workloadTag'"),
        ({"expression": []}, "'expression'"),
        ({"expression": {"result": "0", "values": []}}, "'expression.values'"),
        ({"expression": {"result": "0", "values": {"0": {}}}}, "'expression.values.0'"),
        ({"grid": {**GRID, "dimensions": {"width": "wide", "height": 1}}}, "'grid.dimensions.width'"),
        ({"assetExportOptions": {}}, "(oneof), only one of its fields may be set"),
        ({"fileExportOptions": None}, "'export_options' is required"),
        ({"expression": None}, "'expression' is required"),
        ({"description": "white space"}, "The task description may hold only the characters"),
        ({"description": "x" * 101}, "and at most 100 of them"),
    ],
)
def test_unknown_fields_wrong_types_and_wrong_values(
    emulator: EarthEngineEmulator, changes: dict[str, Any], message: str
) -> None:
    assert message in refused(export(emulator, project="refused", **changes), 400, "INVALID_ARGUMENT")
    assert list_pages(emulator, "refused") == [[]]


@pytest.mark.parametrize("field", ["description", "priority", "requestId", "fileExportOptions", "expression"])
def test_null_is_no_value(emulator: EarthEngineEmulator, field: str) -> None:
    body = json.dumps({**request_body(), field: None})
    assert f"'{field}'" in refused(post_raw(emulator, body), 400, "INVALID_ARGUMENT")


def test_a_request_of_10_mib_is_read_and_one_byte_more_is_refused(emulator: EarthEngineEmulator) -> None:
    body = json.dumps(request_body()).encode()
    body += b" " * (10_485_760 - len(body))
    assert post_raw(emulator, body).status_code == 200
    with requests.Session() as session:
        url = f"{emulator.url}/v1/projects/p/image:export"
        assert refused(session.post(url, data=body + b" "), 400, "INVALID_ARGUMENT") == TOO_LARGE
        in_chunks = iter([body, body, body])
        assert refused(session.post(url, data=in_chunks), 400, "INVALID_ARGUMENT") == TOO_LARGE
        assert session.get(f"{emulator.url}/v1/projects/p/config").ok


@pytest.mark.parametrize(
    ("node", "opening", "inner", "closing", "deepest"),
    [
        ("{}", '{"arrayValue":{"values":[', '{"constantValue":1}', "]}}", 33),
        ('{{"constantValue":{}}}', "[", "1", "]", 99),
    ],
)
@pytest.mark.parametrize("excess", [0, 1, 400, 100_000])
def test_expressions_that_are_too_deep(
    emulator: EarthEngineEmulator, node: str, opening: str, inner: str, closing: str, deepest: int, excess: int
) -> None:
    """Python itself could neither write the deepest of them nor read it."""
    body = json.dumps(request_body(expression={"result": "0", "values": {"0": "HERE"}}))
    levels = deepest + excess
    nested = node.format(opening * levels + inner + closing * levels)
    answer = post_raw(emulator, body.replace('"HERE"', nested))
    assert answer.status_code == (400 if excess else 200)
    assert answer.ok or "deep" in refused(answer, 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "options",
    [
        {"fileExportOptions": to_cloud_storage("..", "escaped")},
        {"fileExportOptions": to_cloud_storage("../..", "escaped")},
        {"fileExportOptions": to_cloud_storage("b", "../../escaped")},
        {"fileExportOptions": to_cloud_storage("b", "a\\..\\escaped")},
        {"fileExportOptions": {"driveDestination": {"folder": "..", "filenamePrefix": "escaped"}}},
        {"fileExportOptions": {"driveDestination": {"folder": "f", "filenamePrefix": ".."}}},
        {"assetExportOptions": {"earthEngineDestination": {"name": "projects/p/assets/../../../escaped"}}},
        {"assetExportOptions": {"earthEngineDestination": {"name": "projects/../assets/escaped"}}},
        {"assetExportOptions": {"earthEngineDestination": {"name": "/escaped"}}},
        {"fileExportOptions": to_cloud_storage("link", "escaped")},
    ],
)
def test_no_export_leaves_the_output_folder(
    emulator: EarthEngineEmulator, folder: Path, options: dict[str, Any]
) -> None:
    (folder / "outside").mkdir(exist_ok=True)
    link = folder / "output" / "gs" / "link"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(folder / "outside")
    refused(export(emulator, **{"fileExportOptions": None, **options}), 400, "INVALID_ARGUMENT")
    advance(emulator, 10)
    assert [path for path in folder.parent.rglob("*escaped*") if path.is_file()] == []


def test_a_drive_folder_may_look_like_a_path(emulator: EarthEngineEmulator, folder: Path) -> None:
    drive = {"driveDestination": {"folder": "../up", "filenamePrefix": "literally"}}
    exported(emulator, fileExportOptions={"fileFormat": "GEO_TIFF", **drive})
    advance(emulator, 5)
    (path,) = folder.rglob("literally.tif")
    assert path.parent.parent == folder / "output" / "drive"


# Methods and paths


def address(method: Method) -> str:
    value = re.sub(r"\{[\w.]+=([^}]+)\}", r"\1", method.path).replace("**", "some/thing")
    return value.replace("*", "some")


def test_methods_that_are_not_emulated_say_so(emulator: EarthEngineEmulator) -> None:
    others = [method for method in Methods().all if method.name not in (*EMULATED, "operations.wait")]
    assert len(others) > 20
    with requests.Session() as session:
        for method in others:
            answer = session.request(method.verb, emulator.url + address(method))
            message = refused(answer, 400, "INVALID_ARGUMENT")
            assert message == f"Method {method.name} is not emulated."


def test_waiting_for_an_operation_is_unimplemented(emulator: EarthEngineEmulator) -> None:
    name = exported(emulator)
    answer = requests.post(f"{emulator.url}/v1/{name}:wait", json={"timeout": "3s"})
    assert refused(answer, 501, "UNIMPLEMENTED") == "Method operations.wait is not emulated."


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/projects/p/operations/UNKNOWN"),
        ("GET", "/v1/projects/p/operations/a/b/c"),
        ("POST", "/v1/projects/p/operations/UNKNOWN:cancel"),
        ("GET", "/v1/projects/p/operations/UNKNOWN:cancel"),
        ("GET", "/v1/projects/p/nothing"),
        ("GET", "/v1/projects//config"),
        ("GET", "/v1/projects/a%2Fb/config"),
        ("GET", "/v1/projects/p/config/"),
        ("GET", "/v1/"),
        ("GET", "/v2/projects/p/config"),
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("PUT", "/v1/projects/p/config"),
        ("POST", "/v1/projects/p/operations"),
    ],
)
def test_what_is_not_there(emulator: EarthEngineEmulator, verb: str, path: str) -> None:
    assert refused(requests.request(verb, emulator.url + path), 404, "NOT_FOUND")


@pytest.mark.parametrize("verb", ["OPTIONS", "TRACE", "BREW"])
def test_verbs_that_no_method_has(emulator: EarthEngineEmulator, verb: str) -> None:
    answer = requests.request(verb, f"{emulator.url}/v1/projects/p/config")
    assert refused(answer, 405, "UNKNOWN") == "Method Not Allowed"


def test_a_head_request_has_no_body_and_leaves_the_connection_usable(emulator: EarthEngineEmulator) -> None:
    with requests.Session() as session:
        answer = session.head(f"{emulator.url}/v1/projects/p/config")
        assert (answer.status_code, answer.content) == (405, b"")
        assert session.get(f"{emulator.url}/v1/projects/p/config").ok


@pytest.mark.parametrize(
    ("quoted", "project"),
    [
        ("my-project", "my-project"),
        ("example.com:my-project", "example.com:my-project"),
        ("example.com%3Aquoted", "example.com:quoted"),
        ("a%3Fb", "a?b"),
        ("a%23b", "a#b"),
        ("a%20b", "a b"),
        ("%C3%A4", "ä"),
        ("a%25b", "a%b"),
        ("image:export", "image:export"),
    ],
)
def test_a_project_may_be_called_anything_but_a_path(
    emulator: EarthEngineEmulator, quoted: str, project: str
) -> None:
    config = get(emulator, f"projects/{quoted}/config")
    assert config.json()["name"] == f"projects/{project}/config"
    name = exported(emulator, project=quoted)
    assert name.startswith(f"projects/{project}/operations/")
    assert [one["name"] for (one,) in list_pages(emulator, quoted)] == [name]
    identifier = name.rpartition("/")[2]
    path = f"projects/{quoted}/operations/{identifier}"
    assert get(emulator, path).json()["name"] == name
    assert requests.post(f"{emulator.url}/v1/{path}:cancel").json() == {}


def test_the_config_of_a_project(start_emulator: StartEmulator) -> None:
    assert get(start_emulator(slots=3), "projects/p/config").json() == {
        "name": "projects/p/config",
        "registrationState": "REGISTERED_NOT_COMMERCIALLY",
        "maxConcurrentExports": "3",
    }


# What clients start from


def test_googles_library_builds_its_methods_from_the_discovery_document(
    emulator: EarthEngineEmulator,
) -> None:
    document = requests.get(f"{emulator.url}/$discovery/rest", params={"version": "v1"}).json()
    client = build_from_document(document)
    projects = client.projects()
    operation = projects.image().export(project="projects/example.com:p", body=request_body()).execute()
    operations = projects.operations()
    assert operations.get(name=operation["name"]).execute()["metadata"]["state"] == "RUNNING"
    listing = operations.list(name="projects/example.com:p", pageSize=1)
    answer = listing.execute()
    assert [one["name"] for one in answer["operations"]] == [operation["name"]]
    assert operations.list_next(listing, answer) is None
    assert operations.cancel(name=operation["name"], body={}).execute() == {}
    with pytest.raises(HttpError, match="not found"):
        operations.get(name="projects/p/operations/UNKNOWN").execute()


def test_the_discovery_document_describes_every_method(emulator: EarthEngineEmulator) -> None:
    document = requests.get(f"{emulator.url}/$discovery/rest").json()
    found: list[str] = []

    def collect(level: dict[str, Any]) -> None:
        found.extend(method["id"] for method in level.get("methods", {}).values())
        for resource in level.get("resources", {}).values():
            collect(resource)

    collect(document)
    assert sorted(found) == sorted(method.id for method in Methods().all)
    assert document["rootUrl"] == f"{emulator.url}/"


def test_the_algorithm_list_is_that_of_the_installed_client(emulator: EarthEngineEmulator) -> None:
    algorithms = get(emulator, "projects/p/algorithms").json()["algorithms"]
    assert {"algorithms/Image.load", "algorithms/Image.normalizedDifference"} < {one["name"] for one in algorithms}


def test_without_the_client_there_is_no_algorithm_list(
    emulator: EarthEngineEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ee" else find_spec(name, *rest)
    )
    answer = get(emulator, "projects/p/algorithms")
    message = refused(answer, 501, "UNIMPLEMENTED")
    assert message == "The algorithm list comes from earthengine-api; install it beside the emulator."
