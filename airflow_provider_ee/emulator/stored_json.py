"""Values as JSON that files hold and that loads again as what it was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.limits import require_modest
from airflow_provider_ee.emulator.evaluation.registry import type_name


def dumps(value: Any, **options: Any) -> str:
    """JSON as the standard has it, which knows no infinite number."""
    return json.dumps(value, allow_nan=False, **options)


def storable(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The values of properties as JSON.

    :raises EvaluationError: if there is none for one of them.
    """
    return {name: storable_value(name, value) for name, value in properties.items()}


def storable_value(name: str, value: Any) -> Any:
    """The value of the property ``name`` as JSON; a number that is not finite is null.

    :raises EvaluationError: if there is none, as of a date: the service has no such property of an asset either.
    """
    require_modest(value)
    return _stored(name, value)


def _stored(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_stored(name, each) for each in value]
    if isinstance(value, dict):
        return {key: _stored(name, each) for key, each in value.items()}
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise EvaluationError(
            f"The property '{name}' holds a {type_name(type(value))}, which cannot be stored; make it a number or "
            "text."
        )
    return None if isinstance(value, float) and not math.isfinite(value) else value
