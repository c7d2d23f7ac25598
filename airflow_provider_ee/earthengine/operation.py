"""A read-only view of the Operation resource.

REST page: https://developers.google.com/earth-engine/reference/rest/Shared.Types/OperationMetadata
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TERMINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
PROJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[A-Za-z0-9_-]+)?")
"""Id or number of a Cloud project; old ones begin with a domain (``example.com:name``)."""

OPERATION_NAME = re.compile(rf"projects/(?P<project>{PROJECT.pattern})/operations/(?P<id>[A-Za-z0-9_-]+)")

_CANCELLED_CODE = 1  # google.rpc.Code


def operation_id(name: str) -> str:
    """The last part of a name, which tells operations apart: a project may be spelt by its id or by its number."""
    return name.rpartition("/")[2]


@dataclass(frozen=True)
class Operation:
    """An Operation as the service last described it.

    Nothing is required of the resource but its name: the service leaves out ``done`` while false, ``state``
    and ``description`` at times, and may add fields.

    REST page: https://developers.google.com/earth-engine/reference/rest/Shared.Types/OperationMetadata

    :param resource: what the service has answered.
    """

    resource: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``projects/PROJECT/operations/ID``."""
        return str(self.resource["name"])

    @property
    def _metadata(self) -> Mapping[str, Any]:
        return _mapping(self.resource.get("metadata"))

    @property
    def _error(self) -> Mapping[str, Any]:
        return _mapping(self.resource.get("error"))

    @property
    def state(self) -> str:
        """``metadata.state``; where it is missing or behind, what ``done``, ``error`` and ``response`` imply."""
        told = str(self._metadata.get("state") or "STATE_UNSPECIFIED")
        ended = self.resource.get("done") or self.resource.get("error") or "response" in self.resource
        if told in TERMINAL_STATES or (told != "STATE_UNSPECIFIED" and not ended):
            return told
        if self.resource.get("error"):
            return "CANCELLED" if self.error_code == _CANCELLED_CODE else "FAILED"
        return "SUCCEEDED" if ended else "PENDING"

    @property
    def done(self) -> bool:
        """Whether the state is final."""
        return self.state in TERMINAL_STATES

    @property
    def description(self) -> str:
        """The text given at submission, empty where the service leaves it out."""
        return str(self._metadata.get("description") or "")

    @property
    def type(self) -> str:
        """The service's word for the kind of work, ``EXPORT_IMAGE``; empty where it is left out."""
        return str(self._metadata.get("type") or "")

    @property
    def create_time(self) -> float | None:
        """When it was submitted, by the service's clock, in seconds since the epoch."""
        return _moment(self._metadata.get("createTime"))

    @property
    def queue_seconds(self) -> float | None:
        """Seconds from its submission to its start; None where it has not started, or that is not told."""
        return _between(self.create_time, _moment(self._metadata.get("startTime")))

    @property
    def run_seconds(self) -> float | None:
        """Seconds from its start to its end; None where it has not ended, or that is not told."""
        return _between(_moment(self._metadata.get("startTime")), _moment(self._metadata.get("endTime")))

    @property
    def progress(self) -> float:
        """Share of the work done, 0 to 1."""
        return _number(self._metadata.get("progress"))

    @property
    def stage(self) -> str:
        """The display name of the first stage that is not complete, else of the last one."""
        stages = [stage for stage in _list(self._metadata.get("stages")) if isinstance(stage, Mapping)]
        unfinished = [stage for stage in stages if not _complete(stage)]
        current = unfinished[:1] or stages[-1:]
        return str(current[0].get("displayName") or "") if current else ""

    @property
    def attempt(self) -> int:
        """Which attempt of the service's own, from 1."""
        return max(1, int(_number(self._metadata.get("attempt"))))

    @property
    def work(self) -> tuple[Any, ...]:
        """What differs where anything was worked: state, attempt, progress and the units of each stage.

        ``updateTime`` does not count: it moves on a stalled operation too.
        """
        stages = [stage for stage in _list(self._metadata.get("stages")) if isinstance(stage, Mapping)]
        units = tuple(
            (_number(stage.get("completeWorkUnits")), _number(stage.get("totalWorkUnits"))) for stage in stages
        )
        return self.state, self.attempt, self.progress, units

    @property
    def eecu_seconds(self) -> float:
        """Compute used so far, in EECU-seconds."""
        return _number(self._metadata.get("batchEecuUsageSeconds"))

    @property
    def destination_uris(self) -> tuple[str, ...]:
        """Pages that show the result, set on success. Their format is not documented."""
        return tuple(str(uri) for uri in _list(self._metadata.get("destinationUris")))

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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float:
    """A number, or 0 where the service sent none that is finite."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _moment(told: Any) -> float | None:
    """A timestamp, in seconds since the epoch; None where the service sent none."""
    parts = re.fullmatch(r"(.+?)(?:(\.\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)", str(told))
    if not parts:
        return None
    try:
        moment = datetime.fromisoformat(parts[1] + parts[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment.timestamp() + float(parts[2] or 0)


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _complete(stage: Mapping[str, Any]) -> bool:
    try:
        return float(stage["completeWorkUnits"]) >= float(stage["totalWorkUnits"])
    except (KeyError, TypeError, ValueError):
        return False
