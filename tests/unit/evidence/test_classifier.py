"""A classifier with whole days held out: it tells what changed, and not what each day has of its own."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.monitoring import DriftRules
from tasks.evidence import classifier

pytestmark = pytest.mark.unit

RULES = DriftRules(
    false_alarms_a_year=0.1,
    looks_a_year=100,
    windows=[2],
    reference_days=28,
    fewest_reference_days=14,
    permutations=100,
    classifier_days=7,
    classifier_rows=1_500,
)
LAST = date(2013, 2, 4)


def _rows(shift: float = 0.0) -> pl.DataFrame:
    """Return 35 days of which each has a weather of its own that names it; the newest seven may be shifted."""
    generator = np.random.default_rng(3)
    day = np.repeat(np.arange(35), 60)
    return pl.DataFrame(
        {
            "batch_day": [LAST - timedelta(days=34 - int(d)) for d in day],
            "weather": generator.normal(0, 1, 35)[day] + generator.normal(0, 0.01, len(day)),
            "other": generator.normal(0, 1, len(day)) + shift * (day >= 28),
            "name": generator.choice(["a", "b"], len(day)),
        }
    )


def test_days_of_their_own_weather_are_not_told() -> None:
    """Rows split at random would give an AUC near 1."""
    found = classifier.tell(_rows(), ["weather", "other", "name"], LAST, RULES)
    assert found is not None and found.auc.lower < 0.55 and found.auc.value < 0.7
    assert (found.days, found.reference_days) == (7, 28)


def test_a_change_is_told() -> None:
    found = classifier.tell(_rows(2.0), ["other", "name", "absent"], LAST, RULES)
    assert found is not None and found.auc.lower > 0.8


@pytest.mark.parametrize(
    ("columns", "last"),
    [
        (["absent"], LAST),  # nothing to learn from
        (["other"], date(2013, 1, 3)),  # three days in all
    ],
)
def test_too_little_gives_none(columns: list[str], last: date) -> None:
    assert classifier.tell(_rows(), columns, last, RULES) is None
