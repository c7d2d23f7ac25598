"""One sweep of requests for everything in this process that waits.

A ``Poller`` looks at the operations of one project with one identity, for any number of watches. What is kept
true:

- A poller runs while it has a watch, and no longer. A watch that leaves takes nobody along.
- A watch that is due gets one look a sweep: the operation, or why it could not be seen.
- A sweep costs a request for each operation that is due, or the pages of the list up to the last of them:
  whichever is fewer; where that is not known beforehand, at most both.
- Nothing blocks the event loop: requests are made in threads.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list,
https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    NotFoundError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.earthengine.operation import Operation

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Look = Operation | EarthEngineError
"""What a sweep has for a watch."""

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
_CANCELS_AT_ONCE = 8
# Seconds for which those who come with the same connection share what it was found to hold.
_CONNECTION_KEPT = 60.0


class Service(Protocol):
    """What is asked of Earth Engine; an ``EarthEngineClient`` that repeats nothing does it."""

    answered_at: float | None
    clock_offset: float

    def list_page(self, token: str | None = None) -> tuple[list[dict[str, Any]], str | None]: ...
    def get_operation(self, name: str) -> dict[str, Any]: ...
    def cancel_operation(self, name: str) -> None: ...


class Caller(NamedTuple):
    """Who looks, and where; those for whom it is the same can look together."""

    endpoint: str
    project: str
    identity: str


Opening = Callable[[], Coroutine[Any, Any, tuple[Caller, Service]]]
"""Opens a connection."""


async def in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call what blocks.

    In a thread of its own: those of an executor are shared with all that runs in the process, and its end waits
    for them.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def call() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=call, name="earth-engine", daemon=True).start()
    return await future


def detached(coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """A task that belongs to nobody: without the context of its caller, into whose log it would write."""
    return contextvars.Context().run(asyncio.get_running_loop().create_task, coroutine)


class Watch:
    """Somebody who waits for operations.

    :param names: of the operations.
    :param interval: seconds between two looks.
    :param not_before: seconds of the event loop's clock before which nothing is told.
    """

    def __init__(self, poller: Poller, names: Iterable[str], interval: float, not_before: float) -> None:
        self.interval = interval
        self.due = self.not_before = not_before
        self.seen_at = float("-inf")
        self.awaited = {_identity(name): name for name in names}
        """What is still waited for: id -> name."""
        self.poller = poller
        self._looks: deque[tuple[str, Look]] = deque()
        self._news: asyncio.Future[None] | None = None
        self._broken: BaseException | None = None

    async def next(self, until: float | None = None) -> tuple[str, Look]:
        """The name of an operation, and what a look at it has shown.

        :param until: a moment of the event loop's clock at which to look, if it comes sooner than the interval.
        """
        if until is not None and until < self.due:
            self.due = max(until, self.not_before)
            self.poller.hurry(self.due)
        while not self._looks:
            if self._broken:
                raise self._broken
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return self._looks.popleft()

    def drop(self, name: str) -> None:
        """Wait for it no longer."""
        self.poller.forget(self, self.awaited.pop(_identity(name)))

    def leave(self) -> None:
        """Wait no longer."""
        self.poller.leave(self)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.leave()

    def tell(self, identity: str, look: Look, *, at: float) -> None:
        """Hand over a look, made in the sweep that began at a moment."""
        if at < self.not_before:
            return
        self.due = at + self.interval
        if isinstance(look, Operation):
            self.seen_at = at
        self._looks.append((self.awaited[identity], look))
        self._wake()

    def tell_broken(self, error: BaseException) -> None:
        """There will be no looks any more."""
        self._broken = error
        self._wake()

    def _wake(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)


class Poller:
    """Looks at operations for all who watch them. Belongs to one event loop.

    :param service: where to look.
    :param reopen: makes the service anew where it refuses: credentials may have been replaced.
    :param ended: called when the last watch has left.
    :param call: how a blocking function is called.
    """

    def __init__(
        self,
        service: Service,
        *,
        reopen: Callable[[], Awaitable[Service]] | None = None,
        ended: Callable[[], None] = lambda: None,
        call: Callable[..., Awaitable[Any]] = in_thread,
    ) -> None:
        self.service = service
        self._reopen, self._ended, self._call = reopen, ended, call
        self._watches: dict[Watch, None] = {}
        self._watchers: dict[str, list[Watch]] = {}
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._planned = float("inf")
        self._sweeps_from = float("-inf")
        self._refused = False
        self._list_from = float("-inf")
        self._list_cost: float = _FEW

    def watch(self, names: Iterable[str], interval: float, *, first_look: float = 0.0) -> Watch:
        """Begin to look at operations.

        :param interval: seconds between two looks.
        :param first_look: seconds until the first one, at least.
        """
        loop = asyncio.get_running_loop()
        watch = Watch(self, names, interval, loop.time() + first_look)
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
        watchers = self._watchers.get(_identity(name), [])
        if watch in watchers:
            watchers.remove(watch)
        if not watchers:
            self._watchers.pop(_identity(name), None)

    def hurry(self, due: float) -> None:
        """Somebody is due, perhaps sooner than was planned."""
        if due < self._planned:
            self._hurry.set()

    async def _run(self) -> None:
        try:
            while True:
                await self._until_somebody_is_due()
                await self._sweep()
        except Exception as error:
            _log.exception("Looking at operations has broken down")
            self._task = None
            self._ended()
            for watch in self._watches:
                watch.tell_broken(error)

    async def _until_somebody_is_due(self) -> None:
        time = asyncio.get_running_loop().time
        while True:
            self._hurry.clear()
            self._planned = max(self._sweeps_from, min(watch.due for watch in self._watches))
            if self._planned <= time():
                return
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._planned - time())

    async def _sweep(self) -> None:
        began = asyncio.get_running_loop().time()
        gap = min(_GAP, min(watch.interval for watch in self._watches) / 2)
        self._sweeps_from = began + gap
        due = [watch for watch in self._watches if watch.due <= began + gap and watch.not_before <= began]
        due.sort(key=lambda watch: watch.seen_at)
        missing = {identity: name for watch in due for identity, name in watch.awaited.items()}
        await self._renew()
        if len(missing) > self._list_cost and began >= self._list_from:
            await self._look_in_list(missing, began)
        else:
            self._list_cost = max(_FEW, self._list_cost * _FORGETTING)
        await self._look_one_by_one(missing, began)

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
            while missing and pages < len(missing):
                operations, token = await self._asked(self.service.list_page, token)
                pages += 1
                for resource in operations:
                    identity = _identity(str(resource["name"]))
                    missing.pop(identity, None)
                    self._tell(identity, Operation(resource), began)
                if token is None:
                    break
        except TransientError as error:
            _log.warning("%s Asking for some operations one by one instead.", error)
            for identity in list(missing)[_INSTEAD_OF_PAGES:]:
                del missing[identity]
                self._tell(identity, error, began)
        except (AuthError, NotFoundError) as error:
            self._list_from = began + _LIST_REFUSED
            _log.warning(
                "Operations are asked for one by one, which costs a request each, since they cannot be listed; "
                "grant the caller earthengine.operations.list. %s",
                error,
            )
        self._list_cost = max(_FEW, pages + len(missing))

    async def _look_one_by_one(self, missing: dict[str, str], began: float) -> None:
        failures: list[EarthEngineError] = []
        for identity, name in missing.items():
            if identity not in self._watchers:
                continue
            if len(failures) >= _DOWN:
                self._tell(identity, failures[-1], began)
                continue
            try:
                look: Look = Operation(await self._asked(self.service.get_operation, name))
            except AuthError as error:
                # Nobody is allowed to look; asking for the others would tell the same.
                self._refused = True
                failures += [error] * _DOWN
                look = error
            except TransientError as error:
                failures.append(error)
                look = error
            except EarthEngineError as error:
                look = error
            else:
                failures.clear()
            self._tell(identity, look, began)

    def _tell(self, identity: str, look: Look, began: float) -> None:
        for watch in self._watchers.get(identity, ()):
            watch.tell(identity, look, at=began)

    async def _asked(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return await _asked(self._call, function, *arguments)


async def _asked(call: Callable[..., Awaitable[_T]], function: Callable[..., _T], *arguments: Any) -> _T:
    """Call the service; where that fails and may pass, once more after a pause."""
    for pause in _PAUSES:
        try:
            return await call(function, *arguments)
        except TransientError as error:
            wait = max(pause, min(error.retry_after or 0.0, _LONGEST_PAUSE))
            await asyncio.sleep(wait * random.uniform(1.0, 1.25))  # noqa: S311 (nothing is secret about it)
    return await call(function, *arguments)


class Pollers:
    """The pollers of an event loop: one for all who look at the same with the same identity.

    :param call: how a blocking function is called.
    """

    def __init__(self, *, call: Callable[..., Awaitable[Any]] = in_thread) -> None:
        self.running: dict[Caller, Poller] = {}
        self._call = call
        self._cancels = asyncio.Semaphore(_CANCELS_AT_ONCE)
        self._opened: dict[Hashable, tuple[float, asyncio.Task[tuple[Caller, Service]]]] = {}

    async def watch(
        self,
        connection: Hashable,
        opening: Opening,
        names: Iterable[str],
        interval: float,
        *,
        first_look: float = 0.0,
    ) -> Watch:
        """Begin to look at operations.

        :param connection: what tells connections apart.
        :param opening: opens it.
        :param interval: seconds between two looks.
        :param first_look: seconds until the first one, at least.
        """
        caller, service = await self._open(connection, opening)
        if caller not in self.running:
            self.running[caller] = self._poller(caller, service, opening)
        return self.running[caller].watch(names, interval, first_look=first_look)

    async def cancel(self, connection: Hashable, opening: Opening, name: str) -> None:
        """Ask for an operation to be cancelled; one that has ended or is gone is no error."""
        _, service = await self._open(connection, opening)
        async with self._cancels:
            with suppress(RequestError, NotFoundError):
                await _asked(self._call, service.cancel_operation, name)

    def _poller(self, caller: Caller, service: Service, opening: Opening) -> Poller:
        async def reopen() -> Service:
            now, anew = await opening()
            return anew if now[:2] == caller[:2] else service

        return Poller(service, reopen=reopen, ended=lambda: self._end(caller), call=self._call)

    async def _open(self, connection: Hashable, opening: Opening) -> tuple[Caller, Service]:
        now = asyncio.get_running_loop().time()
        kept_until, task = self._opened.get(connection, (now, None))
        if task is None or now >= kept_until:
            task = detached(opening())
            self._opened[connection] = (now + _CONNECTION_KEPT, task)
        try:
            return await asyncio.shield(task)  # others may wait for it, too
        except Exception:
            if self._opened.get(connection, (0.0, None))[1] is task:
                del self._opened[connection]
            raise

    def _end(self, caller: Caller) -> None:
        self.running.pop(caller, None)
        now = asyncio.get_running_loop().time()
        self._opened = {key: kept for key, kept in self._opened.items() if now < kept[0]}


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Pollers] = WeakKeyDictionary()


def pollers() -> Pollers:
    """Those of the event loop that runs."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loop:
        _of_loop[loop] = Pollers()
    return _of_loop[loop]


def _identity(name: str) -> str:
    """The id of an operation: the service may spell a project by its id or by its number."""
    return name.rpartition("/")[2]
