"""How an operator's ``expression`` may be given, and what rendering may make of it.

What the author of a DAG writes is JSON text, the path of a ``.json`` template, a dict, a function or the dotted
path of one: its look tells which. What comes from elsewhere, by rendering or from another task, is only ever
JSON: whoever may trigger a DAG fills templates, and must not name files to open or code to import.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import is_of_client

_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class ExpressionKind(Enum):
    """What was given."""

    TEXT = "JSON text, a template"
    DICT = "a dict, whose strings are templates"
    TEMPLATE_FILE = "the path of a .json template"
    FUNCTION = "a function, or its dotted path"
    DATA = "what another task returned"


def author_kind(given: Any) -> ExpressionKind:
    """What the author of a DAG means by an argument, by its look alone.

    :raises TypeError: if it is none of the kinds; an ee object is none, since Airflow would serialise it at
        every parse.
    """
    if is_of_client(given):
        raise TypeError(
            f"expression is an ee.{type(given).__name__} object, built while the DAG is parsed; "
            "give a function that builds it: it is called when the task runs."
        )
    if isinstance(given, dict):
        return ExpressionKind.DICT
    if callable(given) or isinstance(given, NamedFunction):
        return ExpressionKind.FUNCTION
    if not isinstance(given, str):
        raise TypeError(f"expression must be JSON text, a path, a dict or a function, not {given!r:.80}.")
    if given.endswith(".json"):
        return ExpressionKind.TEMPLATE_FILE
    return ExpressionKind.FUNCTION if _DOTTED_PATH.fullmatch(given) else ExpressionKind.TEXT


def author_literals(mapped: Any) -> list[Any]:
    """The expressions that stand in the DAG file for a mapped task, of ``partial`` and of ``expand``."""
    expanded = mapped.expand_input.value
    literals = [mapped.partial_kwargs.get("expression")]
    if isinstance(expanded, Mapping):
        given = expanded.get("expression")
        literals += given if isinstance(given, (list, tuple)) else []
    elif isinstance(expanded, (list, tuple)):
        literals += [one.get("expression") for one in expanded if isinstance(one, Mapping)]
    return literals


class NamedFunction(str):
    """The dotted path of a function, with the function: what Airflow writes to a DAG is the path.

    Of a function itself it would write the source, or an address that changes at every parse.
    """

    function: Callable[..., Any]

    @classmethod
    def of(cls, given: Any) -> Any:
        """A function by its name; anything else as it is."""
        if not callable(given):
            return given
        module = str(getattr(given, "__module__", ""))
        name = str(getattr(given, "__qualname__", type(given).__qualname__))
        # Airflow names the modules of DAG files after where they lie.
        named = cls(name if module.startswith("unusual_prefix_") else f"{module}.{name}")
        named.function = given
        return named


def named_functions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an operator, the function among them by its name."""
    return {name: NamedFunction.of(value) if name == "expression" else value for name, value in arguments.items()}


def with_named_functions(partial: Any) -> Any:
    """What ``partial`` returns, so that what is mapped later is treated alike."""
    partial.__class__ = _naming(type(partial))  # type: ignore[arg-type]
    return partial


@functools.cache
def _naming(partial_class: Any) -> Any:
    """Airflow's class, whose module is another one on each of its versions, with functions by their names."""

    class NamingPartial(partial_class):  # type: ignore[misc]
        __slots__ = ()

        def expand(self, **mapped: Any) -> Any:
            if isinstance(given := mapped.get("expression"), (list, tuple)):
                mapped["expression"] = [NamedFunction.of(one) for one in given]
            return super().expand(**mapped)

        def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:
            if isinstance(kwargs, (list, tuple)):
                kwargs = [named_functions(one) if isinstance(one, Mapping) else one for one in kwargs]
            return super().expand_kwargs(kwargs, **options)

    return NamingPartial


def as_text(graph: dict[str, Any]) -> str:
    """A dict as JSON text, which Airflow stores and shows at a fraction of what a dict costs it.

    :raises RequestError: if JSON cannot hold it.
    """
    try:
        return json.dumps(graph)
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"expression cannot be written as JSON: {error}.") from error


def holds_template(text: str, environment: Any) -> bool:
    """Whether text holds anything for Jinja; parsing 1.5 MB to find nothing costs more than all the rest."""
    starts = (
        environment.variable_start_string,
        environment.block_start_string,
        environment.comment_start_string,
        environment.line_statement_prefix,
        environment.line_comment_prefix,
    )
    return any(start in text for start in starts if start)


def render_strings(value: Any, render: Callable[[str], Any]) -> Any:
    """A copy of JSON with each string rendered: what is filled in stays within its string."""
    if isinstance(value, str):
        return render(value)
    if isinstance(value, dict):
        return {key: render_strings(item, render) for key, item in value.items()}
    if isinstance(value, list):
        return [render_strings(item, render) for item in value]
    return value


def render_text(source: str, context: Any, environment: Any) -> str:
    """Render text as text, where the DAG renders as native objects too: those are not JSON's."""
    try:
        from airflow.sdk.definitions.context import render_template_to_string
    except ImportError:  # Airflow 2
        from airflow.utils.helpers import render_template_to_string  # type: ignore[no-redef]

    rendered: str = render_template_to_string(environment.from_string(source), context)
    return rendered


def read_template_file(path: str, environment: Any) -> str:
    """The source of a template beside the DAG or in its ``template_searchpath``.

    :raises RequestError: if there is none.
    """
    from jinja2 import TemplateNotFound

    try:
        source: str = environment.loader.get_source(environment, path)[0]
    except TemplateNotFound:
        raise RequestError(
            f"expression file {path!r} was not found beside the DAG or in its template_searchpath."
        ) from None
    return source


def function_call(given: Any, arguments: Any) -> Callable[[], Any]:
    """The call of the function that builds the expression, which is imported if it is a dotted path.

    :raises RequestError: if it cannot be imported, or the arguments are no mapping.
    """
    if isinstance(given, NamedFunction) and hasattr(given, "function"):
        function = given.function
    else:
        function = _import(given) if isinstance(given, str) else given
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):  # told below
            arguments = json.loads(arguments)
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        given_type = type(arguments).__name__  # what it holds may be a secret
        raise RequestError(
            f"expression_kwargs must be a dict of arguments, or JSON text of one, not a {given_type}."
        )
    return functools.partial(function, **arguments)


def _import(dotted_path: str) -> Callable[..., Any]:
    from importlib import import_module

    module, _, name = dotted_path.rpartition(".")
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except Exception as error:  # whatever a module does when it is imported
        raise RequestError(
            f"expression names the function {dotted_path!r}, which could not be imported: {error}."
        ) from error
    if not callable(function):
        raise RequestError(f"expression names {dotted_path!r}, which is not a function.")
    return function
