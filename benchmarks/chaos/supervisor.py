"""A worker's supervisor: passes its messages on to Airflow, and ends it when Airflow no longer wants it."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos import wire
from benchmarks.chaos.airflow_model import Airflow, RefusedError, TaskInstance
from benchmarks.chaos.tasks import TASK_ID
from benchmarks.chaos.worker import REFUSED, Nursery

OVERTIME = 0.0 if wire.AIRFLOW3 else 1.0
"""How long a task may go on that was marked as succeeded; 20 seconds on 2.11, none on 3.3."""
HEARTBEAT = 0.25
"""Seconds between two heartbeats; Airflow's are 5."""
SECONDS_TO_END = 5.0
"""Between SIGTERM and SIGKILL, as Airflow has it."""
_DIRECT = frozenset({"SucceedTask", "RetryTask"})


@dataclass
class Gate:
    """A message that is held, or answered with an error, when it comes by the first time.

    :param kind: of the message.
    :param names: whether it must tell the operation's name, or must not; None: either.
    :param skip: how many such messages to let pass.
    :param error: status to answer with, instead of holding.
    """

    kind: str
    names: bool | None = None
    skip: int = 0
    error: int | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def matches(self, message: Mapping[str, Any]) -> bool:
        """Whether it is this message that the gate is for."""
        if self.reached.is_set() or message["type"] != self.kind:
            return False
        value = message.get("value")
        if self.names is not None and bool(isinstance(value, str) or (value or {}).get("operation")) != self.names:
            return False
        self.skip -= 1
        return self.skip < 0


