"""Test connection: what a user reads on the page, whoever calls and whatever is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from examples import GRID, constant_image
from google.auth.compute_engine import Credentials as MachineCredentials

from airflow_provider_ee.earthengine.errors import AuthError
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.hooks.connection_form import KEPT_SECRET
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

Connect = Callable[..., None]
ROBOT, TARGET = "robot@p.iam.gserviceaccount.com", "exporter@p.iam.gserviceaccount.com"
USER = {"type": "authorized_user", "client_id": "id", "client_secret": "hush", "refresh_token": "hush"}
FEDERATION = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/aws",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
}


@pytest.fixture
def key(service_account_key: dict[str, Any]) -> dict[str, Any]:
    """A service account's key that names no project."""
    named = {name: value for name, value in service_account_key.items() if name != "project_id"}
    return {**named, "client_email": ROBOT}


def refusal(status: int, message: str, reason: str = "", **metadata: str) -> tuple[int, Any]:
    """An error body of Google's."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}
    return status, {"error": {"code": status, "message": message, "details": [info] if reason else []}}


class Google:
    """Answers what would go to Google: by the end of a path, a status and a body, or no answer at all."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any] | Exception] = {
            "/token": (200, {"access_token": "hush", "expires_in": 3600}),
            ":generateAccessToken": (200, {"accessToken": "hush", "expireTime": "2999-01-01T00:00:00Z"}),
            "/config": (200, {"registrationState": "REGISTERED_COMMERCIALLY"}),
            "/operations": (200, {}),
        }

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        path = str(request.url).partition("?")[0]
        answers = (answer for end, answer in self.answers.items() if path.endswith(end))
        answer = next(answers, requests.ConnectionError("nobody is there"))
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, body = answer
        response._content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        response.url, response.request = path, request
        return response


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Google:
    service = Google()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda self, request, **_: service.send(request))
    return service


@pytest.fixture
def tested(connect: Connect, google: Google) -> Callable[..., str]:
    """What the test of a connection says; that it works must fit."""

    def test(works: bool, **extra: Any) -> str:
        connect("mine", **{"project": "p", **extra})
        outcome, message = EarthEngineHook("mine").test_connection()
        assert outcome is works, message
        assert "hush" not in message
        assert "PRIVATE KEY" not in message
        assert len(message) < 600
        return message

    return test


WELL = "Project 'p' can be reached, and its operations be listed (REGISTERED_COMMERCIALLY). Identity used: "


def test_a_service_account_is_named(tested: Callable[..., str], key: dict[str, Any]) -> None:
    assert tested(True, keyfile_dict=json.dumps(key)) == f"{WELL}service account {ROBOT}, from keyfile_dict."


def test_an_impersonated_account_is_named_with_who_impersonates_it(
    tested: Callable[..., str], key: dict[str, Any]
) -> None:
    assert tested(True, keyfile_dict=key, impersonation_chain=TARGET) == (
        f"{WELL}service account {TARGET}, impersonated by service account {ROBOT}, from keyfile_dict."
    )
    assert tested(True, keyfile_dict=key, impersonation_chain=f"first@x, {TARGET}") == (
        f"{WELL}service account {TARGET}, impersonated by service account first@x, "
        f"impersonated by service account {ROBOT}, from keyfile_dict."
    )


def test_a_user_is_named_where_the_login_names_one(tested: Callable[..., str], tmp_path: Path) -> None:
    assert tested(True, keyfile_dict=USER) == f"{WELL}the user who logged in, from keyfile_dict."
    path = tmp_path / "login.json"
    path.write_text(json.dumps({**USER, "account": "ann@example.org"}))
    assert tested(True, key_path=str(path)) == f"{WELL}the user ann@example.org, from key_path {str(path)!r}."


