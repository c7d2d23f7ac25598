"""Faults that tests ask for: answers replaced, dropped, cut, delayed or held; lists that lag or break."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Fault(BaseModel):
    """What happens to requests of a method whose operation's description matches.

    ``before`` takes the place of the call; ``after`` lets the call take effect and spoils its answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    point: Literal["before", "after"] = "before"
    status: int | None = Field(default=None, ge=200, le=599)
    message: str = "The service is currently unavailable."
    headers: dict[str, str] = {}
    drop: bool = False
    cut: bool = False
    delay_seconds: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    hold: str | None = None
    match: str = ""
    skip: int = Field(default=0, ge=0)
    times: int | None = Field(default=1, ge=1)
    order: Literal["newest", "oldest", "shuffled"] | None = None
    hide: str | None = None
    fail_page: int | None = Field(default=None, ge=1)

    @field_validator("match", "hide")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        return pattern if pattern is None else check_pattern(pattern)

    @model_validator(mode="after")
    def _check_effect(self) -> Fault:
        if self.shapes_list and self.method != "operations.list":
            raise ValueError("order, hide and fail_page are for the method operations.list")
        if not (self.status or self.drop or self.cut or self.delay_seconds or self.hold or self.shapes_list):
            raise ValueError("the fault has no effect; give status, drop, cut, delay_seconds, hold, …")
        if self.cut and self.point == "before" and not self.error_status:
            raise ValueError('there is nothing to cut; give the point "after", or a status')
        if not self.error_status and {"message", "headers"} & self.model_fields_set:
            raise ValueError("message and headers go with a status")
        return self

    @property
    def shapes_list(self) -> bool:
        """Whether it concerns the pages of a list, and not the request as such."""
        return bool(self.order or self.hide is not None or self.fail_page)

    @property
    def error_status(self) -> int | None:
        """The status that is answered instead."""
        return self.status or (503 if self.fail_page else None)

    @property
    def spoils(self) -> bool:
        """Whether something else is answered than would be."""
        return bool(self.error_status or self.drop or self.cut)


def check_pattern(pattern: str) -> str:
    """A regular expression, as it is.

    :raises ValueError: if it is none.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


@dataclass
class _Armed:
    fault: Fault
    seen: int = 0
    fired: int = 0

    def take(self) -> bool:
        """Count a matching request, and tell whether the fault fires for it."""
        self.seen += 1
        if self.seen <= self.fault.skip or (self.fault.times is not None and self.fired >= self.fault.times):
            return False
        self.fired += 1
        return True


class Faults:
    """The faults that are armed, in the order in which they were."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._held: dict[str, asyncio.Event] = {}
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._armed.append(_Armed(fault))
            held = self._held.get(fault.hold or "")
            if fault.hold and (held is None or held.is_set()):
                self._held[fault.hold] = asyncio.Event()

    def clear(self) -> None:
        """Remove all faults, and let go of what they hold."""
        with self._lock:
            self._armed.clear()
            for event in self._held.values():
                event.set()

    def matching(self, method: str, description: str, page: int = 1) -> list[Fault]:
        """The faults that fire for a request: the first that matches, and all that shape a list."""
        with self._lock:
            fired: list[Fault] = []
            for armed in self._armed:
                fault = armed.fault
                if fault.method != method or (fault.fail_page or page) != page:
                    continue
                if not fault.shapes_list and not re.search(fault.match, description):
                    continue
                if (fault.shapes_list or not any(one.spoils for one in fired)) and armed.take():
                    fired.append(fault)
            return fired

    def report(self) -> list[dict[str, Any]]:
        """Each fault, with how many requests it matched and how often it fired."""
        with self._lock:
            return [{**one.fault.model_dump(), "seen": one.seen, "fired": one.fired} for one in self._armed]

    async def pause(self, fault: Fault) -> None:
        """Delay and hold, as the fault says."""
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault.hold and (event := self._held.get(fault.hold)):
            await event.wait()

    def release(self, hold: str) -> bool:
        """Let go of the requests that are held under a name, and of those that will be."""
        event = self._held.get(hold)
        if event:
            event.set()
        return event is not None
