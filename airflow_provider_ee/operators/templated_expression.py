"""How an operator's ``expression`` may be given, and what rendering may make of it.

What the author of a DAG writes is settled when the operator is built: JSON text, the path of a ``.json``
template, a dict, a function or the dotted path of one. What rendering yields is only ever JSON: whoever may
trigger a DAG fills templates, and must not name files to open or code to import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class ExpressionKind(Enum):
    """What the author of the DAG gave."""

    JSON = "JSON text or a dict"
    TEMPLATE_FILE = "the path of a .json template"
    FUNCTION = "a function, or its dotted path"


def expression_kind(given: Any) -> ExpressionKind:
    """Settle what an argument is, by its look alone.

    :raises TypeError: if it is an ee object, which Airflow would serialise at every parse.
    """
    if type(given).__module__.split(".")[0] == "ee":
        raise TypeError(
            f"expression is an ee.{type(given).__name__} object, built while the DAG is parsed; "
            "give a function that builds it: it is called when the task runs."
        )
    if callable(given):
        return ExpressionKind.FUNCTION
    if isinstance(given, str):
        if given.endswith(".json"):
            return ExpressionKind.TEMPLATE_FILE
        if _DOTTED_PATH.fullmatch(given):
            return ExpressionKind.FUNCTION
    return ExpressionKind.JSON


def as_text(graph: dict[str, Any]) -> str:
    """A dict as JSON text, which renders 25 times faster than its leaves one by one."""
    try:
        return json.dumps(graph)
    except TypeError as error:
        raise TypeError(f"expression must be a JSON object: {error}.") from error


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


def read_template_file(path: str, environment: Any) -> str:
    """The source of a template beside the DAG or in its ``template_searchpath``.

    :raises RequestError: if there is none.
    """
    from jinja2 import TemplateNotFound

    from airflow_provider_ee.earthengine.errors import RequestError

    try:
        source: str = environment.loader.get_source(environment, path)[0]
    except TemplateNotFound:
        raise RequestError(
            f"expression file {path!r} was not found beside the DAG or in its template_searchpath."
        ) from None
    return source


def call_function(given: Any, arguments: dict[str, Any]) -> Any:
    """Call the function that builds the expression, importing it first if it is a dotted path.

    :raises RequestError: if it cannot be imported.
    """
    function = _import(given) if isinstance(given, str) else given
    return function(**arguments)


def _import(dotted_path: str) -> Callable[..., Any]:
    from importlib import import_module

    from airflow_provider_ee.earthengine.errors import RequestError

    module, _, name = dotted_path.rpartition(".")
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RequestError(
            f"expression names the function {dotted_path!r}, which was not found: {error}."
        ) from error
    if not callable(function):
        raise RequestError(f"expression names {dotted_path!r}, which is not a function.")
    return function
