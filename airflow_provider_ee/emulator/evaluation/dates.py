"""Dates, as milliseconds since 1970 in UTC, and ranges of them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_MILLISECONDS = {"week": 604_800_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}
_LAST_MILLIS = 2**53
_TEXT = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?)?(Z|[+-]\d{2}:?\d{2})?"
)


_PATTERN = re.compile(r"'([^']*)'|(([A-Za-z])\3*)")
_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "y": lambda moment: moment.year,
    "Y": lambda moment: moment.year,
    "M": lambda moment: moment.month,
    "d": lambda moment: moment.day,
    "D": lambda moment: moment.timetuple().tm_yday,
    "H": lambda moment: moment.hour,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
}


@dataclass(frozen=True, order=True)
class Date:
    """A moment."""

    millis: int

    @classmethod
    def parse(cls, value: Any, time_zone: str | None = None) -> Date:
        """A date from milliseconds, from text such as 2020-01-31T08:00, or from a date."""
        if isinstance(value, Date):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not -_LAST_MILLIS <= value <= _LAST_MILLIS:
                raise EvaluationError(f"Date: {value} milliseconds lie beyond the dates that are emulated.")
            return cls(int(value))
        if isinstance(value, str):
            return cls._from_text(value, time_zone)
        raise EvaluationError("Date: Parameter 'value' must be a Date, a Number or a String.")

    @classmethod
    def _from_text(cls, text: str, time_zone: str | None) -> Date:
        match = _TEXT.fullmatch(text.strip())
        if not match:
            raise EvaluationError(
                f"Date: '{text}' is not a date; write it like 2020-01-31 or 2020-01-31T08:00:00."
            )
        year, month, day, hour, minute, second, fraction, offset = match.groups()
        milliseconds = int(((fraction or "") + "000")[:3])
        try:
            zone = _offset_zone(offset) if offset else zone_of(time_zone)
            moment = datetime(
                int(year),
                int(month or 1),
                int(day or 1),
                int(hour or 0),
                int(minute or 0),
                int(second or 0),
                tzinfo=zone,
            )
        except ValueError as error:
            raise EvaluationError(f"Date: '{text}' is not a date: {error}.") from None
        return cls(_millis_of(moment) + milliseconds)

    @classmethod
    def from_ymd(cls, year: int, month: int, day: int, time_zone: str | None = None) -> Date:
        """Midnight at the start of a day."""
        return cls.parse(f"{year:04d}-{month:02d}-{day:02d}", time_zone)

    def moment(self, time_zone: str | None = None) -> datetime:
        """The date as Python has it."""
        try:
            return (EPOCH + timedelta(milliseconds=self.millis)).astimezone(zone_of(time_zone))
        except OverflowError:
            raise EvaluationError("Date: years before 1 and after 9999 are not emulated.") from None

    def advanced(self, delta: float, unit: str, time_zone: str | None = None) -> Date:
        """The date ``delta`` units later. Months and years keep the day of the month, or its last."""
        unit = unit.removesuffix("s")
        if not abs(delta) <= _LAST_MILLIS:
            raise EvaluationError(f"Date.advance: {delta} {unit}s lie beyond the dates that are emulated.")
        if unit in ("year", "month"):
            if delta != int(delta):
                raise EvaluationError(f"Date.advance: {delta} {unit}s is not emulated; use a whole number.")
            return self._months_later(int(delta) * (12 if unit == "year" else 1), time_zone)
        if unit not in _MILLISECONDS:
            raise EvaluationError(
                f"Date.advance: '{unit}' is no unit of time; use year, month, week, day, hour, minute or second."
            )
        return Date(self.millis + round(delta * _MILLISECONDS[unit]))

    def since(self, start: Date, unit: str) -> float:
        """How many units have passed since ``start``: none of months and years, which differ in length."""
        length = _MILLISECONDS.get(unit.removesuffix("s"))
        if length is None:
            raise EvaluationError(f"Date.difference: in '{unit}' is not emulated; use {', '.join(_MILLISECONDS)}.")
        return (self.millis - start.millis) / length

    def formatted(self, pattern: str, time_zone: str | None = None) -> str:
        """The date as text, by a pattern in which letters stand for parts and other text is quoted."""
        moment = self.moment(time_zone)

        def replaced(match: re.Match[str]) -> str:
            quoted, letters = match[1], match[2]
            return _part(letters, moment) if letters else quoted or "'"

        return _PATTERN.sub(replaced, pattern)

    def _months_later(self, months: int, time_zone: str | None) -> Date:
        moment = self.moment(time_zone)
        years, month = divmod(moment.month - 1 + months, 12)
        year = moment.year + years
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        return Date(_millis_of(moment.replace(year=year, month=month + 1, day=day)))


@dataclass(frozen=True)
class DateRange:
    """The moments from ``start`` until just before ``end``."""

    start: Date
    end: Date

    def contains(self, date: Date) -> bool:
        """Whether the range holds ``date``."""
        return self.start <= date < self.end


def _part(letters: str, moment: datetime) -> str:
    """What a row of one letter stands for in a pattern."""
    if letters in ("MMM", "MMMM"):
        return (calendar.month_abbr if letters == "MMM" else calendar.month_name)[moment.month]
    if letters == "SSS":
        return f"{moment.microsecond // 1000:03d}"
    if letters[0] not in _NUMBERS:
        raise EvaluationError(f"Date.format: '{letters}' in a pattern is not emulated.")
    number = _NUMBERS[letters[0]](moment)
    return f"{number % 100 if letters in ('yy', 'YY') else number:0{len(letters)}d}"


def zone_of(name: str | None) -> tzinfo:
    """The time zone of that name; UTC if there is none."""
    if name is None or name.upper() in ("UTC", "GMT", "ETC/UTC"):
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise EvaluationError(f"Date: the time zone '{name}' is not known here.") from error


def _offset_zone(offset: str) -> tzinfo:
    if offset == "Z":
        return timezone.utc
    sign = -1 if offset[0] == "-" else 1
    digits = offset[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def _millis_of(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
