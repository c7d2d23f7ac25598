"""A service to look at operations in, which counts what it is asked; no network."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable
from typing import Any

from virtual_time import time

from airflow_provider_ee.earthengine.errors import NotFoundError

PAGE = 500


def name_of(number: int, project: str = "p") -> str:
    return f"projects/{project}/operations/OP{number}"


class CountingService:
    """Lists operations newest first, 500 a page.

    :param count: of operations, numbered from the oldest.
    """

    def __init__(self, count: int = 0, *, seconds_a_request: float = 0.05) -> None:
        self.numbers = list(range(count))
        self.unlisted: set[int] = set()
        self.ends: dict[int, float] = {}
        self.states: dict[int, str] = {}
        self.metadata: dict[str, Any] = {}
        self.requests: list[tuple[float, str]] = []
        self.cancelled: list[str] = []
        self.failing: Callable[[str], Exception | None] = lambda request: None
        self.spelling = "p"
        self.shuffled: random.Random | None = None
        self.answered_at: float | None = None
        self.clock_offset = 0.0
        self._seconds = seconds_a_request

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a poller calls instead of a thread."""
        await asyncio.sleep(self._seconds)
        return function(*arguments)

    def requests_from(self, moment: float) -> list[str]:
        return [request for at, request in self.requests if at >= moment]

    def sweeps(self, *, apart: float = 2.0) -> list[int]:
        """How many requests each sweep took: those that follow each other closely."""
        counts: list[int] = []
        before = float("-inf")
        for at, _ in self.requests:
            if at - before > apart:
                counts.append(0)
            counts[-1] += 1
            before = at
        return counts

    def list_texts(self, token: str | None = None) -> tuple[list[tuple[str, str]], str | None]:
        page = int(token or 0)
        self._answer(f"list {page}")
        listed = [number for number in reversed(self.numbers) if number not in self.unlisted]
        if self.shuffled:
            self.shuffled.shuffle(listed) if page == 0 else None
            self._listed = listed = listed if page == 0 else self._listed
        here = listed[page * PAGE : (page + 1) * PAGE]
        more = (page + 1) * PAGE < len(listed)
        resources = [self._resource(number) for number in here]
        return [(one["name"], json.dumps(one)) for one in resources], str(page + 1) if more else None

    def get_operation(self, name: str) -> dict[str, Any]:
        self._answer(f"get {name}")
        number = int(name.rpartition("/OP")[2])
        if number not in self.numbers:
            raise NotFoundError(f"{name} is not known.")
        return self._resource(number)

    def cancel_operation(self, name: str) -> None:
        self._answer(f"cancel {name}")
        self.cancelled.append(name)

    def end(self, numbers: Iterable[int], at: float) -> None:
        self.ends.update(dict.fromkeys(numbers, at))

    def _answer(self, request: str) -> None:
        self.requests.append((time(), request))
        if failure := self.failing(request):
            raise failure
        self.answered_at = time()

    def _resource(self, number: int) -> dict[str, Any]:
        ended = time() >= self.ends.get(number, float("inf"))
        state = self.states.get(number, "SUCCEEDED" if ended else "RUNNING")
        return {"name": name_of(number, self.spelling), "metadata": {"state": state, **self.metadata}}
