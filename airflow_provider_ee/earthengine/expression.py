"""Whatever the user gave as a computation -> a REST Expression, checked: JSON, or what the ee client builds.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/Expression
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from airflow_provider_ee.earthengine.collector import collector_paused
from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import is_of_client
from airflow_provider_ee.earthengine.graph import Expression, check_graph, too_deep
from airflow_provider_ee.earthengine.messages import REQUESTS, clean_description
from airflow_provider_ee.earthengine.validation import parse

# Of each pair the first is meant unless something is given that only the second takes.
_KINDS_OF_TYPES = {
    "Image": ("image", "map"),
    "ImageCollection": ("video", "videoMap"),
    "FeatureCollection": ("table",),
    "Classifier": ("classifier",),
}
# What a computation is until somebody says more.
_UNTYPED = ("ComputedObject", "Element", "Collection")

_KINDS_OF_TASKS = {
    "EXPORT_IMAGE": "image",
    "EXPORT_TILES": "map",
    "EXPORT_FEATURES": "table",
    "EXPORT_VIDEO": "video",
    "EXPORT_CLASSIFIER": "classifier",
}


def expression_from(given: Any) -> Expression:
    """Read JSON text or a dict as an Expression and check its graph.

    :raises RequestError: if it is no Expression, or its graph has a dangling reference, a cycle, a number
        that JSON cannot hold or too deep a value.
    """
    with collector_paused():
        if isinstance(given, str):
            given = _parse(given)
        if given is None or given == {}:
            raise RequestError("expression is empty; give an Earth Engine Expression as JSON.")
        if not isinstance(given, dict):
            raise RequestError(f"expression must be a JSON object, not {type(given).__name__}.")
        # Requests put a wrapper around an Expression.
        inner = given.get("expression")
        expression = inner if isinstance(inner, dict) and set(given) == {"expression"} else given
        check_graph(expression)
        return expression


def expression_of(given: Any, kind: str) -> Expression:
    """An ee object, or JSON, as the Expression of an export of some kind.

    :raises RequestError: if it is none, or cannot be exported so.
    """
    if isinstance(given, dict) and set(given) == {"expression"}:
        given = given["expression"]
    if is_task(given):
        raise RequestError("expression is an ee.batch.Task, which is a whole export; @task.ee_export takes it.")
    if not is_of_client(given):
        return expression_from(given)
    kinds = kinds_of(given)
    if kinds is not None and kind not in kinds:
        wanted = next(name for name, kinds in _KINDS_OF_TYPES.items() if kind in kinds)
        raise RequestError(
            f"expression is an ee.{type(given).__name__}, but the export of the kind {kind} takes an ee.{wanted}."
        )
    return expression_from(_encoded(given))


def kinds_of(given: Any) -> tuple[str, ...] | None:
    """The kinds that an ee object can be exported as; None if it does not say what it is."""
    if not is_of_client(given):
        return None if isinstance(given, (str, dict)) else ()
    names = [base.__name__ for base in type(given).__mro__ if base.__module__.partition(".")[0] == "ee"]
    if names[0] in _UNTYPED:
        return None
    return next((_KINDS_OF_TYPES[name] for name in names if name in _KINDS_OF_TYPES), ())


def is_task(given: Any) -> bool:
    """Whether it is an ``ee.batch.Task``."""
    return any(base.__module__ == "ee.batch" and base.__name__ == "Task" for base in type(given).__mro__)


def workload_tag_of(given: Any) -> str | None:
    """The tag that code has set for an ee object, as the client would send it."""
    if not is_of_client(given):
        return None
    import ee

    return str(ee.data.getWorkloadTag() or "") or None


def request_from_task(task: Any) -> tuple[str, dict[str, Any]]:
    """The kind of export that an ``ee.batch.Task`` stands for, and the body that the client would send for it.

    The body is plain REST JSON: where the client wraps a number (``{"value": 1}``) the number stands alone. It has
    no request id.

    :param task: unstarted, as the functions of ``ee.batch.Export`` return it.
    :raises RequestError: if it has been started, or asks for what cannot be passed on.
    """
    if not is_task(task):
        raise RequestError(unexpected_result(task))
    if task.id or task.name or task._request_id or task.state != "UNSUBMITTED":
        name = f" as {task.name}, which runs on" if task.name else ""
        raise RequestError(
            f"the ee.batch.Task has been started already{name}; "
            "return it without calling start(), which is done for you."
        )
    body = dict(task.config or {})
    kind = _KINDS_OF_TASKS.get(getattr(task.task_type, "value", task.task_type))
    if not body or kind is None:
        raise RequestError("the ee.batch.Task is none that ee.batch.Export made.")
    body["workloadTag"] = body.get("workloadTag", task.workload_tag) or None
    body["expression"] = expression = expression_of(body["expression"], kind)
    # Cleaned only where it is sent: until then it is what its author wrote.
    description = body.get("description")
    body["description"] = clean_description(description) if description else None
    fields = parse(REQUESTS[kind], body).fields()
    return kind, {"expression": expression, **fields, **({"description": description} if description else {})}


def unexpected_result(result: Any) -> str:
    """The sentence about what a function returned that cannot be exported."""
    wanted = "return an unstarted ee.batch.Task, an ee object, or a dict of parameters"
    if isinstance(result, (list, tuple)):
        return (
            f"the function returned a {type(result).__name__}, but one Airflow task starts one export; "
            f"{wanted}, and map the task with expand()."
        )
    if is_of_client(result):
        shown = f"an ee.{type(result).__name__}"
    else:  # others may show an address, or all that they hold
        shown = f"{result!r:.80}" if isinstance(result, (int, float, type(None))) else f"a {type(result).__name__}"
    return f"the function returned {shown}, which cannot be exported; {wanted}."


def _encoded(given: Any) -> Any:
    import ee

    try:
        return ee.serializer.encode(given, for_cloud_api=True)
    except RecursionError:
        raise RequestError(too_deep("expression")) from None
    except (ee.EEException, ValueError, TypeError) as error:
        raise RequestError(f"expression cannot be written as JSON by the ee client: {error}.") from error


def _parse(text: str) -> Any:
    if text.strip() in ("", "None", "null"):
        found = repr(text.strip()) if text.strip() else "empty"
        raise RequestError(f"expression is {found} after rendering; give an Earth Engine Expression as JSON.")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise RequestError(too_deep("expression")) from None
    except ValueError as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        start = " ".join(text[:60].split())
        raise RequestError(
            f"expression is not JSON ({reason}{where}): {start!r}; "
            "what a template, a task or a function yields is only ever read as JSON, never as a path or as code."
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise RequestError(f"expression holds {name}, which JSON does not have; mask such pixels or use a number.")
