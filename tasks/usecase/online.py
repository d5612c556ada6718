"""The features of single flights, for serving, from the definition that `build` in `features.py` has for all of them.

Offline never imports this module, so that a change here makes no features anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from tasks.contracts import columns, types
from tasks.errors import ClockError, ContractViolation
from tasks.usecase.features import Features, past, schedule_features
from tasks.usecase.instants import LOCAL_ZONE, ZONES, with_instants, with_instants_in_zones, with_zones

SCHEDULED = {
    **dict.fromkeys(("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute"), pl.Int64()),
    **dict.fromkeys(("carrier", "origin", "dest"), pl.String()),
    "time_hour": pl.Datetime("us", "UTC"),
}
"""Columns of a flight's row that are known in advance, with their types."""

CLIENT = ("year", "month", "day", "carrier", "flight", "origin", "dest", "sched_dep_time", "sched_arr_time", "distance", "time_hour")
"""What a client sends of a flight, columns of the contract's `Flights`; of `OPTIONAL` it may leave out any."""

OPTIONAL = ("time_hour",)

_NOT_YET = SCHEDULED | {"dep_delay": pl.Int64(), "arr_delay": pl.Int64(), "tzone": pl.String()}

_LATER = {"label_known_at", *columns(Features, "label"), *columns(Features, "outcome")}

ANSWERED = tuple(name for name in types(Features) if name not in _LATER)
"""The columns of `Features` that can be known at the prediction instant."""


def completed(flight: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flight as a client sends it (`CLIENT`) with all columns of `SCHEDULED`.

    The hour of a departure that is not given is the first of its name: at the end of summer time one comes twice.

    Raises:
        ContractViolation: If there is no such day or time of day, or `time_hour` is not the instant of its hour; it names the field.
    """
    day = _day_of(flight)
    _require_time_of_day("sched_dep_time", flight["sched_dep_time"], 2359)  # the contract has an `hour` of at most 23
    _require_time_of_day("sched_arr_time", flight["sched_arr_time"], 2400)
    hour, minute = divmod(flight["sched_dep_time"], 100)
    instants = _instants_of(day, hour)
    if not instants:
        expected = f"sched_dep_time must be a time that there is in {LOCAL_ZONE} on its day"
        raise ContractViolation(expected, f"{flight['sched_dep_time']:04d} when clocks go forward", "take it from the timetable")
    given = flight.get("time_hour")
    if given is not None and given not in instants:
        words = " or ".join(f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in instants)
        expected = f"time_hour must be the instant of the hour of sched_dep_time in {LOCAL_ZONE}, here {words}"
        raise ContractViolation(expected, f"{given}", "leave it out, or mend the flight's day and time")
    return {**flight, "hour": hour, "minute": minute, "time_hour": given or instants[0]}


def _day_of(flight: Mapping[str, Any]) -> date:
    try:
        return date(flight["year"], flight["month"], flight["day"])
    except (ValueError, OverflowError) as error:
        found = f"{flight['year']}-{flight['month']}-{flight['day']}"
        raise ContractViolation("day must be a day of month and year", found, "take it from the timetable") from error


def _require_time_of_day(name: str, value: int, last: int) -> None:
    if not (0 <= value <= last and value % 100 < 60):
        midnight = "; midnight at the end of a day is 0 of the next" if last < 2400 else ""
        raise ContractViolation(f"{name} must be a time of day (HHMM, 0 to {last}{midnight})", f"{value}", "take it from the timetable")


def _instants_of(day: date, hour: int) -> list[datetime]:
    """Return the instants (UTC) at which an hour of a local day begins: one; none or two where the clocks change."""
    zone = ZoneInfo(LOCAL_ZONE)
    first = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
    try:
        instants = sorted({first.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})
    except OverflowError:  # at the ends of the calendar
        return []
    return [instant for instant in instants if instant.astimezone(zone).replace(tzinfo=None) == first.replace(tzinfo=None)]


class Online:
    """The features of single flights, from an index of what is known: the same values as `build` gives, to the bit."""

    def __init__(self, tables: Mapping[str, pl.LazyFrame]) -> None:
        """Index the past.

        Args:
            tables: `flights`, `weather`, `airports`, from LOOKBACK before the days that will be asked about.
        """
        self._airports = tables["airports"].collect().lazy()
        self._zones: dict[str, str] = {}
        flights = with_instants(tables["flights"], self._airports).collect().lazy()
        parts = list(past(flights, tables["weather"]))
        self._indexes = [index for index, _ in parts]
        self._made = [expr for _, made in parts for expr in made]
        self._schema = {name: dtype for index in self._indexes for name, dtype in index.schema.items()}

    def features(self, flight: Mapping[str, Any], at: datetime | None = None) -> dict[str, Any]:
        """Return the features of one scheduled flight; see `features_of`, which is much faster for several."""
        return self.features_of([flight], at)[0]

    def features_of(self, flights: Sequence[Mapping[str, Any]], at: datetime | None = None) -> list[dict[str, Any]]:
        """Return the features of scheduled flights, each from what was known at its instant.

        Args:
            flights: Rows with what is known in advance (`SCHEDULED`). Anything else in a row is not read.
            at: The instant (with a time zone) to ask at, for all flights; by default each flight's prediction instant.

        Returns:
            For each flight the columns of `Features` but the label's, `predicted_at` being the instant asked at.

        Raises:
            ContractViolation: If a row lacks a column.
            ClockError: If `at` is later than a flight's prediction instant: that is none the model has learned from,
                and the flight itself may have left.
        """
        missing = sorted({name for name in SCHEDULED for flight in flights if name not in flight})
        if missing:
            raise ContractViolation(
                f"a scheduled flight must have {', '.join(SCHEDULED)}", f"none named {', '.join(missing)}", "complete the row"
            )
        zones = self._zones_of([flight["dest"] for flight in flights])
        rows = [[*(flight[name] for name in SCHEDULED), None, None, zone] for flight, zone in zip(flights, zones, strict=True)]
        not_yet = pl.LazyFrame(rows, schema=_NOT_YET, orient="row")
        queries = schedule_features(with_instants_in_zones(not_yet, set(zones) & set(ZONES))).collect()
        if at is not None:
            first = queries.get_column("predicted_at").min()
            if isinstance(first, datetime) and at > first:
                raise ClockError(f"at must be no later than the prediction instant {first:%F %T}Z", f"{at}", "leave `at` out")
            queries = queries.with_columns(predicted_at=pl.lit(at).cast(queries.schema["predicted_at"]))
        answers = [self._look_up(query) for query in queries.iter_rows(named=True)]
        known = pl.DataFrame(answers, schema=self._schema, orient="row")
        return queries.hstack(known).with_columns(self._made).select(ANSWERED).rows(named=True)

    def _zones_of(self, destinations: Sequence[str]) -> list[str]:
        """Return the time zone of each destination; each is looked up once, as that takes as long as all the rest."""
        new = set(destinations) - self._zones.keys()
        if new:
            asked = pl.LazyFrame({"dest": list(new)}, schema={"dest": pl.String})
            self._zones |= with_zones(asked, self._airports).collect().rows()
        return [self._zones[destination] for destination in destinations]

    def _look_up(self, query: Mapping[str, Any]) -> list[Any]:
        asked = query["predicted_at"]
        return [value for index in self._indexes for value in index.at(tuple(query[name] for name in index.by), asked)]
