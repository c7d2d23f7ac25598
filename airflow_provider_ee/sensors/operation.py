"""EEOperationSensor: wait until operations of Earth Engine have finished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_ee import metrics
from airflow_provider_ee.assets import tell_outlets
from airflow_provider_ee.deferral import BROKEN_OFF, is_deferrable, is_timeout
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    NotFoundError,
    OperationError,
    OperationFailedError,
    RequestError,
    TransientError,
    error_from_operation,
)
from airflow_provider_ee.earthengine.operation import OPERATION_NAME, Operation, operation_id
from airflow_provider_ee.links import LINKS, push_links
from airflow_provider_ee.outcome import airflow_outcome
from airflow_provider_ee.provider_info import DEFAULT_CONNECTION

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

_STORE_KEY = "ee_logged"
_STORE_LIMIT = 60_000  # characters; Airflow's state store warns at 64 kB


class EEOperationSensor(BaseSensorOperator):
    """Wait until an operation has finished; fail without a retry if it failed or was cancelled.

    The sensor does not own the export: when it times out, the export runs on. Returns the final Operation
    resource, or the list of them.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/get

    :param operation: the name ``projects/PROJECT/operations/ID``, the dict that an export operator returned,
        or a list of either. (templated)
    :param ee_conn_id: Airflow connection. (templated)
    :param project_id: Cloud project, instead of the connection's. (templated)
    :param impersonation_chain: service account to act as, or a list that ends with it. (templated)
    :param deferrable: wait in the triggerer, whatever the ``mode``, and look every ``poke_interval`` seconds
        together with all others. Default: Airflow's ``[operators] default_deferrable``.
    :param skip_if_empty: skip the task, instead of failing it, where no export had a valid pixel.
    """

    template_fields: Sequence[str] = ("operation", "ee_conn_id", "project_id", "impersonation_chain")
    template_fields_renderers = {"operation": "json"}
    operator_extra_links = LINKS
    ui_color = "#d5e8d4"

    def __init__(
        self,
        *,
        operation: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]],
        ee_conn_id: str = DEFAULT_CONNECTION,
        project_id: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        deferrable: bool | None = None,
        skip_if_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = is_deferrable(deferrable)
        self.operation = operation
        self.ee_conn_id = ee_conn_id
        self.project_id = project_id
        self.impersonation_chain = impersonation_chain
        self.skip_if_empty: bool = skip_if_empty
        self._final: dict[str, Operation] = {}
        self._logged: dict[str, str] = {}
        self._defers = False
        self._shown = False

    @cached_property
    def hook(self) -> EarthEngineHook:
        """The hook of the connection."""
        from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

        return EarthEngineHook(self.ee_conn_id, self.project_id, self.impersonation_chain)

    def execute(self, context: Context) -> Any:
        """Wait, and say what a timeout leaves behind."""
        with self._telling_what_runs_on():
            self._defers = self.deferrable
            return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after a wait in the triggerer."""
        from airflow_provider_ee.earthengine.waiting import WaitEnd

        end = WaitEnd.from_event(event)
        with self._ending():
            for operation in (*map(Operation, event["carried"]["final"]), *end.operations):
                if operation.done:
                    self._take_in(operation)
            if end.error:
                raise end.error
            return self._ended(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, and say what a timeout leaves behind."""
        with self._telling_what_runs_on():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSensorTimeout as timeout:
                if self.soft_fail:  # which Airflow 3.0 forgets here
                    raise AirflowSkipException(str(timeout)) from timeout
                raise
            except AirflowException as error:
                # Airflow 2 has no type for it.
                if next_method == BROKEN_OFF and is_timeout(error) and not isinstance(error, AirflowSkipException):
                    raise AirflowSensorTimeout(f"Sensor has timed out: {error}.") from error
                raise

    def _defer(self) -> NoReturn:
        from airflow_provider_ee.triggers.operation import EEOperationTrigger

        names = {operation_id(name): name for name in _names(_parsed(self.operation))}
        trigger = EEOperationTrigger(
            operations=[name for identity, name in names.items() if identity not in self._final],
            ee_conn_id=self.ee_conn_id,
            project_id=self.project_id,
            impersonation_chain=self.impersonation_chain,
            poll_interval=_seconds(self.poke_interval),
            skip_empty=self.skip_if_empty,
            carried={"final": [dict(operation.resource) for operation in self._final.values()]},
        )
        timeout = _seconds(self.timeout)
        if self.execution_timeout:
            timeout = min(timeout, self.execution_timeout.total_seconds())
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=timeout))

    @contextmanager
    def _telling_what_runs_on(self) -> Iterator[None]:
        try:
            yield
        except (AirflowSensorTimeout, AirflowSkipException) as end:
            running = [name for name in _names(_parsed(self.operation)) if operation_id(name) not in self._final]
            if not running:
                raise
            raise type(end)(f"{end} Not cancelled, so it runs on: {', '.join(running)}.") from None

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look at the operations that were not final yet."""
        with self._ending():
            names = _names(_parsed(self.operation))
            for name in names:
                _check_project(name, self.hook.project_id)
            self._show(context)
            log = _ChangeLog(context.get("task_state_store") if self.reschedule else None, self._logged)
            for name in names:
                if operation_id(name) not in self._final:
                    self._look(name, log)
            self._logged = log.close()
            if not self._final.keys() >= {operation_id(name) for name in names}:
                return self._defer() if self._defers else False
            return PokeReturnValue(is_done=True, xcom_value=self._ended(context))

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """An error of the body is counted, and becomes what fits in Airflow."""
        with airflow_outcome(skip_if_empty=self.skip_if_empty, only_waits=True):
            try:
                with metrics.failures_counted():
                    yield
            except EarthEngineError:
                metrics.ended(self._final.values())
                raise

    def get_openlineage_facets_on_complete(self, ti: Any) -> OperatorLineage[Any, Any]:
        """What OpenLineage asks a task that has ended: what Earth Engine did."""
        from airflow_provider_ee.lineage import export_lineage

        return export_lineage(self, list(self._final.values()), None)

    def _show(self, context: Context) -> None:
        """Link to the operations; once for each process."""
        if not self._shown:
            push_links(context.get("ti"), self._operations)
        self._shown = True

    @property
    def _operations(self) -> list[Operation]:
        """As last seen."""
        names = _names(_parsed(self.operation))
        return [self._final.get(operation_id(name)) or Operation({"name": name}) for name in names]

    def _look(self, name: str, log: _ChangeLog) -> None:
        try:
            operation = Operation(self.hook.get_operation(name))
        except TransientError as error:
            self.log.warning("%s Looking again at the next poke.", error)
            return
        except (AuthError, NotFoundError) as error:
            if not self._defers:
                raise
            self.log.warning("%s Looking again in the triggerer.", error)  # which tolerates it for minutes
            return
        if log.changed(operation):
            self.log.info("Operation %s: %s", operation.name, operation.summary())
        if operation.done:
            self._take_in(operation)

    def _take_in(self, operation: Operation) -> None:
        self._final[operation_id(operation.name)] = operation
        failure = error_from_operation(operation)
        if failure and not self._may_be_empty(failure):
            raise failure
        self.log.info(
            "Operation %s ended %s after %.1f EECU-seconds: %s",
            operation.name,
            operation.state,
            operation.eecu_seconds,
            ", ".join(operation.destination_uris) or operation.error_message,
        )

    def _ended(self, context: Context) -> Any:
        """What the task returns, once all have ended."""
        failures = [failure for operation in self._final.values() if (failure := error_from_operation(operation))]
        if failures and len(failures) == len(self._final):
            raise failures[0]
        metrics.ended(self._final.values())
        operations = self._operations
        push_links(context.get("ti"), operations)
        tell_outlets(self, context, operations)
        final = [dict(operation.resource) for operation in operations]
        return final if _is_list(_parsed(self.operation)) else final[0]

    def _may_be_empty(self, failure: OperationError) -> bool:
        return self.skip_if_empty and isinstance(failure, OperationFailedError) and failure.empty


class _ChangeLog:
    """Remembers what was last logged of each operation: in the sensor, and across processes in the store.

    Before Airflow 3.3 there is no store, and each process of a rescheduled sensor logs once.
    """

    def __init__(self, store: Any | None, logged: dict[str, str]) -> None:
        self._store = store
        self._before = dict((store.get(_STORE_KEY) if store is not None else None) or logged)
        self._now = dict(self._before)

    def changed(self, operation: Operation) -> bool:
        """Whether there is something new to log."""
        identity, summary = operation_id(operation.name), operation.summary()
        self._now[identity] = summary
        return summary != self._before.get(identity)

    def close(self) -> dict[str, str]:
        """Store what was logged, if it changed and is not too much."""
        if self._store is not None and self._now != self._before and len(json.dumps(self._now)) < _STORE_LIMIT:
            self._store.set(_STORE_KEY, self._now)
        return self._now


def _seconds(given: float | timedelta) -> float:
    return given.total_seconds() if isinstance(given, timedelta) else float(given)


def _parsed(given: Any) -> Any:
    """What was given, read as JSON where rendering made it text."""
    if not isinstance(given, str) or not given.lstrip().startswith(("{", "[")):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        raise RequestError(
            f"operation is text that is neither a name nor JSON: {given!r:.80}; pass export_task.output, "
            "or {{ ti.xcom_pull(task_ids='…') | tojson }}."
        ) from None


def _is_list(given: Any) -> bool:
    # What a mapped task returned is a lazy sequence, not a list.
    return isinstance(given, Sequence) and not isinstance(given, str)


def _names(given: Any) -> list[str]:
    return [_name(one) for one in given] if _is_list(given) else [_name(given)]


def _name(given: Any) -> str:
    if given is None or (isinstance(given, str) and given.strip() in ("", "None")):
        raise RequestError(
            "operation is empty: the task it comes from returned nothing, perhaps because it was skipped."
        )
    name = given.get("name") if isinstance(given, Mapping) else given
    if not isinstance(name, str) or not OPERATION_NAME.fullmatch(name):
        raise RequestError(
            f"operation {given!r:.80} has no name of the form projects/PROJECT/operations/ID; "
            "give what an export operator returned, or its name."
        )
    return name


def _check_project(name: str, project: str) -> None:
    match = OPERATION_NAME.fullmatch(name)
    theirs = match["project"] if match else project
    # The service may spell a project by its number, which cannot be compared with an id.
    if theirs != project and not theirs.isdigit() and not project.isdigit():
        raise RequestError(
            f"operation {name} belongs to project {theirs!r}, but this sensor looks in {project!r}; "
            f"set project_id={theirs!r} if that is meant."
        )
