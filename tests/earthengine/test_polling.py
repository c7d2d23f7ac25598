"""Whoever waits is told in time, in few requests, and nobody disturbs anybody else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import random
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polling_service import CountingService, name_of
from virtual_time import run, time

from airflow_provider_ee.earthengine import pollers as pollers_module
from airflow_provider_ee.earthengine.aside import in_thread
from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    NotFoundError,
    QuotaError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.pollers import Caller, Opening, Pollers
from airflow_provider_ee.earthengine.polling import Poller
from airflow_provider_ee.earthengine.watch import Judge, Look, Watch

INTERVAL = 30.0


def poller_of(service: CountingService, **options: Any) -> Poller:
    return Poller(service, call=service.call, **options)


def the_end(watch: Watch, name: str, look: Look) -> float | None:
    """A judge that goes on until an operation has ended; the end is when that was told."""
    return time() if isinstance(look, Operation) and look.done else None


def first(count: int) -> Judge:
    """A judge that ends with so many looks."""
    told: list[Look] = []

    def judge(watch: Watch, name: str, look: Look) -> list[Look] | None:
        told.append(look)
        return told if len(told) == count else None

    return judge


async def until_done(poller: Poller, number: int, interval: float = INTERVAL, **options: Any) -> float:
    """Watch an operation; returns when its end was told."""
    with poller.watch([name_of(number)], interval, the_end, **options) as watch:
        return await watch.end()


async def looks(poller: Poller, number: int, count: int) -> list[Look]:
    with poller.watch([name_of(number)], INTERVAL, first(count)) as watch:
        return await watch.end()


def watch_for(service: CountingService, numbers: range, seconds: float, **options: Any) -> dict[int, list[float]]:
    """Watch operations for a while; returns when each was seen."""
    seen: dict[int, list[float]] = {number: [] for number in numbers}

    def note(watch: Watch, name: str, look: Look) -> None:
        if isinstance(look, Operation):
            seen[int(name.rpartition("/OP")[2])].append(time())

    async def all_of_them() -> None:
        poller = poller_of(service, **options)
        watches = [poller.watch([name_of(number)], INTERVAL, note) for number in numbers]
        await asyncio.sleep(seconds)
        for watch in watches:
            watch.leave()

    run(all_of_them())
    return seen


class TestCost:
    def test_three_in_a_project_that_lists_5000_cost_three_requests_a_sweep(self) -> None:
        service = CountingService(5000)
        watch_for(service, range(3), 3600)
        assert max(service.sweeps()) <= 3
        assert len(service.sweeps()) >= 110

    def test_5000_that_are_all_there_is_cost_ten_requests_a_sweep(self) -> None:
        service = CountingService(5000)
        seen = watch_for(service, range(5000), 400)
        assert max(service.sweeps()) <= 12
        assert min(map(len, seen.values())) >= 12

    def test_a_thousand_cost_fifty_times_less_than_asking_for_each(self) -> None:
        service = CountingService(1000)
        seen = watch_for(service, range(1000), 1800)
        one_by_one = sum(map(len, seen.values()))
        assert len(service.requests) * 50 <= one_by_one

    def test_a_hundred_new_ones_cost_one_page(self) -> None:
        service = CountingService(5000)
        watch_for(service, range(4900, 5000), 600)
        assert set(service.sweeps()) == {1}

    def test_a_hundred_old_ones_cost_as_many_pages_as_come_before_them(self) -> None:
        service = CountingService(5000)
        watch_for(service, range(100), 600)
        assert set(service.sweeps()) == {10}

    def test_eight_old_ones_are_asked_for_once_listing_has_turned_out_dearer(self) -> None:
        service = CountingService(5000)
        watch_for(service, range(8), 600)
        first, *rest = service.sweeps()
        assert first <= 16
        assert set(rest) == {8}

    def test_that_listing_was_dear_is_forgotten(self) -> None:
        service = CountingService(5000)

        async def scenario() -> None:
            poller = poller_of(service)
            tasks = [asyncio.ensure_future(looks(poller, number, 999)) for number in range(8)]
            await asyncio.sleep(600)
            service.numbers = service.numbers[:100]  # the service lists less
            await asyncio.sleep(3600)
            for task in tasks:
                task.cancel()

        run(scenario())
        assert service.sweeps()[-1] == 1

    def test_arrivals_one_after_the_other_are_looked_for_together(self) -> None:
        service = CountingService(500)

        async def scenario() -> None:
            poller = poller_of(service)
            tasks = []
            for number in range(500):
                tasks.append(asyncio.ensure_future(until_done(poller, number, first_look=10)))
                await asyncio.sleep(0.1)
            await asyncio.sleep(300)
            for task in tasks:
                task.cancel()

        run(scenario())
        while_arriving = [request for at, request in service.requests if at < 75]
        assert len(while_arriving) <= 40
        assert len(service.requests_from(75)) <= 10 * 1 + 2

    def test_the_impatient_are_looked_for_without_the_others(self) -> None:
        service = CountingService(4)

        async def scenario() -> None:
            poller = poller_of(service)
            patient = [asyncio.ensure_future(until_done(poller, number, 300)) for number in range(3)]
            impatient = asyncio.ensure_future(until_done(poller, 3, 10))
            await asyncio.sleep(295)
            for task in (*patient, impatient):
                task.cancel()

        run(scenario())
        assert len([request for _, request in service.requests if request.endswith("OP3")]) >= 28
        assert len([request for _, request in service.requests if request.endswith("OP0")]) <= 2


class TestBeingTold:
    @pytest.mark.parametrize("count", [1, 3, 40, 700])
    def test_an_end_is_told_within_an_interval(self, count: int) -> None:
        service = CountingService(count)
        service.end(range(count), at=100.0)

        async def scenario() -> list[float]:
            poller = poller_of(service)
            return list(await asyncio.gather(*(until_done(poller, number) for number in range(count))))

        assert max(run(scenario())) <= 100 + INTERVAL + count * 0.05 + 1

    def test_the_first_look_is_not_sooner_than_asked(self) -> None:
        service = CountingService(1000)
        service.end(range(1000), at=0.0)

        async def scenario() -> list[float]:
            poller = poller_of(service)
            crowd = [asyncio.ensure_future(looks(poller, number, 99)) for number in range(500)]
            await asyncio.sleep(28)
            told = await until_done(poller, 600, first_look=10)
            for task in crowd:
                task.cancel()
            return [told - 28]

        (waited,) = run(scenario())
        assert 10 <= waited <= 16

    def test_a_moment_that_was_asked_for_is_kept(self) -> None:
        service = CountingService(1)
        moments: list[float] = []

        def judge(watch: Watch, name: str, look: Look) -> bool | None:
            moments.append(time())
            watch.look_by(47.0 if time() < 47 else 1000.0)
            return len(moments) == 4 or None

        async def scenario() -> None:
            with poller_of(service).watch([name_of(0)], INTERVAL, judge) as watch:
                await watch.end()

        run(scenario())
        assert moments == pytest.approx([0, 30, 47, 77], abs=1)

    def test_an_operation_may_be_watched_by_several(self) -> None:
        service = CountingService(1)
        service.end([0], at=50.0)

        async def scenario() -> list[float]:
            poller = poller_of(service)
            return list(await asyncio.gather(*(until_done(poller, 0) for _ in range(5))))

        assert max(run(scenario())) <= 81
        assert len(service.requests) <= 4

    def test_several_operations_may_be_watched_by_one(self) -> None:
        service = CountingService(2)
        service.end([0], at=0.0)
        service.end([1], at=70.0)

        told: list[tuple[str, str]] = []

        def judge(watch: Watch, name: str, look: Look) -> bool | None:
            assert isinstance(look, Operation)
            told.append((name, look.state))
            if look.done:
                watch.drop(name)
            return None if watch.awaited else True

        async def scenario() -> None:
            with poller_of(service).watch([name_of(0), name_of(1)], INTERVAL, judge) as watch:
                await watch.end()

        run(scenario())
        assert told[0] == (name_of(0), "SUCCEEDED")
        assert told[-1] == (name_of(1), "SUCCEEDED")
        assert [name for name, _ in told].count(name_of(0)) == 1

    def test_the_service_may_spell_the_project_by_its_number(self) -> None:
        service = CountingService(10)
        service.spelling = "123456789"
        seen = watch_for(service, range(10), 300)
        assert min(map(len, seen.values())) >= 9
        assert set(service.sweeps()) == {1}


class TestLists:
    @given(seed=st.integers(0, 2**32), count=st.integers(4, 1500), watched=st.integers(4, 1500))
    @settings(deadline=None, max_examples=20)
    def test_need_not_be_newest_first(self, seed: int, count: int, watched: int) -> None:
        watched = min(watched, count)
        service = CountingService(count)
        service.shuffled = random.Random(seed)
        seen = watch_for(service, range(watched), 95)
        assert min(map(len, seen.values())) >= 3
        assert max(service.sweeps()) <= 2 * -(-count // 500)

    def test_need_not_hold_what_is_watched(self) -> None:
        service = CountingService(1000)
        service.unlisted = {3, 777}
        seen = watch_for(service, range(1000), 300)
        assert min(map(len, seen.values())) >= 9
        assert max(service.sweeps()) <= 2 + 2

    def test_a_page_that_fails_once_is_asked_for_again(self) -> None:
        service = CountingService(2000)
        failures = iter([TransientError("503.")])
        service.failing = lambda request: next(failures, None) if request == "list 2" else None
        seen = watch_for(service, range(2000), 95)
        assert [request for _, request in service.requests[:5]] == [
            "list 0",
            "list 1",
            "list 2",
            "list 2",
            "list 3",
        ]
        assert min(map(len, seen.values())) >= 3

    def test_a_page_that_fails_for_good_takes_nobody_s_looks(self) -> None:
        service = CountingService(1000)
        service.failing = lambda request: TransientError("503.") if request == "list 1" else None
        seen = watch_for(service, range(1000), 200)
        assert min(map(len, seen.values())) >= 2

    @pytest.mark.parametrize("refusal", [AuthError("403."), NotFoundError("404.")])
    def test_that_may_not_be_read_are_asked_for_seldom(self, refusal: Exception) -> None:
        service = CountingService(20)
        service.failing = lambda request: refusal if request.startswith("list") else None
        seen = watch_for(service, range(20), 1500)
        assert min(map(len, seen.values())) >= 48
        assert len([request for _, request in service.requests if request.startswith("list")]) <= 3

    def test_that_may_be_read_again_are_read(self) -> None:
        service = CountingService(20)
        service.failing = lambda request: AuthError("403.") if request.startswith("list") and time() < 60 else None
        watch_for(service, range(20), 1500)
        assert service.sweeps()[-1] == 1


class TestFailures:
    def test_what_is_not_known_is_told_to_whom_it_concerns(self) -> None:
        service = CountingService(1)

        async def scenario() -> tuple[list[Look], list[Look]]:
            poller = poller_of(service)
            known, unknown = await asyncio.gather(looks(poller, 0, 3), looks(poller, 7, 3))
            return known, unknown

        known, unknown = run(scenario())
        assert all(isinstance(look, Operation) for look in known)
        assert all(isinstance(look, NotFoundError) for look in unknown)

    @pytest.mark.parametrize("failure", [TransientError("500."), AuthError("403."), QuotaError("per day.")])
    @pytest.mark.parametrize("hard_to_see", [1, 3, 5])
    @pytest.mark.parametrize("since", [0, 200])
    def test_those_that_always_fail_hide_nobody_else(
        self, failure: Exception, hard_to_see: int, since: int
    ) -> None:
        service = CountingService(10)
        hidden = {name_of(number) for number in range(hard_to_see)}

        def fails(request: str) -> Exception | None:
            if request.startswith("list"):
                return AuthError("403.")
            return failure if request[4:] in hidden and time() >= since else None

        service.failing = fails
        seen = watch_for(service, range(10), 900)
        assert all(moment < since for number in range(hard_to_see) for moment in seen[number])
        assert min(len(seen[number]) for number in range(hard_to_see, 10)) >= 15

    @pytest.mark.parametrize("failure", [RequestError("400."), QuotaError("429, per day."), EarthEngineError("?")])
    def test_an_odd_answer_to_a_list_breaks_nothing(self, failure: Exception) -> None:
        service = CountingService(600)
        service.failing = lambda request: failure if request == "list 1" and time() < 100 else None
        seen = watch_for(service, range(600), 200)
        assert min(map(len, seen.values())) >= 3

    def test_a_fault_of_ours_that_passes_breaks_nothing(self) -> None:
        service = CountingService(1)
        failures = iter([ZeroDivisionError("ours")] * 2)
        service.failing = lambda request: next(failures, None)
        seen = watch_for(service, range(1), 200)
        assert len(seen[0]) >= 4

    def test_a_moment_that_was_asked_for_passes_soon_though_no_answer_comes(self) -> None:
        service = CountingService(1, seconds_a_request=1000.0)

        async def scenario() -> float:
            with poller_of(service).watch([name_of(0)], INTERVAL, first(1)) as watch:
                watch.look_by(100.0)
                (look,) = await watch.end()
                assert isinstance(look, TransientError)
                return time()

        assert 100 <= run(scenario()) <= 135

    def test_an_outage_costs_a_few_requests_a_sweep_and_is_survived(self) -> None:
        service = CountingService(3000)
        service.failing = lambda request: TransientError("503.") if 100 <= time() < 1000 else None
        seen = watch_for(service, range(3000), 1200)
        while_down = [request for at, request in service.requests if 100 <= at < 1000]
        assert len(while_down) <= 20 * 30
        assert min(sum(moment > 1000 for moment in moments) for moments in seen.values()) >= 3

    def test_a_sweep_that_took_long_is_not_followed_by_another_at_once(self) -> None:
        service = CountingService(1)
        service.failing = lambda request: TransientError("429.", retry_after=50.0) if time() < 40 else None
        watch_for(service, range(1), 200)
        moments = [at for at, _ in service.requests]
        assert min(after - before for before, after in itertools.pairwise(moments)) >= 4.9

    def test_the_service_may_ask_for_patience(self) -> None:
        service = CountingService(1)
        service.failing = lambda request: TransientError("429.", retry_after=25.0) if time() < 60 else None
        watch_for(service, range(1), 65)
        moments = [at for at, _ in service.requests]
        assert min(after - before for before, after in itertools.pairwise(moments)) >= 25

    @pytest.mark.parametrize("count", [2, 800])
    def test_a_refusal_is_told_to_all_at_the_cost_of_few_requests(self, count: int) -> None:
        service = CountingService(count)
        service.failing = lambda request: AuthError("401.")

        async def scenario() -> list[list[Look]]:
            poller = poller_of(service)
            return list(await asyncio.gather(*(looks(poller, number, 3) for number in range(count))))

        for told in run(scenario()):
            assert all(isinstance(look, AuthError) for look in told)
        assert len(service.requests) <= 3 * (1 + 4)

    def test_a_refusal_opens_the_connection_anew(self) -> None:
        old, new = CountingService(1), CountingService(1)
        old.failing = lambda request: AuthError("401.") if time() > 50 else None

        async def reopen() -> CountingService:
            return new

        seen = watch_for(old, range(1), 300, reopen=reopen)
        assert max(seen[0]) > 250
        assert len(new.requests) >= 6

    def test_a_connection_that_cannot_be_opened_anew_is_tried_again(self) -> None:
        old, new = CountingService(1), CountingService(1)
        old.failing = lambda request: AuthError("401.") if time() > 50 else None

        async def reopen() -> CountingService:
            if time() < 150:
                raise AuthError("no such key.")
            return new

        seen = watch_for(old, range(1), 300, reopen=reopen)
        assert max(seen[0]) > 250

    def test_a_fault_of_ours_breaks_every_watch_and_nothing_after_it(self) -> None:
        service = CountingService(2)
        service.failing = lambda request: ZeroDivisionError("a fault of ours")
        service.end([0], at=0.0)
        pollers = Pollers(call=service.call)

        async def scenario() -> None:
            both = (told_the_end(pollers, opening_of(service), number) for number in range(2))
            ends = await asyncio.gather(*both, return_exceptions=True)
            assert [type(end) for end in ends] == [ZeroDivisionError] * 2
            assert not pollers.running
            service.failing = lambda request: None
            await told_the_end(pollers, opening_of(service), 0)

        run(scenario())


ME = Caller("https://e", "p", "me")


def opening_of(
    service: CountingService, caller: Caller = ME, seconds: float = 0.0, opened: list[Caller] | None = None
) -> Opening:
    async def open_() -> tuple[Caller, CountingService]:
        await asyncio.sleep(seconds)
        if opened is not None:
            opened.append(caller)
        return caller, service

    return open_


async def told_the_end(
    pollers: Pollers, opening: Opening, number: int, interval: float = INTERVAL, **options: Any
) -> float:
    with await pollers.watch("connection", opening, [name_of(number)], interval, the_end, **options) as watch:
        return await watch.end()


class TestSharing:
    async def joined(self, *openings: Opening, apart: float = 0.0) -> list[Watch]:
        """Watches with connections of different names."""
        pollers = Pollers(call=CountingService(1).call)
        watches = []
        for number, opening in enumerate(openings):
            watches.append(await pollers.watch(number, opening, [name_of(0)], INTERVAL, the_end))
            await asyncio.sleep(apart)
        return watches

    def test_those_with_the_same_connection_open_it_once(self) -> None:
        service, opened = CountingService(1), []
        service.end([0], at=0.0)
        pollers = Pollers(call=service.call)

        async def scenario() -> None:
            opening = opening_of(service, ME, 1.0, opened)
            await asyncio.gather(*(told_the_end(pollers, opening, 0) for _ in range(100)))

        run(scenario())
        assert opened == [ME]
        assert len(service.requests) == 1

    def test_one_that_is_cancelled_while_it_opens_takes_nobody_along(self) -> None:
        service = CountingService(1)
        service.end([0], at=0.0)
        pollers = Pollers(call=service.call)

        async def scenario() -> None:
            opening = opening_of(service, ME, 1.0)
            first, second = (asyncio.ensure_future(told_the_end(pollers, opening, 0)) for _ in range(2))
            await asyncio.sleep(0.5)
            first.cancel()
            await second

        run(scenario())

    def test_what_could_not_be_opened_is_opened_by_the_next(self) -> None:
        service = CountingService(1)
        service.end([0], at=0.0)
        pollers = Pollers(call=service.call)
        failures = iter([AuthError("no key.")])

        async def opening() -> tuple[Caller, CountingService]:
            if failure := next(failures, None):
                raise failure
            return ME, service

        async def scenario() -> None:
            with pytest.raises(AuthError):
                await told_the_end(pollers, opening, 0)
            await told_the_end(pollers, opening, 0)

        run(scenario())

    def test_connections_that_make_the_same_caller_share_a_poller(self) -> None:
        one, another = run(self.joined(*(opening_of(CountingService(1)) for _ in range(2))))
        assert one.poller is another.poller

    @pytest.mark.parametrize(
        "other", [ME._replace(identity="you"), ME._replace(project="q"), ME._replace(endpoint="f")]
    )
    def test_callers_that_differ_do_not_share(self, other: Caller) -> None:
        one, another = run(self.joined(opening_of(CountingService(1)), opening_of(CountingService(1), other)))
        assert one.poller is not another.poller

    def test_two_identities_on_one_project_each_see_for_themselves(self) -> None:
        mine, yours = CountingService(1), CountingService(1)
        mine.failing = lambda request: AuthError("403.")
        yours.end([0], at=0.0)
        pollers = Pollers(call=mine.call)

        async def scenario() -> None:
            refused = await pollers.watch("mine", opening_of(mine), [name_of(0)], INTERVAL, first(1))
            allowed = opening_of(yours, ME._replace(identity="you"))
            with await pollers.watch("yours", allowed, [name_of(0)], INTERVAL, first(1)) as watch:
                (look,) = await watch.end()
                assert isinstance(look, Operation)
            (look,) = await refused.end()
            assert isinstance(look, AuthError)

        run(scenario())

    def test_a_connection_that_was_edited_is_read_again_after_a_while(self) -> None:
        service, opened = CountingService(1), []
        pollers = Pollers(call=service.call)
        new = ME._replace(identity="new me")

        async def scenario() -> None:
            await pollers.watch("connection", opening_of(service, ME, 0, opened), [name_of(0)], INTERVAL, the_end)
            await asyncio.sleep(61)
            await pollers.watch("connection", opening_of(service, new, 0, opened), [name_of(0)], INTERVAL, the_end)

        run(scenario())
        assert opened == [ME, new]


class TestCancelling:
    def test_needs_no_poller(self) -> None:
        service = CountingService(1)
        pollers = Pollers(call=service.call)
        run(pollers.cancel("connection", opening_of(service), name_of(0)))
        assert service.cancelled == [name_of(0)]
        assert not pollers.running

    @pytest.mark.parametrize("refusal", [RequestError("It has ended."), NotFoundError("404.")])
    def test_what_has_ended_is_no_error(self, refusal: Exception) -> None:
        service = CountingService(1)
        service.failing = lambda request: refusal
        run(Pollers(call=service.call).cancel("connection", opening_of(service), name_of(0)))

    def test_a_thousand_at_once_take_less_than_airflow_s_patience(self) -> None:
        service = CountingService(1000, seconds_a_request=0.5)
        pollers = Pollers(call=service.call)

        async def scenario() -> float:
            opening = opening_of(service)
            await asyncio.gather(*(pollers.cancel("connection", opening, name_of(n)) for n in range(1000)))
            return time()

        assert run(scenario()) < 30
        assert len(service.cancelled) == 1000

    def test_a_connection_that_cannot_be_opened_at_once_is_opened_a_little_later(self) -> None:
        service = CountingService(1)
        failures = iter([ConnectionError("Airflow does not answer")] * 2)

        async def opening() -> tuple[Caller, CountingService]:
            if failure := next(failures, None):
                raise failure
            return ME, service

        run(Pollers(call=service.call).cancel("connection", opening, name_of(0)))
        assert service.cancelled == [name_of(0)]


def test_an_event_loop_is_not_kept_once_nobody_waits() -> None:
    kept: list[weakref.ref[Any]] = []

    async def scenario() -> None:
        service = CountingService(1)
        service.end([0], at=0.0)
        kept.append(weakref.ref(asyncio.get_running_loop()))
        pollers_module.pollers(lambda: None)._call = service.call
        await told_the_end(pollers_module.pollers(lambda: None), opening_of(service), 0)

    for _ in range(3):
        run(scenario())
    gc.collect()
    assert [loop() for loop in kept] == [None] * 3


VISITS = st.lists(
    st.tuples(
        st.floats(0, 300),  # arrives
        st.floats(0.01, 400),  # is cancelled after, unless its operation has ended
        st.sampled_from([1.0, 10.0, 30.0, 100.0]),  # looks every
        st.integers(0, 5),  # at
        st.sampled_from([0.0, 10.0]),  # not before
    ),
    min_size=1,
    max_size=25,
)


@given(visits=VISITS, ends=st.lists(st.floats(0, 500), min_size=6, max_size=6), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=200)
def test_whoever_comes_and_goes_disturbs_nobody(visits: list[Any], ends: list[float], seed: int) -> None:
    service = CountingService(6)
    for number, end in enumerate(ends):
        service.end([number], at=end)
    pollers = Pollers(call=service.call)
    alive = 0
    random.seed(seed)

    async def visit(arrives: float, interval: float, number: int, first_look: float) -> float:
        nonlocal alive
        await asyncio.sleep(arrives)
        alive += 1
        try:
            return await told_the_end(pollers, opening_of(service), number, interval, first_look=first_look)
        finally:
            alive -= 1

    async def leave(task: asyncio.Task[Any], after: float) -> None:
        await asyncio.sleep(after)
        task.cancel()

    async def scenario() -> None:
        tasks = []
        for arrives, stays, interval, number, first_look in visits:
            task = asyncio.ensure_future(visit(arrives, interval, number, first_look))
            tasks += [task, asyncio.ensure_future(leave(task, arrives + stays))]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.5)
            assert alive or not pollers.running
            assert len(pollers.running) <= 1
        for (arrives, stays, interval, number, first_look), task in zip(visits, tasks[::2], strict=True):
            due = max(ends[number], arrives + first_look) + interval + 6
            if task.cancelled():
                assert arrives + stays <= due
            else:
                assert task.result() <= due

    run(scenario())
    assert not pollers.running


def test_a_judge_that_fails_ends_its_own_watch_only() -> None:
    service = CountingService(2)
    service.end([1], at=50.0)

    def fails(watch: Watch, name: str, look: Look) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        poller = poller_of(service)
        other = asyncio.ensure_future(until_done(poller, 1))
        with poller.watch([name_of(0)], INTERVAL, fails) as watch, pytest.raises(ZeroDivisionError):
            await watch.end()
        await other

    run(scenario())


def test_a_judge_writes_into_the_log_of_whoever_waits() -> None:
    service, whose = CountingService(2), contextvars.ContextVar("whose", default="nobody's")
    written: list[str] = []

    def judge(watch: Watch, name: str, look: Look) -> bool:
        written.append(whose.get())
        return True

    async def wait(poller: Poller, number: int) -> None:
        whose.set(f"number {number}")
        with poller.watch([name_of(number)], INTERVAL, judge) as watch:
            await watch.end()

    async def scenario() -> None:
        poller = poller_of(service)
        await asyncio.gather(wait(poller, 0), wait(poller, 1))

    run(scenario())
    assert sorted(written) == ["number 0", "number 1"]


class TestThreads:
    def test_what_blocks_does_not_block_the_loop(self) -> None:
        async def scenario() -> bool:
            ticked = threading.Event()
            call = asyncio.ensure_future(in_thread(ticked.wait, 5))
            await asyncio.sleep(0)
            ticked.set()
            return await call

        assert asyncio.run(scenario())

    def test_what_it_raises_is_raised(self) -> None:
        async def scenario() -> None:
            await in_thread(int, "x")

        with pytest.raises(ValueError, match="invalid literal"):
            asyncio.run(scenario())

    def test_nobody_waits_for_one_that_is_not_awaited_any_more(self) -> None:
        go_on = threading.Event()

        async def scenario() -> None:
            call = asyncio.ensure_future(in_thread(go_on.wait))
            await asyncio.sleep(0.01)
            call.cancel()

        asyncio.run(scenario())
        go_on.set()
