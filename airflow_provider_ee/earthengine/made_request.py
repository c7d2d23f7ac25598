"""MadeRequest: a request that is made when it is needed, since that may take code of the author's and calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.mark import Mark
    from airflow_provider_ee.earthengine.messages import PreparedRequest

MakeRequest = Callable[[], "PreparedRequest"]


class MadeRequest:
    """Makes a request once.

    :param make: makes it; None: there is none to be sent.
    """

    def __init__(self, make: MakeRequest | None = None) -> None:
        self._make = make
        self._made: PreparedRequest | None = None
        self.fingerprint = ""
        """What it would write where; empty until it is made."""

    def __call__(self) -> PreparedRequest:
        if self._made is None:
            assert self._make, "no request is to be sent"
            self._made = self._make()
            self.fingerprint = self._made.fingerprint()
        return self._made

    def compare(self, started_with: str, name: str, final: tuple[type[Exception], ...], log: Any) -> None:
        """Say whether an operation that is adopted was started with another request.

        :param started_with: the fingerprint of its request, if it is known.
        :param name: of the operation.
        :param final: what ends the task all the same, where the request cannot be made once more.
        """
        try:
            self()
        except final:
            raise
        except Exception as error:
            log.warning("The request of operation %s cannot be made once more: %s", name, error)
            return
        if started_with not in ("", self.fingerprint):
            log.warning(
                "The request is not the one that operation %s was started with, whose result this task returns; "
                "clear the task to export anew",
                name,
            )

    def named(self, mark: Mark) -> PreparedRequest:
        """The request under the names that a mark stands for."""
        request = self()
        given = self.given_id(mark)
        return request.named(description=mark.describe(request.description), request_id=given or str(mark))

    def given_id(self, mark: Mark) -> str | None:
        """The id that its author gave it, which is for the first request alone."""
        return self().request_id if mark.number == 0 else None
