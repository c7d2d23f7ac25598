"""Real credentials go to Google's APIs, others to this machine; no answer and no file leads them elsewhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from google.oauth2.credentials import Credentials
from listening import Listener

from airflow_provider_ee.earthengine import ee_session
from airflow_provider_ee.earthengine.client import EarthEngineClient
from airflow_provider_ee.earthengine.credentials import CredentialSettings, load_credentials
from airflow_provider_ee.earthengine.errors import EarthEngineError, RequestError
from airflow_provider_ee.earthengine.pollers import Caller
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.faults import Fault

TOKEN = "a-token-that-is-secret"
REDIRECTS = [301, 302, 303, 307, 308]

# By api_endpoint


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose addresses were asked for; there are none."""
    hosts: list[str] = []

    def look_up(host: Any, *_: Any, **__: Any) -> Any:
        hosts.append(host)
        raise socket.gaierror("not found")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return hosts


def call(endpoint: str, *, real: bool) -> EarthEngineError:
    with pytest.raises(EarthEngineError) as refusal:
        EarthEngineClient(
            Credentials(token=TOKEN), "p", endpoint=endpoint, real_credentials=real, num_retries=0
        ).get_config()
    return refusal.value


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://earthengine.googleapis.com.evil.example",
        "https://googleapis.com@evil.example",
        "https://evil.example\\@earthengine.googleapis.com",
        "https://evil.example\\.googleapis.com",
        "https://evil.example\t.googleapis.com",
        "https://evil.example\n.googleapis.com",
        "https://evil.example%2f.googleapis.com",
        "https://evil.example;.googleapis.com",
        "https://evil.example\x00.googleapis.com",
        "https://earthengine.goo\ngleapis.com",
        "https://earthengine.googleapis.com\r\nX: y",
        "https://earthengine.googleapis.com\n",
        " https://earthengine.googleapis.com",
        "\x01https://earthengine.googleapis.com",
        "https://earthengine.googleapis.com.",
        "https://earthengine。googleapis。com",
        "https://earthengine.googleapiſ.com",
        "https://googleapis.com",
        "https://a..googleapis.com",
        "https://earthengine.googleapis.com:evil",
        "https://[::1].googleapis.com",
        "https:earthengine.googleapis.com",
        "http://earthengine.googleapis.com",
        "http://earthengine.googleapis.com:443",
        "//earthengine.googleapis.com",
    ],
)
def test_nothing_that_only_looks_like_google_is_asked(looked_up: list[str], endpoint: str) -> None:
    assert isinstance(call(endpoint, real=True), RequestError)
    assert looked_up == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1\t.evil.example",
        "http://127.0.0.1\\.evil.example",
        "http://127.0.0.1:80\n",
        "http://localhost\n:80",
        "http://evil.example\\@127.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://[::ffff:10.0.0.1]",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://１２７.0.0.1",
        "http://localhoſt",
        "http://169.254.169.254",
    ],
)
def test_nothing_that_only_looks_like_this_machine_is_asked(looked_up: list[str], endpoint: str) -> None:
    assert isinstance(call(endpoint, real=False), RequestError)
    assert looked_up == []


@pytest.mark.parametrize(
    ("endpoint", "real", "host"),
    [
        ("https://EarthEngine.GoogleAPIs.com", True, "earthengine.googleapis.com"),
        ("https://earthengine.googleapis.com:8443/", True, "earthengine.googleapis.com"),
        ("https://earthengine-psc.p.googleapis.com", True, "earthengine-psc.p.googleapis.com"),
        ("http://LOCALHOST:8085", False, "localhost"),
        ("http://127.1.2.3:8085", False, "127.1.2.3"),
        ("http://[::1]:8085/", False, "::1"),
    ],
)
def test_what_is_asked_is_the_host_that_was_checked(
    looked_up: list[str], endpoint: str, real: bool, host: str
) -> None:
    call(endpoint, real=real)
    assert set(looked_up) == {host}


# By an answer


@pytest.fixture
def service(start_emulator: Callable[..., EarthEngineEmulator]) -> EarthEngineEmulator:
    """An emulator that knows the token."""
    return start_emulator(tokens={"alice": TOKEN})


