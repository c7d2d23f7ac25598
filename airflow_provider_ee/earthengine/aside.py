"""What is done aside of an event loop's own work: calls that block, and tasks that belong to nobody."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


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
