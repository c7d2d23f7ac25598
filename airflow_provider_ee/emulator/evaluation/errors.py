"""The one error of the emulator's computations."""

from __future__ import annotations

INVALID_ARGUMENT = 3


class EvaluationError(Exception):
    """A request that cannot be computed, told in the sentence that the operation's ``error`` will carry."""

    def __init__(self, message: str, code: int = INVALID_ARGUMENT) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
