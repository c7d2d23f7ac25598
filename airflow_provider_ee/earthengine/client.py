"""EarthEngineClient: the calls of the REST API that exports need.

REST page: https://developers.google.com/earth-engine/reference/rest
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from airflow_provider_ee.earthengine.authorisation import caller_of, error_from_auth
from airflow_provider_ee.earthengine.collector import collector_paused
from airflow_provider_ee.earthengine.endpoint import DEFAULT_ENDPOINT, check_endpoint, is_loopback
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    HttpFailure,
    RequestError,
    TransientError,
    error_from_http,
    seconds_since_epoch,
)
from airflow_provider_ee.earthengine.http_session import kept_straight
from airflow_provider_ee.earthengine.operation import OPERATION_NAME, PROJECT
from airflow_provider_ee.earthengine.secrecy import without_secrets

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

PAGE_SIZE = 500
"""What the official clients ask for; the service documents no maximum."""

_T = TypeVar("_T")
Page = tuple[list[_T], str | None]
"""What a page holds, and the token of the next one, if there is one."""

_LONGEST_WAIT = 120.0
_CLOCKS_AGREE = 60.0  # seconds


class EarthEngineClient:
    """An authorised HTTP session with Earth Engine, with a method per REST call.

    Calls that change nothing, and cancelling, are repeated on 429, 5xx and connection errors, with
    exponential backoff and jitter or as long as ``Retry-After`` says. An export is sent once: whether to send
    it again is for the caller, who knows what a second one would cost.

    :param credentials: google-auth credentials.
    :param project: Cloud project that the calls are made, counted and paid in.
    :param endpoint: base URL; anything but ``https://*.googleapis.com`` must be a loopback address and is
        refused for real credentials.
    :param real_credentials: whether the credentials would open a door at Google.
    :param num_retries: how many times a call is repeated.
    :param timeout: seconds to wait for a connection, and between two bytes of an answer.
    :param sleep: called with seconds between two attempts.
    :param requested: told each request that was made: the method, and the status of the answer or 0.
    """

    def __init__(
        self,
        credentials: Credentials,
        project: str,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        real_credentials: bool = True,
        num_retries: int = 5,
        timeout: float = 60.0,
        sleep: Callable[[float], None] | None = None,
        requested: Callable[[str, int], None] = lambda method, status: None,
    ) -> None:
        if not PROJECT.fullmatch(project):
            raise RequestError(f"project {project!r:.80} is not the id or number of a Cloud project.")
        self.project = project
        self.endpoint = check_endpoint(endpoint, real_credentials=real_credentials)
        self.num_retries = num_retries
        self.answered_at: float | None = None
        """When the service gave its last answer, by its own clock, in seconds since the epoch."""
        self.clock_offset = 0.0
        """Seconds that the service's clock was ahead of this machine's when it gave its last answer."""
        self._doubted_offset = float("inf")
        self._timeout, self._requested = timeout, requested
        loopback = is_loopback(endpoint)
        self._sign_in = kept_straight(requests.Session(), loopback=loopback)
        self._session = _authorized_session(
            credentials, self._sign_in, loopback=loopback, refresh=real_credentials
        )
        retrying: dict[str, Any] = {"sleep": sleep} if sleep else {}
        self._repeat = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(num_retries + 1),
            wait=_wait,
            reraise=True,
            **retrying,
        )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()
        self._sign_in.close()

    def export(self, kind: str, body: bytes) -> dict[str, Any]:
        """Start an export with one POST of ``body`` (JSON) and return the Operation resource.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export, and those of
        the other kinds beside it

        :param kind: ``image``, ``table``, ``video``, ``map``, ``videoMap`` or ``classifier``.
        :param body: the request as JSON.
        :raises EarthEngineError: of the kind that the answer tells; a ``TransientError`` leaves open whether
            the export has started.
        """
        call = f"{kind}.export"
        return _named(call, self._call(call, "POST", f"projects/{self.project}/{kind}:export", body=body))

    def get_operation(self, name: str) -> dict[str, Any]:
        """The Operation resource; a failed operation is an answer, not an error.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get

        :param name: ``projects/PROJECT/operations/ID``.
        :raises RequestError: if the name is none.
        :raises NotFoundError: if the service does not know it.
        :raises EarthEngineError: of the kind that fits, for whatever else is refused.
        """
        return _named("operations.get", self._repeated("operations.get", "GET", _checked_name(name)))

    def list_operations(self) -> Iterator[dict[str, Any]]:
        """All operations of the project, of all its users, page by page as they are asked for.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list

        :raises EarthEngineError: of the kind that fits, on the way too.
        """
        token = None
        while True:
            operations, token = self.list_page(token)
            yield from operations
            if token is None:
                return

    def list_page(self, token: str | None = None) -> Page[dict[str, Any]]:
        """One page of the list, and the token of the next one, if there is one.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list

        :param token: of the page before; None for the first one.
        :raises EarthEngineError: of the kind that fits.
        """
        return self._page(token, list)

    def _page(self, token: str | None, taken: Callable[[Iterable[dict[str, Any]]], list[_T]]) -> Page[_T]:
        query: dict[str, Any] = {"pageSize": PAGE_SIZE, **({"pageToken": token} if token else {})}

        def read(response: requests.Response) -> Any:
            with collector_paused():
                page = response.json()
                if isinstance(page, dict) and response.status_code == 200:
                    named = (
                        one for one in page.get("operations") or () if isinstance(one, dict) and one.get("name")
                    )
                    page["operations"] = taken(named)
                return page

        path = f"projects/{self.project}/operations"
        page = self._repeated("operations.list", "GET", path, query=query, read=read)
        return page["operations"], page.get("nextPageToken") or None

    def list_texts(self, token: str | None = None) -> Page[tuple[str, str]]:
        """``list_page`` with the name and the JSON text of each operation.

        Texts are nothing to the garbage collector, which a page's tens of thousands of objects would keep busy.

        :param token: of the page before; None for the first one.
        :raises EarthEngineError: of the kind that fits.
        """
        return self._page(token, _as_texts)

    def cancel_operation(self, name: str) -> None:
        """Ask for an operation to be cancelled; it goes on for a while, and may still succeed.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/cancel

        :param name: ``projects/PROJECT/operations/ID``.
        :raises RequestError: if the name is none.
        :raises EarthEngineError: of the kind that fits; whether one that has ended is refused is not known.
        """
        self._repeated("operations.cancel", "POST", f"{_checked_name(name)}:cancel", body=b"{}")

    def get_config(self) -> dict[str, Any]:
        """The project's Earth Engine settings, ``registrationState`` among them.

        REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects/getConfig

        :raises EarthEngineError: of the kind that fits.
        """
        return self._repeated("getConfig", "GET", f"projects/{self.project}/config")

    def _take_time(self, told: float | None) -> None:
        """A clock that jumps is believed once it has told the same twice."""
        known, self.answered_at = self.answered_at is not None, told
        if told is None:
            return
        offset = told - time.time()
        if not known or _agree(offset, self.clock_offset) or _agree(offset, self._doubted_offset):
            self.clock_offset = offset
        self._doubted_offset = offset

    def _repeated(self, call: str, verb: str, path: str, **request: Any) -> dict[str, Any]:
        return self._repeat.copy()(self._call, call, verb, path, **request)

    def _call(
        self,
        call: str,
        verb: str,
        path: str,
        *,
        body: bytes | None = None,
        query: dict[str, Any] | None = None,
        read: Callable[[requests.Response], Any] = requests.Response.json,
    ) -> dict[str, Any]:
        status = 0
        try:
            response = self._session.request(
                verb,
                f"{self.endpoint}/v1/{path}",
                data=body,
                params=query,
                headers={"Content-Type": "application/json"} if body is not None else {},
                timeout=self._timeout,
                allow_redirects=False,
            )
            status = response.status_code
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            # Not of the endpoint, which was checked. A proxy's URL may hold a password.
            raise RequestError(
                f"{call} could not be sent: this machine's HTTPS_PROXY is no proxy that can be used; correct it."
            ) from None
        except (requests.exceptions.InvalidHeader, UnicodeError, ValueError):
            # Their texts quote the header, with the token in it.
            raise AuthError(f"{call} could not be sent: the credentials hold what no HTTP header may.") from None
        except requests.RequestException as error:
            reason = without_secrets(_reason(error), self._session.credentials)
            raise TransientError(f"{call} got no answer from {self.endpoint}: {reason}.") from None
        except GoogleAuthError as error:  # which keeps whole answers
            raise error_from_auth(call, error, self._session.credentials) from None
        except (KeyError, TypeError, AttributeError):  # google-auth relies on answers to be what it expects
            raise TransientError(
                f"{call} could not be authorised now: the answer to signing in holds no token."
            ) from None
        finally:
            self._requested(call, status)
        try:
            answer = read(response)
        except ValueError:
            answer = None
        if isinstance(answer, dict):  # else it is somebody's on the way
            self._take_time(seconds_since_epoch(response.headers.get("Date")))
        if status != 200:
            told = without_secrets(response.text, self._session.credentials)
            failure = HttpFailure.from_response(status, told, response.headers)
            raise error_from_http(
                failure, call=call, project=self.project, caller=caller_of(self._session.credentials)
            )
        if not isinstance(answer, dict):
            raise TransientError(f"{call} got an answer from {self.endpoint} that is not a JSON object.")
        return answer


def _as_texts(operations: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(str(one["name"]), json.dumps(one)) for one in operations]


def _agree(offset: float, other: float) -> bool:
    return abs(offset - other) < _CLOCKS_AGREE


def _named(call: str, operation: dict[str, Any]) -> dict[str, Any]:
    if not OPERATION_NAME.fullmatch(str(operation.get("name"))):
        raise TransientError(f"{call} got an answer that names no operation.")
    return operation


def _checked_name(name: str) -> str:
    if not OPERATION_NAME.fullmatch(name):
        raise RequestError(f"{name!r} is not the name of an operation; write projects/PROJECT/operations/ID.")
    return name


def _authorized_session(
    credentials: Credentials, sign_in: requests.Session, *, loopback: bool, refresh: bool
) -> AuthorizedSession:
    sign_in.mount("https://", HTTPAdapter(max_retries=3))  # as google-auth does where it makes the session
    options = {} if refresh else {"refresh_status_codes": ()}
    session = kept_straight(
        AuthorizedSession(credentials, auth_request=Request(sign_in), **options), loopback=loopback
    )
    session.mount("https://", HTTPAdapter(max_retries=0))
    session.mount("http://", HTTPAdapter(max_retries=0))
    return session


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TransientError) else None
    backoff: float = wait_random_exponential(multiplier=1, max=60)(state)
    return backoff if asked is None else min(asked, _LONGEST_WAIT) + backoff / 10


def _reason(error: Exception) -> str:
    """The innermost cause: requests and urllib3 wrap it several times over."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return f"{type(error).__name__}, {str(cause).strip() or type(cause).__name__}".rstrip(".")
