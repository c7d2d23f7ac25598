"""Plays the scenarios of one backend: most at the same time, those that disturb Airflow one by one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cluster import Cluster
from play import Play, Verdict

LANES = 8


@dataclass
class Scenario:
    """A test function, and what came of it."""

    name: str
    function: Callable[..., None]
    arguments: dict[str, Any]
    play: Play
    say: Callable[[str], None]
    verdict: Verdict = field(default_factory=Verdict)
    error: BaseException | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Play it, once more where that was hindered by a known fault of Airflow's own."""
        self._play()
        fault = self.play.cluster.known_fault
        if fault and fault in str(self.error):
            self.say(f"once more, since Airflow broke: {fault}")
            self.play, self.error = Play(self.play.cluster, self.name), None
            self._play()
        self.ended.set()

    def _play(self) -> None:
        """Play it, and count what it leaves, also where it has failed."""
        began = time.monotonic()
        try:
            self.function(self.play, **self.arguments)
        except BaseException as error:
            self.error = error
        try:
            self.verdict = self.play.verdict()
            self.play.tidy()
        except Exception as error:
            self.error = self.error or error
        if self.verdict.complaint:
            self.error = self.error or AssertionError(self.verdict.complaint)
        self.say(f"{'failed' if self.error else 'passed'} {time.monotonic() - began:6.1f} s  {self.name}")


class Stage:
    """A cluster, and the scenarios that are played in it."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self.cluster, self._say = cluster, say
        self.scenarios: dict[str, Scenario] = {}

    def add(self, name: str, function: Callable[..., None], arguments: dict[str, Any]) -> Scenario:
        """A scenario, not played yet."""
        scenario = Scenario(name, function, arguments, Play(self.cluster, name), self._say)
        self.scenarios[name] = scenario
        return scenario

    def start(self, scenarios: list[Scenario]) -> None:
        """Play these in threads, some at a time."""
        waiting: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
        for scenario in scenarios:
            waiting.put(scenario)

        def lane() -> None:
            while True:
                try:
                    scenario = waiting.get_nowait()
                except queue.Empty:
                    return
                scenario.run()

        for _ in range(LANES):
            threading.Thread(target=lane, daemon=True).start()
