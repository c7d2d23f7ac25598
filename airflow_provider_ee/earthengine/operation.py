"""A read-only view of the Operation resource.

REST page: https://developers.google.com/earth-engine/reference/rest/Shared.Types/OperationMetadata
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TERMINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
OPERATION_NAME = re.compile(r"projects/(?P<project>[^/\s]+)/operations/(?P<id>[^/\s]+)")

_CANCELLED_CODE = 1  # google.rpc.Code


@dataclass(frozen=True)
class Operation:
    """An Operation as the service last described it.

    Nothing is required of the resource but its name: the service leaves out ``done`` while false, ``state``
    and ``description`` at times, and may add fields.
    """

    resource: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``projects/PROJECT/operations/ID``."""
        return str(self.resource["name"])

    @property
    def _metadata(self) -> Mapping[str, Any]:
        return self.resource.get("metadata") or {}

    @property
    def _error(self) -> Mapping[str, Any]:
        return self.resource.get("error") or {}

    @property
    def state(self) -> str:
        """``metadata.state``; where it is missing, what ``done``, ``error`` and ``response`` imply."""
        told = self._metadata.get("state")
        if told and told != "STATE_UNSPECIFIED":
            return str(told)
        if self.resource.get("error"):
            return "CANCELLED" if self.error_code == _CANCELLED_CODE else "FAILED"
        return "SUCCEEDED" if self.resource.get("done") or "response" in self.resource else "PENDING"

    @property
    def done(self) -> bool:
        """Whether the state is final."""
        return self.state in TERMINAL_STATES

    @property
    def description(self) -> str:
        """The text given at submission, empty where the service leaves it out."""
        return str(self._metadata.get("description") or "")

    @property
    def progress(self) -> float:
        """Share of the work done, 0 to 1."""
        try:
            return float(self._metadata.get("progress") or 0.0)
        except (TypeError, ValueError):
            return 0.0

    @property
    def stage(self) -> str:
        """The display name of the first stage that is not complete, else of the last one."""
        stages = [stage for stage in self._metadata.get("stages") or () if isinstance(stage, Mapping)]
        unfinished = [stage for stage in stages if not _complete(stage)]
        current = unfinished[:1] or stages[-1:]
        return str(current[0].get("displayName") or "") if current else ""

    @property
    def attempt(self) -> int:
        """Which attempt of the service's own, from 1."""
        try:
            return max(1, int(self._metadata.get("attempt") or 1))
        except (TypeError, ValueError):
            return 1

    @property
    def eecu_seconds(self) -> float:
        """Compute used so far, in EECU-seconds."""
        try:
            return float(self._metadata.get("batchEecuUsageSeconds") or 0.0)
        except (TypeError, ValueError):
            return 0.0

    @property
    def destination_uris(self) -> tuple[str, ...]:
        """Pages that show the result, set on success. Their format is not documented."""
        return tuple(str(uri) for uri in self._metadata.get("destinationUris") or ())

    @property
    def error_code(self) -> int | None:
        """google.rpc code of a failed or cancelled operation."""
        code = self._error.get("code")
        return code if isinstance(code, int) else None

    @property
    def error_message(self) -> str:
        """The service's own words about a failed or cancelled operation."""
        return str(self._error.get("message") or "")

    def summary(self) -> str:
        """State, progress in percent, stage and attempt, as one line for a log."""
        parts = [self.state]
        if self.state == "RUNNING":
            parts.append(f"{self.progress:.0%}")
            if self.stage:
                parts.append(self.stage)
        parts.append(f"attempt {self.attempt}")
        return ", ".join(parts)


def _complete(stage: Mapping[str, Any]) -> bool:
    try:
        return float(stage["completeWorkUnits"]) >= float(stage["totalWorkUnits"])
    except (KeyError, TypeError, ValueError):
        return False
