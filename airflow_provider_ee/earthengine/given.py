"""What people give: numbers and lists, numpy's too, as Python's own; objects of ee; and how it is shown."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError


def shown(value: Any, length: int = 80) -> str:
    """What a sentence shows of a value: its beginning, and never an error of its own."""
    try:
        return repr(value)[:length]
    except Exception:  # nested too deeply, a number of too many digits, or somebody's own
        return f"some {type(value).__name__} that cannot be shown"


def is_of_client(value: Any) -> bool:
    """Whether something is an object of the ee library, which need not be imported to tell."""
    return any(base.__module__.partition(".")[0] == "ee" for base in type(value).__mro__)


def plain(value: Any) -> Any:
    """An array, or a number out of one, as Python's own lists and numbers; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def as_sequence(value: Any) -> Sequence[Any] | None:
    """The parts of a list, tuple or array; None if it is none."""
    value = plain(value)
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else None


def as_float(value: Any) -> float:
    """A number that is given as one, not as text and not as True.

    :raises TypeError: if it is none.
    :raises OverflowError: if no float holds it.
    """
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError
    return float(value)


def count(what: str, number: Any, least: int = 1) -> int:
    """A whole number of ``least`` or more.

    :raises RequestError: naming ``what``, if it is none.
    """
    whole = whole_number(what, number, f"a whole number of {least} or more")
    if whole < least:
        raise RequestError(f"{what} must be a whole number of {least} or more, not {shown(number)}.")
    return whole


def whole_number(what: str, number: Any, expected: str = "a whole number") -> int:
    """A whole number, of Python or of numpy.

    :raises RequestError: naming ``what`` and what was ``expected``, if it is none.
    """
    try:
        if isinstance(number, bool):
            raise TypeError
        return operator.index(number)
    except TypeError:
        raise RequestError(f"{what} must be {expected}, not {shown(number)}.") from None
