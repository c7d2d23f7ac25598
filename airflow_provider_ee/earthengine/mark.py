"""How an export is known again: a mark at the end of its description.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export (``description``)
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from hashlib import sha256

_DESCRIPTION_LENGTH = 100
_KEY_CHARACTERS = string.digits + string.ascii_lowercase
_MARK = re.compile(r"--([a-z0-9]{10})-(\d{1,9})-(\d{1,9})\Z")


def task_key(*names: str | int) -> str:
    """Ten characters that stand for a task instance."""
    number = int.from_bytes(sha256(json.dumps(names).encode()).digest(), "big")
    digits = []
    for _ in range(10):
        number, digit = divmod(number, len(_KEY_CHARACTERS))
        digits.append(_KEY_CHARACTERS[digit])
    return "".join(digits)


@dataclass(frozen=True, order=True)
class Mark:
    """Whose an export is, and which of its task's."""

    key: str
    generation: int
    number: int

    def __str__(self) -> str:
        return f"{self.key}-{self.generation}-{self.number}"

    @classmethod
    def read(cls, description: str) -> Mark | None:
        """The mark at the end of a description."""
        found = _MARK.search(description)
        return cls(found[1], int(found[2]), int(found[3])) if found else None

    def describe(self, text: str) -> str:
        """The text, cut to leave room, with the mark."""
        mark = f"--{self}"
        return text[: _DESCRIPTION_LENGTH - len(mark)] + mark
