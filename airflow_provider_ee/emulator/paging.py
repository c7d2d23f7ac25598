"""Lists in pages, of operations and of assets."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_ee.emulator.errors import ServiceError


@dataclass(frozen=True)
class Page:
    """The part of a list that a request asks for."""

    number: int
    start: int
    size: int

    @property
    def slice(self) -> slice:
        """Which elements of the list are on it."""
        return slice(self.start, self.start + self.size)

    def next_token(self, length: int) -> dict[str, str]:
        """The field that leads to the page after this one of a list of ``length``; none after the last."""
        if self.start + self.size >= length:
            return {}
        token = base64.urlsafe_b64encode(f"{self.number + 1}/{self.start + self.size}".encode()).decode()
        return {"nextPageToken": token}


def page_of(query: Mapping[str, str], most: int) -> Page:
    """The page that the parameters of a request name, of at most so many elements.

    :raises ServiceError: if they name none.
    """
    number, start = _start(query.get("pageToken", ""))
    text = query.get("pageSize", "")
    if not re.fullmatch("[0-9]{0,10}", text):
        raise ServiceError(400, f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"")
    return Page(number, start, min(int(text or 0) or most, most))


def _start(token: str) -> tuple[int, int]:
    """Number of the page, and index of its first element."""
    if not token:
        return 1, 0
    try:
        decoded = base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        decoded = ""
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", decoded)
    if not match:
        raise ServiceError(400, "Invalid page token.")
    return int(match[1]), int(match[2])
