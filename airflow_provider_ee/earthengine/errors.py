"""What can go wrong with Earth Engine, as a few kinds of error.

Every failure of a call or of an operation becomes one of the kinds below; what an Airflow task does about a
kind is decided elsewhere. The service fixes no machine-readable reason for most of its refusals, so they are
told apart by the texts it sends.

REST pages: https://cloud.google.com/apis/design/errors (error bodies),
https://developers.google.com/earth-engine/guides/usage (limits).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_ee.earthengine.operation import PROJECT, Operation

REGISTRATION_PAGE = "https://console.cloud.google.com/earth-engine/configuration?project={project}"
EARTH_ENGINE_API = "earthengine.googleapis.com"


def api_page(project: str | None, api: str = EARTH_ENGINE_API) -> str:
    """Where an API is enabled for a project."""
    page = f"https://console.cloud.google.com/apis/library/{api}"
    return f"{page}?project={project}" if project else page


class EarthEngineError(Exception):
    """Base of every error that this package raises about Earth Engine."""


class RequestError(EarthEngineError, ValueError):
    """The request is wrong: found before sending, or refused with 400."""


class DuplicateRequestError(RequestError):
    """The service has already seen this ``requestId`` from this user."""


def refuse_none(name: str, value: Any) -> None:
    """The text of Python's None is a mistake in a template, and must not become the name of something."""
    if value == "None":
        raise RequestError(
            f"{name} is 'None' after rendering; the template is empty: give it a default, or leave {name} out."
        )


class AuthError(EarthEngineError):
    """The caller is not known, not allowed or not registered (401, 403), or no credentials were found."""


class NotFoundError(EarthEngineError):
    """The project, operation or asset does not exist, or is hidden from the caller (404)."""


class TransientError(EarthEngineError):
    """A failure that may pass: 429, 5xx, a lost connection, an unreadable answer.

    ``retry_after`` is the number of seconds that the service asked to wait, if it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(EarthEngineError):
    """The task queue is full or a daily quota is spent: only time, or another limit, mends it."""


class OperationError(EarthEngineError):
    """An operation ended without success, or is waited for no longer; ``operation`` is its last known state."""

    def __init__(self, message: str, operation: Operation) -> None:
        super().__init__(message)
        self.operation = operation


class OperationCancelledError(OperationError):
    """The operation was cancelled."""


class OperationFailedError(OperationError):
    """The operation failed.

    ``code`` is the google.rpc code. ``retryable`` says that the fault was the service's, ``empty`` that the
    region held no valid pixel.
    """

    def __init__(
        self,
        message: str,
        operation: Operation,
        *,
        code: int | None,
        retryable: bool = False,
        empty: bool = False,
    ) -> None:
        super().__init__(message, operation)
        self.code = code
        self.retryable = retryable
        self.empty = empty


class OperationTimeoutError(OperationError):
    """The operation has not ended within the time that was given."""


class BudgetExceededError(OperationError):
    """The operation has used more compute than was given."""


class SupersededError(EarthEngineError):
    """Airflow has put another try in the place of this one."""


@dataclass(frozen=True)
class HttpFailure:
    """An HTTP answer that is not a success, with the parts of Google's error body that tell kinds apart.

    ``consumer`` is the project, and ``service`` the API, that a refusal is about, where it says so.
    """

    status: int
    message: str
    reasons: frozenset[str] = field(default_factory=frozenset)
    retry_after: float | None = None
    consumer: str | None = None
    service: str | None = None

    @classmethod
    def from_response(cls, status: int, text: str, headers: Mapping[str, str]) -> HttpFailure:
        """Read status, ``error.message`` and every reason in the body; a body that is no JSON is cut short."""
        retry_after = _seconds(headers.get("Retry-After"))
        try:
            error = json.loads(text)["error"]
            message, reasons = str(error["message"]), frozenset(_reasons(error))
            consumer, service = _told_by(error, "consumer", PROJECT), _told_by(error, "service", _API)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            summary = " ".join(text.split())[:200] or "no text"
            return cls(status, f"HTTP {status}: {summary}", retry_after=retry_after)
        return cls(status, message, reasons, retry_after, consumer, service)

    @property
    def api_is_off(self) -> bool:
        """Whether an API is not enabled in the project."""
        return "SERVICE_DISABLED" in self.reasons or "has not been used in project" in self.message.lower()


_API = re.compile(r"[a-z0-9-]+\.googleapis\.com")


def _told_by(error: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str | None:
    """What the metadata of an ErrorInfo says: https://cloud.google.com/apis/design/errors#error_info."""
    parts = (part.get("metadata") for part in error.get("details") or () if isinstance(part, dict))
    texts = (
        str(part.get(name)).removeprefix("projects/") for part in parts if isinstance(part, dict) and name in part
    )
    return next((text for text in texts if shape.fullmatch(text)), None)


