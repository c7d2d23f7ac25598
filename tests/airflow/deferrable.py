"""An export task that is deferred, with its workers and its trigger."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred
from examples import GRID, constant_image
from task_instance import TaskInstance
from triggering import event_of

from airflow_provider_ee.operators.export import EEImageExportOperator

EXPORT = {"expression": constant_image(), "destination": "gs://bucket/prefix", "grid": GRID}


class Deferrable:
    """An export task that is deferred; each of its workers is a process of its own."""

    def __init__(self, run: Any, *, remembers: bool = True, **arguments: Any) -> None:
        self.instance = TaskInstance(retries=arguments.pop("retries", 0))
        self._run, self._remembers = run, remembers
        self._arguments = {**EXPORT, "deferrable": True, "poll_interval": 0.02, **arguments}
        self.deferral: TaskDeferred | None = None
        self.spoiled: dict[str, Any] = {}

    def _worker(self) -> tuple[EEImageExportOperator, dict[str, Any]]:
        operator = EEImageExportOperator(task_id="export", dag=type(self._run)().dag, **self._arguments)
        operator.list_grace = (0.01, 0.01)
        context = self.instance.context()
        if not self._remembers:
            del context["task_state_store"]
        self._run.render(operator)
        vars(operator).update(self.spoiled)
        self.operator, self.context = operator, context
        return operator, context

    def execute(self) -> Any:
        """Begin a try; returns what the task returns, or nothing where it is deferred."""
        operator, context = self._worker()
        return self._deferred(inspect.unwrap(EEImageExportOperator.execute), operator, context)

    def trigger(self) -> dict[str, Any]:
        """What the trigger tells."""
        return event_of(self.deferral)

    def resume(self, event: dict[str, Any] | None = None) -> Any:
        """Go on with what the trigger tells."""
        operator, context = self._worker()
        told = {"event": event or self.trigger()}
        return self._deferred(operator.resume_execution, "execute_complete", told, context)

    def break_off(self, reason: str) -> Any:
        """Airflow ends the deferral by itself."""
        operator, context = self._worker()
        return self._deferred(operator.resume_execution, "__fail__", {"error": reason}, context)

    def _deferred(self, step: Callable[..., Any], *arguments: Any) -> Any:
        self.deferral = None
        try:
            return step(*arguments)
        except TaskDeferred as deferral:
            self.deferral = deferral
        return None