def redirect(service: EarthEngineEmulator, method: str, status: int, location: str) -> None:
    service.faults.arm(Fault(method=method, status=status, message="", headers={"Location": location}, times=None))


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_takes_nothing_anywhere(service: EarthEngineEmulator, listener: Listener, status: int) -> None:
    """Not even to the same host: where Earth Engine is, it answers itself."""
    client = EarthEngineClient(
        Credentials(token=TOKEN), "p", endpoint=service.url, real_credentials=False, num_retries=0
    )
    for location in (f"{listener.url}/v1/projects/p/config", f"{service.url}/v1/projects/p/operations"):
        service.faults.clear()
        for method in ("getConfig", "image.export"):
            redirect(service, method, status, location)
        with pytest.raises(RequestError, match=r"getConfig .* was refused: .*; check api_endpoint"):
            client.get_config()
        with pytest.raises(RequestError, match=r"image\.export .* was refused: .*; check api_endpoint"):
            client.export("image", b"{}")
    assert listener.heard == []


@pytest.fixture
def session(service: EarthEngineEmulator) -> Any:
    """A session of the ee library with the token."""
    pytest.importorskip("ee")
    return ee_session.session(Caller(service.url, "p", "alice"), Credentials(token=TOKEN))


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_takes_nothing_anywhere_in_a_session_of_ee(
    service: EarthEngineEmulator, session: Any, listener: Listener, status: int
) -> None:
    import ee

    with session:
        redirect(service, "value.compute", status, f"{listener.url}/v1/projects/p/value:compute")
        with pytest.raises(ee.EEException):
            ee.Number(1).getInfo()
    assert listener.heard == []


def test_a_redirect_takes_nothing_anywhere_while_ee_is_initialised(listener: Listener) -> None:
    pytest.importorskip("ee")
    service = Listener()
    service.answer = (307, {"Location": f"{listener.url}/elsewhere"}, b"")
    with pytest.raises(EarthEngineError) as failure:
        ee_session.initialize(Caller(service.url, "p", "alice"), Credentials(token=TOKEN))
    service.close()
    assert TOKEN in service.heard[0]
    assert listener.heard == []
    assert TOKEN not in str(failure.value)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_takes_no_refresh_token_anywhere(
    listener: Listener, another_listener: Listener, status: int
) -> None:
    """With these a whole request is sent once more, body and all."""
    listener.answer = (status, {"Location": f"{another_listener.url}/token"}, b"")
    login = Credentials(
        token=None,
        refresh_token="a-refresh-token",
        token_uri=f"{listener.url}/token",
        client_id="id",
        client_secret="a-client-secret",
    )
    with pytest.raises(EarthEngineError):
        EarthEngineClient(login, "p", num_retries=0).get_config()
    assert "a-refresh-token" in listener.heard[0]
    assert another_listener.heard == []


