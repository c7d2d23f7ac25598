"""The operations that carry a mark of one task.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list,
https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/cancel
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_ee.earthengine.errors import AuthError, NotFoundError, RequestError, TransientError
from airflow_provider_ee.earthengine.mark import Mark
from airflow_provider_ee.earthengine.operation import Operation

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.clock import Clock


class Service(Protocol):
    """What is asked of Earth Engine; an ``EarthEngineClient`` does it."""

    answered_at: float | None
    """When it gave its last answer, by its own clock."""

    def export(self, kind: str, body: bytes) -> dict[str, Any]: ...
    def get_operation(self, name: str) -> dict[str, Any]: ...
    def list_operations(self) -> Iterator[dict[str, Any]]: ...
    def cancel_operation(self, name: str) -> None: ...


class MarkedOperations:
    """Looks at them, waits for them, and cancels them.

    :param service: where they are.
    :param key: of the task.
    """

    def __init__(self, service: Service, key: str, clock: Clock, log: Any) -> None:
        self._service, self._key, self._clock, self._log = service, key, clock, log

    def get(self, name: str) -> Operation | None:
        """The operation of a name, if the service knows it."""
        try:
            return Operation(self._service.get_operation(name))
        except NotFoundError:
            return None
        except AuthError as error:
            # What an earlier try was allowed to start, this one may be refused for a moment only.
            raise TransientError(str(error)) from error

    def listed(self) -> Iterator[tuple[Mark, Operation]]:
        """All that the list shows, of any generation, with their marks."""
        try:
            for resource in self._service.list_operations():
                operation = Operation(resource)
                mark = Mark.read(operation.description)
                if mark and mark.key == self._key:
                    yield mark, operation
        except (AuthError, NotFoundError) as error:
            raise AuthError(
                "The operations of the project cannot be listed, which is needed to find out whether the export "
                f"has been started; grant the caller earthengine.operations.list. {error}"
            ) from error

    def ended(self, operation: Operation) -> Operation:
        """One that is being cancelled, once it has ended."""
        self._log.info("Waiting until operation %s, which is being cancelled, has ended", operation.name)
        delay = 1.0
        while operation.state == "CANCELLING":
            self._clock.sleep(delay)
            delay = min(delay * 2, 30.0)
            operation = self.get(operation.name) or Operation({**operation.resource, "error": {"code": 1}})
        return operation

    def cancel(self, operation: Operation, why: str) -> None:
        """Ask for an operation to end; one that has ended or is gone is no error."""
        try:
            self._service.cancel_operation(operation.name)
        except (NotFoundError, RequestError) as refusal:
            self._log.info("Operation %s, %s, could not be cancelled: %s", operation.name, why, refusal)
        else:
            self._log.info("Cancelled operation %s, %s", operation.name, why)

    def cancel_if_live(self, operation: Operation, why: str) -> None:
        """Ask for it to end, if it has not begun to."""
        if operation.state in ("PENDING", "RUNNING"):
            self.cancel(operation, why)
