"""No secret is told: not by an error and what led to it, nor by a log, however little others keep it.

The servers here answer with all that they were sent, which is the worst that they can do.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from google.oauth2.credentials import Credentials

from airflow_provider_ee.earthengine import ee_session
from airflow_provider_ee.earthengine.client import EarthEngineClient
from airflow_provider_ee.earthengine.credentials import CredentialSettings, load_credentials
from airflow_provider_ee.earthengine.errors import EarthEngineError
from airflow_provider_ee.earthengine.pollers import Caller

ACCESS_TOKEN = "ya29.an-access-token-that-opens/a+door=="
REFRESH_TOKEN = "1//a-refresh-token-that-opens/a+door=="
CLIENT_SECRET = "GOCSPX-a-client-secret"
SUBJECT_TOKEN = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJ" + "s" * 60 + "." + "t" * 60
SIGNED_IN = {"access_token": ACCESS_TOKEN, "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
IMPERSONATED = {"accessToken": ACCESS_TOKEN, "expireTime": "2100-01-01T00:00:00Z"}
USER = {
    "type": "authorized_user",
    "client_id": "id",
    "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
FEDERATION = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
}
FEDERATED_USER = {
    "type": "external_account_authorized_user",
    "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/x",
    "token_url": "https://sts.googleapis.com/v1/oauthtoken",
    "token_info_url": "https://sts.googleapis.com/v1/introspect",
    "client_id": "id",
    "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}


class Told:
    """All that is told while something goes wrong."""

    def __init__(self, key: dict[str, Any]) -> None:
        self.log = io.StringIO()
        lines = key["private_key"].splitlines()
        self._secrets = [ACCESS_TOKEN, REFRESH_TOKEN, CLIENT_SECRET, SUBJECT_TOKEN, *lines[1:-1], "assertion=ey"]
        self._secrets += [quote(secret, safe="") for secret in self._secrets]
        self._secrets += [base64.b64encode(f"id:{CLIENT_SECRET}".encode()).decode()]

    def error(self, action: Callable[[], Any]) -> str:
        """What is told of the error that an action ends with."""
        with pytest.raises(EarthEngineError) as failure:
            action()
        error = failure.value
        self._check("".join([*traceback.format_exception(error), repr(error), repr(error.args), str(vars(error))]))
        return str(error)

    def nothing(self, action: Callable[[], Any]) -> None:
        """However an action ends, which may be well."""
        try:
            action()
        except EarthEngineError as error:
            self._check("".join(traceback.format_exception(error)))
        self._check("")

    def _check(self, told: str) -> None:
        told += self.log.getvalue()
        for secret in self._secrets:
            assert secret not in told


@pytest.fixture
def told(service_account_key: dict[str, Any]) -> Iterator[Told]:
    """Whatever is logged by anybody, on the most talkative level."""
    told = Told(service_account_key)
    handler, root = logging.StreamHandler(told.log), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield told
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def credentials_of(service_account_key: dict[str, Any], tmp_path: Path) -> dict[str, CredentialSettings]:
    """Each kind of credentials that a connection may hold."""
    (tmp_path / "subject").write_text(SUBJECT_TOKEN)
    federation = {**FEDERATION, "credential_source": {"file": str(tmp_path / "subject")}}
    chain = ("robot@p.iam.gserviceaccount.com",)
    return {
        "key": CredentialSettings(keyfile_dict=service_account_key),
        "user": CredentialSettings(keyfile_dict=USER),
        "federation": CredentialSettings(keyfile_dict=federation),
        "federated user": CredentialSettings(keyfile_dict=FEDERATED_USER),
        "impersonation by key": CredentialSettings(keyfile_dict=service_account_key, impersonation_chain=chain),
        "impersonation by user": CredentialSettings(keyfile_dict=USER, impersonation_chain=chain),
    }


KINDS = ["key", "user", "federation", "federated user", "impersonation by key", "impersonation by user"]


def as_text(request: requests.PreparedRequest) -> str:
    body = request.body or b""
    return f"you sent {dict(request.headers)} {body if isinstance(body, str) else body.decode()}"


ECHOES: dict[str, Callable[[str], bytes]] = {
    "text": lambda sent: sent.encode(),
    "an OAuth error": lambda sent: json.dumps({"error": "invalid_grant", "error_description": sent}).encode(),
    "an error without a name": lambda sent: json.dumps({"what": sent}).encode(),
    "an error of an API": lambda sent: json.dumps({"error": {"code": 403, "message": sent}}).encode(),
    "the token, where none is looked for": lambda sent: json.dumps({"token": sent}).encode(),
}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let all of Google answer: signing in works or not, and then Earth Engine does not."""

    def answer(echo: Callable[[str], bytes], status: int, *, signs_in: bool) -> None:
        def send(session: requests.Session, request: requests.PreparedRequest, **_: Any) -> requests.Response:
            response, url = requests.Response(), str(request.url)
            response.status_code, response._content = status, echo(as_text(request))
            if "://earthengine." not in url and signs_in:
                granted = IMPERSONATED if "generateAccessToken" in url else SIGNED_IN
                response.status_code, response._content = 200, json.dumps(granted).encode()
            if url.endswith("/allowedLocations"):  # what google-auth asks for aside
                response.status_code, response._content = 404, b"{}"
            response.url, response.request = url, request
            return response

        monkeypatch.setattr(requests.Session, "send", send)

    return answer


