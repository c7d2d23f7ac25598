"""The time of one try, in however many processes it runs, by the clock that they share: the service's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.clock import Clock
    from airflow_provider_ee.earthengine.marked_operations import Service


class TryTime:
    """When a try began, and how long ago that is."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self._service, self._clock = service, clock
        self._began, self._began_by_calendar = clock.monotonic(), clock.now()
        self.told: float | None = None
        """What ``began_at`` was in an earlier process of the try, if there was one."""

    def passed_here(self) -> float:
        """Seconds in this process; of a suspension a machine's calendar tells, though not its other clock."""
        return max(self._clock.monotonic() - self._began, self._clock.now() - self._began_by_calendar)

    def began_at(self) -> float:
        """When this try began, in seconds since the epoch by the service's clock, which all machines share."""
        if self.told is not None:
            return self.told
        return self.service_time() - (self._clock.monotonic() - self._began)

    def waited(self) -> float:
        """Seconds since this try began."""
        if self.told is not None:
            return self.service_time() - self.told
        return self._clock.monotonic() - self._began

    def is_over(self, seconds: float) -> bool:
        """Whether more time has passed since this try began; not told by the clock of this machine alone."""
        if self.waited() >= seconds and self._service.answered_at is None:
            next(iter(self._service.list_operations()), None)  # any answer tells the time
        return self.waited() >= seconds

    def service_time(self) -> float:
        """What time it is by the service's clock, as of its last answer."""
        told = self._service.answered_at
        return self._clock.now() if told is None else told
