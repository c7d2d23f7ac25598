"""A trigger run as Airflow runs it: made anew elsewhere, and its event handed over as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_ee.triggers.operation import EEOperationTrigger


def event_of(deferral: TaskDeferred | None) -> dict[str, Any]:
    """What the trigger of a deferral tells."""
    assert deferral
    _, arguments = deferral.trigger.serialize()
    trigger = EEOperationTrigger(**json.loads(json.dumps(arguments)))

    async def first() -> Any:
        return (await anext(trigger.run())).payload

    event: dict[str, Any] = json.loads(json.dumps(asyncio.run(first())))
    return event
