"""A try of a task that wants an export, and what the tries of a task tell each other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol


@dataclass(frozen=True)
class Attempt:
    """A try of a task that wants an export.

    :param key: stands for the task instance.
    :param generation: the same over retries, larger after a clear.
    :param try_number: from 1.
    :param maybe_cleared: whether there may have been an earlier generation, where no memory tells.
    """

    key: str
    generation: int
    try_number: int
    maybe_cleared: bool = False


class Memory(Protocol):
    """What a task remembers between its tries."""

    lasts: bool
    """Whether it does; where not, ``read`` returns nothing and ``write`` only tells whether the try is current."""

    def read(self) -> Any:
        """What was written last."""

    def write(self, record: dict[str, Any]) -> None:
        """Keep a record.

        :raises SupersededError: if the try is no longer the current one; nothing is written then.
        :raises TransientError: if that is not known.
        """


@dataclass(frozen=True)
class Record:
    """What is remembered before a request is sent, and once more with the name of its operation."""

    generation: int
    number: int
    birth: float
    """When the first try of the run wanted an export, by the worker's clock."""
    fingerprint: str
    try_number: int
    first_generation: int
    lowest: int
    """Numbers below it belong to a deleted run of the same id."""
    operation: str | None = None

    @classmethod
    def read(cls, stored: Any) -> Record | None:
        """A record, or None where there is none that can be read."""
        names = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in stored.items() if name in names})
        except (TypeError, AttributeError):
            return None
