"""What a model of the flights must do, whatever its log-loss: expectations as data, and flights under other numbers.

The limits are in `policy.py`. How a model is examined is none of this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from tasks.artifacts.behaviour import BehaviourKind, Changed, Expectation, Hostile, Rare, Rebuilt
from tasks.contracts import columns, describe
from tasks.usecase import features
from tasks.usecase.features import Features

RENAMED = "renamed flight numbers"
"""The expectation whose rows `renamed` makes."""

_SWAP = 10_000  # the contract's numbers are 1 to 9,999: a number and what is left to this swap places, and their order turns
_NUMERIC = columns(Features, "numeric")
_WEATHER = [name for name in _NUMERIC if describe(Features)[name].metadata["group"] == "weather"]
_OF_THE_DAY = tuple(f"_{window}_{statistic}" for window in ("1h", "3h", "6h", "24h") for statistic in ("delay", "late"))
_UPSTREAM = [name for name in _NUMERIC if name.endswith(_OF_THE_DAY)]
_MORE_MINUTES, _MORE_SHARE = 30.0, 0.2  # a bad afternoon: the mean delay of a day with late flights enough to speak of

EXPECTATIONS: tuple[Expectation, ...] = (
    Rebuilt(
        name=RENAMED,
        kind=BehaviourKind.INVARIANCE,
        meaning="The probability stays the same within {tolerance} when every flight number is another",
    ),
    Changed(
        name="more delay upstream",
        kind=BehaviourKind.DIRECTION,
        meaning=(
            "30 minutes more mean delay and a fifth more late flights in the last day never lower the probability by more than {tolerance}"
        ),
        add={name: _MORE_MINUTES if name.endswith("_delay") else _MORE_SHARE for name in _UPSTREAM},
        at_most={name: 1.0 for name in _UPSTREAM if name.endswith("_late")},
    ),
    Changed(
        name="missing weather",
        kind=BehaviourKind.ROBUSTNESS,
        meaning="Without any reading of the weather the probability moves by at most {tolerance}",
        missing=_WEATHER,
    ),
    Changed(
        name="unseen destination",
        kind=BehaviourKind.ROBUSTNESS,
        meaning="With a destination never seen before the probability moves by at most {tolerance}",
        values={"dest": "ZZZ"},  # IATA gives this code to no airport
    ),
    Changed(
        name="noise",
        kind=BehaviourKind.ROBUSTNESS,
        meaning="With noise of a tenth of a standard deviation on every number the probability moves by at most {tolerance}",
        noisy=_NUMERIC,
        noise=0.1,
    ),
    Hostile(
        name="hostile step",
        kind=BehaviourKind.ROBUSTNESS,
        meaning="A step of a fiftieth of a standard deviation of every number against the label turns no decision",
        step=0.02,
    ),
    Rare(
        name="rare storms",
        kind=BehaviourKind.MINIMUM,
        meaning=(
            "On each day, the log-loss of the flights with the strongest wind, gusts or rain (the top twentieth of each) is at most "
            "{tolerance} above that of guessing the share of late flights"
        ),
        extreme=["wind_speed", "wind_gust", "precip_6h"],
        quantile=0.95,
    ),
)
"""What must hold. Pure data: the module of the stage takes any other list of the same kinds."""


def renamed(tables: Mapping[str, pl.LazyFrame], days: tuple[date, date]) -> pl.DataFrame:
    """Build the features of some days from flights under other numbers: all of them, in the past as on the days.

    Args:
        tables: `flights`, `weather`, `airports` as known at some instant, from `days[0] - features.LOOKBACK` on.
        days: Local days, both included.

    Returns:
        Rows of `Features`; `flight_id` is the one from before the renaming.
    """
    other = features.build({**tables, "flights": tables["flights"].with_columns(flight=_SWAP - pl.col("flight"))}, days)
    parts = pl.col("flight_id").str.split("-")
    number = _SWAP - parts.list.get(-2).cast(pl.Int64)
    before = pl.concat_str(parts.list.head(parts.list.len() - 2).list.join("-"), number.cast(pl.String), parts.list.last(), separator="-")
    return other.with_columns(before.alias("flight_id")).collect()
