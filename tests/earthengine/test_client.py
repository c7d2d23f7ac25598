"""The client against the emulator: what is repeated, what is not, and where credentials may go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pytest
import requests
from examples import GRID, constant_image
from google.auth.credentials import AnonymousCredentials
from google.oauth2.credentials import Credentials

from airflow_provider_ee.earthengine.client import EarthEngineClient
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    DuplicateRequestError,
    EarthEngineError,
    NotFoundError,
    QuotaError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.emulator import EarthEngineEmulator

BODY = json.dumps(
    {
        "expression": constant_image(),
        "description": "constant",
        "grid": GRID,
        "fileExportOptions": {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "constant"}},
    }
).encode()


@pytest.fixture
def slept() -> list[float]:
    """The waits between attempts, in seconds."""
    return []


@pytest.fixture
def client(emulator: EarthEngineEmulator, slept: list[float]) -> EarthEngineClient:
    return EarthEngineClient(
        AnonymousCredentials(),
        "test-project",
        endpoint=emulator.url,
        real_credentials=False,
        num_retries=3,
        timeout=1,
        sleep=slept.append,
    )


def fault(emulator: EarthEngineEmulator, method: str, **effect: Any) -> None:
    requests.post(f"{emulator.url}/_emulator/faults", json={"method": method, **effect}).raise_for_status()


def calls(emulator: EarthEngineEmulator, method: str) -> int:
    log = requests.get(f"{emulator.url}/_emulator/requests").json()["requests"]
    return sum(entry["method"] == method for entry in log)


def test_an_export_starts_and_can_be_seen_listed_and_cancelled(client: EarthEngineClient) -> None:
    operation = client.export("image", BODY)
    assert operation["metadata"]["state"] == "PENDING"
    assert client.get_operation(operation["name"])["metadata"]["description"] == "constant"
    assert [one["name"] for one in client.list_operations()] == [operation["name"]]
    client.cancel_operation(operation["name"])
    assert client.get_operation(operation["name"])["metadata"]["state"] == "CANCELLING"


def test_a_list_is_read_page_by_page(client: EarthEngineClient, emulator: EarthEngineEmulator) -> None:
    requests.post(f"{emulator.url}/_emulator/seed", json={"operations": 1201, "project": "test-project"})
    operations = client.list_operations()
    assert next(operations)["metadata"]["description"] == "seeded-1200"
    assert calls(emulator, "operations.list") == 1
    assert len({one["name"] for one in operations}) == 1200
    assert calls(emulator, "operations.list") == 3


@pytest.mark.parametrize(
    "effect", [{"status": 429}, {"status": 500}, {"status": 503}, {"drop": True}, {"cut": True, "point": "after"}]
)
def test_a_call_that_changes_nothing_is_repeated(
    client: EarthEngineClient, emulator: EarthEngineEmulator, slept: list[float], effect: dict[str, Any]
) -> None:
    name = client.export("image", BODY)["name"]
    fault(emulator, "operations.get", times=2, **effect)
    assert client.get_operation(name)["name"] == name
    assert calls(emulator, "operations.get") == 3
    assert len(slept) == 2


def test_an_answer_that_takes_too_long_is_repeated(
    client: EarthEngineClient, emulator: EarthEngineEmulator
) -> None:
    name = client.export("image", BODY)["name"]
    fault(emulator, "operations.get", hold="late")
    assert client.get_operation(name)["name"] == name
    assert calls(emulator, "operations.get") == 2


def test_retry_after_is_honoured(
    client: EarthEngineClient, emulator: EarthEngineEmulator, slept: list[float]
) -> None:
    fault(emulator, "getConfig", status=503, headers={"Retry-After": "17"})
    client.get_config()
    assert 17 <= slept[0] < 18


def test_waits_grow_and_end(client: EarthEngineClient, emulator: EarthEngineEmulator, slept: list[float]) -> None:
    fault(emulator, "getConfig", status=503, times=None, message="Come back.")
    with pytest.raises(
        TransientError, match=r"getConfig in project 'test-project' was refused: Come back; try again"
    ):
        client.get_config()
    assert calls(emulator, "getConfig") == 4
    assert len(slept) == 3
    assert all(wait <= 2**attempt for attempt, wait in enumerate(slept))


@pytest.mark.parametrize(
    "effect", [{"status": 429}, {"status": 503}, {"drop": True}, {"cut": True, "point": "after"}, {"hold": "late"}]
)
def test_a_submission_is_sent_once(
    client: EarthEngineClient, emulator: EarthEngineEmulator, slept: list[float], effect: dict[str, Any]
) -> None:
    fault(emulator, "image.export", **effect)
    with pytest.raises(TransientError):
        client.export("image", BODY)
    assert calls(emulator, "image.export") == 1
    assert slept == []


def test_refusals_are_not_repeated(client: EarthEngineClient, emulator: EarthEngineEmulator) -> None:
    with pytest.raises(NotFoundError, match="Operation 'projects/test-project/operations/NONE' not found"):
        client.get_operation("projects/test-project/operations/NONE")
    assert calls(emulator, "operations.get") == 1
    with pytest.raises(RequestError, match='Unknown name "wrong"'):
        client.export("image", b'{"wrong": 1}')


def test_a_used_request_id_and_a_full_queue_have_kinds_of_their_own(
    start_emulator: Callable[..., EarthEngineEmulator],
) -> None:
    emulator = start_emulator(queue_limit=1, slots=1)
    client = EarthEngineClient(AnonymousCredentials(), "p", endpoint=emulator.url, real_credentials=False)
    requests.post(f"{emulator.url}/_emulator/operations", json={"stay": "PENDING"})
    with_id = json.dumps({**json.loads(BODY), "requestId": "one"}).encode()
    client.export("image", with_id)
    with pytest.raises(DuplicateRequestError, match="look for the operation that it started"):
        client.export("image", with_id)
    with pytest.raises(QuotaError, match=r"Too many tasks already in the queue \(1\)"):
        client.export("image", BODY)


def test_tokens_are_sent_and_needed(start_emulator: Callable[..., EarthEngineEmulator]) -> None:
    emulator = start_emulator(tokens={"alice": "secret-a"})

    def config(credentials: Any) -> Any:
        client = EarthEngineClient(credentials, "p", endpoint=emulator.url, real_credentials=False)
        return client.get_config()

    assert config(Credentials(token="secret-a"))["name"] == "projects/p/config"
    for credentials in (Credentials(token="wrong-token"), AnonymousCredentials()):
        with pytest.raises(AuthError, match="check the credentials of the Airflow connection") as refusal:
            config(credentials)
        assert "wrong-token" not in str(refusal.value)


@pytest.mark.parametrize(
    ("endpoint", "real", "sentence"),
    [
        ("http://earthengine.googleapis.com", True, "must be https://….googleapis.com"),
        ("https://example.com", True, "must be https://….googleapis.com"),
        ("https://googleapis.com.example.com", True, "must be https://….googleapis.com"),
        ("https://evilgoogleapis.com", True, "must be https://….googleapis.com"),
        ("https://example.com", False, "must be https://….googleapis.com"),
        ("http://10.0.0.1:8085", False, "must be https://….googleapis.com"),
        ("http://127.0.0.1:8085", True, "loopback address, where real credentials must not go"),
        ("https://localhost:8085", True, "loopback address, where real credentials must not go"),
        ("http://[::1]:8085", True, "loopback address, where real credentials must not go"),
        ("http://127.0.0.1@example.com", False, "must be a plain base URL"),
        ("https://user:word@earthengine.googleapis.com", True, "must be a plain base URL"),
        ("https://earthengine.googleapis.com/v1", True, "must be a plain base URL"),
        ("ftp://127.0.0.1", False, "must be a plain base URL"),
        ("http://[::1", False, "must be a plain base URL"),
        ("http://127.0.0.1:99999", False, "must be a plain base URL"),
        ("http://127.0.0.1#x", False, "must be a plain base URL"),
        ("http://:hush@127.0.0.1", False, "must be a plain base URL"),
        ("http://me:hush@127.0.0.1", False, "must be a plain base URL"),
        ("https://earthengine.googleapis.com", False, "anonymous and token are for an emulator"),
    ],
)
def test_credentials_go_where_they_belong(endpoint: str, real: bool, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        EarthEngineClient(AnonymousCredentials(), "p", endpoint=endpoint, real_credentials=real)
    assert sentence in str(refusal.value)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    "endpoint", ["https://earthengine.googleapis.com/", "https://earthengine-highvolume.googleapis.com"]
)
def test_the_real_service_is_a_plain_base_url(endpoint: str) -> None:
    client = EarthEngineClient(AnonymousCredentials(), "p", endpoint=endpoint)
    assert client.endpoint == endpoint.rstrip("/")


def test_neither_proxy_nor_netrc_sees_what_goes_to_this_machine(
    emulator: EarthEngineEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    client = EarthEngineClient(AnonymousCredentials(), "p", endpoint=emulator.url, real_credentials=False)
    assert client.get_config()["name"] == "projects/p/config"


def test_a_service_that_is_not_there_is_told_in_a_sentence() -> None:
    client = EarthEngineClient(
        AnonymousCredentials(), "p", endpoint="http://127.0.0.1:1", real_credentials=False, num_retries=0
    )
    with pytest.raises(
        TransientError, match=r"getConfig got no answer from http://127\.0\.0\.1:1: .*refused"
    ) as told:
        client.get_config()
    assert isinstance(told.value, EarthEngineError)


@pytest.mark.parametrize(
    "name", ["", "ABC", "projects/p/operations/", "projects/p/operations/../x", "projects/p/operations/a b"]
)
def test_only_names_of_operations_are_asked_for(client: EarthEngineClient, name: str) -> None:
    with pytest.raises(RequestError, match="is not the name of an operation"):
        client.get_operation(name)


@pytest.mark.parametrize(
    "project", ["", " ", "a b", "..", "p/operations/A:cancel?x=", "p#", "p%2e", "projects/p", "p\n", "-\u00e9"]
)
def test_a_project_is_a_name_and_nothing_that_leads_elsewhere(project: str) -> None:
    with pytest.raises(RequestError, match="is not the id or number of a Cloud project"):
        EarthEngineClient(AnonymousCredentials(), project)


@pytest.mark.parametrize("project", ["my-project-1", "123456789", "example.com:old-project"])
def test_every_kind_of_project_is_taken(project: str) -> None:
    assert EarthEngineClient(AnonymousCredentials(), project).project == project


def test_an_answer_without_a_name_leaves_open_what_happened(
    client: EarthEngineClient, emulator: EarthEngineEmulator
) -> None:
    """Not an error of the request: the export may have started."""
    fault(emulator, "image.export", point="after", status=200)
    with pytest.raises(TransientError, match=r"image\.export got an answer that names no operation"):
        client.export("image", BODY)


def test_a_token_that_no_header_may_hold_is_not_shown(emulator: EarthEngineEmulator) -> None:
    for token in ("hush\n", "hush\u2603"):
        client = EarthEngineClient(Credentials(token=token), "p", endpoint=emulator.url, real_credentials=False)
        with pytest.raises(AuthError) as refusal:
            client.get_config()
        assert "hush" not in str(refusal.value)
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__


@pytest.mark.parametrize("proxy", ["http://", "hush://me:hush@host:1"])
def test_a_proxy_that_is_none_is_blamed_and_not_the_credentials(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    client = EarthEngineClient(AnonymousCredentials(), "p", num_retries=0)
    with pytest.raises(RequestError, match="HTTPS_PROXY is no proxy") as refusal:
        client.get_config()
    assert "hush" not in str(refusal.value)


def answer(client: EarthEngineClient, body: str, *, ahead: float, status: int = 200) -> None:
    """An answer that tells a time other than this machine's."""
    told = requests.Response()
    told.status_code, told._content = status, body.encode()
    told.headers["Date"] = formatdate(time.time() + ahead, usegmt=True)
    client._session.request = lambda *arguments, **options: told  # type: ignore[method-assign, assignment]
    with suppress(EarthEngineError):
        client._call("operations.get", "GET", "projects/p/operations/A")


def test_the_service_tells_the_time_with_its_answers_and_its_errors(client: EarthEngineClient) -> None:
    answer(client, "{}", ahead=3600)
    assert client.clock_offset == pytest.approx(3600, abs=2)
    answer(client, '{"error": {"message": "no"}}', ahead=3620, status=404)
    assert client.clock_offset == pytest.approx(3620, abs=2)


@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", "[]", ""])
def test_the_time_is_not_taken_from_somebody_on_the_way(client: EarthEngineClient, body: str) -> None:
    answer(client, body, ahead=3600, status=502)
    assert (client.answered_at, client.clock_offset) == (None, 0)


def test_a_clock_that_jumps_is_believed_the_second_time(client: EarthEngineClient) -> None:
    for ahead, believed in ((0, 0), (3600, 0), (0, 0), (-7200, 0), (-7200, -7200)):
        answer(client, "{}", ahead=ahead)
        assert client.clock_offset == pytest.approx(believed, abs=2)