def _reasons(error: Mapping[str, Any]) -> list[str]:
    parts = (*(error.get("details") or ()), *(error.get("errors") or ()))
    found = [error.get("status"), *(part.get("reason") for part in parts if isinstance(part, dict))]
    return [reason for reason in found if isinstance(reason, str)]


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` holds seconds or an HTTP date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    moment = seconds_since_epoch(retry_after)
    return None if moment is None else max(0.0, moment - datetime.now(timezone.utc).timestamp())


def seconds_since_epoch(http_date: str | None) -> float | None:
    """The moment that an HTTP header such as ``Date`` tells."""
    try:
        moment = parsedate_to_datetime(http_date or "")
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000" stands for UTC
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


_RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
_QUEUE_FULL = "too many tasks already in the queue"
_DUPLICATE = "already started with the given request_id"
_DAILY_QUOTA = ("custom quota", "daily_eecu_usage_time", "per day")


def error_from_http(
    failure: HttpFailure, *, call: str, project: str, caller: str = "the caller"
) -> EarthEngineError:
    """Turn an unsuccessful HTTP answer into its kind, with one sentence that says what mends it.

    ``call`` names the REST method (``image.export``), ``project`` the Cloud project it was sent to, ``caller``
    whom a missing role must be granted to.
    """
    status = failure.status
    text = failure.message.lower()

    def sentence(advice: str, told: str = failure.message) -> str:
        return f"{call} in project {project!r} was refused: {told.strip().rstrip('.')}; {advice}."

    if _DUPLICATE in text:
        return DuplicateRequestError(
            sentence("this request id has been used, so look for the operation that it started")
        )
    if _QUEUE_FULL in text:
        return QuotaError(sentence("wait until queued tasks have finished"))
    if status == 429 and any(mark in text for mark in _DAILY_QUOTA):
        return QuotaError(sentence("wait until the quota is renewed, or ask its administrator to raise it"))
    if status == 429 or status == 408 or (status == 403 and _RATE_REASONS & failure.reasons):
        return TransientError(sentence("try again later"), retry_after=failure.retry_after)
    if status >= 500 and status != 501:
        return TransientError(sentence("try again later"), retry_after=failure.retry_after)
    if status == 401:
        return AuthError(sentence("check the credentials of the Airflow connection"))
    if status == 403:
        if known := _mend_forbidden(failure, project, caller):
            return AuthError(sentence(known, told=first_sentence(failure.message)))
        less = " (to look without exporting, roles/earthengine.viewer)" if call in _READING else ""
        return AuthError(sentence(f"grant {caller} roles/earthengine.writer on project {project!r}{less}"))
    if status == 404:
        return NotFoundError(sentence(f"check its spelling and that {caller} may see it"))
    if status < 400:
        return RequestError(sentence("check api_endpoint, Earth Engine answers with 200 or an error"))
    if status == 409:
        return RequestError(sentence("look at what it conflicts with"))
    return RequestError(sentence("correct the request"))


# Calls that roles/earthengine.viewer allows.
_READING = ("getConfig", "operations.get", "operations.list")


def first_sentence(text: str) -> str:
    """What happened. Google's texts go on with advice that knows neither the caller nor the quota project."""
    return text.strip().partition(". ")[0]


def _mend_forbidden(failure: HttpFailure, project: str, caller: str) -> str | None:
    """What mends a refusal that is none of an Earth Engine role.

    Pages: https://cloud.google.com/apis/design/errors (reasons),
    https://developers.google.com/earth-engine/guides/access_control (roles)
    """
    text, reasons = failure.message.lower(), failure.reasons
    consumer = failure.consumer or project  # a quota project is not the project of the call
    if "serviceusage" in text or "USER_PROJECT_DENIED" in reasons:
        return f"grant {caller} roles/serviceusage.serviceUsageConsumer on project {consumer!r}"
    if failure.api_is_off and failure.service not in (None, EARTH_ENGINE_API):
        return f"enable that API at {api_page(consumer, str(failure.service))}"
    if failure.api_is_off:
        return f"enable the Earth Engine API at {api_page(consumer)}, and wait a few minutes"
    if "not registered" in text:
        return f"register the project at {REGISTRATION_PAGE.format(project=project)}"
    if "CONSUMER_INVALID" in reasons:
        return f"check the spelling of the project {consumer!r}, and that {caller} may use it"
    if "BILLING_DISABLED" in reasons:
        return f"enable billing for project {consumer!r}"
    if "scope" in text:
        return (
            "give the connection the scope that is missing (a Drive export needs "
            "https://www.googleapis.com/auth/drive)"
        )
    return None


_TOO_BIG = ("out of memory", "computation timed out", "user memory limit exceeded")
_EMPTY = "no valid (un-masked) pixels"
_INTERNAL = "internal error"
_SERVICE_FAULTS = {13, 14}  # google.rpc INTERNAL, UNAVAILABLE
_CALLER_FAULT = "(error code: 3)"  # google.rpc INVALID_ARGUMENT, as task messages spell it


def error_from_operation(operation: Operation) -> OperationError | None:
    """The error of a finished operation; None while it runs and when it succeeded."""
    if operation.state == "CANCELLED":
        return OperationCancelledError(f"Operation {operation.name} was cancelled.", operation)
    if operation.state != "FAILED":
        return None
    message = operation.error_message or "the service gave no reason"
    text = message.lower()
    told = f"Operation {operation.name} failed: {message.strip().rstrip('.')}"
    if any(mark in text for mark in _TOO_BIG):
        told += f" (after {operation.attempt} attempts); use smaller tiles or a larger tileScale"
    at_fault = operation.error_code in _SERVICE_FAULTS or _INTERNAL in text
    return OperationFailedError(
        f"{told}.",
        operation,
        code=operation.error_code,
        retryable=at_fault and _CALLER_FAULT not in text,
        empty=_EMPTY in text,
    )
