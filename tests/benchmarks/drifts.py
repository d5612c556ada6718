"""Faults to be put into whole days of flights, each in three sizes, and detectors that are in usual use, from counts by day.

The detectors see what ours sees of the numbers and names: how often each value occurs on each day. They are told apart from it by
what they make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.evidence.profiles import Profiles

Floats = npt.NDArray[np.float64]
Fault = Callable[[pl.DataFrame, float, np.random.Generator], pl.DataFrame]

SIZES = ("small", "medium", "large")
_BINS = 20


def _in_some(rows: pl.DataFrame, name: str, value: pl.Expr, share: float, generator: np.random.Generator) -> pl.DataFrame:
    """Return rows with a column's value in a share of them."""
    chosen = pl.lit(pl.Series(generator.random(rows.height) < share))
    return rows.with_columns(pl.when(chosen).then(value).otherwise(pl.col(name)).cast(rows.schema[name]).alias(name))


def _put(name: str, value: pl.Expr) -> Fault:
    return lambda rows, share, generator: _in_some(rows, name, value, share, generator)


def _flipped(rows: pl.DataFrame, share: float, generator: np.random.Generator) -> pl.DataFrame:
    rows = _in_some(rows, "label", 1 - pl.col("label"), share, generator)
    residual = pl.col("label").cast(pl.Float64) - pl.col("probability")
    return rows.with_columns(residual=residual).with_columns(loss=-(1 - pl.col("residual").abs()).clip(1e-7, 1).log())


def _later(rows: pl.DataFrame, hours: float, generator: np.random.Generator) -> pl.DataFrame:
    hour = ((pl.col("hour").cast(pl.Int32) + int(hours)) % 24).cast(pl.String).str.zfill(2)
    return rows.with_columns(departure_minute=((pl.col("departure_minute") + 60 * hours) % 1440).cast(pl.Float32), hour=hour)


def _gone(rows: pl.DataFrame, rank: float, generator: np.random.Generator) -> pl.DataFrame:
    """Return rows without the carrier that is so many places from the most frequent one."""
    carriers = rows.get_column("carrier").value_counts().sort(["count", "carrier"], descending=[True, False]).get_column("carrier")
    return rows.filter(pl.col("carrier") != carriers[int(rank)])


def _noise(rows: pl.DataFrame, minutes: float, generator: np.random.Generator) -> pl.DataFrame:
    noise = pl.Series(generator.normal(0, minutes, rows.height))
    return rows.with_columns((pl.col("departures_origin_3h_delay") + noise).cast(pl.Float32))


def _slipped(names: Sequence[str]) -> Fault:
    """Return a fault: a share of rows has some columns of other flights of the same day, as a join that slipped gives."""

    def fault(rows: pl.DataFrame, share: float, generator: np.random.Generator) -> pl.DataFrame:
        day = rows.get_column("batch_day").rank("dense").to_numpy()
        order = np.arange(rows.height)
        for of in np.split(order, np.flatnonzero(np.diff(day)) + 1):
            chosen = of[generator.random(len(of)) < share]
            order[chosen] = generator.permutation(chosen)
        return rows.with_columns(rows.get_column(name).gather(order) for name in names)

    return fault


def _trend(rows: pl.DataFrame, step: float, generator: np.random.Generator) -> pl.DataFrame:
    """Return rows whose share of late departures is raised by the same on every day; what a trend has come to on its second day."""
    return rows.with_columns((pl.col("departures_origin_24h_late") + 2 * step).cast(pl.Float32))


_SWAPPED = pl.col("carrier").replace({"UA": "EV", "EV": "UA"})
_SWAPPED_ORIGIN = pl.col("origin").replace({"EWR": "JFK", "JFK": "EWR"})