# By the machine


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_hears_what_a_session_of_ee_sends_to_this_machine(
    session: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import ee

    monkeypatch.setenv(name, listener.url)
    with session:
        assert ee.Number(1).getInfo() == 1
    assert listener.heard == []


def test_netrc_does_not_take_the_place_of_the_credentials_in_a_session_of_ee(
    session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import ee

    (tmp_path / "netrc").write_text("default login me password a-password-of-mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with session:
        assert ee.Number(1).getInfo() == 1


def test_a_session_of_ee_leaves_no_credentials_behind(session: Any) -> None:
    import ee

    with session:
        ee.data.setDeadline(30_000)  # makes the library build its client anew
        assert ee.Number(1).getInfo() == 1
    state = ee.data._get_state() if hasattr(ee.data, "_get_state") else ee.data
    kept = {name: value for name, value in vars(state).items() if not name.startswith("__")}
    assert not [name for name, value in kept.items() if isinstance(value, Credentials)]
    for name in ("cloud_api_resource", "cloud_api_resource_raw", "requests_session", "http_transport"):
        assert not kept.get(name)
        assert not kept.get(f"_{name}")


# By the credentials themselves

USER = {
    "type": "authorized_user",
    "client_id": "id",
    "client_secret": "a-client-secret",
    "refresh_token": "a-refresh-token",
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
    "client_secret": "a-client-secret",
    "refresh_token": "a-refresh-token",
}
IMPERSONATED = {
    "type": "impersonated_service_account",
    "service_account_impersonation_url": (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:generateAccessToken"
    ),
    "source_credentials": USER,
}
ELSEWHERE = "https://evil.example/token"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were asked for, each answered with an access token."""
    urls: list[str] = []

    def send(session: requests.Session, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        urls.append(str(request.url))
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, str(request.url), request
        granted = {"accessToken": TOKEN, "expireTime": "2100-01-01T00:00:00Z", "issued_token_type": "x"}
        exchanged = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        everywhere = {"encodedLocations": "0x0", "locations": []}  # what google-auth asks for aside
        answer._content = json.dumps({**granted, **exchanged, **everywhere}).encode()
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    return urls


def use(info: dict[str, Any], *chain: str) -> None:
    credentials, _ = load_credentials(CredentialSettings(keyfile_dict=info, impersonation_chain=chain))
    EarthEngineClient(credentials, "p", num_retries=0).get_config()


def test_credentials_as_they_are_handed_out_sign_in_at_google(
    asked: list[str], service_account_key: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "subject").write_text("a-subject-token")
    federation = {**FEDERATION, "credential_source": {"file": str(tmp_path / "subject")}}
    url = IMPERSONATED["service_account_impersonation_url"]
    for info in (
        service_account_key,
        USER,
        federation,
        {**federation, "service_account_impersonation_url": url},
        FEDERATED_USER,
        IMPERSONATED,
    ):
        asked.clear()
        use(info)
        assert len(asked) >= 2
        assert {url.split("/")[2] for url in asked} <= {
            "earthengine.googleapis.com",
            "oauth2.googleapis.com",
            "sts.googleapis.com",
            "iamcredentials.googleapis.com",
        }


def test_a_key_does_not_say_where_it_is_sent(asked: list[str], service_account_key: dict[str, Any]) -> None:
    """Google's own address is always the same, and who has it may sign in."""
    key = {**service_account_key, "token_uri": "http://evil.example/token"}
    for info in (key, {**USER, "token_uri": ELSEWHERE}, {**IMPERSONATED, "source_credentials": key}):
        use(info)
    assert {url.split("/")[2] for url in asked} == {
        "oauth2.googleapis.com",
        "iamcredentials.googleapis.com",
        "earthengine.googleapis.com",
    }


@pytest.mark.parametrize(
    ("info", "field"),
    [
        ({**FEDERATION, "token_url": ELSEWHERE}, "token_url"),
        ({**FEDERATION, "token_url": "http://sts.googleapis.com/v1/token"}, "token_url"),
        ({**FEDERATION, "token_url": "https://a@sts.googleapis.com/v1/token"}, "token_url"),
        ({**FEDERATION, "token_info_url": ELSEWHERE}, "token_info_url"),
        ({**FEDERATION, "service_account_impersonation_url": ELSEWHERE}, "service_account_impersonation_url"),
        ({**FEDERATED_USER, "token_url": ELSEWHERE}, "token_url"),
        ({**FEDERATED_USER, "revoke_url": ELSEWHERE}, "revoke_url"),
        ({**IMPERSONATED, "source_credentials": {**FEDERATED_USER, "token_url": ELSEWHERE}}, "token_url"),
        ({**USER, "universe_domain": "evil.example"}, "universe_domain"),
        ({**IMPERSONATED, "source_credentials": {**USER, "universe_domain": "evil.example"}}, "universe_domain"),
    ],
)
def test_credentials_that_would_be_sent_elsewhere_are_refused(
    asked: list[str], info: dict[str, Any], field: str
) -> None:
    """Whoever may write a connection need not be whom its secrets, or the files of the machine, belong to."""
    info = {"credential_source": {"file": "/etc/hostname"}, **info}
    for chain in ((), ("robot@p.iam.gserviceaccount.com",)):
        with pytest.raises(RequestError, match=f"the {field} of the credentials must be "):
            use(info, *chain)
    assert asked == []


def test_a_program_that_a_configuration_names_is_not_run(tmp_path: Path) -> None:
    """Unless the machine's owner allows that, by a variable that google-auth asks for."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    with pytest.raises(EarthEngineError):
        use({**FEDERATION, "credential_source": {"executable": {"command": str(program)}}})
    assert not (tmp_path / "ran").exists()
