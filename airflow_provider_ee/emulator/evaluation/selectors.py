"""Selectors: regular expressions that whole names of bands and of properties match."""

from __future__ import annotations

import re
from collections.abc import Iterable

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

_LONGEST_PATTERN = 200
_MOST_REPETITIONS = 4
_LONGEST_NAME = 110  # of properties, for the service


def matching(what: str, pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern matches. ``what`` begins the sentences of errors.

    The service's expressions take a time that grows with the name only. Python's may take for ever where
    repetitions follow or hold each other, so that only few are let in.

    :raises EvaluationError: if it is no regular expression, or one that might take long.
    """
    if pattern.isidentifier():
        return [name for name in names if name == pattern]
    repetitions = len(re.findall(r"[*+?{]", pattern))
    if len(pattern) > _LONGEST_PATTERN or repetitions > _MOST_REPETITIONS or re.search(r"\)[*+{]", pattern):
        raise EvaluationError(
            f"{what} is too complex: it may have up to {_LONGEST_PATTERN} characters and {_MOST_REPETITIONS} of "
            "* + ? {, and no group may be repeated; name what you select."
        )
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise EvaluationError(f"{what} is not a regular expression: {error}.") from None
    return [name for name in names if len(name) <= _LONGEST_NAME and compiled.fullmatch(name)]
