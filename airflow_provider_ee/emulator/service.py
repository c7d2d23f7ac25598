"""The service: what each REST method does.

REST page: https://developers.google.com/earth-engine/reference/rest
"""

from __future__ import annotations

import base64
import json
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_ee.emulator.errors import ServiceError
from airflow_provider_ee.emulator.export_kinds import KINDS, ExportKind, Exports
from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.emulator.methods import Method, installed_algorithms
from airflow_provider_ee.emulator.operations import Operation, Operations
from airflow_provider_ee.emulator.schema import read_body

MAX_PAGE_SIZE = 500


@dataclass
class Call:
    """A request, as far as the service is concerned."""

    method: Method
    resource: str
    user: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    faults: Sequence[Fault] = ()

    @property
    def project(self) -> str:
        """The project in the path."""
        return self.resource.split("/")[1]


class Service:
    """Answers calls.

    :param exports: checks and carries out the requests of every kind of export.
    :param queue_limit: how many operations of a user may be pending.
    :param burn_request_ids: whether a rejected attempt uses its request id up; nobody knows if the service does.
    :param duplicate_status: HTTP status of a repeated request id; nobody has told what the service answers.
    """

    def __init__(
        self,
        operations: Operations,
        exports: Exports,
        *,
        queue_limit: int = 3000,
        slots: int = 2,
        burn_request_ids: bool = False,
        duplicate_status: int = 400,
    ) -> None:
        self.operations = operations
        self.burn_request_ids = burn_request_ids
        self.duplicate_status = duplicate_status
        self._exports = exports
        self._queue_limit = queue_limit
        self._slots = slots
        self._request_ids: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._handlers: dict[str, Callable[[Call], dict[str, Any]]] = {
            **{kind.method: partial(self._start_export, kind) for kind in KINDS},
            "operations.get": self._get_operation,
            "operations.list": self._list_operations,
            "operations.cancel": self._cancel_operation,
            "getConfig": self._get_config,
            "algorithms.list": self._list_algorithms,
        }

    def answer(self, call: Call) -> dict[str, Any]:
        """Carry a call out.

        :raises ServiceError: if it is refused.
        """
        handler = self._handlers.get(call.method.name)
        if handler is None:
            raise ServiceError(501, f"Method {call.method.name} is not emulated.")
        return handler(call)

    def description_of(self, call: Call) -> str:
        """The description of the operation that a call is about, as far as there is one."""
        if call.method.name.endswith(".export"):
            return _description_in(call.body)
        operation = self.operations.get(call.resource)
        return operation.description if operation else ""

    def page_of(self, call: Call) -> int:
        """Which page of a list a call asks for."""
        return _page_start(call.query.get("pageToken", ""))[0]

    def _start_export(self, kind: ExportKind, call: Call) -> dict[str, Any]:
        request_id = ""
        try:
            request = read_body(call.body, kind.message)
            request_id = request.get("requestId", "")
            uri = self._exports.destination_uri(kind, request)
            with self._lock:
                self._check_admission(call.user, request_id)
                operation = self.operations.submit(
                    call.project,
                    call.user,
                    kind=kind.operation_type,
                    description=request.get("description", ""),
                    priority=int(_unwrapped(request.get("priority", 100))),
                    work=self._exports.work(kind, request),
                    destination_uris=(uri,),
                )
                if request_id:
                    self._request_ids.add((call.user, request_id))
        except ServiceError:
            if self.burn_request_ids and request_id:
                self._request_ids.add((call.user, request_id))
            raise
        return self.operations.resource(operation)

    def _check_admission(self, user: str, request_id: str) -> None:
        if request_id and (user, request_id) in self._request_ids:
            raise ServiceError(
                self.duplicate_status, "A different Operation was already started with the given request_id."
            )
        if self.operations.pending_of(user) >= self._queue_limit:
            raise ServiceError(
                429,
                f"Too many tasks already in the queue ({self._queue_limit}). "
                "Please wait for some of them to complete.",
            )

    def _get_operation(self, call: Call) -> dict[str, Any]:
        return self.operations.resource(self._known(call.resource))

    def _cancel_operation(self, call: Call) -> dict[str, Any]:
        read_body(call.body, "CancelOperationRequest")
        self.operations.cancel(self._known(call.resource))
        return {}

    def _list_operations(self, call: Call) -> dict[str, Any]:
        listed = self.operations.of_project(call.project)[::-1]
        page, start = _page_start(call.query.get("pageToken", ""))
        for fault in call.faults:
            if fault.hide is not None:
                listed = [one for one in listed if not re.search(fault.hide, one.description)]
            if fault.order == "oldest":
                listed.reverse()
            elif fault.order == "shuffled":
                random.Random(len(listed)).shuffle(listed)  # noqa: S311 (an order, not a secret)
        size = _page_size(call.query.get("pageSize", ""))
        answer: dict[str, Any] = {}
        if listed[start : start + size]:
            answer["operations"] = [self.operations.resource(one) for one in listed[start : start + size]]
        if start + size < len(listed):
            answer["nextPageToken"] = base64.urlsafe_b64encode(f"{page + 1}/{start + size}".encode()).decode()
        return answer

    def _get_config(self, call: Call) -> dict[str, Any]:
        return {
            "name": f"projects/{call.project}/config",
            "registrationState": "REGISTERED_NOT_COMMERCIALLY",
            "maxConcurrentExports": str(self._slots),
        }

    def _list_algorithms(self, call: Call) -> dict[str, Any]:
        algorithms = installed_algorithms()
        if algorithms is None:
            raise ServiceError(
                501, "The algorithm list comes from earthengine-api; install it beside the emulator."
            )
        return algorithms

    def _known(self, name: str) -> Operation:
        operation = self.operations.get(name)
        if operation is None:
            raise ServiceError(404, f"Operation '{name}' not found.")
        return operation


def _unwrapped(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) else value


def _description_in(body: bytes) -> str:
    """What a request is called, before it is known whether it is one."""
    try:
        description = json.loads(body)["description"]
    except (ValueError, RecursionError, TypeError, LookupError):
        return ""
    return description if isinstance(description, str) else ""


def _page_size(text: str) -> int:
    if not re.fullmatch("[0-9]{0,10}", text):
        raise ServiceError(400, f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"")
    return min(int(text or 0) or MAX_PAGE_SIZE, MAX_PAGE_SIZE)


def _page_start(token: str) -> tuple[int, int]:
    """Number of the page, and index of its first operation."""
    if not token:
        return 1, 0
    try:
        decoded = base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        decoded = ""
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", decoded)
    if not match:
        raise ServiceError(400, "Invalid page token.")
    return int(match[1]), int(match[2])
