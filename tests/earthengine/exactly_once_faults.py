"""What may happen to the actors of the model, and when it takes effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HEARTBEAT_TIMEOUT = 20.0  # of a worker
TRIGGERER_TIMEOUT = 30.0  # of a triggerer: another one takes its triggers over
QUEUED = 1.0
KILL_SLOWLY = 3.3  # from a user's action to SIGTERM: until the next heartbeat of the worker
KILL_AT_ONCE = 0.2
DEATH_NOTICED = 3.0  # by the executor

FREEZING: Mapping[str, float] = {
    f"freeze until {seconds} s after the next try": seconds for seconds in (0.7, 2.2, 40.0)
}
"""Seconds after the next try has begun at which a frozen worker goes on."""

FREEZING_TRIGGERER: Mapping[str, float] = {
    f"freeze for {name}": seconds
    for name, seconds in (("a moment", 4.0), ("40 s", 40.0), ("44 s", 44.0), ("hours", 20_000.0))
}
"""Seconds: another one has not noticed; has taken over, has seen the end, and the task has ended."""

ACTIONS = ("SIGTERM", "clear", "clear, SIGTERM at once", "mark failed", "mark success")
ACTIONS_BETWEEN = ("clear", "mark failed", "retries - 1", "retries + 1")
ACTIONS_DEFERRED = (
    "clear",
    "mark failed",
    "mark failed, later clear",
    "mark success",
    "delete",
    "delete, run again",
)

# What the rules do not hold: each is a sentence of the documentation.
SUCCESS_BY_MARK = "a success that a user has marked looks like that of the try in the place of a replaced one"
STRAGGLER_FORGOTTEN = "without a memory nobody knows that a request of a cleared try may still arrive"
NOBODY_THERE = "a task was ended while it was deferred, and no triggerer had its trigger to hear of that"
CANCEL_REFUSED = "the service did not let the trigger cancel what a user has ended"
NOT_TOLD = "Airflow did not answer to the trigger that asked whether the task was ended"
DEFERRAL_REFUSED = "a task was ended in the moment between its last look and its deferral"
LEFT_BY_DELETED_RUN = "what a deleted run has left is found only once its request id is refused to another run"
OVERRULED = "before 3.3 Airflow takes the deferral of a try that a user or another try has put an end to"
CLOCKS_DISAGREE = "where a worker's clock is wrong, what an earlier try has started looks like a deleted run's"
RETRIES_LOWERED = "a clear after retries was lowered by as many as there were tries looks like a retry"
DELETED_RUN = "without a memory a retry adopts what a deleted run of the same id has left"


class Died(BaseException):
    """The worker is gone, whatever it was doing."""


@dataclass(frozen=True)
class Fault:
    """One of what may happen at a point."""

    point: int
    kind: str
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind} at {self.point} ({self.label})"
