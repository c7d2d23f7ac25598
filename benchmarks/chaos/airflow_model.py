"""Airflow's bookkeeping: which try of a task is the current one, and what becomes of it.

The rules are those of Airflow 3.3, and where 2.11 has others, of that. Nothing here knows of processes or exports.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"success", "failed"})


class RefusedError(Exception):
    """The API server's refusal, by its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass
class TaskInstance:
    """A row of the table, and beside it what other tables hold under its key."""

    run_id: str
    map_index: int
    retries: int
    ti_id: str = ""
    state: str | None = None
    try_number: int = 0
    max_tries: int = 0
    pid: int | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    store: dict[str, Any] = field(default_factory=dict)
    returned: dict[int, Any] = field(default_factory=dict)
    """What the generation's successful try has returned."""
    history: list[str] = field(default_factory=list)
    marked: bool = False
    """Whether the user has set its state."""


class Airflow:
    """The rows of one case.

    :param stores: whether there is a task state store (3.3), whose writes tell a try that it has been replaced;
        where not, the state does (2.11).
    """

    def __init__(self, *, stores: bool) -> None:
        self.stores = stores
        self._rows: dict[int, TaskInstance] = {}
        self._began = time.monotonic()
        self.changed = threading.Condition(threading.RLock())

    def add(self, map_index: int, retries: int, run_id: str) -> TaskInstance:
        """A task instance of a new run."""
        row = TaskInstance(run_id, map_index, retries, max_tries=retries, ti_id=str(uuid.uuid4()))
        self._rows[map_index] = row
        return row

    def log(self, row: TaskInstance, text: str) -> None:
        """Remember what happened, for the one who looks into a failure."""
        with self.changed:
            row.history.append(f"{time.monotonic() - self._began:6.2f} {text}")

    # The scheduler

    def queue_next_try(self, row: TaskInstance) -> str:
        """What the scheduler does with a task that is to be run: the id of the new try."""
        with self.changed:
            assert row.state in (None, "up_for_retry"), row.state
            row.try_number += 1
            self._set(row, "queued")
            return row.ti_id

    def worker_lost(self, row: TaskInstance, ti_id: str) -> None:
        """No heartbeat came, or the executor says that the process of this try is gone."""
        with self.changed:
            if row.state == "restarting":
                self._end_try(row, retry=True)
            elif row.ti_id == ti_id and row.state in ("queued", "running"):
                self._end_try(row, retry=self._may_retry(row))

    # The user

    def clear(self, row: TaskInstance) -> None:
        """Clear a task."""
        with self.changed:
            row.marked = False
            row.ti_id = str(uuid.uuid4())
            if row.state == "running":
                self._set(row, "restarting", "cleared by the user")
            else:
                row.max_tries = row.try_number + row.retries
                row.pid = None
                self._set(row, None, "cleared by the user")

    def mark(self, row: TaskInstance, state: str) -> None:
        """Mark a task as failed or succeeded."""
        with self.changed:
            row.marked = True
            self._set(row, state, "marked by the user")

    # The API server, as a worker asks it

    def start(self, ti_id: str, pid: int) -> dict[str, Any]:
        """The try begins; only one worker may.

        :raises RefusedError: for the other one.
        """
        with self.changed:
            row = self._current(ti_id)
            if row.state not in ("queued", "restarting"):
                raise RefusedError(409)
            self._set(row, "running", f"try {row.try_number} starts, pid {pid}")
            row.pid = pid
            stale, row.xcoms = list(row.xcoms), {}
            return {
                "ti_id": ti_id,
                "run_id": row.run_id,
                "map_index": row.map_index,
                "try_number": row.try_number,
                "max_tries": row.max_tries,
                "should_retry": self._may_retry(row),
                "stale_xcoms": stale,
            }

    def beat(self, ti_id: str, pid: int) -> None:
        """A heartbeat.

        :raises RefusedError: if the process should not be running any more.
        """
        with self.changed:
            row = self._current(ti_id, gone=410)
            if row.pid != pid or row.state != "running":
                raise RefusedError(409)

    def read_store(self, ti_id: str, key: str) -> Any:
        """A record of the task state store, or None."""
        with self.changed:
            return self._current(ti_id).store.get(key)

    def write_store(self, ti_id: str, key: str, value: Any) -> None:
        """Keep a record; a task that was marked may go on writing, one that was replaced may not."""
        with self.changed:
            self._current(ti_id).store[key] = value

    def push_xcom(self, map_index: int, key: str, value: Any) -> None:
        """XComs are kept under the name of the task: any try of it may write them."""
        with self.changed:
            self._rows[map_index].xcoms[key] = value

    def read_xcom(self, map_index: int, key: str) -> Any:
        """The value of an XCom."""
        with self.changed:
            return self._rows[map_index].xcoms.get(key)

    def delete_xcom(self, map_index: int, key: str) -> None:
        """Forget an XCom."""
        with self.changed:
            self._rows[map_index].xcoms.pop(key, None)

    def finish(self, ti_id: str, state: str) -> None:
        """The try reports its end.

        :raises RefusedError: if it is not the current one, or not running any more.
        """
        with self.changed:
            row = self._current(ti_id)
            if row.state == state:
                return
            if row.state != "running":
                raise RefusedError(409)
            if state == "up_for_retry":
                self._end_try(row, retry=True)
            else:
                self._set(row, state)
                if state == "success":
                    row.returned[row.max_tries] = row.xcoms.get("return_value")

    def _current(self, ti_id: str, gone: int = 404) -> TaskInstance:
        for row in self._rows.values():
            if row.ti_id == ti_id:
                return row
        raise RefusedError(gone)

    def _may_retry(self, row: TaskInstance) -> bool:
        return row.state == "restarting" or (row.max_tries != 0 and row.try_number <= row.max_tries)

    def _end_try(self, row: TaskInstance, *, retry: bool) -> None:
        if retry:
            row.ti_id = str(uuid.uuid4())
        row.pid = None
        self._set(row, "up_for_retry" if retry else "failed")

    def _set(self, row: TaskInstance, state: str | None, why: str = "") -> None:
        row.state = state
        self.log(row, f"state {state}{', ' + why if why else ''}")
        self.changed.notify_all()


_numbers = itertools.count(1)


def new_run_id(name: str) -> str:
    """The id of a run that no other case has."""
    return f"{name}-{next(_numbers)}"
