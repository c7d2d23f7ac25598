"""Start an export exactly once, whatever dies on the way.

The service starts at most one operation per request id, but a repeat is only refused: the answer does not say
which operation had the id, nor can one be asked for by it. So the description, the one text of ours that comes
back, ends in a mark, and an operation whose answer was lost is found again in the list by that mark::

    request id    <key>-<generation>-<number>
    description   <text>--<key>-<generation>-<number>

``key`` stands for a task instance; ``generation`` is the same over its retries and larger after a clear;
``number`` counts the requests of one generation that cannot have started the same export. What is kept true:

- A request is sent only while the try is the current one, and its id is remembered before.
- An answer that is lost, or that says that there is no room, is followed by the *same* id.
- Only a refused id whose operation ended badly, or is not seen for longer than a list may lag, moves the number.
- Whatever tries of this generation started is adopted; what earlier generations left running is cancelled.

It rests on two things: the grace period outlasts the lag of lists, and a request on its way does not arrive later
than the task it belongs to ends, plus that period.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export (``requestId``),
https://developers.google.com/earth-engine/reference/rest/v1/projects.operations/list
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.earthengine.attempt import Attempt, Memory, Record
from airflow_provider_ee.earthengine.clock import jitter
from airflow_provider_ee.earthengine.errors import (
    DuplicateRequestError,
    EarthEngineError,
    QuotaError,
    RequestError,
    TransientError,
)
from airflow_provider_ee.earthengine.made_request import MadeRequest, MakeRequest
from airflow_provider_ee.earthengine.mark import Mark
from airflow_provider_ee.earthengine.marked_operations import MarkedOperations, Service
from airflow_provider_ee.earthengine.operation import Operation
from airflow_provider_ee.earthengine.try_time import TryTime

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.clock import Clock

GRACE = (2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds between two looks for an operation that a list does not show yet."""

LONGEST_WAIT_FOR_ROOM = 86_400.0
"""Seconds that a full queue is waited for, unless told otherwise."""

_FIRST_WAIT_FOR_ROOM, _MOST_WAIT_FOR_ROOM = 30.0, 300.0
_LONGEST_BACKOFF = 60.0
# How much older than the run an operation must be to belong to a deleted run of the same id: where nothing of this
# run's can have started it but what somebody on the way sent twice; and where a request of this run's may have.
_OLDER = 10.0
_MUCH_OLDER = 600.0
_WORTH_ADOPTING = frozenset({"PENDING", "RUNNING", "SUCCEEDED"})


