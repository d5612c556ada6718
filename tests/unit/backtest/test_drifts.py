"""The series of drift tests: which nights are tested, on which rows, and that no night sees a later day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl
import pytest

from tasks.artifacts.monitoring import Drift, DriftRules
from tasks.artifacts.record import Window
from tasks.backtest import drifts
from tasks.usecase import policy
from tests.unit.backtest.toy import FIRST

pytestmark = pytest.mark.unit

RULES = policy.MONITORING.drift.model_copy(update={"reference_days": 14, "windows": [2, 7]})


def test_every_night_is_tested_on_the_days_that_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[date, tuple[date, date, list[str]]] = {}

    def find(rows: pl.DataFrame, groups: Mapping[str, Sequence[str]], last_day: date, rules: DriftRules) -> Drift | None:
        days = rows.get_column("batch_day")
        asked[last_day] = days.min(), days.max(), rows.columns  # type: ignore[assignment]
        if last_day == FIRST + timedelta(days=31):
            return None
        window = Window(first_day=FIRST, last_day=last_day)
        return Drift(last_day=last_day, reference=window, windows=rules.windows, level=0.001, groups=[], columns=[])

    monkeypatch.setattr("tasks.evidence.drift.find", find)
    days = [FIRST + timedelta(days=day) for day in range(40) for _ in range(3)]
    rows = pl.DataFrame({"batch_day": days, "a": 1.0, "b": "x", "unused": 0}).sample(fraction=1, shuffle=True, seed=1)
    first = FIRST + timedelta(days=30)
    found = drifts.series(rows.lazy(), {"state": ["a"], "schedule": ["b", "a"]}, first, RULES)
    assert list(asked) == [first + timedelta(days=n) for n in range(10)]
    for night, (begin, end, names) in asked.items():
        assert (begin, end) == (night - timedelta(days=21), night)
        assert names == ["batch_day", "a", "b"]
    assert [one.last_day for one in found] == [night for night in asked if night != FIRST + timedelta(days=31)]
