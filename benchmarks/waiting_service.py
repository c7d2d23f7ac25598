"""The service that exports are waited for at: the emulator, in a process of its own."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import requests

PAGE = 500
# An export of an hour shows another percent at most looks: the most that a wait has to take in.
SECONDS_OF_AN_EXPORT = 3600.0


class Service:
    """The emulator, seen from the benchmark."""

    def __init__(self) -> None:
        self._asked, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        self.url: str = self._asked.recv()

    def hold(self, project: str, exports: int) -> list[str]:
        """Start exports that run until they are ended; their names."""
        names: list[str] = self._ask("hold", project, exports)
        return names

    def end(self, names: list[str], moments: list[float]) -> None:
        """Let exports succeed at moments to come."""
        self._ask("end", names, moments)

    def requests(self) -> list[dict[str, Any]]:
        """What has been asked of it: method, path, time and the rest."""
        asked: list[dict[str, Any]] = requests.get(f"{self.url}/_emulator/requests").json()["requests"]
        return [one for one in asked if one["method"]]

    def milliseconds(self, path: str) -> float:
        """How long an answer takes, where nothing else is asked (median of 5)."""
        with requests.Session() as session:
            session.trust_env = False
            took = []
            for _ in range(6):
                began = time.perf_counter()
                session.get(f"{self.url}/v1/{path}").raise_for_status()
                took.append((time.perf_counter() - began) * 1e3)
        return statistics.median(took[1:])

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()

    def _ask(self, *call: Any) -> Any:
        self._asked.send(call)
        return self._asked.recv()


def serve(calls: Connection) -> None:
    """Serve the emulator, and do what is asked of it besides."""
    from airflow_provider_ee.emulator import EarthEngineEmulator

    with tempfile.TemporaryDirectory() as folder, EarthEngineEmulator(folder, folder) as emulator:
        exports = Exports(emulator.operations)
        calls.send(emulator.url)
        while True:
            name, *arguments = calls.recv()
            call: Callable[..., Any] = getattr(exports, name)
            calls.send(call(*arguments))


class Exports:
    """Exports without pixels, which start and end when they are told to.

    The emulator's own queue looks at each that runs whenever anything is asked; by the thousand, that would be
    what is measured.

    :param operations: the emulator's.
    """

    def __init__(self, operations: Any) -> None:
        from airflow_provider_ee.emulator.operations import Behaviour

        operations.add_behaviour(Behaviour(stay="PENDING", duration_seconds=SECONDS_OF_AN_EXPORT))
        self._operations = operations

    def hold(self, project: str, number: int) -> list[str]:
        """Start exports at moments of the past quarter of an hour."""
        started = []
        for index in range(number):
            export = self._operations.submit(
                project, "user", kind="EXPORT_IMAGE", description=f"export-{index}", priority=100, work=None
            )
            export.start_time = self._operations.now() - random.uniform(0, SECONDS_OF_AN_EXPORT / 4)
            export.state = "RUNNING"
            started.append(export.name)
        return started

    def end(self, names: list[str], moments: list[float]) -> None:
        """End each at its moment, in a thread."""
        ends = sorted(zip(moments, names, strict=True))
        threading.Thread(target=self._end, args=(ends,), daemon=True).start()

    def _end(self, ends: list[tuple[float, str]]) -> None:
        for moment, name in ends:
            time.sleep(max(0.0, moment - time.time()))
            export = self._operations.get(name)
            export.end_time = export.update_time = moment
            export.state = "SUCCEEDED"