class Supervisor:
    """One worker process and what Airflow knows of it."""

    def __init__(
        self,
        nursery: Nursery,
        airflow: Airflow,
        row: TaskInstance,
        ti_id: str,
        job: Mapping[str, Any],
        log: str,
        gate: Gate | None = None,
    ) -> None:
        self._nursery, self._airflow, self.row, self.ti_id = nursery, airflow, row, ti_id
        self._job, self.gate = job, gate
        self._terminal: str | None = None
        self._pending: str | None = None
        self._should_retry = False
        self._frozen = threading.Event()
        self._lost = False
        self.term_sent = False
        self.believed_success = False
        """Whether its task was over, and went well, as far as the worker could know."""
        self.started = threading.Event()
        self.ended = threading.Event()
        self.killed_hard = False
        self.number, self.pid, self._channel = nursery.fork(log)
        for target in (self._serve, self._watch):
            threading.Thread(target=target, daemon=True).start()

    @property
    def status(self) -> int | None:
        """How the process has ended."""
        return self._nursery.status(self.number)

    @property
    def refused(self) -> bool:
        """Whether Airflow did not let it begin."""
        return self.status == REFUSED

    def kill(self) -> bool:
        """SIGKILL; whether the process was seen to die of it."""
        self.signal(signal.SIGKILL)
        return self._nursery.wait(self.number, 30) == -signal.SIGKILL

    def signal(self, which: signal.Signals) -> None:
        """Send a signal."""
        self._airflow.log(self.row, f"{which.name} to pid {self.pid}")
        self._nursery.signal(self.number, which)

    def freeze(self, *, with_host: bool) -> bool:
        """SIGSTOP; with its host also the supervisor stands still. Whether the process was seen to stop."""
        if with_host:
            self._frozen.set()
        self.signal(signal.SIGSTOP)
        return self._nursery.wait_stopped(self.number, 30)

    def thaw(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)
        self._frozen.clear()

    def lose(self) -> None:
        """Its heartbeats have stayed away for too long: Airflow gives the try up."""
        self._lost = True
        self._airflow.log(self.row, f"pid {self.pid} is given up")
        self._airflow.worker_lost(self.row, self.ti_id)

    def _watch(self) -> None:
        """Heartbeats, and what follows from their answers; at last what follows from the exit status."""
        told_at: float | None = None
        overtime_from: float | None = None
        while self._nursery.wait(self.number, HEARTBEAT) is None:
            if self._frozen.is_set() or self._terminal:
                continue
            if told_at is None:
                try:
                    if self.started.is_set():
                        self._airflow.beat(self.ti_id, self.pid)
                except RefusedError:
                    overtime_from = overtime_from or time.monotonic()
                    if self.row.state == "success" and time.monotonic() - overtime_from < OVERTIME:
                        continue
                    told_at = time.monotonic()
                    self.term_sent = True
                    self.signal(signal.SIGTERM)
            elif time.monotonic() - told_at > SECONDS_TO_END:
                self.killed_hard = True
                self.signal(signal.SIGKILL)
        status = self.status or 0
        self._airflow.log(self.row, f"pid {self.pid} ended with {status}")
        try:
            if self.refused:
                return
            if self._pending:
                self._airflow.finish(self.ti_id, self._pending)
            elif status == 0 and self._terminal in ("failed", "skipped"):
                self._airflow.finish(self.ti_id, self._terminal)
            elif status != 0 and told_at is None:
                self._airflow.finish(self.ti_id, "up_for_retry" if self._should_retry else "failed")
        except RefusedError:
            pass
        finally:
            if not self.refused and not self._lost:
                self._airflow.worker_lost(self.row, self.ti_id)
            self.ended.set()
            with suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with self._channel:
            while frame := wire.receive(self._channel):
                message = frame[1]
                gate = self.gate
                error = None
                if gate and gate.matches(message):
                    error = gate.error
                    self._airflow.log(self.row, f"{message['type']} of pid {self.pid} is at the gate")
                    gate.reached.set()
                    if error is None:
                        gate.opened.wait()
                body = None
                try:
                    if error is None:
                        body = self._answer(message)
                    else:
                        raise RefusedError(error)
                except RefusedError as refusal:
                    self._airflow.log(self.row, f"{message['type']} of pid {self.pid} refused, {refusal.status}")
                    detail = {"status_code": refusal.status, "message": "refused", "detail": None}
                    problem = {"error": "API_SERVER_ERROR", "detail": detail, "type": "ErrorResponse"}
                    answer = [frame[0], None, problem]
                else:
                    answer = [frame[0], body, None]
                try:
                    wire.send(self._channel, answer)
                except OSError:
                    return

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        airflow, kind = self._airflow, message["type"]
        if kind == "Start":
            details = airflow.start(self.ti_id, self.pid)
            self._should_retry = details["should_retry"]
            self.started.set()
            return {**self._job, **details}
        if kind == "GetTaskStateStore":
            value = airflow.read_store(self.ti_id, message["key"])
            if value is None:
                return {"error": "TASK_STORE_NOT_FOUND", "detail": None, "type": "ErrorResponse"}
            return {"value": value, "type": "TaskStateStoreResult"}
        if kind == "SetTaskStateStore":
            airflow.write_store(self.ti_id, message["key"], message["value"])
            return {"ok": True, "type": "OKResponse"}
        if kind == "GetTaskStates":
            states = {self.row.run_id: {TASK_ID: self.row.state}}
            if wire.AIRFLOW3:
                return {"task_states": states, "type": "TaskStatesResult"}
            return {"task_states": states, "try_number": self.row.try_number}
        if kind == "GetXCom":
            value = airflow.read_xcom(self.row.map_index, message["key"])
            return {"key": message["key"], "value": value, "type": "XComResult"}
        if kind == "SetXCom":
            airflow.push_xcom(self.row.map_index, message["key"], message["value"])
        elif kind == "DeleteXCom":
            airflow.delete_xcom(self.row.map_index, message["key"])
        elif kind == "TaskState":
            self._terminal = message["state"]
            if not wire.AIRFLOW3:
                airflow.finish(self.ti_id, message["state"])
        elif kind in _DIRECT:
            self._pending = state = "success" if kind == "SucceedTask" else "up_for_retry"
            self.believed_success = kind == "SucceedTask"
            airflow.finish(self.ti_id, state)
            self._terminal, self._pending = state, None
        return None