def test_application_default_credentials_are_named(
    tested: Callable[..., str], key: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "adc.json"
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert tested(True) == f"{WELL}service account {ROBOT}, from this machine (application default credentials)."


def test_a_login_of_earthengine_authenticate_is_named(
    tested: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".config" / "earthengine" / "credentials"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(USER))
    assert tested(True) == f"{WELL}the user who logged in, from the login in {path}."
    path.write_text("{hush")
    assert tested(False).startswith(f"credentials from the login in {path} could not be read (JSONDecodeError)")


def test_the_account_of_a_machine_is_named_once_it_has_said_it(
    tested: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = MachineCredentials(universe_domain="googleapis.com")
    monkeypatch.setattr("google.auth.default", lambda scopes: (machine, None))

    def refresh(request: Any) -> None:
        machine.token, machine._service_account_email = "hush", ROBOT

    monkeypatch.setattr(machine, "refresh", refresh)
    assert tested(True) == f"{WELL}service account {ROBOT}, from this machine (application default credentials)."


def test_a_federated_identity_is_named_by_its_provider(tested: Callable[..., str], tmp_path: Path) -> None:
    token, path = tmp_path / "token", tmp_path / "federation.json"
    token.write_text("hush")
    path.write_text(json.dumps({**FEDERATION, "credential_source": {"file": str(token)}}))
    assert (
        "Identity used: the federated identity of projects/1/locations/global/workloadIdentityPools/pool"
        in tested(True, credential_config_file=str(path))
    )


def test_at_an_emulator_there_is_no_identity_or_a_token(
    start_emulator: Callable[..., EarthEngineEmulator], connect: Connect
) -> None:
    emulator = start_emulator()
    connect("mine", project="p", anonymous=True, api_endpoint=emulator.url)
    assert EarthEngineHook("mine").test_connection() == (
        True,
        "Project 'p' can be reached, and its operations be listed (REGISTERED_NOT_COMMERCIALLY). "
        "Identity used: none (anonymous).",
    )
    guarded = start_emulator(tokens={"alice": "right-token"})
    connect("mine", project="p", token="wrong-token", api_endpoint=guarded.url)
    works, message = EarthEngineHook("mine").test_connection()
    assert not works
    assert "check the credentials of the Airflow connection. Identity used: the fixed token." in message
    assert "wrong-token" not in message
    connect("mine", project="p", token="right-token", api_endpoint=guarded.url)
    assert EarthEngineHook("mine").test_connection()[0]


DENIED = "Permission 'earthengine.computations.create' denied on resource (or it may not exist)."


@pytest.mark.parametrize(
    ("path", "answer", "advice"),
    [
        (
            "/config",
            refusal(
                403,
                "Google Earth Engine API has not been used in project 5 before or it is disabled.",
                "SERVICE_DISABLED",
                consumer="projects/5",
                service="earthengine.googleapis.com",
            ),
            "; enable the Earth Engine API at "
            "https://console.cloud.google.com/apis/library/earthengine.googleapis.com?project=5, and wait",
        ),
        (
            "/config",
            refusal(403, "Project p is not registered to use Earth Engine. Visit the page."),
            "; register the project at https://console.cloud.google.com/earth-engine/configuration?project=p.",
        ),
        (
            "/config",
            (200, {"registrationState": "NOT_REGISTERED"}),
            "project 'p' is not registered to use Earth Engine; register it at "
            "https://console.cloud.google.com/earth-engine/configuration?project=p.",
        ),
        ("/config", refusal(403, DENIED), f"; grant service account {ROBOT} roles/earthengine.writer on project 'p'"),
        (
            "/config",
            refusal(403, "Caller does not have required permission to use project q.", "USER_PROJECT_DENIED",
                    consumer="projects/q"),
            f"; grant service account {ROBOT} roles/serviceusage.serviceUsageConsumer on project 'q'.",
        ),
        (
            "/config",
            refusal(403, "Permission denied on resource project p.", "CONSUMER_INVALID", consumer="projects/p"),
            f"; check the spelling of the project 'p', and that service account {ROBOT} may use it.",
        ),
        ("/config", refusal(404, "Project 'projects/p' not found or deleted."), "; check its spelling and that"),
        ("/config", refusal(401, "Request had invalid authentication credentials."), "; check the credentials of"),
        ("/config", requests.ConnectionError("no route"), "no answer from https://earthengine.googleapis.com: "),
        ("/config", requests.ConnectTimeout("too slow"), "ConnectTimeout, too slow."),
        ("/config", (200, "<html>a proxy</html>"), "an answer from https://earthengine.googleapis.com that is not"),
        (
            "/operations",
            refusal(403, "Permission 'earthengine.operations.list' denied."),
            "Without it, an export whose answer was lost cannot be found again.",
        ),
        ("/token", (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
            f"invalid_grant: Invalid JWT Signature; make a new key for service account {ROBOT}"),
        ("/token", requests.ConnectionError("no route"), "could not be authorised now: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_what_mends_it(
    tested: Callable[..., str], google: Google, key: dict[str, Any], path: str, answer: Any, advice: str
) -> None:
    google.answers[path] = answer
    message = tested(False, keyfile_dict=key, num_retries=5)
    assert advice in message
    assert message.endswith(f"Identity used: service account {ROBOT}, from keyfile_dict.")


def test_a_refused_export_says_who_needs_which_role(connect: Connect, google: Google, key: dict[str, Any]) -> None:
    google.answers[":export"] = refusal(403, "Permission 'earthengine.exports.create' denied.")
    connect("mine", project="p", keyfile_dict=key)
    file = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "x"}}
    request = {"expression": constant_image(), "grid": GRID, "fileExportOptions": file}
    with pytest.raises(AuthError, match=f"grant service account {ROBOT} roles/earthengine.writer on project 'p'"):
        EarthEngineHook("mine").export_image(request)


IAM = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (
            refusal(403, IAM, "IAM_PERMISSION_DENIED"),
            f"grant service account {ROBOT} roles/iam.serviceAccountTokenCreator on service account first@x, "
            f"and service account first@x on service account {TARGET}.",
        ),
        (refusal(404, f"Not found; Gaia id not found for email {TARGET}"), "check the spelling of impersonation_ch"),
        (
            refusal(403, "IAM Service Account Credentials API has not been used in project 5 before.",
                    "SERVICE_DISABLED", consumer="projects/5", service="iamcredentials.googleapis.com"),
            "enable the IAM Service Account Credentials API at "
            "https://console.cloud.google.com/apis/library/iamcredentials.googleapis.com?project=5.",
        ),
        (refusal(503, "Unavailable."), "getConfig could not be authorised now: "),
        ((403, "hush hush"), "roles/iam.serviceAccountTokenCreator"),
    ],
)  # fmt: skip
def test_a_refused_impersonation_names_both_accounts(
    tested: Callable[..., str], google: Google, key: dict[str, Any], answer: Any, advice: str
) -> None:
    google.answers[":generateAccessToken"] = answer
    message = tested(False, keyfile_dict=key, impersonation_chain=f"first@x,{TARGET}")
    assert advice in message
    assert f"Identity used: service account {TARGET}, impersonated by" in message


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("invalid_grant: Token has been expired or revoked.", "log in again, since the login has expired"),
        ("invalid_scope: Bad Request", "log in again with all the scopes that the connection asks for"),
    ],
)
def test_an_expired_login_is_told(tested: Callable[..., str], google: Google, answer: str, advice: str) -> None:
    error, description = answer.split(": ")
    google.answers["/token"] = 400, {"error": error, "error_description": description}
    assert advice in tested(False, keyfile_dict=USER)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (
            {"key_path": "/nowhere/key.json"},
            "could not be read: No such file or directory; the file must lie on each",
        ),
        ({"key_path": "/"}, "credentials from key_path '/' could not be read: Is a directory"),
        ({"keyfile_dict": "{hush"}, "they must be JSON as Google hands it out."),
        ({"keyfile_dict": {"type": "service_account", "private_key": "hush"}}, "keyfile_dict could not be loaded"),
        ({"keyfile_dict": KEPT_SECRET}, "does not show the saved keyfile_dict to this test; type it in again"),
        (
            {"num_retries": "many"},
            "this connection sets num_retries to 'many'; write a whole number from 0 to 100.",
        ),
        (
            {"api_endpoint": "nonsense"},
            "the api_endpoint 'nonsense' must be a plain base URL such as https://earth",
        ),
        ({"anonymous": True}, "anonymous and token are for an emulator on a loopback address"),
        ({"project": "", "keyfile_dict": USER}, "no Cloud project is known; set project in this connection"),
        ({"project": "a b", "keyfile_dict": USER}, "project 'a b' is not the id or number of a Cloud project."),
    ],
)
def test_a_wrong_field_is_told_without_the_id_that_airflow_tests_under(
    tested: Callable[..., str], extra: dict[str, Any], sentence: str
) -> None:
    message = tested(False, **extra)
    assert sentence in message
    assert "'mine'" not in message


def test_where_nothing_is_found_the_test_says_where_it_looked(
    tested: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # before google-auth asks the machine again
    message = tested(False)
    assert message.startswith(
        "credentials from this machine (application default credentials) could not be loaded: "
    )
    assert message.endswith("; or set key_path or keyfile_dict in the connection.")


def test_a_surprise_is_told_without_its_text(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(self: Any, conn_id: str) -> Any:
        raise KeyError("hush")

    monkeypatch.setattr(EarthEngineHook, "get_connection", surprise)
    assert EarthEngineHook("mine").test_connection() == (False, "The connection could not be tested (KeyError).")


def test_a_person_does_not_wait_for_retries(connect: Connect, emulator: EarthEngineEmulator) -> None:
    connect("mine", project="p", anonymous=True, api_endpoint=emulator.url, num_retries=5)
    fault = {"method": "getConfig", "status": 503, "times": None}
    requests.post(f"{emulator.url}/_emulator/faults", json=fault).raise_for_status()
    works, message = EarthEngineHook("mine").test_connection()
    assert not works
    assert "try again later" in message
    log = requests.get(f"{emulator.url}/_emulator/requests").json()["requests"]
    assert [entry["method"] for entry in log] == ["getConfig"]
