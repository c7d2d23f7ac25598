"""Emulators in processes of their own, one for each case: what one case breaks, no other feels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import requests

PROJECT = "chaos"
_POLL = 0.02


class Host:
    """A process that runs emulators."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.service"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def ask(self, **order: Any) -> Any:
        """Give an order and read its answer."""
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process, and the emulators in it."""
        self._process.stdin.close()
        self._process.wait(timeout=30)


class Emulator:
    """One emulator, steered over its control routes."""

    def __init__(self, host: Host, **options: Any) -> None:
        self._host = host
        self._id, self.url = host.ask(start=options)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Connection"] = "close"  # one that was idle may be closed in the moment of its use

    def close(self) -> None:
        """Stop it; requests that are held are let go."""
        self._session.close()
        self._host.ask(stop=self._id)

    def _control(self, verb: str, path: str, **body: Any) -> Any:
        answer = self._session.request(verb, f"{self.url}/_emulator/{path}", json=body or None, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def arm(self, method: str, **fault: Any) -> int:
        """Arm a fault; its number is returned."""
        self._control("POST", "faults", method=method, **fault)
        return len(self._control("GET", "faults")["faults"]) - 1

    def fired(self, fault: int) -> bool:
        """Whether a fault has fired."""
        return bool(self._control("GET", "faults")["faults"][fault]["fired"])

    def release(self, hold: str) -> None:
        """Let go of what is held."""
        self._control("POST", "release", hold=hold)

    def settings(self, **values: Any) -> None:
        """What nobody knows about the service."""
        self._control("POST", "settings", **values)

    def behave(self, **behaviour: Any) -> None:
        """How operations behave that are submitted from now on."""
        self._control("POST", "operations", **behaviour)

    def seed(self, operations: int) -> None:
        """Operations of other people."""
        self._control("POST", "seed", operations=operations, project=PROJECT)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._control("POST", "clock", advance_seconds=seconds)

    def now(self) -> float:
        """The time that operations live in."""
        return float(self._control("POST", "clock", advance_seconds=0.0)["now"])

    def operations(self) -> list[dict[str, Any]]:
        """The truth."""
        return list(self._control("GET", "operations")["operations"])

    def requests(self) -> list[dict[str, Any]]:
        """What was asked."""
        return list(self._control("GET", "requests")["requests"])

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until every request has been answered."""
        until = time.monotonic() + timeout
        while any(one["status"] is None for one in self.requests()) and time.monotonic() < until:
            time.sleep(_POLL)

    def call(self, verb: str, path: str, **body: Any) -> requests.Response:
        """A call of the service's own, by somebody else."""
        return self._session.request(verb, f"{self.url}/v1/{path}", json=body, timeout=60)


def _serve() -> None:
    from airflow_provider_ee.emulator import EarthEngineEmulator

    running: dict[int, EarthEngineEmulator] = {}
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer

    def stop(number: int) -> None:
        running.pop(number).__exit__(None, None, None)

    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        for number, line in enumerate(sys.stdin):
            order = json.loads(line)
            answer: Any = None
            if "start" in order:
                output = Path(folder) / str(number)
                running[number] = emulator = EarthEngineEmulator(folder, output, **order["start"])
                answer = [number, emulator.__enter__().url]
            else:
                threading.Thread(target=stop, args=[order["stop"]]).start()
            print(json.dumps(answer), file=answers, flush=True)
        for number in list(running):
            stop(number)


if __name__ == "__main__":
    _serve()