FAULTS: Mapping[str, tuple[Fault, tuple[float, float, float]]] = {
    # The share of rows that have it, unless said otherwise; a large one is in all rows of the column, or in what a broken feed gives.
    "unit of wind, m/s for mph": (_put("wind_speed", pl.col("wind_speed") * 0.447), (0.1, 0.3, 1.0)),
    "unit of humidity, share for percent": (_put("humid", pl.col("humid") / 100), (0.1, 0.3, 1.0)),
    "unit of delay, hours for minutes": (_put("departures_origin_3h_delay", pl.col("departures_origin_3h_delay") / 60), (0.1, 0.3, 1.0)),
    "two carriers swapped": (_put("carrier", _SWAPPED), (0.1, 0.3, 1.0)),
    "two origins swapped": (_put("origin", _SWAPPED_ORIGIN), (0.1, 0.3, 1.0)),
    "wind sensor stuck": (_put("wind_speed", pl.lit(9.20624)), (0.1, 0.3, 1.0)),
    "state stuck": (_put("departures_origin_24h_late", pl.lit(0.2)), (0.1, 0.3, 1.0)),
    "labels flipped": (_flipped, (0.1, 0.3, 1.0)),
    "hours late, time zone": (_later, (1, 2, 5)),  # hours
    "carrier gone, by rank": (_gone, (11, 7, 3)),  # its place, the most frequent is 0: F9 0.2 %, FL 1 %, DL 14 % of flights
    "nulls of humidity": (_put("humid", pl.lit(None)), (0.02, 0.1, 1.0)),
    "nulls of state": (_put("arrivals_carrier_24h_late", pl.lit(None)), (0.02, 0.1, 1.0)),
    "noise on delay, minutes": (_noise, (3, 10, 30)),  # standard deviation
    "slow trend of the state": (_trend, (0.02, 0.05, 0.15)),  # added to a share on each day more: half as much after a week
    "weather of other rows": (_slipped(["wind_speed", "wind_east", "wind_north", "humid", "visib"]), (0.1, 0.3, 1.0)),
    "state of other rows": (_slipped(["departures_origin_1h_delay"]), (0.1, 0.3, 1.0)),
    "outliers of delay": (_put("departures_origin_24h_delay", pl.lit(1e5)), (0.005, 0.05, 0.2)),
}
"""Name to the fault and its three sizes."""

BLIND = ("weather of other rows",)
"""Faults that leave each day's numbers as they were: told, but left out of the bar. The weather of a day is much the same all day."""


@dataclass(frozen=True)
class Counted:
    """Counts of values by day, as the usual detectors need them.

    Attributes:
        numbers: Of numbers by day in equally full bins of the year, shape (days, columns, bins).
        names: Of names by day, padded with zeros, shape (days, columns, values).
    """

    numbers: Floats
    names: Floats


def count(found: Profiles) -> Counted:
    """Return the counts of profiles."""
    numbers, names = [], []
    widest = max(len(c.values) for c in found.codings.values() if not c.is_number)
    for column, coding in found.codings.items():
        counts = found.counts[column].astype(np.float64)
        if coding.is_number:
            bins = np.minimum((coding.ranks * _BINS).astype(np.int64), _BINS - 1)
            numbers.append(counts @ np.eye(_BINS)[bins])
        else:
            names.append(np.pad(counts, ((0, 0), (0, widest - counts.shape[1]))))
    return Counted(np.stack(numbers, axis=1), np.stack(names, axis=1))


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)


def _jensen(before: Floats, now: Floats) -> Floats:
    """Return the Jensen-Shannon distance (base 2) of each column, as SciPy and Evidently have it."""
    middle = (before + now) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(p > 0, p * np.log2(p / middle), 0).sum(axis=-1) for p in (before, now)]
    found: Floats = np.sqrt(np.maximum((parts[0] + parts[1]) / 2, 0))
    return found


def _stability(before: Floats, now: Floats) -> Floats:
    """Return the population stability index of each column."""
    there = (before > 0) | (now > 0)
    p, q = (np.maximum(x, 1e-4) for x in (before, now))
    found: Floats = np.where(there, (q - p) * np.log(q / p), 0).sum(axis=-1)
    return found


def usual(reference: Counted, current: Counted) -> dict[str, Floats]:
    """Return what usual detectors look at, of two sums over days: shapes (columns, bins) and (columns, values).

    Returns:
        Name to one number or one a column: KS statistic, PSI, JS distance, Evidently's share of drifted columns (version 0.7: above 1,000
        rows a normed Wasserstein distance of 0.1 for numbers, here by ranks, and a JS distance of 0.1 for names), the mean of these
        distances, and the p-value of the KS test by rows.
    """
    numbers, names = (tuple(_shares(getattr(x, kind)) for x in (reference, current)) for kind in ("numbers", "names"))
    steps = np.abs(np.cumsum(numbers[0] - numbers[1], axis=-1))
    ks = steps.max(axis=-1)
    moved = steps.sum(axis=-1) / _BINS / 0.289  # of ranks, whose standard deviation is 0.289
    jensen_names = _jensen(*names)
    rows = [x.numbers.sum(axis=-1) for x in (reference, current)]
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.nan_to_num(rows[0] * rows[1] / (rows[0] + rows[1]))
    p_values = np.minimum(1, 2 * np.exp(-2 * effective * ks**2))  # Smirnov's limit
    distances = np.concatenate([moved, jensen_names])
    return {
        "KS": ks,
        "PSI": np.concatenate([_stability(*numbers), _stability(*names)]),
        "JS": np.concatenate([_jensen(*numbers), jensen_names]),
        "share of drifted columns": (distances > 0.1).mean(keepdims=True),
        "mean distance": distances.mean(keepdims=True),
        "KS p-value": p_values,
    }
