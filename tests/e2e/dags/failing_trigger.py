"""A trigger that fails, as one does whose code is broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class FailingTrigger(BaseTrigger):
    """Raises as soon as it runs."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "failing_trigger.FailingTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise RuntimeError("this trigger is broken")
        yield
