"""What the author of an export has given -> one checked request."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutine
from typing import Any

from pydantic.alias_generators import to_camel

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.expression import (
    expression_of,
    is_task,
    kinds_of,
    request_from_task,
    unexpected_result,
    workload_tag_of,
)
from airflow_provider_ee.earthengine.graph import Expression
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.messages import REQUESTS, ExportRequest, clean_description
from airflow_provider_ee.earthengine.validation import meant, parse


def export_request(
    kind: str, expression: Expression, arguments: Mapping[str, Any], *, default_description: str
) -> ExportRequest:
    """Make one request of arguments: the fields of the request in snake_case, and ``destination``.

    :param kind: ``image``, ``table``, …: a key of ``REQUESTS``.
    :param expression: what to compute, checked.
    :param arguments: None stands for what is not given.
    :param default_description: where ``description`` is not given; names no file.
    :raises RequestError: if an argument is wrong, or a place is given twice.
    """
    given = _given(arguments)
    destination, description = given.pop("destination", None), given.pop("description", None)
    options = export_options(kind, destination, given)
    cleaned = clean_description(default_description if description is None else description)
    if description is not None:
        name_files(kind, options, cleaned)
    rest = {to_camel(name): value for name, value in given.items() if name not in REQUESTS[kind].option_fields()}
    return parse(REQUESTS[kind], {**rest, **options, "expression": expression, "description": cleaned})


def request_from_result(
    result: Any,
    arguments: Mapping[str, Any],
    *,
    default_description: str,
    defaults: Mapping[str, Any] | None = None,
) -> ExportRequest:
    """Make one request of what a function returned, and of arguments that were given beside it.

    :param result: an unstarted ``ee.batch.Task``; an ee object, which says of what kind the export is; or a dict
        of arguments with the ``expression`` among them, which come before those beside it.
    :param arguments: as for ``export_request``.
    :param defaults: arguments that count where nothing else says them, and the kind takes them.
    :raises RequestError: if the result is none of these, or an argument is wrong.
    """
    given, defaults = _given(arguments), _given(defaults or {})
    if is_task(result):
        return _completed(*request_from_task(result), given, defaults)
    if isinstance(result, Mapping) and set(result) != {"result", "values"}:
        own = dict(result)
        if (result := own.pop("expression", None)) is None:
            raise RequestError("the function returned a dict without an expression; add 'expression' to it.")
        given.update(_given(_known(own)))
        if is_task(result):
            raise RequestError("the function returned an ee.batch.Task in a dict; return the task itself.")
    kind = _kind(result, given)
    fitting = {name: value for name, value in defaults.items() if name in parameters_of(kind)}
    tagged = {"workload_tag": workload_tag_of(result)}
    expression = expression_of(result, kind)
    return export_request(
        kind, expression, {**tagged, **fitting, **given}, default_description=default_description
    )


def export_options(kind: str, destination: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge where (the destination) and how (the options) into the options of a request.

    :param given: arguments, options among them.
    :raises RequestError: if an option is wrong, or a place is given twice.
    """
    fields = REQUESTS[kind].option_fields()
    read = {
        name: parse(model, given[name], at=(to_camel(name),)).model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude_none=True
        )
        for name, model in fields.items()
        if given.get(name) is not None
    }
    if not destination:
        return {to_camel(name): options for name, options in read.items()}
    # Empty options say nothing of where, but which of two is meant.
    merged = {to_camel(name): options for name, options in read.items() if options}
    return _merged(merged, *_place(kind, destination, read), destination)


def name_files(kind: str, options: dict[str, Any], description: str) -> None:
    """Name the files after the description where neither destination nor options name them."""
    for name, model in REQUESTS[kind].option_fields().items():
        for place, destination in model.destinations().items():
            files = options.get(to_camel(name), {}).get(to_camel(place))
            if files is not None and "filename_prefix" in destination.model_fields:
                files.setdefault("filenamePrefix", description)


def parameters_of(kind: str) -> set[str]:
    """The arguments that a request of a kind is made of."""
    return {*REQUESTS[kind].model_fields, "destination"} - {"expression"}


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.to_rest() if isinstance(value, PixelGrid) else value
        for name, value in arguments.items()
        if value is not None
    }


