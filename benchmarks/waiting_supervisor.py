"""In place of the triggerer's supervisor: it hands triggers out over Airflow's channel, and measures."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

# Airflow's supervisor takes 50 a second from the database, which with 5,000 would last for minutes.
A_SECOND = 250


class Usage(NamedTuple):
    """What a process has used up to a moment."""

    at: float
    processor: float
    memory: int


class Stalls(NamedTuple):
    """Seconds for which an event loop stood still, at most.

    ``others`` are those in which Python did not collect garbage.
    """

    longest: float
    others: float


class Triggerer:
    """A process that runs triggers.

    :param url: of the service.
    :param project: that the default connection names.
    """

    def __init__(self, url: str, project: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._report = Path(self._folder.name) / "report"
        self._report.touch()
        self._channel, theirs = socket.socketpair()
        command = [sys.executable, str(Path(__file__).with_name("waiting_triggerer.py")), str(self._report)]
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs, env=environment(url, project))
        self._seen = psutil.Process(self._process.pid)
        self._waiting: deque[dict[str, Any]] = deque()
        self._ready, self._empty = threading.Event(), threading.Event()
        threading.Thread(target=self._supervise, daemon=True).start()

    def wait_until_ready(self) -> None:
        """Wait until it has asked for triggers."""
        while not self._ready.wait(0.1):
            if self._process.poll() is not None:
                raise RuntimeError("the process that runs triggers has ended; see above.")

    def run(self, classpath: str, kwargs: list[dict[str, Any]]) -> None:
        """Hand triggers out, numbered from 1."""
        workloads = [_workload(index, classpath, each) for index, each in enumerate(kwargs, start=1)]
        self._empty.clear()
        self._waiting.extend(workloads)

    def wait_until_running(self) -> None:
        """Wait until all triggers run, and it has come to rest."""
        self._empty.wait()
        time.sleep(2)

    def collect_garbage(self) -> None:
        """Let go of what the start has left behind, so that the next collection is due to what comes."""
        self._process.send_signal(signal.SIGUSR1)

    def usage(self) -> Usage:
        """What it has used so far."""
        times = self._seen.cpu_times()
        return Usage(time.time(), times.user + times.system, self._seen.memory_full_info().uss)

    def events(self) -> dict[int, float]:
        """Trigger -> when it has fired."""
        return {each[1]: each[2] for each in self._told() if each[0] == "event"}

    def stalls(self, since: float, until: float) -> Stalls:
        """How long its event loop stood still, at most; 0 where that was not worth telling."""
        told = [
            (kind, at, took) for kind, at, took in self._told() if kind != "event" and since <= at - took <= until
        ]
        collected = [(at - took, at) for kind, at, took in told if kind == "collection"]
        late = [(at - took, at) for kind, at, took in told if kind == "late"]
        others = [
            (began, ended)
            for began, ended in late
            if not any(began < after and before < ended for before, after in collected)
        ]
        return Stalls(*(max((ended - began for began, ended in each), default=0.0) for each in (late, others)))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._channel.close()
        self._folder.cleanup()

    def _told(self) -> list[list[Any]]:
        return [json.loads(line) for line in self._report.read_text().splitlines()]

    def _supervise(self) -> None:
        from airflow.sdk.execution_time.comms import _ResponseFrame

        with suppress(OSError, EOFError):
            self._send(_ResponseFrame(0, {"type": "StartTriggerer"}))
            while True:
                number, body = self._receive()
                answer = self._sync() if body["type"] == "TriggerStateChanges" else None
                self._send(_ResponseFrame(number, answer))

    def _sync(self) -> dict[str, Any]:
        """Called by Airflow each second."""
        self._ready.set()
        batch = [self._waiting.popleft() for _ in range(min(A_SECOND, len(self._waiting)))]
        if not self._waiting and not batch:
            self._empty.set()
        return {"type": "TriggerStateSync", "to_create": batch, "to_cancel": []}

    def _send(self, frame: Any) -> None:
        self._channel.sendall(frame.as_bytes())

    def _receive(self) -> tuple[int, dict[str, Any]]:
        import msgspec

        size = int.from_bytes(self._read(4), "big")
        number, body, *_ = msgspec.msgpack.decode(self._read(size))
        return number, body

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._channel.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def environment(url: str, project: str) -> dict[str, str]:
    """A process whose default connection leads to the service, and that hears of no other."""
    connection = {"project": project, "api_endpoint": url, "anonymous": True, "num_retries": 0}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    return kept | {
        "AIRFLOW_CONN_EARTH_ENGINE_DEFAULT": json.dumps({"conn_type": "earth_engine", "extra": connection}),
        "PYTHONPATH": str(Path(__file__).parent),
    }


def _workload(number: int, classpath: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    from airflow.models.trigger import Trigger

    return {
        "type": "RunTrigger",
        "id": number,
        "classpath": classpath,
        "encrypted_kwargs": Trigger.encrypt_kwargs(kwargs),
        "ti": {
            "id": str(uuid.uuid4()),
            "dag_version_id": str(uuid.uuid4()),
            "task_id": "export",
            "dag_id": "exports",
            "run_id": "scheduled__2026-01-01T00:00:00+00:00",
            "try_number": 1,
            "map_index": number,
            "pool_slots": 1,
            "queue": "default",
            "priority_weight": 1,
        },
    }