# What others answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize(
    ("signs_in", "status"),
    [(False, 200), (False, 400), (False, 503), (True, 401), (True, 503)],
    ids=lambda value: {False: "signing in", True: "Earth Engine"}.get(value, value),
)
def test_an_answer_that_repeats_what_was_sent(
    told: Told,
    answering: Callable[..., None],
    credentials_of: dict[str, CredentialSettings],
    kind: str,
    echo: str,
    status: int,
    signs_in: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # google-auth tries again, too
    answering(ECHOES[echo], status, signs_in=signs_in)
    credentials, _ = load_credentials(credentials_of[kind])
    client = EarthEngineClient(credentials, "p", num_retries=0)
    assert told.error(lambda: client.export("image", b"{}")).startswith("image.export ")


@pytest.mark.parametrize("kind", ["key", "user", "impersonation by user"])
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("signs_in", [False, True], ids=["signing in", "Earth Engine"])
def test_an_answer_that_repeats_what_a_session_of_ee_sent(
    told: Told,
    answering: Callable[..., None],
    credentials_of: dict[str, CredentialSettings],
    kind: str,
    echo: str,
    signs_in: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ee")
    # It logs the service's own words, whatever they are.
    monkeypatch.setattr(logging.getLogger("googleapiclient.http"), "disabled", True)
    answering(ECHOES[echo], 403, signs_in=signs_in)
    credentials, _ = load_credentials(credentials_of[kind])
    caller = Caller("https://earthengine.googleapis.com", "p", "identity")
    assert told.error(lambda: ee_session.initialize(caller, credentials)).startswith("ee.Initialize ")


@pytest.mark.parametrize("first_line", ["{}", "HTTP/1.1 {}", "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n"])
def test_a_server_that_speaks_no_http_and_repeats_what_was_sent(told: Told, first_line: str) -> None:
    import socket
    import threading

    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(first_line.format(f"Bearer {ACCESS_TOKEN}").encode() + b"\r\n\r\n")
        connection.close()

    threading.Thread(target=answer, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    client = EarthEngineClient(
        Credentials(token=ACCESS_TOKEN), "p", endpoint=endpoint, real_credentials=False, num_retries=0
    )
    told.error(client.get_config)
    server.close()


# What the connection holds in the wrong place, or broken


@pytest.mark.parametrize("field", ["key_path", "credential_config_file"])
def test_a_secret_in_the_place_of_a_path(told: Told, service_account_key: dict[str, Any], field: str) -> None:
    key = json.dumps(service_account_key)
    for secret in (
        service_account_key["private_key"],
        service_account_key["private_key"].splitlines()[1],
        base64.b64encode(key.encode()).decode(),
        json.dumps(USER),
        f"[{json.dumps(USER)}]",
        f'"{json.dumps(USER)}"',
        REFRESH_TOKEN,
        ACCESS_TOKEN,
        CLIENT_SECRET,
        SUBJECT_TOKEN,
    ):
        told.error(lambda secret=secret: load_credentials(CredentialSettings(**{field: secret})))  # type: ignore[misc]


def test_a_path_is_told(told: Told) -> None:
    for path in ("/keys/key.json", "~/key", "./key", "keys/key.json"):
        assert repr(path) in told.error(lambda path=path: load_credentials(CredentialSettings(key_path=path)))  # type: ignore[misc]


def test_a_key_that_is_broken(told: Told, service_account_key: dict[str, Any]) -> None:
    key, private = service_account_key, service_account_key["private_key"]
    for broken in (
        private[:300],
        private.replace("\n", ""),
        private.replace("\n", "\\n"),
        private.replace("BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY"),
        private.splitlines(),
        {"pem": private},
        private.encode().hex(),
    ):
        settings = CredentialSettings(keyfile_dict={**key, "private_key": broken})
        told.nothing(lambda settings=settings: load_credentials(settings))  # type: ignore[misc]


def test_json_that_is_broken(told: Told, service_account_key: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(service_account_key)
    for broken in (
        text[:-1],
        text.replace('", "', '" "'),
        f"{text}{text}",
        f"'{text}'",
        json.dumps(text),
        f"[{text}]",
    ):
        (tmp_path / "key.json").write_text(broken)
        for settings in (
            CredentialSettings(keyfile_dict=broken),
            CredentialSettings(key_path=str(tmp_path / "key.json")),
        ):
            told.error(lambda settings=settings: load_credentials(settings))  # type: ignore[misc]


def test_credentials_with_their_fields_mixed_up(told: Told, service_account_key: dict[str, Any]) -> None:
    key = service_account_key
    for info in (
        {**key, "type": "authorized_user"},
        {**key, "type": "external_account"},
        {**key, "type": "impersonated_service_account"},
        {**USER, "type": "service_account", "private_key": key["private_key"]},
        {**USER, "type": "external_account", "credential_source": REFRESH_TOKEN},
        {**USER, "type": "external_account", "credential_source": {"file": REFRESH_TOKEN}},
        {**USER, "type": "impersonated_service_account", "source_credentials": REFRESH_TOKEN},
        {**USER, "type": REFRESH_TOKEN},
        {**FEDERATED_USER, "token_url": REFRESH_TOKEN},
        {**USER, "universe_domain": REFRESH_TOKEN},
    ):
        told.nothing(lambda info=info: load_credentials(CredentialSettings(keyfile_dict=info)))  # type: ignore[misc]


# What shows itself


def test_nothing_shows_itself(service_account_key: dict[str, Any]) -> None:
    settings = CredentialSettings(keyfile_dict=json.dumps(USER), quota_project_id="payer")
    client = EarthEngineClient(Credentials(token=ACCESS_TOKEN, refresh_token=REFRESH_TOKEN), "p")
    shown = [repr(settings), f"{settings}", repr(client), settings.identity, repr(copy.copy(settings))]
    shown += [repr(Caller("https://earthengine.googleapis.com", "p", settings.identity))]
    for secret in (REFRESH_TOKEN, CLIENT_SECRET, ACCESS_TOKEN):
        assert secret not in "".join(shown)


def test_an_error_carries_no_secret_to_another_process(answering: Callable[..., None]) -> None:
    answering(ECHOES["an OAuth error"], 400, signs_in=False)
    credentials, _ = load_credentials(CredentialSettings(keyfile_dict=USER))
    with pytest.raises(EarthEngineError) as failure:
        EarthEngineClient(credentials, "p", num_retries=0).get_config()
    carried = pickle.dumps(failure.value)
    assert REFRESH_TOKEN.encode() not in carried
    assert CLIENT_SECRET.encode() not in carried
