"""The service: what each REST method does.

REST page: https://developers.google.com/earth-engine/reference/rest
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_provider_ee.emulator.asset_methods import AssetMethods
from airflow_provider_ee.emulator.call import Call
from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.errors import ServiceError
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate
from airflow_provider_ee.emulator.evaluation.limits import computing
from airflow_provider_ee.emulator.export_kinds import KINDS, ExportKind, Exports
from airflow_provider_ee.emulator.methods import installed_algorithms
from airflow_provider_ee.emulator.operations import Operation, Operations
from airflow_provider_ee.emulator.paging import page_of
from airflow_provider_ee.emulator.schema import read_body
from airflow_provider_ee.emulator.value_json import described

MAX_PAGE_SIZE = 500
MAX_COMPUTE_SECONDS = 300.0


class Service:
    """Answers calls.

    :param exports: checks and carries out the requests of every kind of export.
    :param catalog: the assets that there are.
    :param queue_limit: how many operations of a user may be pending.
    :param burn_request_ids: whether a rejected attempt uses its request id up; nobody knows if the service does.
    :param duplicate_status: HTTP status of a repeated request id; nobody has told what the service answers.
    """

    def __init__(
        self,
        operations: Operations,
        exports: Exports,
        catalog: Catalog,
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
        self._catalog = catalog
        self._queue_limit = queue_limit
        self._slots = slots
        self._request_ids: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._handlers: dict[str, Callable[[Call], dict[str, Any]]] = {
            **{kind.method: partial(self._start_export, kind) for kind in KINDS},
            **AssetMethods(catalog).handlers,
            "value.compute": self._compute_value,
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
            # The official client sends what is answered with 501 again and again; it never waits by this method.
            code = 501 if call.method.name == "operations.wait" else 400
            raise ServiceError(code, f"Method {call.method.name} is not emulated.")
        return handler(call)

    def description_of(self, call: Call) -> str:
        """The description of the operation that a call is about, as far as there is one."""
        if call.method.name.endswith(".export"):
            return _description_in(call.body)
        operation = self.operations.get(call.resource)
        return operation.description if operation else ""

    def page_of(self, call: Call) -> int:
        """Which page of a list a call asks for."""
        return page_of({"pageToken": call.query.get("pageToken", "")}, MAX_PAGE_SIZE).number

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
            raise queue_full(self._queue_limit)

    def _compute_value(self, call: Call) -> dict[str, Any]:
        request = read_body(call.body, "ComputeValueRequest")
        if not request.get("expression"):
            raise ServiceError(400, "Invalid argument: 'expression' is required.")
        try:
            with computing(_Deadline(MAX_COMPUTE_SECONDS)):
                return {"result": described(evaluate(request["expression"], self._catalog))}
        except EvaluationError as error:
            raise ServiceError(400, error.message) from error

    def _get_operation(self, call: Call) -> dict[str, Any]:
        return self.operations.resource(self._known(call.resource))

    def _cancel_operation(self, call: Call) -> dict[str, Any]:
        read_body(call.body, "CancelOperationRequest")
        self.operations.cancel(self._known(call.resource))
        return {}

    def _list_operations(self, call: Call) -> dict[str, Any]:
        listed = self.operations.of_project(call.project)[::-1]
        page = page_of(call.query, MAX_PAGE_SIZE)
        for fault in call.faults:
            if fault.hide is not None:
                listed = [one for one in listed if not re.search(fault.hide, one.description)]
            if fault.order == "oldest":
                listed.reverse()
            elif fault.order == "shuffled":
                random.Random(len(listed)).shuffle(listed)  # noqa: S311 (an order, not a secret)
        answer: dict[str, Any] = page.next_token(len(listed))
        if listed[page.slice]:
            answer["operations"] = [self.operations.resource(one) for one in listed[page.slice]]
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


def queue_full(limit: int) -> ServiceError:
    """What an export is refused with while so many are pending."""
    return ServiceError(
        429, f"Too many tasks already in the queue ({limit}). Please wait for some of them to complete."
    )


class _Deadline:
    """Ends a computation that takes too long, when it is called."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def __call__(self) -> None:
        if time.monotonic() > self._end:
            raise EvaluationError("Computation timed out.")


def _unwrapped(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) else value


def _description_in(body: bytes) -> str:
    """What a request is called, before it is known whether it is one."""
    try:
        description = json.loads(body)["description"]
        description.encode()
    except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
        return ""
    return str(description)
