"""A task instance with the history that users and schedulers give it, in memory."""

from __future__ import annotations

import copy
from typing import Any


class RefusedError(Exception):
    """What Airflow 3.3 raises where a try that was replaced writes to the store."""

    class error:  # noqa: N801 (the attribute of Airflow's exception)
        detail = {"status_code": 404}


class TaskInstance:
    """A task instance as Airflow keeps it: what users and schedulers do to it, and the context of its tries."""

    def __init__(
        self, run_id: str = "scheduled__2020-01-15T00:00:00+00:00", retries: int = 0, map_index: int = -1
    ):
        self.run_id, self.map_index = run_id, map_index
        self.try_number, self.max_tries = 1, retries
        self.state: str | None = "running"
        self.xcoms: dict[str, Any] = {}
        self.stored: dict[str, Any] = {}
        self.current = object()

    def retry(self) -> None:
        self.try_number += 1
        self.current = object()

    def clear(self, retries: int = 0) -> None:
        self.max_tries = self.try_number + retries
        self.retry()

    def forget(self) -> None:
        """The worker died before it wrote the name down."""
        self.stored["ee_export"]["operation"] = None

    def context(self) -> dict[str, Any]:
        return {"ti": Try(self), "task_state_store": Store(self), "run_id": self.run_id, "params": {}}


class Store:
    """The task state store, as one try sees it."""

    def __init__(self, instance: TaskInstance) -> None:
        self.instance, self.current = instance, instance.current

    def get(self, key: str) -> Any:
        return copy.deepcopy(self.instance.stored.get(key))

    def set(self, key: str, value: Any) -> None:
        if self.instance.current is not self.current:
            raise RefusedError
        self.instance.stored[key] = copy.deepcopy(value)


class Try:
    """The ``ti`` of a context."""

    def __init__(self, instance: TaskInstance) -> None:
        self.instance = instance
        self.run_id, self.map_index = instance.run_id, instance.map_index
        self.try_number, self.max_tries = instance.try_number, instance.max_tries

    def xcom_push(self, key: str, value: Any) -> None:
        self.instance.xcoms[key] = value

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        assert map_indexes == self.map_index
        return self.instance.xcoms.get(key)

    def get_task_states(self, **wanted: Any) -> dict[str, Any]:
        return {self.run_id: {wanted["task_ids"][0]: self.instance.state}}
