"""Drift among whole days: what is found, what is not, and what is missing."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.monitoring import DriftRules
from tasks.evidence import drift

pytestmark = pytest.mark.unit

RULES = DriftRules(
    false_alarms_a_year=0.1,
    looks_a_year=100,
    windows=[2, 7],
    reference_days=56,
    fewest_reference_days=28,
    permutations=1_500,
    classifier_days=7,
    classifier_rows=1_000,
)
GROUPS = {"schedule": ["carrier"], "state": ["delay"], "weather": ["wind"], "label": ["label"]}
START, DAYS = date(2013, 1, 1), 63
LAST = START + timedelta(days=DAYS - 1)


def _feed(seed: int = 0, days: int = DAYS, rows: int = 200) -> pl.DataFrame:
    """Return days without drift: each has a mood of its own, and weekends have another mix of carriers."""
    generator = np.random.default_rng(seed)
    frames = []
    for day in range(days):
        when = START + timedelta(days=day)
        shares = [0.2, 0.8] if when.weekday() > 4 else [0.7, 0.3]
        frames.append(
            pl.DataFrame(
                {
                    "batch_day": [when] * rows,
                    "carrier": generator.choice(["A", "B"], rows, p=shares),
                    "delay": generator.normal(generator.normal(0, 0.5), 1, rows),
                    "wind": np.round(generator.gamma(3, 3, rows)),
                    "label": generator.integers(0, 2, rows),
                }
            )
        )
    return pl.concat(frames)


def _from(day: date, name: str, value: pl.Expr) -> pl.DataFrame:
    rows = _feed()
    return rows.with_columns(pl.when(pl.col("batch_day") >= day).then(value).otherwise(pl.col(name)).cast(rows.schema[name]).alias(name))


@pytest.mark.parametrize(
    ("name", "value", "group"),
    [
        ("wind", pl.col("wind") * 0.447 + 0.01, "weather"),  # another unit: values that no day had
        ("wind", pl.lit(None), "weather"),  # a sensor that fell silent
        ("wind", pl.lit(7.0), "weather"),  # stuck
        ("carrier", pl.lit("C"), "schedule"),  # a name that no day had
        ("delay", pl.col("delay") + 6, "state"),  # where no day was
        ("delay", pl.lit(float("nan")), "state"),  # NaN is no value
        ("delay", pl.col("delay") * 1e4, "state"),  # far out on both sides: the level stays
    ],
)
def test_a_fault_of_two_days_is_found_in_its_group(name: str, value: pl.Expr, group: str) -> None:
    found = drift.find(_from(LAST - timedelta(days=1), name, value), GROUPS, LAST, RULES)
    assert found is not None
    assert [drifted.group for drifted in found.drifted] == [group]
    assert found.columns[0].column == name and found.columns[0].p_value <= found.level


def test_one_strange_day_is_no_drift() -> None:
    """A storm passes; what stays for two days is a fault."""
    found = drift.find(_from(LAST, "delay", pl.col("delay") + 50), GROUPS, LAST, RULES)
    assert found is not None and not found.drifted


def test_weekends_are_no_drift() -> None:
    rows = _feed(days=120)
    sundays = [day for day in rows.get_column("batch_day").unique() if day.weekday() == 6 and (day - START).days > 63]
    assert len(sundays) >= 7
    assert not [day for day in sundays if (found := drift.find(rows, GROUPS, day, RULES)) and found.drifted]


def test_labels_that_are_late_are_no_drift() -> None:
    rows = _from(LAST - timedelta(days=2), "label", pl.lit(None))
    found = drift.find(rows, GROUPS, LAST, RULES)
    assert found is not None and not found.drifted and found.missing == ["label"]


def test_a_column_that_is_not_there_is_told_and_the_others_are_tested() -> None:
    rows = _from(LAST - timedelta(days=1), "delay", pl.col("delay") + 6).drop("wind")
    found = drift.find(rows, GROUPS, LAST, RULES)
    assert found is not None
    assert found.missing == ["wind"] and [group.group for group in found.drifted] == ["state"]


def test_too_short_a_history_is_no_test_and_a_short_one_drops_long_windows() -> None:
    assert drift.find(_feed(days=29), GROUPS, START + timedelta(days=28), RULES) is None
    found = drift.find(_feed(days=31), GROUPS, START + timedelta(days=30), RULES)
    assert found is not None and found.windows == [2]


def test_days_after_the_night_and_before_the_reference_change_nothing() -> None:
    rows = _feed(days=100)
    night = START + timedelta(days=80)
    needed = rows.filter(pl.col("batch_day").is_between(night - timedelta(days=62), night))
    assert drift.find(rows, GROUPS, night, RULES) == drift.find(needed, GROUPS, night, RULES)


def test_the_order_of_rows_changes_nothing() -> None:
    rows = _feed()
    found, shuffled = (drift.find(frame, GROUPS, LAST, RULES) for frame in (rows, rows.sample(fraction=1, shuffle=True, seed=1)))
    assert found is not None and shuffled is not None
    assert [(c.column, c.what) for c in found.columns] == [(c.column, c.what) for c in shuffled.columns]


def test_p_values_of_days_without_drift_are_no_smaller_than_chance() -> None:
    """Of 200 nights without drift about ten have a p-value of 5 %; more than 21 are as good as impossible."""
    p_values = []
    generator = np.random.default_rng(5)
    for _ in range(200):
        days = drift.standardise(generator.standard_t(3, (42, 12)), np.arange(42) % 7, 200)
        scores = drift.score(days, np.arange(12) < 3, [2, 7], 300, 1)
        p_values.append(float(scores.p_values().min()))
    assert 1 <= sum(p <= 0.05 for p in p_values) <= 21


def test_the_real_order_is_looked_at_once() -> None:
    """Else its own score, drawn again, would be a floor that no fault could go below."""
    days = np.zeros((30, 4), dtype=np.float32)
    days[-2:] = 5
    scores = drift.score(days, np.arange(4) < 2, [2], 1_000, 1)
    assert scores.highest.shape == (2, 30 * 29 // 2 - 1)
    assert scores.p_values().min() == pytest.approx(1 / (30 * 29 / 2) / 0.8)


def test_the_level_of_a_night_makes_the_rate_of_a_year() -> None:
    assert 1 - (1 - drift.level(RULES)) ** RULES.looks_a_year == pytest.approx(RULES.false_alarms_a_year)
