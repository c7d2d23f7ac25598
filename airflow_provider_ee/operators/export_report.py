"""ExportReport: what Airflow and its users are told of an export: XComs, links, asset events, metrics, lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_ee import metrics
from airflow_provider_ee.assets import tell_outlets
from airflow_provider_ee.earthengine.errors import OperationError
from airflow_provider_ee.links import push_links
from airflow_provider_ee.reporting import harmless

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_ee.earthengine.exported import Exported
    from airflow_provider_ee.earthengine.messages import ExportRequest
    from airflow_provider_ee.earthengine.operation import Operation

DESTINATION_KEY = "destination"
"""XCom key that holds where the export writes, from the moment it is submitted.

Missing only where a retry goes on with an export whose request cannot be made once more.
"""

OPERATION_KEY = "operation"
"""XCom key that holds the name of the operation, from the moment it is submitted."""

_CARRIED = "exported"


class ExportReport:
    """Tells what one run of an export task does.

    :param task: the operator.
    :param context: of the task.
    :param carried: what the process before a deferral has handed over.
    """

    def __init__(self, task: BaseOperator, context: Context, carried: Mapping[str, Any] | None = None) -> None:
        self._task, self._context = task, context
        self._ti: Any = context["ti"]  # a function's arguments may take names of the context
        self._carried = carried or {}
        self._request: ExportRequest | None = None
        self.operation: Operation | None = None
        """The export, as last seen."""

    @property
    def exported(self) -> Exported | None:
        """What is exported, where that is known."""
        from airflow_provider_ee.earthengine.exported import Exported

        with harmless("What is exported"):
            if self._request:
                return Exported.by(self._request)
            if told := self._carried.get(_CARRIED):
                return Exported(**told)
        return None

    def carried(self) -> dict[str, Any]:
        """For the process that goes on after a deferral."""
        exported = self.exported
        return {_CARRIED: asdict(exported)} if exported else {}

    def made(self, request: ExportRequest) -> None:
        """The request of the export is known."""
        self._request = request

    def submitted(self, operation: Operation, adopted: bool) -> None:
        """The export was started, or one of an earlier try is gone on with."""
        self.operation = operation
        if destination := self._destination:
            self._ti.xcom_push(key=DESTINATION_KEY, value=destination)
        self._ti.xcom_push(key=OPERATION_KEY, value=operation.name)
        push_links(self._ti, [operation], destination)
        metrics.submitted(operation, adopted=adopted)

    @contextmanager
    def of_failures(self) -> Iterator[None]:
        """Tell of an error that ends the body."""
        with metrics.failures_counted():
            try:
                yield
            except OperationError as error:
                self.operation = error.operation
                if error.operation.done:
                    metrics.ended([error.operation])
                raise

    def returned(self, operation: Operation) -> None:
        """The task has done what it is for, and returns the operation."""
        self.operation = operation
        if operation.done:
            metrics.ended([operation])
            push_links(self._ti, [operation], self._destination)
        tell_outlets(self._task, self._context, [operation], destination=self._destination)

    @property
    def _destination(self) -> str:
        if self._request:
            return self._request.destination
        exported = self.exported
        return exported.destination if exported else str(self._carried.get(DESTINATION_KEY) or "")
