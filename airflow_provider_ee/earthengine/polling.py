"""One sweep of requests for everything in this process that waits.

A ``Poller`` looks at the operations of one project with one identity, for any number of watches. What is kept
true:

- A poller runs while it has a watch, and no longer. A watch that leaves takes nobody along.
- A watch that is due is told a look each sweep: the operation, or why it could not be seen.
- A sweep costs a request for each operation that is due, or the pages of the list up to the last of them:
  whichever is fewer; where that is not known beforehand, at most both.
- Nothing blocks the event loop: requests are made in threads.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list,
https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from airflow_provider_ee.earthengine.aside import detached, in_thread
from airflow_provider_ee.earthengine.clock import jitter
from airflow_provider_ee.earthengine.errors import AuthError, EarthEngineError, NotFoundError, TransientError
from airflow_provider_ee.earthengine.operation import Operation, operation_id
from airflow_provider_ee.earthengine.watch import Judge, Look, Watch

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# Sweeps are at least this far apart, so that those who arrive one after the other are looked for together.
_GAP = 5.0
# Seconds before a request that has failed is sent once more, in the same sweep.
_PAUSES = (1.0, 2.0, 4.0)
_LONGEST_PAUSE = 60.0
# So many operations are always asked for one by one.
_FEW = 3
# Where asking one by one is cheaper, how fast it is forgotten that listing was dearer: lists grow and shrink.
_FORGETTING = 0.97
# So many are asked for one by one where a list has failed half way; the others, at the next sweep.
_INSTEAD_OF_PAGES = 200
# Failures in a row after which the service is taken to be down.
_DOWN = 3
# Seconds for which a list that was refused is not asked for.
_LIST_REFUSED = 600.0
_GETS_AT_ONCE = 4
_PAGE = 500  # operations, of the official clients' lists and of ours
# So many are told of a page before others in the event loop have their turn.
_TOLD_AT_ONCE = 50


class Service(Protocol):
    """What is asked of Earth Engine; an ``EarthEngineClient`` that repeats nothing does it."""

    answered_at: float | None
    clock_offset: float

    def list_texts(self, token: str | None = None) -> tuple[list[tuple[str, str]], str | None]: ...
    def get_operation(self, name: str) -> dict[str, Any]: ...
    def cancel_operation(self, name: str) -> None: ...


class Poller:
    """Looks at operations for all who watch them. Belongs to one event loop.

    :param service: where to look.
    :param reopen: makes the service anew where it refuses: credentials may have been replaced.
    :param ended: called when the last watch has left.
    :param call: how a blocking function is called.
    :param swept: called after each sweep.
    """

    def __init__(
        self,
        service: Service,
        *,
        reopen: Callable[[], Awaitable[Service]] | None = None,
        ended: Callable[[], None] = lambda: None,
        call: Callable[..., Awaitable[Any]] = in_thread,
        swept: Callable[[], None] = lambda: None,
    ) -> None:
        self.service = service
        self._reopen, self._ended, self._call, self._swept = reopen, ended, call, swept
        self._watches: dict[Watch, None] = {}
        self._watchers: dict[str, list[Watch]] = {}
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._planned = float("inf")
        self._sweeps_from = float("-inf")
        self._refused = False
        self._list_from = float("-inf")
        self._list_cost: float = _FEW
        self._pages = 0

    def watch(self, names: Iterable[str], interval: float, judge: Judge, *, first_look: float = 0.0) -> Watch:
        """Begin to look at operations.

        :param interval: seconds between two looks.
        :param judge: told each look.
        :param first_look: seconds until the first one, at least.
        """
        loop = asyncio.get_running_loop()
        watch = Watch(self, names, interval, loop.time() + first_look, judge)
        self._watches[watch] = None
        for identity in watch.awaited:
            self._watchers.setdefault(identity, []).append(watch)
        if self._task is None:
            self._task = detached(self._run())
        self.hurry(watch.due)
        return watch

    def leave(self, watch: Watch) -> None:
        """End a watch; the last one ends the poller."""
        if watch not in self._watches:
            return
        del self._watches[watch]
        for name in list(watch.awaited.values()):
            self.forget(watch, name)
        if not self._watches and self._task:
            self._task.cancel()
            self._task = None
            self._ended()

    def forget(self, watch: Watch, name: str) -> None:
        """Look at an operation no longer for a watch."""
        watchers = self._watchers.get(operation_id(name), [])
        if watch in watchers:
            watchers.remove(watch)
        if not watchers:
            self._watchers.pop(operation_id(name), None)

    def hurry(self, due: float) -> None:
        """Somebody is due, perhaps sooner than was planned."""
        if due < self._planned:
            self._hurry.set()

    async def _run(self) -> None:
        failures = 0
        while self._watches:
            await self._until_somebody_is_due()
            began = asyncio.get_running_loop().time()
            try:
                await self._sweep(began)
                failures = 0
            except Exception as error:
                failures += 1
                _log.exception("A sweep has broken down")
                if failures >= _DOWN:
                    self._break(error)
                    return
                for identity in [one for watch in self._watches if watch.due <= began for one in watch.awaited]:
                    self._tell(identity, TransientError(f"Looking has broken down: {error}."), began)

    def _break(self, error: BaseException) -> None:
        self._task = None
        self._ended()
        for watch in self._watches:
            watch.tell_broken(error)

    async def _until_somebody_is_due(self) -> None:
        time = asyncio.get_running_loop().time
        while self._watches:
            self._hurry.clear()
            self._planned = max(self._sweeps_from, min(watch.due for watch in self._watches))
            if self._planned <= time():
                return
            # Not wait_for(), which up to Python 3.11 may swallow that it was cancelled.
            alarm = asyncio.get_running_loop().call_at(self._planned, self._hurry.set)
            try:
                await self._hurry.wait()
            finally:
                alarm.cancel()

    async def _sweep(self, began: float) -> None:
        gap = min(_GAP, min(watch.interval for watch in self._watches) / 2)
        self._sweeps_from = began + gap
        due = [watch for watch in self._watches if watch.due <= began + gap and watch.not_before <= began]
        # Those who are hard to see last, so that they hide nobody else.
        due.sort(key=lambda watch: (watch.failed, watch.seen_at))
        missing = {identity: name for watch in due for identity, name in watch.awaited.items()}
        await self._renew()
        if len(missing) > self._list_cost and began >= self._list_from:
            await self._look_in_list(missing, began)
        else:
            self._list_cost = max(_FEW, self._list_cost * _FORGETTING)
        await self._look_one_by_one(missing, began)
        self._swept()
        # A sweep that took longer than an interval is not followed by another at once.
        self._sweeps_from = asyncio.get_running_loop().time() + gap

    async def _renew(self) -> None:
        if not self._refused or not self._reopen:
            return
        self._refused = False
        try:
            self.service = await self._reopen()
        except Exception as error:
            _log.warning("The connection could not be opened anew: %s", error)

    async def _look_in_list(self, missing: dict[str, str], began: float) -> None:
        """Take what is found off what is missing; the rest is asked for one by one once that costs no more."""
        pages, token = 0, None
        try:
            while missing and self._listing_costs_less(pages, len(missing)):
                operations, token = await self._asked(self.service.list_texts, token)
                pages += 1
                await self._tell_listed(operations, missing, began)
                if token is None:
                    self._pages = pages
                    break
        except (AuthError, NotFoundError) as error:
            self._list_from = began + _LIST_REFUSED
            _log.warning(
                "Operations are asked for one by one, which costs a request each, since they cannot be listed; "
                "grant the caller earthengine.operations.list. %s",
                error,
            )
        except EarthEngineError as error:
            _log.warning("%s Asking for some operations one by one instead.", error)
            for identity in list(missing)[_INSTEAD_OF_PAGES:]:
                del missing[identity]
                self._tell(identity, error, began)
        self._list_cost = max(_FEW, pages + len(missing))

    def _listing_costs_less(self, pages: int, missing: int) -> bool:
        """Whether to read on: as many pages as there were last time; beyond them, as many again as were read."""
        left = max(self._pages, len(self._watchers) // _PAGE) - pages
        return (left if left > 0 else pages) < missing

    async def _tell_listed(self, operations: list[tuple[str, str]], missing: dict[str, str], began: float) -> None:
        told = 0
        for name, text in operations:
            identity = operation_id(name)
            missing.pop(identity, None)
            if identity in self._watchers:
                self._tell(identity, Operation(json.loads(text)), began)
                told += 1
                if told % _TOLD_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _look_one_by_one(self, missing: dict[str, str], began: float) -> None:
        left = deque(identity for identity in missing if identity in self._watchers)
        failures: list[EarthEngineError] = []
        seen = refused = False
        while left and len(failures) < _DOWN:
            some = [left.popleft() for _ in range(min(_GETS_AT_ONCE, len(left)))]
            for identity, look in zip(some, await self._looks_at(missing, some), strict=True):
                if isinstance(look, EarthEngineError) and not isinstance(look, NotFoundError):
                    failures.append(look)
                    refused |= isinstance(look, AuthError)
                else:
                    failures.clear()
                    seen = True
                self._tell(identity, look, began, own=True)
        for identity in left:  # the service is down, or nobody is allowed to look
            self._tell(identity, failures[-1], began)
        self._refused = refused and not seen

    async def _looks_at(self, names: dict[str, str], identities: list[str]) -> list[Look]:
        async def look(name: str) -> Look:
            try:
                return Operation(await self._asked(self.service.get_operation, name))
            except EarthEngineError as error:
                return error

        return list(await asyncio.gather(*(look(names[identity]) for identity in identities)))

    def _tell(self, identity: str, look: Look, began: float, *, own: bool = False) -> None:
        for watch in tuple(self._watchers.get(identity, ())):
            watch.tell(identity, look, at=began, own=own)

    async def _asked(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return await asked(self._call, function, *arguments)


async def asked(call: Callable[..., Awaitable[_T]], *arguments: Any) -> _T:
    """Call somebody; where that fails and may pass, once more after a pause."""
    for pause in _PAUSES:
        try:
            return await call(*arguments)
        except TransientError as error:
            wait = max(pause, min(error.retry_after or 0.0, _LONGEST_PAUSE))
            await asyncio.sleep(wait * jitter())
    return await call(*arguments)
