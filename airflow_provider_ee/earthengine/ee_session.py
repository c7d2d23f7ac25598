"""The session of the ee library, of which a process has one: whose it is, and that nobody uses another's.

Page: https://developers.google.com/earth-engine/apidocs/ee-initialize
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_ee.earthengine.endpoint import is_loopback
from airflow_provider_ee.earthengine.errors import (
    EarthEngineError,
    HttpFailure,
    RequestError,
    TransientError,
    error_from_http,
)
from airflow_provider_ee.earthengine.http_session import kept_straight
from airflow_provider_ee.earthengine.secrecy import without_secrets

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from airflow_provider_ee.earthengine.pollers import Caller


class _Session(NamedTuple):
    """What the library was last initialised with."""

    endpoint: str | None
    project: str | None
    credentials: Any


_ours: tuple[Caller, _Session] | None = None


def is_installed() -> bool:
    """Whether there is an ee library; it is not imported."""
    return find_spec("ee") is not None


def initialize(caller: Caller, credentials: Credentials) -> bool:
    """Make ee ready for a caller, unless it is.

    :returns: whether it was not.
    :raises RequestError: if ee is not installed, or is ready for somebody else.
    :raises EarthEngineError: if the service refuses, or did not answer.
    """
    global _ours
    if not is_installed():
        raise RequestError("ee is not installed; add earthengine-api: pip install 'airflow-provider-ee[ee]'.")
    import ee

    present = _present()
    if present is not None:
        if _ours == (caller, present):
            return False
        raise RequestError(
            f"ee is initialised in this process for the project {present.project!r} already, and not by this "
            f"connection (project {caller.project!r}); take ee.Initialize out of the DAG file, or call ee.Reset()."
        )
    _use_straight_session(caller)
    try:
        ee.Initialize(credentials, url=caller.endpoint, project=caller.project)
    except Exception as error:
        ee.Reset()
        raise _told(error, caller, credentials) from None  # whose texts may quote what was sent
    found = _present()
    _ours = (caller, found) if found else None
    return True


@contextmanager
def session(caller: Caller, credentials: Credentials) -> Iterator[None]:
    """``initialize`` while the body lasts; what was ready before stays so."""
    import ee

    begun = initialize(caller, credentials)
    expected = _ours
    try:
        yield
        if expected is not None and _present() != expected[1]:
            raise RequestError(
                "the function has initialised ee itself; leave ee.Initialize out: it is done with the connection."
            )
    finally:
        if begun:
            ee.data.resetWorkloadTag(True)  # which some versions keep
            ee.Reset()


def _told(error: Exception, caller: Caller, credentials: Credentials) -> EarthEngineError:
    """What kept ee from being initialised, as the same answer to a call of ours would be told."""
    from google.auth.exceptions import GoogleAuthError

    from airflow_provider_ee.earthengine.authorisation import caller_of, error_from_auth

    call = "ee.Initialize"
    if isinstance(error, GoogleAuthError):
        return error_from_auth(call, error, credentials)
    answer = error.__context__  # what ee makes its own exception of
    status, content = getattr(getattr(answer, "resp", None), "status", None), getattr(answer, "content", b"")
    if status is None:
        told = without_secrets(str(error), credentials).rstrip(".")
        return TransientError(f"{call} failed for the project {caller.project!r}: {told}.")
    text = without_secrets(content.decode(errors="replace"), credentials)
    failure = HttpFailure.from_response(int(status), text, {})
    return error_from_http(failure, call=call, project=caller.project, caller=caller_of(credentials))


def _use_straight_session(caller: Caller) -> None:
    """The library sends by a session of its own making, unless there is one."""
    import requests

    state, prefix = _state()
    session = kept_straight(requests.Session(), loopback=is_loopback(caller.endpoint))
    setattr(state, f"{prefix}requests_session", session)


def _present() -> _Session | None:
    """The library's session, if there is one."""
    import ee

    if not ee.data.is_initialized():
        return None
    state, prefix = _state()
    names = ("cloud_api_base_url", "cloud_api_user_project", "credentials")
    return _Session(*(getattr(state, f"{prefix}{name}") for name in names))


def _state() -> tuple[Any, str]:
    """What holds the library's state, and what its names begin with. It has no public name for it."""
    import ee

    data: Any = ee.data
    # Before, the module itself was the state.
    return (data._get_state(), "") if hasattr(data, "_get_state") else (data, "_")
