"""ExportOperator: what the operators of all kinds of export have in common."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    BaseOperator,
    XComArg,
)

from airflow_provider_ee.deferral import BROKEN_OFF, HEAD_START, deferred_context, is_deferrable, is_timeout
from airflow_provider_ee.earthengine.errors import EarthEngineError, RequestError, TransientError, refuse_none
from airflow_provider_ee.flags import check_flags, in_seconds, refuse_without_wait
from airflow_provider_ee.links import LINKS
from airflow_provider_ee.operators.export_report import DESTINATION_KEY, OPERATION_KEY, ExportReport
from airflow_provider_ee.operators.kill_switch import KillSwitch
from airflow_provider_ee.operators.templated_expression import (
    ExpressionKind,
    NamedFunction,
    as_text,
    author_kind,
    author_literals,
    function_call,
    holds_template,
    named_functions,
    read_template_file,
    render_strings,
    render_text,
    with_named_functions,
)
from airflow_provider_ee.outcome import airflow_outcome
from airflow_provider_ee.provider_info import DEFAULT_CONNECTION

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ee.earthengine.client import EarthEngineClient
    from airflow_provider_ee.earthengine.messages import ExportRequest, PreparedRequest
    from airflow_provider_ee.earthengine.operation import Operation
    from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
    from airflow_provider_ee.operators.export_run import Deferral, ExportRun, Waiting
    from airflow_provider_ee.operators.task_try import TaskTry
    from airflow_provider_ee.triggers.operation import EEOperationTrigger

_RENDERERS = "template_fields_renderers"


class ExportOperator(BaseOperator):
    """Start an export exactly once, wait for it if asked to, and return the Operation resource.

    A kind of export is a subclass: its ``__init__`` names the fields that only its request has, in snake_case and
    keyword-only, gives the rest to ``super().__init__``, and then keeps each under its name.

    The request is rendered, then checked as a whole before anything is sent. A retry goes on with the export that
    an earlier try started; a clear starts a new one.

    :param expression: the computation: JSON text, the path of a ``.json`` template beside the DAG, a dict, a
        function that returns text, a dict or an ee object, or the dotted path of such a function. (templated)
    :param expression_kwargs: arguments for the function. (templated)
    :param destination: where to write: ``gs://bucket/prefix``, ``drive://folder/prefix``,
        ``projects/p/assets/name`` or ``bq://project.dataset.table``. (templated)
    :param description: name of the task; characters that the service refuses become ``-``. One that is given names
        the files where the destination does not; the default, made of dag and task id, names none. (templated)
    :param request_id: the service starts at most one export of a user's for each id. (templated)
    :param workload_tag: label that the compute is accounted under. (templated)
    :param priority: 0 to 9999, for projects registered for paid use. (templated)
    :param project_id: Cloud project, instead of the connection's. (templated)
    :param ee_conn_id: Airflow connection. (templated)
    :param impersonation_chain: service account to act as, or a list that ends with it. (templated)
    :param wait_for_completion: wait until the export has ended. Default: only if ``deferrable=True`` is given.
    :param deferrable: wait in the triggerer, for room in a full queue too, and hold no worker slot meanwhile.
        Default: Airflow's ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks, default 30. (only where the task waits)
    :param wait_timeout: seconds to wait, for room in a full queue and for the end of the export; when they have
        passed, the export is cancelled and the task fails. Default: no limit. Without a wait it bounds the wait
        for room alone, for which a day is the most in any case.
    :param max_eecu_seconds: compute after which the export is cancelled and the task fails. (only where the
        task waits)
    :param cancel_on_kill: cancel the export when the task is killed and no other try follows. Default: true.
    :param skip_if_empty: skip the task, instead of failing it, where no pixel was valid. A collection without
        images fails earlier, for want of bands. (only where the task waits)
    """

    kind: ClassVar[str]
    """The kind of export: ``projects.<kind>.export``."""

    request_parameters: ClassVar[tuple[str, ...]] = (
        "destination",
        "description",
        "request_id",
        "workload_tag",
        "priority",
    )
    """The parameters that a request is made of, beside the expression; those of a kind are added."""

    template_fields: Sequence[str] = (
        "expression",
        "expression_kwargs",
        *request_parameters,
        "project_id",
        "ee_conn_id",
        "impersonation_chain",
    )
    template_fields_renderers = {"expression": "json", "expression_kwargs": "json"}
    operator_extra_links = LINKS
    ui_color = "#b9e0a5"
    deferral_backstop = timedelta(minutes=10)
    """How much later than the trigger Airflow itself ends a wait that is limited: no triggerer may be running."""
    list_grace: Sequence[float] | None = None
    """Seconds between looks for an operation that a list does not show yet; None: two minutes in all."""
    _kill_switch: KillSwitch | None = None
    _rendered_expression: Any = None
    _report: ExportReport | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = _keyword_only(vars(cls)["__init__"]) if {"kind", "__init__"} <= set(vars(cls)) else {}
        if own:
            _tell_all(vars(cls)["__init__"], {**_keyword_only(ExportOperator.__init__), **own})
        as_json = {name: "json" for name in own if name.endswith("_options") or name in ("grid", "policy")}
        # A class may be of several kinds.
        cls.request_parameters = _united(own, cls, "request_parameters")
        cls.template_fields = _united(own, cls, "template_fields")
        renderers = (vars(base).get(_RENDERERS, {}) for base in reversed(cls.__mro__))
        cls.template_fields_renderers = {**as_json, **dict(item for some in renderers for item in some.items())}

    def __init__(
        self,
        *,
        expression: str | dict[str, Any] | Callable[..., Any] | XComArg,
        expression_kwargs: dict[str, Any] | None = None,
        destination: str | None = None,
        description: str | None = None,
        request_id: str | None = None,
        workload_tag: str | None = None,
        priority: int | str | None = None,
        project_id: str | None = None,
        ee_conn_id: str = DEFAULT_CONNECTION,
        impersonation_chain: str | Sequence[str] | None = None,
        wait_for_completion: bool | None = None,
        deferrable: bool | None = None,
        poll_interval: float | timedelta | None = None,
        wait_timeout: float | timedelta | None = None,
        max_eecu_seconds: float | None = None,
        cancel_on_kill: bool = True,
        skip_if_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_flags(
            wait_for_completion=wait_for_completion,
            cancel_on_kill=cancel_on_kill,
            skip_if_empty=skip_if_empty,
        )
        self.deferrable = is_deferrable(deferrable)
        if wait_for_completion is None:
            wait_for_completion = deferrable
        if not wait_for_completion:
            refuse_without_wait(
                poll_interval=poll_interval, max_eecu_seconds=max_eecu_seconds, skip_if_empty=skip_if_empty or None
            )
        self.wait_for_completion = bool(wait_for_completion)
        self.poll_interval = in_seconds("poll_interval", poll_interval)
        self.wait_timeout = in_seconds("wait_timeout", wait_timeout)
        self.max_eecu_seconds = in_seconds("max_eecu_seconds", max_eecu_seconds, timedelta_too=False)
        self.cancel_on_kill = cancel_on_kill
        self.skip_if_empty = skip_if_empty
        self._given_expression = expression
        kind = ExpressionKind.DATA if _comes_later(expression) else author_kind(expression)
        if expression_kwargs is not None and kind is not ExpressionKind.FUNCTION:
            raise ValueError("expression_kwargs are for a function, but expression is none; leave them out.")
        # Airflow would call a function in a template field itself, before the connection is at hand.
        self.expression = None if _is_code(expression) else _once_as_text(expression)
        self.expression_kwargs = expression_kwargs
        self.destination = destination
        self.description = description
        self.request_id = request_id
        self.workload_tag = workload_tag
        self.priority = priority
        self.project_id = project_id
        self.ee_conn_id = ee_conn_id
        self.impersonation_chain = impersonation_chain

    @cached_property
    def hook(self) -> EarthEngineHook:
        """The hook of the connection."""
        from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

        return EarthEngineHook(self.ee_conn_id, self.project_id, self.impersonation_chain)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the request, start the export or adopt it, and return the Operation resource."""
        return self._run(context, lambda run: run.run())

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after a wait in the triggerer."""
        from airflow_provider_ee.earthengine.waiting import WaitEnd

        carried = event["carried"]
        if event.get("room"):
            return self._run(context, lambda run: run.go_on_with_room(carried), carried)
        end = WaitEnd.from_event(event)
        return self._run(context, lambda run: run.go_on_after_wait(carried, end), carried)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; where Airflow has ended that, see that no export is left that nobody wants."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except Exception as error:
            if next_method != BROKEN_OFF:
                raise
            end: Exception = error
            if is_timeout(error):
                end = AirflowFailException(f"The time of this task was over while it was deferred: {error}.")
        return self._break_off(context, end)

    def _break_off(self, context: Context, end: BaseException) -> dict[str, Any]:
        ti: Any = context["ti"]
        pushed: dict[str, Any] = dict.fromkeys((OPERATION_KEY, DESTINATION_KEY))
        with suppress(Exception):  # the store knows the operation, too, where there is one
            for key in pushed:
                pushed[key] = ti.xcom_pull(task_ids=self.task_id, key=key, map_indexes=ti.map_index)
        return self._run(context, lambda run: run.break_off(end, pushed[OPERATION_KEY]), pushed)

    def _run(
        self,
        context: Context,
        step: Callable[[ExportRun], Operation],
        carried: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Take a step of this try: the first one, or one after a deferral, which has carried something."""
        from airflow_provider_ee.operators.export_run import Deferral, ExportRun
        from airflow_provider_ee.operators.task_try import TaskTry

        if self._kill_switch is None or self._kill_switch.disarmed:  # that of an earlier try in this process
            self._kill_switch = KillSwitch()
        task_try = TaskTry(context, self)
        report = self._report = ExportReport(self, context, carried)

        def prepared() -> PreparedRequest:
            request = self._request(context)
            report.made(request)
            self.log.info("Exporting %s to %s", request.description, request.destination)
            return request.prepared()

        if self.deferrable:
            # What cannot be handed to a triggerer must not be found out after the export has been started.
            json.dumps(self._trigger(Deferral({}), task_try).serialize())
        try:
            with airflow_outcome(skip_if_empty=self.skip_if_empty), report.of_failures():
                run = ExportRun(
                    self._client(carried is not None or task_try.try_number > 1),
                    task_try,
                    self.hook.deployment,
                    self._waiting(),
                    self._kill_switch,
                    self.log,
                    request=prepared,
                    submitted=report.submitted,
                )
                operation = step(run)
        except Deferral as deferral:
            left = deferral.seconds_left
            timeout = None if left is None else timedelta(seconds=left) + self.deferral_backstop
            deferral.carried.update(report.carried())
            trigger = self._trigger(deferral, task_try)
            self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)
        report.returned(operation)
        return dict(operation.resource)

    def get_openlineage_facets_on_complete(self, ti: Any) -> OperatorLineage[Any, Any] | None:
        """What OpenLineage asks a task that has ended: what was read and written, and what Earth Engine did."""
        from airflow_provider_ee.lineage import export_lineage

        report = self._report
        if report is None:  # another process has run it
            return None
        return export_lineage(self, [report.operation] if report.operation else [], report.exported)

    def _client(self, goes_on: bool) -> EarthEngineClient:
        try:
            return self.hook.client
        except EarthEngineError as error:
            if not goes_on:
                raise
            # What could be opened when the export was started may be opened again.
            raise TransientError(f"{error} An export that this task has started is left as it is.") from error

    def _trigger(self, deferral: Deferral, task_try: TaskTry) -> EEOperationTrigger:
        from airflow_provider_ee.triggers.operation import EEOperationTrigger

        return EEOperationTrigger(
            operations=[deferral.operation.name] if deferral.operation else [],
            ee_conn_id=self.ee_conn_id,
            project_id=self.project_id,
            impersonation_chain=self.impersonation_chain,
            poll_interval=self._waiting().poll_interval,
            deadline=deferral.deadline,
            limit=deferral.limit,
            max_eecu_seconds=self.max_eecu_seconds,
            owner=task_try.names._asdict() if self.cancel_on_kill else None,
            room_delay=deferral.room_delay,
            carried=deferral.carried,
        )

    def on_kill(self) -> None:
        """Cancel the export, as soon as it is known, unless another try follows."""
        if self._kill_switch is None and (context := deferred_context()):
            with suppress(Exception):
                self._break_off(context, AirflowException("Airflow has ended this task while it was deferred."))
            return
        self._kill_switch = self._kill_switch or KillSwitch()
        self._kill_switch.press()

    def _waiting(self) -> Waiting:
        from airflow_provider_ee.operators.export_run import Waiting

        return Waiting(
            for_completion=self.wait_for_completion,
            deferrable=self.deferrable,
            poll_interval=self.poll_interval or Waiting.poll_interval,
            timeout=self.wait_timeout,
            execution_timeout=self.execution_timeout.total_seconds() if self.execution_timeout else None,
            head_start=HEAD_START,
            max_eecu_seconds=self.max_eecu_seconds,
            cancel_on_kill=self.cancel_on_kill,
            list_grace=Waiting.list_grace if self.list_grace is None else self.list_grace,
        )

    def render_template(
        self, content: Any, context: Context, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render one field; the expression in its own way."""
        if content is not None and content is self.expression:
            # Airflow 2's dag.test() renders a task that goes on once more.
            if self._rendered_expression is None or content is not self._rendered_expression:
                environment = jinja_env or self.get_template_env()
                self._rendered_expression = self._render_expression(content, context, environment)
            return self._rendered_expression
        return super().render_template(content, context, jinja_env, seen_oids)

    def _render_expression(self, given: Any, context: Context, environment: Any) -> Any:
        kind = self._kind_of_expression()
        if kind is ExpressionKind.FUNCTION:
            return given
        if not isinstance(given, str):  # an XComArg, or a dict that holds one
            return _once_as_text(super().render_template(given, context, environment))
        if kind is ExpressionKind.DATA or not holds_template(given, environment):
            source = given
        elif kind is ExpressionKind.DICT:
            return as_text(render_strings(json.loads(given), self._leaf_renderer(context, environment)))
        else:
            source = self._render_text(given, context, environment)
        if kind is not ExpressionKind.TEMPLATE_FILE:
            return source
        with airflow_outcome():
            return self._render_text(read_template_file(source, environment), context, environment)

    def _leaf_renderer(self, context: Context, environment: Any) -> Callable[[str], Any]:
        render = super().render_template
        return lambda leaf: render(leaf, context, environment) if holds_template(leaf, environment) else leaf

    def _render_text(self, text: str, context: Context, environment: Any) -> str:
        if not holds_template(text, environment):
            return text
        if dag := self.get_dag():
            environment = dag.get_template_env(force_sandboxed=True)  # never a native one
        return render_text(text, context, environment)

    def _kind_of_expression(self) -> ExpressionKind:
        """What the expression is; in a mapped task only what stands in the DAG file is the author's."""
        given, dag = self._given_expression, self.get_dag()
        written = dag.get_task(self.task_id) if dag else self
        mapped = hasattr(written, "expand_input")
        if _comes_later(given) or (mapped and given not in author_literals(written)):
            return ExpressionKind.DATA
        return author_kind(given)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Map the operator; functions among the expressions are written to the DAG by their names."""
        return with_named_functions(super().partial(**named_functions(kwargs)))

    def _request(self, context: Context) -> ExportRequest:
        """The arguments, as rendered, as one checked request."""
        from airflow_provider_ee.earthengine.request import export_request

        arguments = self._arguments()  # before code is run that may take long
        return export_request(
            self.kind, self._computed_expression(), arguments, default_description=self._default_description
        )

    def _computed_expression(self) -> dict[str, Any]:
        from airflow_provider_ee.earthengine.expression import expression_of

        if self._kind_of_expression() is not ExpressionKind.FUNCTION:
            return expression_of(self.expression, self.kind)
        with self.hook.ee_initialized():  # a module, too, may hold what only that can make
            call = function_call(self._given_expression, self.expression_kwargs or {})
            return expression_of(call(), self.kind)

    def _arguments(self) -> dict[str, Any]:
        """What a request is made of, as rendered."""
        return {name: _given_or_none(name, getattr(self, name)) for name in self.request_parameters}

    @property
    def _default_description(self) -> str:
        return f"{self.dag_id}-{self.task_id}"


def _keyword_only(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one for one in parameters if one.kind is one.KEYWORD_ONLY}


def _tell_all(function: Any, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Show in help and completion what ``**kwargs`` stands for, too."""
    signature = inspect.signature(function)
    first, *_, rest = signature.parameters.values()
    function.__signature__ = signature.replace(parameters=[first, *parameters.values(), rest])


def _united(own: Iterable[str], cls: type, attribute: str) -> tuple[str, ...]:
    """Names that a class adds, and those that it and all its bases list."""
    listed = (name for base in cls.__mro__ for name in vars(base).get(attribute, ()))
    return tuple(dict.fromkeys([*own, *listed]))


def _is_code(given: Any) -> bool:
    return callable(given) or isinstance(given, NamedFunction)


def _once_as_text(given: Any) -> Any:
    """A dict as JSON text, unless it holds what another task returns."""
    if not isinstance(given, dict):
        return given
    try:
        return as_text(given)
    except RequestError:
        if _holds_later(given):
            return given
        raise


def _comes_later(given: Any) -> bool:
    """Whether it stands for what is known when the task runs: a task returns it, or a group is mapped over it."""
    return hasattr(given, "resolve") and hasattr(given, "iter_references")


def _holds_later(given: Any) -> bool:
    if isinstance(given, (dict, list, tuple)):
        return any(map(_holds_later, given.values() if isinstance(given, dict) else given))
    return _comes_later(given)


def _given_or_none(name: str, value: Any) -> Any:
    """What was rendered: nothing is not given, and the text of Python's None is a mistake in a template."""
    refuse_none(name, value)
    return None if value == "" else value
