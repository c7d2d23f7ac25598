"""Each way to credentials leads to the google-auth class that it should, and tells no secrets on its way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import google.auth
import pytest
from google.auth import identity_pool, impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from airflow_provider_ee.earthengine.credentials import (
    DEFAULT_SCOPES,
    CredentialSettings,
    earthengine_login_path,
    load_credentials,
)
from airflow_provider_ee.earthengine.errors import AuthError, RequestError


@pytest.fixture
def key(service_account_key: dict[str, Any]) -> dict[str, Any]:
    """A service account's key, to change at will."""
    return dict(service_account_key)


USER = {
    "type": "authorized_user",
    "client_id": "id",
    "client_secret": "hush-secret",
    "refresh_token": "hush-token",
}
FEDERATION = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "token.jwt"},
}


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where `earthengine authenticate` would write, in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = earthengine_login_path()
    path.parent.mkdir(parents=True)
    return path


def test_a_service_account_from_a_dict_text_or_file(key: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    for settings in (
        CredentialSettings(keyfile_dict=key),
        CredentialSettings(keyfile_dict=json.dumps(key)),
        CredentialSettings(key_path=str(path)),
    ):
        credentials, project = load_credentials(settings)
        assert isinstance(credentials, service_account.Credentials)
        assert credentials.service_account_email == key["client_email"]
        assert credentials.scopes == list(DEFAULT_SCOPES)
        assert project == "key-project"


def test_an_authorised_user() -> None:
    credentials, _ = load_credentials(CredentialSettings(keyfile_dict=USER))
    assert isinstance(credentials, user_credentials.Credentials)
    assert credentials.refresh_token == "hush-token"


def test_workload_identity_federation(tmp_path: Path) -> None:
    path = tmp_path / "federation.json"
    path.write_text(json.dumps(FEDERATION))
    credentials, _ = load_credentials(CredentialSettings(credential_config_file=str(path)))
    assert isinstance(credentials, identity_pool.Credentials)


def test_impersonation_asks_the_source_for_cloud_platform_and_the_target_for_the_scopes() -> None:
    drive = "https://www.googleapis.com/auth/drive"
    credentials, _ = load_credentials(
        CredentialSettings(
            keyfile_dict=USER,
            impersonation_chain=("first@p.iam.gserviceaccount.com", "last@p.iam.gserviceaccount.com"),
            scopes=(*DEFAULT_SCOPES, drive),
        )
    )
    assert isinstance(credentials, impersonated_credentials.Credentials)
    assert credentials._target_principal == "last@p.iam.gserviceaccount.com"
    assert credentials._delegates == ["first@p.iam.gserviceaccount.com"]
    assert drive in credentials._target_scopes
    assert credentials._source_credentials.scopes == [DEFAULT_SCOPES[0]]


def test_a_quota_project_is_sent_with_each_call(key: dict[str, Any]) -> None:
    credentials, _ = load_credentials(CredentialSettings(keyfile_dict=key, quota_project_id="payer"))
    assert credentials.quota_project_id == "payer"


def test_anonymous_and_token_are_not_real() -> None:
    anonymous, _ = load_credentials(CredentialSettings(anonymous=True))
    assert isinstance(anonymous, AnonymousCredentials)
    fixed, _ = load_credentials(CredentialSettings(token="abc\n"))
    assert fixed.token == "abc"
    assert not CredentialSettings(anonymous=True).are_real
    assert not CredentialSettings(token="abc").are_real
    assert CredentialSettings(token="abc", impersonation_chain=("x",)).are_real
    assert CredentialSettings().are_real


def test_the_login_of_earthengine_authenticate(login: Path) -> None:
    login.write_text(json.dumps({"refresh_token": "r", "client_id": "i", "client_secret": "s", "project": "mine"}))
    credentials, project = load_credentials(CredentialSettings())
    assert isinstance(credentials, user_credentials.Credentials)
    assert (credentials.refresh_token, credentials.client_id, project) == ("r", "i", "mine")


def test_a_login_without_a_client_was_made_by_the_client_of_earthengine_api(login: Path) -> None:
    oauth = pytest.importorskip("ee.oauth")
    login.write_text(json.dumps({"refresh_token": "r"}))
    credentials, _ = load_credentials(CredentialSettings())
    assert isinstance(credentials, user_credentials.Credentials)
    assert credentials.client_id == oauth.CLIENT_ID


def test_application_default_credentials_named_by_the_environment_come_before_a_login(
    login: Path, monkeypatch: pytest.MonkeyPatch, key: dict[str, Any], tmp_path: Path
) -> None:
    login.write_text(json.dumps({"refresh_token": "r", "client_id": "i", "client_secret": "s"}))
    path = tmp_path / "adc.json"
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    credentials, project = load_credentials(CredentialSettings())
    assert isinstance(credentials, service_account.Credentials)
    assert project == "key-project"


def test_without_anything_the_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        google.auth, "default", lambda scopes: asked.append(scopes) or (AnonymousCredentials(), "m")
    )
    assert load_credentials(CredentialSettings())[1] == "m"
    assert asked == [list(DEFAULT_SCOPES)]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            CredentialSettings(key_path="/nowhere/key.json"),
            "credentials from key_path '/nowhere/key.json' could not",
        ),
        (
            CredentialSettings(keyfile_dict="{hush"),
            "credentials from keyfile_dict could not be read (JSONDecodeError);",
        ),
        (
            CredentialSettings(keyfile_dict='["hush"]'),
            "credentials from keyfile_dict could not be read (ValueError);",
        ),
        (
            CredentialSettings(keyfile_dict={"type": "service_account", "private_key": "hush"}),
            "could not be loaded",
        ),
        (CredentialSettings(keyfile_dict={"type": "unknown", "secret": "hush"}), "of a type that is not known."),
        (
            CredentialSettings(keyfile_dict={"type": "hush"}),
            "the credentials in keyfile_dict are of a type that is",
        ),
        (
            CredentialSettings(key_path='{"private_key": "hush"}'),
            "key_path holds JSON instead of a path; put it in",
        ),
        (CredentialSettings(credential_config_file={"private_key": "hush"}), "credential_config_file holds JSON"),
        (
            CredentialSettings(token="hush\x00hush"),
            "the connection's token holds characters that no HTTP header may",
        ),
        (
            CredentialSettings(anonymous=True, quota_project_id="p"),
            "sets anonymous and quota_project_id; leave out",
        ),
    ],
)
def test_what_cannot_be_read_is_told_without_its_content(settings: CredentialSettings, sentence: str) -> None:
    with pytest.raises((AuthError, RequestError)) as refusal:
        load_credentials(settings)
    assert sentence in str(refusal.value)
    assert "hush" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_two_sources_are_refused() -> None:
    with pytest.raises(RequestError, match="the connection sets key_path and anonymous; set only one of them"):
        load_credentials(CredentialSettings(key_path="x", anonymous=True))


def test_settings_do_not_show_secrets() -> None:
    shown = repr(CredentialSettings(token="hush")) + str(CredentialSettings(keyfile_dict={"private_key": "hush"}))
    assert "hush" not in shown
