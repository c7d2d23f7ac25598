"""``@task.ee_export``: a function that builds an export with the ee library, as an Airflow task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    context_merge,
    task_decorator_factory,
)

from airflow_provider_ee.earthengine.given import is_of_client
from airflow_provider_ee.operators.export import (
    EEClassifierExportOperator,
    EEImageExportOperator,
    EEMapExportOperator,
    EETableExportOperator,
    EEVideoExportOperator,
    EEVideoMapExportOperator,
)
from airflow_provider_ee.operators.templated_expression import ExpressionKind

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator

    from airflow_provider_ee.earthengine.messages import ExportRequest


class EEExportDecoratedOperator(
    DecoratedOperator,
    EEImageExportOperator,
    EETableExportOperator,
    EEVideoExportOperator,
    EEMapExportOperator,
    EEVideoMapExportOperator,
    EEClassifierExportOperator,
):
    """Of every kind until its function has returned: it takes the parameters of all of them."""

    custom_operator_name = "@task.ee_export"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if "expression" in kwargs or "expression_kwargs" in kwargs:
            raise TypeError("@task.ee_export takes no expression; the function returns it.")
        _refuse_ee_objects(python_callable, [*(op_args or ()), *(op_kwargs or {}).values()])
        # What default_args bring comes to the classes of the kinds later: it is for those that take it.
        self._given = frozenset(kwargs)
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={"expression": python_callable},
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Call the function, start what it returns or adopt it, and return the Operation resource."""
        # What DecoratedOperator does with a result is for results that are assets, and fails on Airflow 3.0.
        return super(DecoratedOperator, self).execute(context)

    def _kind_of_expression(self) -> ExpressionKind:
        return ExpressionKind.FUNCTION

    def _request(self, context: Context) -> ExportRequest:
        from airflow_provider_ee.earthengine.request import request_from_result

        arguments = self._arguments()
        given = {name: value for name, value in arguments.items() if name in self._given}
        with self.hook.ee_initialized():
            return request_from_result(
                self._called(context), given, defaults=arguments, default_description=self._default_description
            )

    def _called(self, context: Context) -> Any:
        context_merge(context, self.op_kwargs)
        known = _determine_kwargs(self.python_callable, self.op_args, context)
        return self.python_callable(*self.op_args, **known)


def _determine_kwargs(function: Callable[..., Any], arguments: Collection[Any], context: Any) -> Mapping[str, Any]:
    """What a function takes of the context, as Airflow's own decorators see it."""
    try:
        from airflow.sdk.bases.decorator import determine_kwargs
    except ImportError:  # before 3.2
        from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]
    known: Mapping[str, Any] = determine_kwargs(function, arguments, context)
    return known


def _refuse_ee_objects(function: Callable[..., Any], arguments: Iterable[Any]) -> None:
    """Airflow would store them, or their address, at every parse."""
    for given in arguments:
        if is_of_client(given):
            raise TypeError(
                f"{function.__name__} is given an ee.{type(given).__name__} while the DAG is parsed; "
                "make it in the function, which is called when the task runs."
            )


def ee_export_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Turn a function into a task that exports what it returns, exactly once.

    The function runs in the worker, with ``ee`` initialised from the connection. It returns one of

    * an unstarted ``ee.batch.Task`` of any kind, as ``ee.batch.Export.*`` make it;
    * an ``ee.Image``, ``ee.ImageCollection``, ``ee.FeatureCollection`` or ``ee.Classifier``, which is exported as
      the decorator's parameters say (an image as map tiles, a collection of images as video map tiles, where
      parameters are given that only those take);
    * a dict of parameters with the ``expression`` among them, which come before those of the decorator: so the
      tasks of one mapped function differ in grid, destination and description.

    :param python_callable: the function.
    :param multiple_outputs: unroll the Operation that the task returns into several XComs.
    :param kwargs: parameters of the operator of that kind (``EEImageExportOperator``, …) but for ``expression``,
        and of any Airflow task.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=EEExportDecoratedOperator,
        **kwargs,
    )
