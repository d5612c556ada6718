"""Drift on the real features of a spring and summer: a fault is found, ordinary weekends are quiet, storms of a day are no drift."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.artifacts.monitoring import Drift
from tasks.evidence import drift
from tasks.usecase import features, policy
from tests.feeds import accepted

pytestmark = pytest.mark.data

RULES = policy.MONITORING.drift
LAST = date(2013, 8, 4)
"""A Sunday."""


@pytest.fixture(scope="module")
def groups() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, column in features.Features.to_schema().columns.items():
        told = column.metadata or {}
        if told.get("role") in ("numeric", "categorical"):
            found.setdefault(told["group"], []).append(name)
    return found


@pytest.fixture(scope="module")
def rows(parsed: dict[str, pl.DataFrame]) -> pl.DataFrame:
    built = features.build(accepted(parsed)).collect()
    return built.filter(pl.col("batch_day").is_between(LAST - timedelta(days=130), LAST))


def _found(rows: pl.DataFrame, groups: dict[str, list[str]], night: date = LAST) -> Drift:
    found = drift.find(rows, groups, night, RULES)
    assert found is not None
    return found


def test_ordinary_weekends_do_not_move_the_schedule(rows: pl.DataFrame, groups: dict[str, list[str]]) -> None:
    """Two days of a weekend have another schedule than most days; that is not what is looked for."""
    sundays = [LAST - timedelta(days=7 * week) for week in range(4)]
    short = RULES.model_copy(update={"windows": [2]})
    found = [drift.find(rows, {"schedule": groups["schedule"]}, night, short) for night in sundays]
    assert [one.drifted if one else None for one in found] == [[]] * 4


@pytest.mark.parametrize(
    ("name", "value", "group"),
    [
        ("humid", pl.col("humid") / 100, "weather"),  # a share for percent
        ("arrivals_carrier_24h_late", pl.lit(None), "state"),  # a feed that fell silent
        ("carrier", pl.col("carrier").replace({"UA": "EV", "EV": "UA"}), "schedule"),  # two names changed for each other
    ],
)
def test_a_fault_of_two_days_is_found(rows: pl.DataFrame, groups: dict[str, list[str]], name: str, value: pl.Expr, group: str) -> None:
    is_new = pl.col("batch_day") > LAST - timedelta(days=2)
    faulty = rows.with_columns(pl.when(is_new).then(value).otherwise(pl.col(name)).cast(rows.schema[name]).alias(name))
    found = _found(faulty, groups)
    assert group in [drifted.group for drifted in found.drifted]
    assert name in [column.column for column in found.columns if column.p_value <= found.level]


def test_a_night_can_be_called_at_all() -> None:
    """With fewer shuffles, or fewer pairs of days, no p-value would be as small as the level."""
    from math import comb

    level = drift.level(RULES)
    assert 1 / (1 + RULES.permutations) <= level
    assert 1 / comb(RULES.reference_days + max(RULES.windows), min(RULES.windows)) <= level