def _known(own: Mapping[str, Any]) -> Mapping[str, Any]:
    known = sorted({name for kind in REQUESTS for name in parameters_of(kind)})
    for name in own:
        if name not in known:
            nearest = meant(str(name), known)
            hint = f"did you mean {nearest}?" if nearest else f"known are expression, {', '.join(known)}."
            raise RequestError(f"the function returned a dict with {name!r}, which is no parameter; {hint}")
    return own


def _kind(result: Any, given: Mapping[str, Any]) -> str:
    """Of what kind an export is, by the type of the object, and by what is given beside it."""
    typed = kinds_of(result)
    if typed == ():
        if iscoroutine(result):
            result.close()  # nobody waits for it
        raise RequestError(unexpected_result(result))
    kinds = [kind for kind in typed or REQUESTS if set(given) <= parameters_of(kind)]
    if not kinds and typed:
        nearest = min(typed, key=lambda kind: len(set(given) - parameters_of(kind)))
        name = sorted(set(given) - parameters_of(nearest))[0]
        raise RequestError(f"{name} is not for the export of an ee.{type(result).__name__}; leave it out.")
    if not kinds or (typed is None and len(kinds) > 1):
        raise RequestError(
            "the function returned a computation that does not say what it is; "
            "return an ee.Image, ee.ImageCollection, ee.FeatureCollection or ee.Classifier: ee.Image(result)."
        )
    return kinds[0]


def _completed(
    kind: str, body: dict[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> ExportRequest:
    """The request of an ``ee.batch.Task``, with what it leaves open."""
    known = parameters_of(kind)
    for name in given:
        if name not in known:
            raise RequestError(f"{name} is not for the {kind} export that the function returned; leave it out.")
        if name == "destination" or to_camel(name) in body:
            raise RequestError(f"the ee.batch.Task that the function returned says its own {name}; leave it out.")
    options = REQUESTS[kind].option_fields()  # of which a task always has one
    fitting = {name: value for name, value in defaults.items() if name in known and name not in options}
    fitting.pop("destination", None)
    rest = {to_camel(name): value for name, value in {**fitting, **given}.items()}
    return parse(REQUESTS[kind], {**rest, **body, "description": clean_description(body.get("description", kind))})


def _place(kind: str, destination: str, given: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Which option a destination belongs in, which of its fields that is, and what that holds."""
    if not isinstance(destination, str):
        raise RequestError(f"destination must be text, not {destination!r:.80}; write {_forms(kind)}.")
    if not destination.isprintable():
        raise RequestError(f"destination {destination!r} holds characters that cannot be printed; leave them out.")
    fields = REQUESTS[kind].option_fields()
    scheme, rest = _scheme(destination)
    found = {name: place for name in fields if (place := fields[name].destination_with(scheme))}
    if not found:
        raise RequestError(f"destination {destination!r} is not understood; write {_forms(kind)}.")
    # Options that are given say which is meant: an asset may be a table or a FeatureView.
    name = next((name for name in found if name in given), next(iter(found)))
    held = fields[name].destinations()[found[name]].read(rest)
    return name, found[name], {field: value for field, value in held.items() if value}


def _scheme(destination: str) -> tuple[str | None, str]:
    """What stands before ``://``, which assets do not have, and the rest; None: it is no destination."""
    scheme, separator, rest = destination.partition("://")
    if separator:
        return scheme or None, rest
    return ("" if destination.startswith(("projects/", "users/")) else None), destination


def _merged(
    options: dict[str, Any], name: str, place: str, fields: dict[str, str], destination: str
) -> dict[str, Any]:
    """Merge two trees that may share branches but no leaf, and no second place."""
    option, field = to_camel(name), to_camel(place)
    others = set(options) - {option}
    target = options.setdefault(option, {})
    rivals = {one for one in target if one.endswith("Destination")} - {field}
    twice = set(fields) & set(target.get(field, {}))
    if others or rivals or twice:
        second = sorted(others or rivals or {f"{field}.{one}" for one in twice})[0]
        raise RequestError(
            f"destination {destination!r} says where to write, and so does {second}; give only one."
        )
    target[field] = {**target.get(field, {}), **fields}
    return options


def _forms(kind: str) -> str:
    """How the destinations of a kind are written."""
    places = (
        place for model in REQUESTS[kind].option_fields().values() for place in model.destinations().values()
    )
    *most, last = dict.fromkeys(place.form for place in places)
    return f"{', '.join(most)} or {last}" if most else last
