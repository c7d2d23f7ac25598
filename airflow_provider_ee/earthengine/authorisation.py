"""Who calls, and what keeps them from being authorised: what google-auth tells, in words that a person can act on.

Pages: https://googleapis.dev/python/google-auth/latest/user-guide.html,
https://cloud.google.com/iam/docs/create-short-lived-credentials-direct (impersonation)
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    HttpFailure,
    TransientError,
    api_page,
    first_sentence,
)
from airflow_provider_ee.earthengine.secrecy import without_likely_secrets

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.exceptions import GoogleAuthError

_IMPERSONATION_REFUSED = "unable to acquire impersonated credentials"
_IAM_API = "iamcredentials.googleapis.com"


def caller_of(credentials: Credentials | None) -> str:
    """Who calls with these credentials, as a role can be granted to them; of a machine, once it was asked."""
    email = getattr(credentials, "service_account_email", None)
    if email == "default":
        return "the service account of this machine"
    if email:
        return f"service account {email}"
    if getattr(credentials, "refresh_token", None):
        return (
            f"the user {account}" if (account := getattr(credentials, "account", "")) else "the user who logged in"
        )
    if audience := getattr(credentials, "info", {}).get("audience"):
        return f"the federated identity of {str(audience).removeprefix('//iam.googleapis.com/')}"
    return "the caller"


def identity_of(credentials: Credentials) -> str:
    """``caller_of``, and on whose behalf they are impersonated."""
    chain = [caller_of(_source_of(credentials)), *_delegates_of(credentials)] if _source_of(credentials) else []
    return ", impersonated by ".join([caller_of(credentials), *reversed(chain)])


def error_from_auth(call: str, error: GoogleAuthError, credentials: Credentials | None = None) -> EarthEngineError:
    """What google-auth says of a call, and what mends it, without what it may quote."""
    told = _told(str(error.args[0] if error.args else error), credentials)
    refusal = _refusal_of_impersonation(error)
    if refusal is not None and refusal.message:
        told += f" ({_told(first_sentence(refusal.message), credentials)})"
    passing = refusal is not None and (refusal.status == 429 or refusal.status >= 500)
    if passing or getattr(error, "retryable", False) or "TransportError" in type(error).__name__:
        return TransientError(f"{call} could not be authorised now: {told}.")
    mend = _mend_impersonation(refusal, credentials) if refusal is not None else _mend_refresh(told, credentials)
    return AuthError(f"{call} could not be authorised: {told}; {mend}.")


def _told(text: str, credentials: Credentials | None) -> str:
    return without_likely_secrets(" ".join(text.split()), credentials)[:300].rstrip(".")


def _mend_refresh(told: str, credentials: Credentials | None) -> str:
    text, source = told.lower(), _source_of(credentials) or credentials
    if "invalid_scope" in text:
        return "log in again with all the scopes that the connection asks for"
    if "invalid_grant" in text and getattr(source, "service_account_email", None):
        return f"make a new key for {caller_of(source)} if this one was deleted, and check this machine's clock"
    if "invalid_grant" in text or "reauthentication" in text:
        return "log in again, since the login has expired or was revoked"
    return "check the credentials of the Airflow connection"


def _refusal_of_impersonation(error: GoogleAuthError) -> HttpFailure | None:
    """What the IAM Credentials API answered, which google-auth keeps as text."""
    if not str(error.args[0] if error.args else "").lower().startswith(_IMPERSONATION_REFUSED):
        return None
    try:
        body = str(error.args[1])
        return HttpFailure.from_response(int(json.loads(body)["error"]["code"]), body, {})
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        return HttpFailure(0, "")


def _mend_impersonation(refusal: HttpFailure, credentials: Credentials | None) -> str:
    if refusal.api_is_off:
        return f"enable the IAM Service Account Credentials API at {api_page(refusal.consumer, _IAM_API)}"
    if refusal.status in (400, 404):
        return "check the spelling of impersonation_chain"
    source = _source_of(credentials)
    chain = [caller_of(source), *_delegates_of(credentials), caller_of(credentials)]
    first, *rest = pairwise(chain)
    more = "".join(f", and {one} on {other}" for one, other in rest)
    return f"grant {first[0]} roles/iam.serviceAccountTokenCreator on {first[1]}{more}"


def _source_of(credentials: Credentials | None) -> Credentials | None:
    """Who impersonates. google-auth has no public name for it."""
    source: Credentials | None = getattr(credentials, "_source_credentials", None)
    return source


def _delegates_of(credentials: Any) -> list[str]:
    return [f"service account {email}" for email in getattr(credentials, "_delegates", None) or ()]
