"""Triggers to compare with: one that only sleeps, and one that polls as those of most providers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.client import EarthEngineClient


class Sleeping(BaseTrigger):
    """Waits for nothing: what a trigger costs Airflow itself."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another process makes the same trigger."""
        return "waiting_triggers.Sleeping", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep for ever."""
        await asyncio.Event().wait()
        yield TriggerEvent(None)


class Polling(BaseTrigger):
    """Asks for its own operation in a thread at each interval.

    It is given every chance: the client is ours, one session of it serves all, and threads are those of the
    pool instead of the one that ``sync_to_async`` shares by default.

    :param operation: its name.
    :param poll_interval: seconds between two looks.
    """

    def __init__(self, operation: str, poll_interval: float) -> None:
        super().__init__()
        self.operation = operation
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another process makes the same trigger."""
        kwargs = {"operation": self.operation, "poll_interval": self.poll_interval}
        return "waiting_triggers.Polling", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the operation has ended."""
        client = await _client()
        get = sync_to_async(client.get_operation, thread_sensitive=False)
        while not (resource := await get(self.operation)).get("done"):
            await asyncio.sleep(self.poll_interval)
        yield TriggerEvent({"operation": resource})


async def _client() -> EarthEngineClient:
    return await asyncio.shield(_opening())


@cache
def _opening() -> asyncio.Task[EarthEngineClient]:
    async def opened() -> EarthEngineClient:
        from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

        return (await EarthEngineHook().open_for_polling())[1]

    return asyncio.ensure_future(opened())
