"""What is done to a task: at which step, by what, and under which circumstances."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

STEPS = {
    "memory": "before the request leaves: the record is being written",
    "request": "the request is on its way",
    "answer": "accepted, the answer is on its way",
    "name": "answered, the name is being stored",
    "poll": "while it waits for the export",
    "cancel": "in on_kill, while it cancels",
    "look": "the next try looks for what the last one left",
    "finish": "done, and about to tell Airflow",
}
SIGNALS = ("SIGKILL", "SIGTERM", "SIGSTOP", "replaced")
"""``replaced``: SIGSTOP of the whole host; Airflow starts another try, and then the first one goes on."""
BREAKAGES = ("503", "drop", "delay", "cut")
ACTIONS = ("clear", "mark failed", "mark success")
BLOWS = (*SIGNALS, *BREAKAGES, *ACTIONS)

_OF_AIRFLOW = frozenset({"memory", "name", "finish"})
"""Steps at which Airflow is asked, and not the service."""


def applies(step: str, blow: str) -> bool:
    """Whether a cell of the table can be."""
    if step in _OF_AIRFLOW and blow in BREAKAGES:
        return blow == "503" and step != "finish"
    return True


CELLS = tuple((step, blow) for step in STEPS for blow in BLOWS if applies(step, blow))


@dataclass(frozen=True)
class Hit:
    """One blow.

    :param late: a request that was held is let go only when the next try has begun; of a replaced try: it goes on
        only when the next try has ended.
    :param cause: what makes a task cancel, where the blow meets it doing so.
    """

    step: str
    blow: str
    late: bool = False
    cause: str = "last try"

    def __str__(self) -> str:
        cause = f" after {self.cause}" if self.step == "cancel" else ""
        return f"{self.blow} at {self.step}{cause}{' late' if self.late else ''}"


@dataclass(frozen=True)
class Circumstances:
    """What a case takes place in.

    :param burns: whether a rejected request uses its id up.
    :param order: of lists.
    :param lists_lag: how many lists do not show the task's exports yet.
    :param seeded: how many operations of others the project has.
    :param full: the queue has no room at first.
    :param mapped: how many map indexes run at once; the first is hit.
    :param schedulers: how many start each try.
    """

    burns: bool = False
    order: str | None = None
    lists_lag: int = 0
    seeded: int = 0
    full: bool = False
    mapped: int = 1
    schedulers: int = 1

    def __str__(self) -> str:
        default = Circumstances()
        told = (f"{name}={value}" for name, value in vars(self).items() if value != getattr(default, name))
        return ", ".join(told) or "plain"


PLAIN = Circumstances()
VARIANTS = (
    PLAIN,
    Circumstances(burns=True),
    Circumstances(lists_lag=2, order="oldest"),
    Circumstances(order="shuffled", burns=True),
    Circumstances(full=True),
    Circumstances(mapped=3),
    Circumstances(schedulers=2),
    Circumstances(seeded=5000),
    Circumstances(lists_lag=2, burns=True),
    Circumstances(full=True, burns=True, order="oldest"),
)


@dataclass(frozen=True)
class Case:
    """A task and what befalls it: each hit meets one of its tries, and ``ended`` waits until it has ended."""

    name: str
    step: str
    blow: str
    hits: tuple[Hit, ...]
    retries: int = 2
    wait: bool = False
    around: Circumstances = PLAIN
    who: str = "ours"

    def __str__(self) -> str:
        hits = "; ".join(map(str, self.hits))
        return f"{self.name}: {hits}; retries={self.retries}, wait={self.wait}, {self.around}, {self.who}"


def at_cells(per_cell: int) -> Iterator[Case]:
    """So many cases for each cell, which differ in all that surrounds them; the same ones each time."""
    for number, (step, blow) in itertools.product(range(per_cell), CELLS):
        yield _case(step, blow, number)


def _case(step: str, blow: str, number: int) -> Case:
    # What a cell meets shifts from cell to cell, so that few cases a cell still meet all circumstances.
    shift = CELLS.index((step, blow))
    around = VARIANTS[(number + shift) % len(VARIANTS)]
    retries = (2, 1, 3)[(number + shift) % 3]
    wait = step in ("poll", "cancel") or (step, blow) == ("finish", "mark failed") or (number + shift) % 2 == 1
    late = (number // 2 + shift) % 2 == 1
    cause = ("last try", "clear", "mark failed")[(number + shift) % 3]
    if step == "cancel" and blow.startswith("mark") and cause == "mark failed":
        cause = "clear"
    if step == "cancel" and cause == "last try":
        retries = 0
    hits = [Hit(step, blow, late, cause)]
    if step == "look":
        hits.insert(0, Hit("answer", "SIGKILL"))
        retries = max(retries, 2)
    extra = number % 5
    if extra == 1 and step != "cancel":  # twice in a row
        hits.append(Hit(step if step != "look" else "request", blow if blow in SIGNALS else "SIGKILL", not late))
        retries = max(retries, 3)
    elif extra == 2:  # and again, when all is over
        hits.append(Hit("ended", "clear"))
    elif extra == 3:  # a new generation, whose first try is hit as well
        hits += [Hit("ended", "clear"), Hit("answer", "SIGKILL", late)]
    elif extra == 4 and step not in ("look", "cancel"):  # no try is left
        retries = 0
    return Case(f"{step}-{blow}-{number}".replace(" ", "-"), step, blow, tuple(hits), retries, wait, around)


def at_random(count: int, seed: int) -> Iterator[Case]:
    """Schedules of one to four hits, of any kind in any order."""
    for number in range(count):
        yield _random_case(number, random.Random(f"{seed}/{number}"))


def _random_case(number: int, dice: random.Random) -> Case:
    wait = dice.random() < 0.6
    hits: list[Hit] = []
    for _ in range(dice.choice((1, 2, 2, 3, 3, 4))):
        if hits and dice.random() < 0.2:
            hits.append(Hit("ended", "clear"))
            continue
        step, blow = dice.choice(CELLS)
        while (step in ("poll", "cancel") and not wait) or (
            (step, blow) == ("finish", "mark failed") and not wait
        ):
            step, blow = dice.choice(CELLS)
        causes = ("last try", "clear") if blow.startswith("mark") else ("last try", "clear", "mark failed")
        hits.append(Hit(step, blow, dice.random() < 0.5, dice.choice(causes)))
    if hits[0].step == "look":
        hits.insert(0, Hit("answer", "SIGKILL"))
    around = Circumstances(
        burns=dice.random() < 0.4,
        order=dice.choice((None, None, "oldest", "shuffled")),
        lists_lag=dice.choice((0, 0, 1, 2)),
        seeded=5000 if dice.random() < 0.05 else 0,
        full=dice.random() < 0.1,
        mapped=dice.choice((1, 1, 1, 2)),
        schedulers=dice.choice((1, 1, 1, 2)),
    )
    first = next((hit for hit in hits if hit.step in STEPS), Hit("answer", "SIGKILL"))
    return Case(f"random-{number}", first.step, first.blow, tuple(hits), dice.choice((0, 1, 2, 3)), wait, around)


def without_user(per_cell: int, who: str, steps: tuple[str, ...]) -> Iterator[Case]:
    """The cells that any task with retries may meet, for another way to export."""
    for number, step, blow in itertools.product(range(per_cell), steps, (*SIGNALS, *BREAKAGES)):
        if applies(step, blow):
            name = f"{who}-{step}-{blow}-{number}"
            yield Case(name, step, blow, (Hit(step, blow, number % 2 == 1),), 2, True, PLAIN, who)
