"""What keeps computations within bounds: of time, of depth and of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

MOST_LEVELS = 200
MOST_VALUES = 10_000_000
"""How many values, or characters of text, one value may be made of."""

_VALUES_OF_A_PART = 10  # an element of a collection, a band of an image, an output of a reducer
_OUT_OF_MEMORY = "User memory limit exceeded."
_TOO_DEEP = "nested too deeply; nest functions and values less."


def _never() -> None:
    """Nothing ends a computation that nobody watches."""


_check: ContextVar[Callable[[], None]] = ContextVar("check", default=_never)


@contextmanager
def computing(check: Callable[[], None] = _never) -> Iterator[None]:
    """The time in which something is computed; ``check`` is called on the way and ends it by raising.

    :raises EvaluationError: where Python's stack or memory does not suffice.
    """
    token = _check.set(check)
    try:
        yield
    except RecursionError:
        raise EvaluationError(f"Expression: {_TOO_DEEP}") from None
    except MemoryError:
        raise EvaluationError(_OUT_OF_MEMORY) from None
    finally:
        _check.reset(token)


def go_on() -> None:
    """Called between steps of a computation: raises if it has been ended."""
    _check.get()()


class Memory:
    """Counts what a computation makes, by the functions that it calls."""

    def __init__(self) -> None:
        self._made = 0

    def take(self, function: str, value: Any) -> Any:
        """A value that a function has made.

        :raises EvaluationError: if it is more than fits, or if all of them are.
        """
        size = _length(value)
        self._made += 1 + (size // 16 if isinstance(value, str) else size)
        if size > MOST_VALUES or self._made > 3 * MOST_VALUES:
            raise EvaluationError(f"{function}: {_OUT_OF_MEMORY}")
        return value


def require_modest(value: Any) -> None:
    """Raises EvaluationError where plain values would be too many or too deep once they are written or compared.

    Lists that hold one list twice, and so on, take no memory until then.
    """
    level, size = [value], 0
    for _ in range(MOST_LEVELS):
        size += sum(max(_length(each), 1) for each in level)
        if size > MOST_VALUES:
            raise EvaluationError(_OUT_OF_MEMORY)
        level = list(islice((inner for outer in level for inner in _inside(outer)), MOST_VALUES))
        if not level:
            return
    raise EvaluationError(f"A value is {_TOO_DEEP}")


def _length(value: Any) -> int:
    if isinstance(value, (str, list, Mapping)):
        return len(value)
    parts = [len(getattr(value, name, ())) for name in ("elements", "bands", "outputs")]
    return sum(parts) * _VALUES_OF_A_PART


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, Mapping):
        yield from value.values()
    else:
        yield from getattr(value, "elements", ())
        yield from getattr(value, "properties", {}).values()
