"""What a model of the applications must do, whatever its log-loss: expectations as data, and applications of other people.

The limits are in `policy.py`. How a model is examined is none of this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from tasks.artifacts.behaviour import BehaviourKind, Changed, Expectation, Hostile, Rare, Rebuilt
from tasks.contracts import columns
from tasks.usecase import features
from tasks.usecase.features import Features

RENAMED = "other applicants"
"""The expectation whose rows `renamed` makes."""

_SWAP = 10_000  # the contract's numbers are 1 to 9,999: a number and what is left to this swap places
_NUMERIC = columns(Features, "numeric")
_SWAPPED = ("black", "hispan", "male", "married", "old")

EXPECTATIONS: tuple[Expectation, ...] = (
    Rebuilt(
        name=RENAMED,
        kind=BehaviourKind.INVARIANCE,
        meaning=(
            "The probability stays the same within {tolerance} when every application has another number, and its applicant another "
            "race, sex, marital status, age and number of dependants"
        ),
    ),
    Changed(
        name="more obligations",
        kind=BehaviourKind.DIRECTION,
        meaning="Ten points more obligations never lower the probability by more than {tolerance}",
        add={"obligations_ratio": 10.0},
    ),
    Changed(
        name="no word of assets",
        kind=BehaviourKind.ROBUSTNESS,
        meaning="Without liquid assets and net worth the probability moves by at most {tolerance}",
        missing=["liquid_assets", "net_worth"],
    ),
    Changed(
        name="unseen kind of house",
        kind=BehaviourKind.ROBUSTNESS,
        meaning="With a kind of house never seen before the probability moves by at most {tolerance}",
        values={"property": "houseboat"},
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
        name="rare loans",
        kind=BehaviourKind.MINIMUM,
        meaning=(
            "On each day, the log-loss of the applications with the highest obligations or the largest loans (the top tenth of each) is "
            "at most {tolerance} above that of guessing the share of refusals"
        ),
        extreme=["obligations_ratio", "loan"],
        quantile=0.9,
    ),
)
"""What must hold. Pure data: the module of the stage takes any other list of the same kinds."""


def renamed(tables: Mapping[str, pl.LazyFrame], days: tuple[date, date]) -> pl.DataFrame:
    """Build the features of some days from applications of other people: all of them, in the past as on the days.

    Args:
        tables: `applications` as known at some instant, from `days[0] - features.LOOKBACK` on.
        days: Local days, both included.

    Returns:
        Rows of `Features`; `application_id` is the one from before.
    """
    other = tables["applications"].with_columns(
        (_SWAP - pl.col("application")).alias("application"),
        *(pl.col(name).replace({"0": "1", "1": "0"}) for name in _SWAPPED),
        ((pl.col("dep") + 2) % 5).alias("dep"),
    )
    found = features.build({**tables, "applications": other}, days)
    number = _SWAP - pl.col("application_id").str.strip_prefix("A-").cast(pl.Int64)
    return found.with_columns(pl.format("A-{}", number.cast(pl.String).str.zfill(4)).alias("application_id")).collect()
