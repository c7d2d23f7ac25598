"""Settings of a connection -> google-auth credentials.

Pages: https://googleapis.dev/python/google-auth/latest/user-guide.html,
https://developers.google.com/earth-engine/guides/service_account
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.endpoint import is_google_api
from airflow_provider_ee.earthengine.errors import AuthError, RequestError
from airflow_provider_ee.earthengine.secrecy import without_likely_secrets

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

# Enough for every call. Drive is asked for on purpose (the connection's `scopes`): a login that was not
# granted a scope cannot be refreshed with it.
DEFAULT_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 (a page, not a token)


@dataclass(frozen=True)
class CredentialSettings:
    """Where credentials come from: at most one of the first five, else what the machine provides.

    ``impersonation_chain`` ends with the account to act as. ``token`` is a fixed bearer token. Secrets are
    kept out of ``repr``.
    """

    key_path: str | None = None
    keyfile_dict: Mapping[str, Any] | str | None = None
    credential_config_file: str | None = None
    anonymous: bool = False
    token: str | None = None
    impersonation_chain: Sequence[str] = ()
    quota_project_id: str | None = None
    scopes: Sequence[str] = DEFAULT_SCOPES

    def __repr__(self) -> str:
        return f"CredentialSettings({self.source})"

    @property
    def source(self) -> str:
        """Which setting the credentials come from."""
        chosen = [name for name in _SOURCES if getattr(self, name)]
        if len(chosen) > 1:
            raise RequestError(f"the connection sets {' and '.join(chosen)}; set only one of them.")
        return chosen[0] if chosen else "default"

    @property
    def identity(self) -> str:
        """Stands for the caller that they make, without telling anything of it."""
        told = [self.source, getattr(self, self.source, None), *self.impersonation_chain]
        rest = [self.quota_project_id, *self.scopes]
        return sha256(json.dumps([told, rest], default=dict, sort_keys=True).encode()).hexdigest()

    @property
    def are_real(self) -> bool:
        """Whether they would open a door at Google."""
        return self.source not in ("anonymous", "token") or bool(self.impersonation_chain)


_OTHER_TYPES = ("external_account_authorized_user", "impersonated_service_account")
# Where google-auth sends what it reads from a credential, or what it got for that.
_SENT_TO = ("token_url", "token_info_url", "revoke_url", "service_account_impersonation_url")
_SHOWN_PATH = re.compile(r"(?=.{1,255}$)([/~.]|.*\.json$).*", re.DOTALL)
_SOURCES = ("key_path", "keyfile_dict", "credential_config_file", "anonymous", "token")


def load_credentials(settings: CredentialSettings) -> tuple[Credentials, str | None]:
    """Build credentials and tell the project that they belong to, where they say so.

    :raises AuthError: if there are none, or they cannot be read.
    """
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, project = _load(settings)
        if settings.impersonation_chain:
            credentials = _impersonate(credentials, settings)
        if settings.quota_project_id:
            credentials = credentials.with_quota_project(settings.quota_project_id)  # type: ignore[attr-defined]
    except RequestError:
        raise
    except GoogleAuthError as error:
        reason = without_likely_secrets(str(error.args[0] if error.args else error)).rstrip(".")
        other = "; or set key_path or keyfile_dict in the connection" if settings.source == "default" else ""
        raise AuthError(f"credentials from {origin(settings)} could not be loaded: {reason}{other}.") from None
    except OSError as error:
        raise AuthError(
            f"credentials from {origin(settings)} could not be read: {error.strerror or type(error).__name__}; "
            "the file must lie on each machine that runs Airflow."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        # Texts of parsers may quote the key.
        raise AuthError(
            f"credentials from {origin(settings)} could not be read ({type(error).__name__}); "
            "they must be JSON as Google hands it out."
        ) from None
    return credentials, project


def earthengine_login_path() -> Path:
    """Where ``earthengine authenticate`` leaves the user's login."""
    return Path.home() / ".config" / "earthengine" / "credentials"


def _load(settings: CredentialSettings) -> tuple[Credentials, str | None]:
    source = settings.source
    if source == "anonymous":
        from google.auth.credentials import AnonymousCredentials

        if settings.quota_project_id:
            raise RequestError("the connection sets anonymous and quota_project_id; leave out one of them.")
        return AnonymousCredentials(), None
    if source == "token":
        from google.oauth2.credentials import Credentials as BearerCredentials

        token = str(settings.token).strip()
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise RequestError("the connection's token holds characters that no HTTP header may; write it anew.")
        return BearerCredentials(token=token), None
    if source == "keyfile_dict":
        return _from_info(_keyfile(settings.keyfile_dict), settings)
    if source in ("key_path", "credential_config_file"):
        path = getattr(settings, source)
        if not isinstance(path, str) or path.lstrip().startswith("{"):
            raise RequestError(f"the connection's {source} holds JSON instead of a path; put it in keyfile_dict.")
        return _from_info(_read_json(Path(path)), settings)
    if login := _login():
        return _from_login(login)
    import google.auth

    credentials, project = google.auth.default(scopes=_source_scopes(settings))
    return credentials, project


