"""Refusals, in the form that Google's APIs give them.

REST page: https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

from typing import Any

_STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class ServiceError(Exception):
    """A request that the service refuses."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def error_body(code: int, message: str) -> dict[str, Any]:
    """The JSON of an answer that is not a success."""
    return {"error": {"code": code, "message": message, "status": _STATUS_OF_HTTP.get(code, "UNKNOWN")}}