class Postponed(Exception):  # noqa: N818 (nothing is wrong)
    """There is no room in the queue; the same request may be sent again in ``delay`` seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__(delay)
        self.delay = delay


class Submission:
    """One try's way to its export.

    :param service: where exports are started.
    :param memory: what earlier tries left.
    :param clock: the time of this machine.
    :param attempt: which try this is.
    :param room_timeout: seconds that a full queue is waited for.
    :param postpones: whether a full queue is waited for elsewhere, and ``Postponed`` raised here.
    :param repeats: how often a request is sent again whose answer was lost.
    :param grace: seconds between two looks for an operation that must be there; spent once for each number.
    :param final: what a request cannot be made for that ends the task, even if its export has been started.
    """

    def __init__(
        self,
        service: Service,
        memory: Memory,
        clock: Clock,
        attempt: Attempt,
        *,
        room_timeout: float = LONGEST_WAIT_FOR_ROOM,
        postpones: bool = False,
        repeats: int = 5,
        grace: Sequence[float] = GRACE,
        final: tuple[type[Exception], ...] = (RequestError,),
        log: logging.Logger | Any = logging.getLogger(__name__),  # noqa: B008 (one logger for all)
    ) -> None:
        self.operation: Operation | None = None
        """The operation, once it is known."""
        self.adopted = False
        """Whether another try started it."""
        self._service, self._memory, self._clock, self._log = service, memory, clock, log
        self._attempt = attempt
        self._final = final
        self._marked = MarkedOperations(service, attempt.key, clock, log)
        self._repeats, self._grace_of_a_number, self._grace = repeats, grace, iter(grace)
        self.time = TryTime(service, clock)
        self._room_timeout, self._room_delay, self._postpones = room_timeout, _FIRST_WAIT_FOR_ROOM, postpones
        self._request = MadeRequest()
        self._record: Record | None = None
        self._number = self._lowest = 0
        self._birth = clock.now()
        self._first_generation = attempt.generation
        self._is_first_request = attempt.try_number <= 1
        self._knows_birth = self._is_first_request or memory.lasts
        self._has_recalled = False
        # Whether a request may have started something that has not been seen.
        self._unanswered = attempt.try_number > 1
        self._id_is_ours = False
        # What the memory names and nobody has looked at.
        self._unseen: str | None = None
        # A request of an earlier generation that may still be on its way.
        self._straggler: Mark | None = None
        # When this try began, by the service's clock, less what may be wrong with that.
        self._began_at_service: float | None = None

    def start(self, request: MakeRequest) -> Operation:
        """The export of this generation: adopted if it was started, else started now.

        :param request: makes what to export; its description is the text that the mark is put after, its request
            id, if it has one, that of the first request. Where something is adopted, it may fail.
        :raises EarthEngineError: if there is none; of the kind that fits.
        """
        self._request = MadeRequest(request)
        self._recall()
        if self._attempt.try_number > 1 and self._record is None and self._memory.lasts:
            # To a try that has been replaced a memory may look empty, and the exports of others like left ones.
            self._remember()
        if self._attempt.try_number > 1 or self._record:
            found = self._look_back()
            if found:
                return self._adopt(found)
        return self._submit()

    def start_another(self, request: MakeRequest) -> Operation:
        """Another export, since the adopted one was cancelled on behalf of the try that had started it."""
        self._request = MadeRequest(request)
        self.operation, self.adopted = None, False
        self._move_to(self._number + 1)
        return self._submit()

    def carried(self) -> dict[str, Any]:
        """What another process must know to go on with this try, as plain data."""
        return {
            "record": asdict(self._new_record(self.operation)),
            "adopted": self.adopted,
            "unanswered": self._unanswered,
            "room_delay": self._room_delay,
            "began_at": self.time.began_at(),
        }

    def go_on(self, carried: Mapping[str, Any], operation: Operation | None) -> None:
        """Take over from an earlier process of this try.

        :param carried: what that has left.
        :param operation: of this try, as it was last seen.
        """
        self._take_in(carried["record"])
        self.operation, self.adopted, self._unseen = operation, carried["adopted"], None
        self._unanswered, self._room_delay = carried["unanswered"], carried["room_delay"]
        self.time.told = carried["began_at"]
        if operation:
            self._stay_current(carried["record"])

    def _stay_current(self, record: dict[str, Any]) -> None:
        """Write what is known once more, which a try that has been replaced is refused."""
        with suppress(TransientError):
            self._memory.write(record)

    def start_again(self, request: MakeRequest) -> Operation:
        """The export of this generation, of which an earlier process was told that there is no room.

        :raises QuotaError: if no time is left for one.
        """
        if self.time.is_over(self._room_timeout):
            raise QuotaError(
                f"Too many tasks already in the queue: there was no room for {self._room_timeout:g} seconds."
            )
        self._request = MadeRequest(request)
        return self._submit()

    def recover(self, name: str | None) -> Operation | None:
        """What an earlier process of this try has started, though it could not carry it here, if that can be seen.

        :param name: of the operation, as far as the caller knows.
        """
        with suppress(TransientError):
            self._recall()
        self._unseen = self._unseen or name
        known = Operation({"name": self._unseen}) if self._unseen else None
        self._stay_current(asdict(self._record or self._new_record(known)))
        if self._unseen:
            with suppress(TransientError):
                self.operation = self._marked.get(self._unseen)
        return self.operation

    def find_unanswered(self) -> Operation | None:
        """What this task has started and this try has not seen; starts nothing."""
        if not self._has_recalled:
            with suppress(TransientError):
                self._recall()
        if self._unseen:
            return Operation({"name": self._unseen})
        return self._look_patiently() if self._unanswered else None

    def cancel_leftovers(self) -> None:
        """Cancel what earlier generations left: the request of a dead try may have arrived late.

        Belongs at the end of every task that was ever cleared.
        """
        attempt = self._attempt
        cleared = self._first_generation < attempt.generation if self._memory.lasts else attempt.maybe_cleared
        while cleared:
            for mark, operation in self._listed():
                if mark.generation < attempt.generation:
                    self._marked.cancel_if_live(operation, "which an earlier generation left")
            delay = next(self._grace, None) if self._straggler else None
            if delay is None:
                return
            self._clock.sleep(delay)

    def stand_aside(self) -> None:
        """Leave the export to the try that took the place of this one, unless that has its own."""
        if (operation := self.operation) is None:
            return
        if any(mark > self._mark for mark, _ in self._listed()):
            self._marked.cancel_if_live(operation, "since a later try has started its own")
        else:
            self._log.info("Left operation %s to the try that is in the place of this one", operation.name)

    def cancel(self, operation: Operation, why: str) -> None:
        """Ask for an operation to end, unless it does; one that is gone is no error."""
        self._marked.cancel_if_live(operation, why)

    # What earlier tries left

    def _recall(self) -> None:
        self._take_in(self._memory.read())

    def _take_in(self, stored: Any) -> None:
        self._has_recalled = True
        self._record = record = Record.read(stored)
        attempt = self._attempt
        if record is None:
            # What another version of this package has written tells only that there was something.
            self._knows_birth = self._knows_birth and not stored
            self._is_first_request = self._knows_birth
            self._unanswered = not self._knows_birth
            return
        self._is_first_request, self._knows_birth, self._id_is_ours = False, True, True
        self._birth, self._first_generation = record.birth, record.first_generation
        if record.generation == attempt.generation:
            self._number, self._lowest = record.number, record.lowest
            self._unanswered, self._unseen = not record.operation, record.operation
        else:
            self._unanswered = False
            if not record.operation:
                self._straggler = Mark(attempt.key, record.generation, record.number)

    def _look_back(self) -> Operation | None:
        record = self._record
        if record and record.operation:
            known = self._marked.get(record.operation)
            self._unseen = None
            if known and record.generation == self._attempt.generation:
                return self._choose({record.number: known})
            if known:
                self._marked.cancel_if_live(known, "which an earlier generation left")
        return self._choose(self._own_in_list())

    def _listed(self) -> Iterator[tuple[Mark, Operation]]:
        for mark, operation in self._marked.listed():
            self._straggler = None if mark == self._straggler else self._straggler
            yield mark, operation

    def _own_in_list(self) -> dict[int, Operation]:
        """Operations of this generation, by number; others that nobody waits for are cancelled."""
        own: dict[int, Operation] = {}
        for mark, operation in self._listed():
            if self._is_of_deleted_run(operation):
                self._marked.cancel_if_live(operation, "which a deleted run of the same id left")
                if mark.generation == self._attempt.generation:
                    self._lowest = max(self._lowest, mark.number + 1)
            elif mark.generation < self._attempt.generation:
                self._marked.cancel_if_live(operation, "which an earlier generation left")
            elif mark.generation == self._attempt.generation and mark.number >= self._lowest:
                own[mark.number] = operation
                if operation.state in _WORTH_ADOPTING:
                    break
                continue
            else:
                continue
            self._id_is_ours = True
        return own

    def _is_of_deleted_run(self, operation: Operation) -> bool:
        created = operation.create_time
        if created is None:
            return False
        if self._is_first_request and self._began_at_service is not None:
            return created < self._began_at_service
        if not self._knows_birth:
            return False
        # The clock of this machine may be wrong, or have been wrong when the run began.
        ahead = self._clock.now() - self.time.service_time()
        return created < min(self._birth, self._birth - ahead) - _MUCH_OLDER

    def _choose(self, own: dict[int, Operation]) -> Operation | None:
        """The operation to adopt; without one, the number moves past those that ended badly."""
        for number in sorted(own, reverse=True):
            if own[number].state == "CANCELLING":
                own[number] = self._marked.ended(own[number])
            if own[number].state in _WORTH_ADOPTING:
                self._number = number
                return own[number]
        self._move_to(max([self._number, self._lowest, *(number + 1 for number in own)]))
        return None

    def _move_to(self, number: int) -> None:
        if number != self._number:
            self._number, self._grace = number, iter(self._grace_of_a_number)

    # A new export

    def _submit(self) -> Operation:
        lost = 0
        while True:
            self._clock.sleep(0)
            named = self._request.named(self._mark)
            self._remember()
            unanswered, self._unanswered = self._unanswered, True
            try:
                started = self._service.export(named.kind, bytes(named))
            except DuplicateRequestError as refusal:
                found = self._after_refused_id(refusal, sent_before=unanswered)
                if found:
                    return self._adopt(found)
            except TransientError as error:
                lost += 1
                if lost > self._repeats:
                    raise
                self._back_off(error, lost)
                self._id_is_ours = True
            except QuotaError as error:
                self._unanswered = unanswered
                self._id_is_ours = True
                # Who waits elsewhere must not leave behind what nobody there knows of.
                found = self._look_patiently() if unanswered and self._postpones else None
                if found:
                    return self._adopt(found)
                self._wait_for_room(error)
            except EarthEngineError:
                self._unanswered = unanswered
                found = self._look_patiently() if unanswered else None
                if found:
                    return self._adopt(found)
                raise
            else:
                return self._keep(Operation(started))

    @property
    def _mark(self) -> Mark:
        return Mark(self._attempt.key, self._attempt.generation, self._number)

    def _after_refused_id(self, refusal: DuplicateRequestError, *, sent_before: bool) -> Operation | None:
        """The operation that the id has started, if it can be adopted; else the number has moved."""
        number, given = self._number, self._request.given_id(self._mark)
        if self._began_at_service is None:
            margin = _MUCH_OLDER if sent_before else _OLDER
            self._began_at_service = self.time.service_time() - self.time.passed_here() - margin
        patient = sent_before or self._id_is_ours or not given
        found = self._look_patiently() if patient else self._choose(self._own_in_list())
        if found:
            return found
        self._unanswered = False
        if self._number == number:
            if given and not self._id_is_ours:
                raise DuplicateRequestError(
                    f"request_id {given!r} has been used by another export; leave request_id out, or make it of "
                    f"what tells exports apart. {refusal}"
                ) from refusal
            self._move_to(number + 1)
        self._log.info("Request id %s is used up; going on with %s", given or f"…-{number}", self._mark)
        return None

    def _look_patiently(self) -> Operation | None:
        """Look for what the current number has started, for as long as a list may lag."""
        number = self._number
        while True:
            failure = None
            try:
                found = self._choose(self._own_in_list())
            except TransientError as error:
                found, failure = None, error
            if found or self._number != number:
                return found
            delay = next(self._grace, None)
            if delay is None:
                if failure:
                    raise failure
                return None
            self._log.info(
                "No operation is listed yet that is marked %s; looking again in %.0f s", self._mark, delay
            )
            self._clock.sleep(delay)

    def _back_off(self, error: TransientError, lost: int) -> None:
        delay = min(error.retry_after or 2.0 ** (lost - 1), _LONGEST_BACKOFF) * jitter()
        self._log.warning("%s Sending the same request again in %.0f s.", error, delay)
        self._clock.sleep(delay)

    def _wait_for_room(self, error: QuotaError) -> None:
        left = self._room_timeout - self.time.waited()
        if left <= 0:
            raise error
        delay = min(self._room_delay * jitter(), left)
        self._room_delay = min(self._room_delay * 2, _MOST_WAIT_FOR_ROOM)
        self._log.info("%s Trying again in %.0f s.", error, delay)
        if self._postpones:
            raise Postponed(delay)
        self._clock.sleep(delay)

    # What is known is kept

    def _keep(self, operation: Operation) -> Operation:
        self._unanswered = False
        self.operation = operation
        self._log.info("Started operation %s (%s)", operation.name, self._mark)
        self._remember(operation)
        return operation

    def _adopt(self, operation: Operation) -> Operation:
        self._unanswered = False
        self.operation, self.adopted = operation, True
        record = self._record_of_number
        starter = f"try {record.try_number}" if record else "an earlier request"
        self._log.info("Adopted operation %s of %s, %s", operation.name, starter, operation.state)
        self._request.compare(record.fingerprint if record else "", operation.name, self._final, self._log)
        if not record or record.operation != operation.name:
            self._remember(operation)
        return operation

    @property
    def _record_of_number(self) -> Record | None:
        record = self._record
        current = (self._attempt.generation, self._number)
        return record if record and (record.generation, record.number) == current else None

    def _new_record(self, operation: Operation | None) -> Record:
        before = self._record_of_number
        if operation is not None and not self.adopted:
            before = None  # it is this try's request that has started it
        return Record(
            generation=self._attempt.generation,
            number=self._number,
            birth=self._birth,
            fingerprint=(before.fingerprint if before else "") or self._request.fingerprint,
            try_number=before.try_number if before else self._attempt.try_number,
            first_generation=self._first_generation,
            lowest=self._lowest,
            operation=operation.name if operation else None,
        )

    def _remember(self, operation: Operation | None = None) -> None:
        """Make sure that this try is the current one, and write down what it does."""
        record = self._new_record(operation)
        try:
            self._memory.write(asdict(record))
        except TransientError as error:
            if operation is None:
                raise
            # The list knows the operation as well.
            self._log.warning("The name of operation %s could not be stored: %s", operation.name, error)
        else:
            self._record = record
