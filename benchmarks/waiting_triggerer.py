"""The process that is measured: the one in which Airflow's triggerer runs its triggers.

Usage: python waiting_triggerer.py REPORT, with a socket to its supervisor as standard input.

Airflow's ``TriggerRunner`` does all it does in a deployment. What it logs goes nowhere. To the file REPORT it
adds a line for each event (trigger, moment), for each time at which the event loop was late by more than 20 ms
(moment, seconds), and for each collection of garbage that took longer (the same). SIGUSR1 makes it collect.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import Any

TICK = 0.005
WORTH_TELLING = 0.02
# Otherwise the first trigger would stop the loop for it.
IMPORTED_BY_TRIGGERS = (
    "airflow_provider_ee.triggers.operation",
    "airflow_provider_ee.hooks.earth_engine",
    "airflow_provider_ee.earthengine.client",
    "waiting_triggers",
)


def main(report: Path) -> None:
    """Run triggers until the supervisor is gone."""
    from airflow.jobs.triggerer_job_runner import TriggerRunner
    from airflow.sdk.execution_time.supervisor import _configure_logs_over_json_channel

    for module in IMPORTED_BY_TRIGGERS:
        import_module(module)
    file = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(kind: str, *what: Any) -> None:
        os.write(file, f"{json.dumps([kind, *what])}\n".encode())

    class Events(deque):
        def append(self, entry: Any) -> None:
            tell("event", entry.trigger_id, time.time())
            super().append(entry)

    class Measured(TriggerRunner):
        async def init_comms(self) -> None:
            await super().init_comms()
            self.events = Events()
            tick(asyncio.get_running_loop(), tell)
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, gc.collect)

    time_collections(tell)
    _configure_logs_over_json_channel(os.open(os.devnull, os.O_WRONLY))
    Measured().run()


def tick(loop: asyncio.AbstractEventLoop, tell: Any) -> None:
    """Notice when the event loop stands still."""

    def ticked(due: float) -> None:
        late = loop.time() - due
        if late > WORTH_TELLING:
            tell("late", time.time(), late)
        again()

    def again() -> None:
        due = loop.time() + TICK
        loop.call_at(due, ticked, due)

    again()


def time_collections(tell: Any) -> None:
    """Notice when Python's garbage collector makes everything stand still."""
    began = 0.0

    def collecting(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        elif (took := time.perf_counter() - began) > WORTH_TELLING:
            tell("collection", time.time(), took)

    gc.callbacks.append(collecting)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
