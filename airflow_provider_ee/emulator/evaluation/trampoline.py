"""Recursion without Python's stack, since an expression may be deeper than that is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

Steps = Generator[Any, Any, Any]
"""A function written as a generator: ``yield other(...)`` calls, what comes back is the result."""


def run(steps: Steps) -> Any:
    """The result of ``steps``."""
    stack = [steps]
    result = None
    while stack:
        try:
            stack.append(stack[-1].send(result))
            result = None
        except StopIteration as stop:
            stack.pop()
            result = stop.value
    return result
