"""Time that leaps: at once where something waits, and never past a request that is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from airflow_provider_ee.earthengine.aside import in_thread
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.testing.leaping_time import EventLoop, LeapingTime

HOUR = 3600.0


@pytest.fixture
def leaping() -> LeapingTime:
    clock = Clock()
    return LeapingTime(clock, clock.advance)


@pytest.fixture
def loop(leaping: LeapingTime) -> Iterator[EventLoop]:
    loop = EventLoop(leaping)
    yield loop
    loop.close()


def test_a_sleep_is_over_at_once_and_has_taken_its_time(leaping: LeapingTime) -> None:
    really, before = time.monotonic(), (leaping.time(), leaping.monotonic())
    leaping.sleep(HOUR)
    assert [now - then for now, then in zip((leaping.time(), leaping.monotonic()), before, strict=True)] == [
        pytest.approx(HOUR, abs=60)
    ] * 2
    assert time.monotonic() - really < 60


def test_what_sleeps_in_the_event_loop_wakes_in_order(loop: EventLoop) -> None:
    woken: list[int] = []

    async def sleeper(hours: int) -> None:
        await asyncio.sleep(hours * HOUR)
        woken.append(hours)

    async def all_of_them() -> None:
        await asyncio.gather(*map(sleeper, (3, 1, 2)))

    loop.leaps = True
    began, really = loop.time(), time.monotonic()
    loop.run_until_complete(all_of_them())
    assert woken == [1, 2, 3]
    assert loop.time() - began == pytest.approx(3 * HOUR, abs=60)
    assert time.monotonic() - really < 60


def test_no_time_passes_while_a_request_is_under_way(loop: EventLoop) -> None:
    async def request_with_an_alarm() -> float:
        alarm = loop.call_later(HOUR, pytest.fail, "the alarm went off")
        await in_thread(time.sleep, 0.2)
        alarm.cancel()
        return loop.time()

    loop.leaps = True
    began = loop.time()
    assert loop.run_until_complete(request_with_an_alarm()) - began < 60


def test_an_event_loop_of_others_is_left_alone(loop: EventLoop, leaping: LeapingTime) -> None:
    began = leaping.monotonic()
    loop.run_until_complete(asyncio.sleep(0.1))
    assert 0.1 <= leaping.monotonic() - began < 60
