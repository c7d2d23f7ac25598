"""Requests against the JSON Schema of the REST API."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from fastjsonschema import JsonSchemaValueException
from fastjsonschema import compile as compile_schema

from airflow_provider_ee.emulator.errors import ServiceError

MAX_BODY_BYTES = 10_485_760
MAX_DEPTH = 100


def read_body(body: bytes, message: str) -> dict[str, Any]:
    """Parse and check the body of a request.

    :raises ServiceError: in the service's words, where it is no message of that name.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ServiceError(400, f"Request payload size exceeds the limit: {MAX_BODY_BYTES} bytes.")
    try:
        request = _parsed(body)
        _validator(message)(request)
    except RecursionError:
        raise ServiceError(400, "Invalid JSON payload received. Message too deep.") from None
    except JsonSchemaValueException as error:
        raise ServiceError(400, _in_words(error)) from None
    for key, value in (request.get("expression") or {}).get("values", {}).items():
        if _deeper_than(value, MAX_DEPTH):
            raise ServiceError(
                400, f"Invalid value at 'expression.values[{key}]': nested deeper than {MAX_DEPTH}."
            )
    return request


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
        request = json.loads(
            text or "{}", parse_constant=_refuse_constant, parse_float=_finite(float), parse_int=_finite(int)
        )
        if "\\u" in text:  # only so can half a character get in
            json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ServiceError(
            400, "Invalid JSON payload received. A string holds half of a surrogate pair; send both halves."
        ) from None
    except ValueError as error:
        raise ServiceError(400, f"Invalid JSON payload received. {error}.") from None
    if not isinstance(request, dict):
        raise ServiceError(400, "Invalid JSON payload received. Expected a JSON object.")
    return request


def _finite(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Reads numbers, but none so large that it would be infinite in double precision."""

    def read(text: str) -> float:
        if math.isinf(float(text)):
            raise ValueError(f"Number out of range: {text[:20]}")
        return kind(text)

    return read


@cache
def _validator(message: str) -> Callable[[Any], Any]:
    source = (files(__package__) / "data" / "v1.schema.json").read_text(encoding="utf-8")
    schema = {**json.loads(source), "$ref": f"#/$defs/{message}"}
    validate: Callable[[Any], Any] = compile_schema(schema, use_formats=False, use_default=False)
    return validate


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Unexpected token {name}")


def _in_words(error: JsonSchemaValueException) -> str:
    # The path starts with the name that the validator gives to the whole.
    path = ".".join(str(part) for part in error.path[1:])
    if error.rule == "additionalProperties" and isinstance(error.value, dict):
        known = (error.definition or {}).get("properties", {})
        unknown = next((name for name in error.value if name not in known), "")
        where = f" at '{path}'" if path else ""
        return f'Invalid JSON payload received. Unknown name "{unknown}"{where}: Cannot find field.'
    if error.rule == "required" and isinstance(error.value, dict):
        missing = next(name for name in error.definition["required"] if name not in error.value)
        return f"Invalid argument: '{'.'.join(filter(None, (path, missing)))}' is required."
    if error.rule == "not":
        return f"Invalid value at '{path or 'request'}' (oneof), only one of its fields may be set."
    shown = json.dumps(error.value)
    return f"Invalid value at '{path}' ({error.rule}), {shown if len(shown) < 200 else shown[:200] + '…'}"


def _deeper_than(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
