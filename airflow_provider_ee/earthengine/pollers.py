"""The pollers of a process: those who look at the same with the same identity share one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_ee.earthengine.aside import detached, in_thread
from airflow_provider_ee.earthengine.errors import EarthEngineError, NotFoundError, RequestError, TransientError
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.polling import Poller, Service, asked
from airflow_provider_ee.earthengine.watch import Judge, Watch

_T = TypeVar("_T")

# Calls for single operations: a thousand tasks may be ended at once.
_AT_ONCE = 32
# Seconds for which those who come with the same connection share what it was found to hold.
_CONNECTION_KEPT = 60.0


class Caller(NamedTuple):
    """Who looks, and where; those for whom it is the same can look together."""

    endpoint: str
    project: str
    identity: str


Opening = Callable[[], Coroutine[Any, Any, tuple[Caller, Service]]]
"""Opens a connection."""


class Pollers:
    """The pollers of an event loop: one for all who look at the same with the same identity.

    :param call: how a blocking function is called.
    :param swept: called after each sweep of any of them.
    """

    def __init__(
        self, *, call: Callable[..., Awaitable[Any]] = in_thread, swept: Callable[[], None] = lambda: None
    ) -> None:
        self.running: dict[Caller, Poller] = {}
        self._call, self._swept = call, swept
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._opened: dict[Hashable, tuple[float, asyncio.Task[tuple[Caller, Service]]]] = {}

    async def watch(
        self,
        connection: Hashable,
        opening: Opening,
        names: Iterable[str],
        interval: float,
        judge: Judge,
        *,
        first_look: float = 0.0,
    ) -> Watch:
        """Begin to look at operations.

        :param connection: what tells connections apart.
        :param opening: opens it.
        :param interval: seconds between two looks.
        :param judge: told each look.
        :param first_look: seconds until the first one, at least.
        """
        caller, service = await self._open(connection, opening)
        if caller not in self.running:
            self.running[caller] = self._poller(caller, service, opening)
        return self.running[caller].watch(names, interval, judge, first_look=first_look)

    async def look(self, connection: Hashable, opening: Opening, name: str) -> Operation:
        """Look at an operation at once, for oneself alone.

        :raises EarthEngineError: if it cannot be seen.
        """
        _, service = await asked(self._open, connection, opening)
        return Operation(await asked(self._one_of_few, service.get_operation, name))

    async def cancel(self, connection: Hashable, opening: Opening, name: str) -> None:
        """Ask for an operation to be cancelled; one that has ended or is gone is no error.

        :raises EarthEngineError: if that could not be done, not even a little later.
        """
        _, service = await asked(self._open, connection, opening)
        with suppress(RequestError, NotFoundError):
            await asked(self._one_of_few, service.cancel_operation, name)

    async def _one_of_few(self, function: Callable[..., _T], *arguments: Any) -> _T:
        async with self._few:
            result: _T = await self._call(function, *arguments)
        return result

    def _poller(self, caller: Caller, service: Service, opening: Opening) -> Poller:
        async def reopen() -> Service:
            now, anew = await opening()
            return anew if now[:2] == caller[:2] else poller.service

        poller = Poller(
            service,
            reopen=reopen,
            ended=lambda: self._end(caller, poller),
            call=self._call,
            swept=self._swept,
        )
        return poller

    async def _open(self, connection: Hashable, opening: Opening) -> tuple[Caller, Service]:
        now = asyncio.get_running_loop().time()
        kept_until, task = self._opened.get(connection, (now, None))
        if task is None or now >= kept_until:
            task = detached(opening())
            self._opened[connection] = (now + _CONNECTION_KEPT, task)
        try:
            return await asyncio.shield(task)  # others may wait for it, too
        except Exception as error:
            if self._opened.get(connection, (0.0, None))[1] is task:
                del self._opened[connection]
            if isinstance(error, EarthEngineError):
                raise
            raise TransientError(f"The connection could not be opened: {error}.") from error

    def _end(self, caller: Caller, poller: Poller) -> None:
        if self.running.get(caller) is poller:
            del self.running[caller]
        now = asyncio.get_running_loop().time()
        # Where nobody is left nothing may be kept: it would keep the event loop.
        self._opened = {key: kept for key, kept in self._opened.items() if self.running and now < kept[0]}


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Pollers] = WeakKeyDictionary()


def pollers(swept: Callable[[], None]) -> Pollers:
    """Those of the event loop that runs.

    :param swept: called after each sweep of any of them.
    """
    loop = asyncio.get_running_loop()
    if loop not in _of_loop:
        _of_loop[loop] = Pollers(swept=swept)
    return _of_loop[loop]
