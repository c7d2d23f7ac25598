"""The session of the ee library, of which a process has one: whose it is, and that nobody uses another's.

Page: https://developers.google.com/earth-engine/apidocs/ee-initialize
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_ee.earthengine.errors import (
    EarthEngineError,
    HttpFailure,
    RequestError,
    TransientError,
    error_from_http,
)

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
    try:
        ee.Initialize(credentials, url=caller.endpoint, project=caller.project)
    except Exception as error:
        ee.Reset()
        raise _told(error, caller) from error
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


def _told(error: Exception, caller: Caller) -> EarthEngineError:
    """What kept ee from being initialised, as the same answer to a call of ours would be told."""
    from google.auth.exceptions import GoogleAuthError

    from airflow_provider_ee.earthengine.authorisation import error_from_auth

    call = "ee.Initialize"
    if isinstance(error, GoogleAuthError):
        return error_from_auth(call, error)
    answer = error.__context__  # what ee makes its own exception of
    status, content = getattr(getattr(answer, "resp", None), "status", None), getattr(answer, "content", b"")
    if status is None:
        return TransientError(f"{call} failed for the project {caller.project!r}: {str(error).rstrip('.')}.")
    failure = HttpFailure.from_response(int(status), content.decode(errors="replace"), {})
    return error_from_http(failure, call=call, project=caller.project)


def _present() -> _Session | None:
    """The library's session, if there is one. It has no public name for the parts."""
    import ee

    if not ee.data.is_initialized():
        return None
    data: Any = ee.data
    if hasattr(data, "_get_state"):
        state = data._get_state()
        return _Session(state.cloud_api_base_url, state.cloud_api_user_project, state.credentials)
    # The module itself was the state before.
    return _Session(data._cloud_api_base_url, data._cloud_api_user_project, data._credentials)