def _from_info(info: Mapping[str, Any], settings: CredentialSettings) -> tuple[Credentials, str | None]:
    """A service account's key, an authorised user or a workload identity federation: ``type`` says which."""
    info, scopes = _bound_to_google(info), _source_scopes(settings)
    if info.get("type") == "service_account":
        from google.oauth2 import service_account

        return service_account.Credentials.from_service_account_info(info, scopes=scopes), info.get("project_id")
    if info.get("type") == "authorized_user":
        from google.oauth2.credentials import Credentials as UserCredentials

        return UserCredentials.from_authorized_user_info(info, scopes=scopes), info.get("quota_project_id")
    if info.get("type") == "external_account":
        return _federated(info, scopes), None
    if info.get("type") not in _OTHER_TYPES:
        raise RequestError(f"the credentials in {origin(settings)} are of a type that is not known.")
    import google.auth

    with warnings.catch_warnings():
        # google-auth warns of configurations from strangers; this one is from whoever wrote the connection.
        warnings.simplefilter("ignore")
        credentials, project = google.auth.load_credentials_from_dict(dict(info), scopes=scopes)
    return credentials, project


def _bound_to_google(info: Mapping[str, Any]) -> dict[str, Any]:
    """A credential that is sent to Google's APIs and nowhere else, whoever has written it.

    Of a key that is as it was handed out, nothing changes.

    :raises RequestError: if it asks for something else.
    """
    if not isinstance(info.get("private_key", ""), str):
        raise ValueError("private_key")
    for name in _SENT_TO:
        if info.get(name) and not is_google_api(str(info[name])):
            raise RequestError(f"the {name} of the credentials must be https://….googleapis.com/…; correct it.")
    if (info.get("universe_domain") or "googleapis.com") != "googleapis.com":
        raise RequestError("the universe_domain of the credentials must be googleapis.com, where Earth Engine is.")
    bound = {**info, **({"token_uri": _TOKEN_URI} if "token_uri" in info else {})}
    if isinstance(source := info.get("source_credentials"), Mapping):
        bound["source_credentials"] = _bound_to_google(source)
    return bound


def _federated(info: Mapping[str, Any], scopes: list[str]) -> Credentials:
    """Workload identity federation. google-auth's general loader would ask the network for the project."""
    from google.auth import aws, identity_pool, pluggable

    kind: Any = identity_pool.Credentials
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        kind = aws.Credentials
    elif "executable" in info["credential_source"]:
        kind = pluggable.Credentials
    credentials: Credentials = kind.from_info(info, scopes=scopes)
    return credentials


def _login() -> Mapping[str, Any] | None:
    """The login of ``earthengine authenticate``, which comes before what else the machine provides."""
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or not earthengine_login_path().is_file():
        return None
    login = _read_json(earthengine_login_path())
    return login if login.get("refresh_token") else None


def _from_login(login: Mapping[str, Any]) -> tuple[Credentials, str | None]:
    """The login of ``earthengine authenticate``: a refresh token, and the client that asked for it."""
    from google.oauth2.credentials import Credentials as UserCredentials

    client_id, client_secret = login.get("client_id"), login.get("client_secret")
    if not client_id or not client_secret:
        client_id, client_secret = _earthengine_client()
    credentials = UserCredentials(
        token=None,
        refresh_token=login["refresh_token"],
        token_uri=_TOKEN_URI,
        client_id=client_id,
        client_secret=client_secret,
        scopes=login.get("scopes"),
    )
    project = login.get("project")
    return (credentials.with_quota_project(project) if project else credentials), project


def _earthengine_client() -> tuple[str, str]:
    """The OAuth client of earthengine-api, which made the login."""
    try:
        from ee import oauth
    except ImportError:
        raise AuthError(
            f"the login in {earthengine_login_path()} needs earthengine-api; install airflow-provider-ee[ee]."
        ) from None
    return oauth.CLIENT_ID, oauth.CLIENT_SECRET


def _impersonate(source: Credentials, settings: CredentialSettings) -> Credentials:
    from google.auth import impersonated_credentials

    *delegates, target = settings.impersonation_chain
    return impersonated_credentials.Credentials(
        source_credentials=source,
        target_principal=target,
        delegates=delegates,
        target_scopes=list(settings.scopes),
    )


def _source_scopes(settings: CredentialSettings) -> list[str]:
    """Impersonating needs cloud-platform of the source; the target gets the scopes that were asked for."""
    return [DEFAULT_SCOPES[0]] if settings.impersonation_chain else list(settings.scopes)


def _keyfile(given: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
    info = json.loads(given) if isinstance(given, str) else given
    if not isinstance(info, Mapping):
        raise ValueError("not a JSON object")
    return info


def _read_json(path: Path) -> dict[str, Any]:
    info = json.loads(path.expanduser().read_text(encoding="utf-8"))
    if not isinstance(info, dict):
        raise ValueError("not a JSON object")
    return info


def origin(settings: CredentialSettings) -> str:
    """Where the credentials come from, in words."""
    if settings.source in ("key_path", "credential_config_file"):
        path = getattr(settings, settings.source)
        # In the wrong field may stand a key or a token.
        return f"{settings.source} {path!r}" if _SHOWN_PATH.fullmatch(path) else settings.source
    if settings.source != "default":
        return settings.source
    try:
        login = _login() is not None
    except (OSError, ValueError):
        login = True  # it is the one that could not be read
    return (
        f"the login in {earthengine_login_path()}" if login else "this machine (application default credentials)"
    )
