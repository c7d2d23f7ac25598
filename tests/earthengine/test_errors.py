"""Every HTTP failure becomes one kind, and its sentence says what mends it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    DuplicateRequestError,
    EarthEngineError,
    HttpFailure,
    NotFoundError,
    QuotaError,
    RequestError,
    TransientError,
    error_from_http,
)


def error(status: int, message: str = "Something.", *, reason: str = "", **headers: str) -> EarthEngineError:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    body = json.dumps({"error": {"code": status, "message": message, "details": details}})
    failure = HttpFailure.from_response(status, body, {k.replace("_", "-"): v for k, v in headers.items()})
    return error_from_http(failure, call="image.export", project="p")


@pytest.mark.parametrize(
    ("status", "message", "reason", "kind", "advice"),
    [
        (400, "Invalid value at 'grid'.", "", RequestError, "correct the request"),
        (413, "Too large.", "", RequestError, "correct the request"),
        (501, "Not implemented.", "", RequestError, "correct the request"),
        (302, "Moved.", "", RequestError, "check api_endpoint"),
        (401, "Request had invalid authentication credentials.", "", AuthError, "check the credentials"),
        (
            403,
            "Caller does not have required permission to use project p. Grant the caller the "
            "roles/serviceusage.serviceUsageConsumer role.",
            "USER_PROJECT_DENIED",
            AuthError,
            "grant the caller roles/serviceusage.serviceUsageConsumer on project 'p'",
        ),
        (
            403,
            "Google Earth Engine API has not been used in project 5 before or it is disabled.",
            "SERVICE_DISABLED",
            AuthError,
            "enable the Earth Engine API at https://console.cloud.google.com/apis/library/earthengine",
        ),
        (
            403,
            "Project p is not registered to use Earth Engine.",
            "",
            AuthError,
            "register the project at https://console.cloud.google.com/earth-engine/configuration?project=p",
        ),
        (403, "Request had insufficient authentication scopes.", "", AuthError, "googleapis.com/auth/drive"),
        (403, "Permission denied.", "", AuthError, "grant the caller roles/earthengine.writer on project 'p'"),
        (403, "Denied. For a reason.", "BILLING_DISABLED", AuthError, "enable billing for project 'p'"),
        (403, "Slow down.", "rateLimitExceeded", TransientError, "try again later"),
        (404, "Project 'projects/p' not found or deleted.", "", NotFoundError, "check its spelling"),
        (408, "Timeout.", "", TransientError, "try again later"),
        (429, "Too Many Requests: the request rate limit was exceeded.", "", TransientError, "try again later"),
        (500, "Internal.", "", TransientError, "try again later"),
        (503, "Unavailable.", "", TransientError, "try again later"),
        (
            429,
            "Your usage exceeded the custom quota for 'earthengine.googleapis.com/daily_eecu_usage_time'.",
            "",
            QuotaError,
            "wait until the quota is renewed",
        ),
    ],
)
def test_a_failure_has_a_kind_and_an_advice(
    status: int, message: str, reason: str, kind: type[EarthEngineError], advice: str
) -> None:
    told = error(status, message, reason=reason)
    assert type(told) is kind
    happened = message.partition(". ")[0].rstrip(".")
    assert str(told).startswith(f"image.export in project 'p' was refused: {happened}; ")
    assert advice in str(told)
    assert str(told).endswith(".")


@pytest.mark.parametrize("status", [400, 403, 409, 429, 503])
def test_the_texts_that_no_status_is_known_for_are_told_by_their_words(status: int) -> None:
    full = "Too many tasks already in the queue (3000). Please wait for some of them to complete."
    assert type(error(status, full)) is QuotaError
    used = "A different Operation was already started with the given request_id."
    assert type(error(status, used)) is DuplicateRequestError


@pytest.mark.parametrize(
    "text", ["<html>Bad gateway</html>", "", "[]", '{"error": "text"}', '{"error": {}}', "[" * 99_999]
)
def test_a_body_that_is_not_googles_is_cut_short(text: str) -> None:
    failure = HttpFailure.from_response(502, text * 100, {})
    told = error_from_http(failure, call="operations.get", project="p")
    assert type(told) is TransientError
    assert "HTTP 502" in str(told)
    assert len(str(told)) < 320


def test_retry_after_is_seconds_or_a_date() -> None:
    seconds = error(503, Retry_After="7")
    assert isinstance(seconds, TransientError)
    assert seconds.retry_after == 7
    date = error(503, Retry_After=format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90)))
    assert isinstance(date, TransientError)
    assert date.retry_after == pytest.approx(90, abs=5)
    zoneless = error(503, Retry_After="Sun, 22 Nov 2020 01:02:03 -0000")
    assert isinstance(zoneless, TransientError)
    assert zoneless.retry_after == 0
    nonsense = error(503, Retry_After="soon")
    assert isinstance(nonsense, TransientError)
    assert nonsense.retry_after is None
