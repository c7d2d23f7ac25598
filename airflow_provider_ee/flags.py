"""Flags of a task, checked when the DAG is parsed: what does not fit is refused, never ignored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def refuse_without_wait(**given: Any) -> None:
    """Flags of a wait where there is none.

    :raises ValueError: if one is given.
    """
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name}={value!r} needs a wait, but this operator returns as soon as the export is submitted; "
                "set wait_for_completion=True, or leave it out."
            )


def check_flags(**flags: Any) -> None:
    """What is given must be True or False.

    :raises ValueError: if it is neither.
    """
    for name, value in flags.items():
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"{name}={value!r} must be True or False.")


def in_seconds(name: str, given: float | timedelta | None, *, timedelta_too: bool = True) -> float | None:
    """A length of time, or an amount of compute, as a number greater than 0.

    :raises ValueError: if it is none.
    """
    if given is None:
        return None
    seconds = given.total_seconds() if timedelta_too and isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        or_timedelta = ", or a timedelta" if timedelta_too else ""
        raise ValueError(f"{name}={given!r} must be a number of seconds greater than 0{or_timedelta}.")
    return float(seconds)
