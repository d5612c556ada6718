"""Weak segments: a weakness that was planted is found and confirmed, and noise is not; what is found is a predicate."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.evaluation import Bound, WeakSegments
from tasks.artifacts.settings import SegmentRules
from tasks.evaluation import weak_segments

pytestmark = pytest.mark.unit

RULES = SegmentRules(
    fewest_rows=30, fewest_days=7, search_rows=3_000, search_features=3, smallest_share=0.05, least_excess=0.01, most_found=5, level=0.05
)
DAYS, ROWS = 28, 6_000
NUMERIC, CATEGORICAL = ["wind", "rain"], ["carrier"]
IMPORTANCES = {"wind": 3.0, "carrier": 2.0, "rain": 1.0}


def rows(seed: int = 0) -> tuple[pl.DataFrame, Any]:
    """Return rows of calibrated probabilities, whatever the features are."""
    generator = np.random.default_rng(seed)
    probabilities = generator.beta(1, 3, ROWS)
    frame = pl.DataFrame(
        {
            "batch_day": [date(2013, 9, 3) + timedelta(days=i % DAYS) for i in range(ROWS)],
            "label": (generator.random(ROWS) < probabilities).astype(int),
            "wind": np.where(generator.random(ROWS) < 0.1, np.nan, generator.normal(10, 4, ROWS)),
            "rain": generator.random(ROWS),
            "carrier": generator.choice(["AA", "B6", "EV", "UA"], ROWS),
        }
    ).with_columns(pl.col("wind").fill_nan(None))
    return frame, probabilities


def find(frame: pl.DataFrame, probabilities: Any, rules: SegmentRules = RULES) -> WeakSegments:
    return weak_segments.find(frame, probabilities, NUMERIC, CATEGORICAL, IMPORTANCES, rules)


def overconfident(frame: pl.DataFrame, probabilities: Any) -> Any:
    """Halve the odds' logarithm away where one carrier flies in strong wind: the model is wrong there, and sure of it."""
    weak = frame.select((pl.col("wind") > 11) & (pl.col("carrier") == "EV")).to_series().fill_null(False).to_numpy()
    logits = np.log(probabilities / (1 - probabilities))
    return np.where(weak, 1 / (1 + np.exp(-(logits - 2.5))), probabilities)


def test_what_was_planted_is_found_on_some_days_and_confirmed_on_others() -> None:
    frame, right = rows()
    found = find(frame, overconfident(frame, right))
    assert (found.searched.last_day, found.confirmed_on.first_day) == (date(2013, 9, 16), date(2013, 9, 17))
    best = found.confirmed[0]
    assert "carrier is EV" in best.segment
    assert "wind above" in best.segment
    assert best.excess.lower > 0
    assert best.p_value <= 0.05
    assert best.log_loss.value == pytest.approx(best.expected_log_loss + best.excess.value)
    assert 100 < best.rows < 500  # of the later days alone
    assert best.days == 14


def test_noise_is_rarely_confirmed() -> None:
    confirmed = sum(bool(find(*rows(seed)).confirmed) for seed in range(1, 13))
    assert confirmed <= 2  # one in twenty is the level


def test_a_high_loss_that_the_model_expects_is_no_weakness() -> None:
    """Where outcomes are as uncertain as the model says, nothing is to be mended."""
    generator = np.random.default_rng(9)
    frame, _ = rows()
    windy = frame["wind"].fill_null(0).to_numpy() > 12
    probabilities = np.where(windy, 0.5, 0.02)
    frame = frame.with_columns(label=pl.Series((generator.random(ROWS) < probabilities).astype(int)))
    assert find(frame, probabilities).confirmed == []


def test_few_days_are_not_searched() -> None:
    frame, right = rows()
    week = frame["batch_day"] < date(2013, 9, 15)  # 12 days: 6 and 6
    found = find(frame.filter(week), overconfident(frame, right)[week.to_numpy()])
    assert found.found == []


def test_a_found_segment_can_be_asked_of_any_rows() -> None:
    bounds = [Bound(feature="wind", above=11.0, upto=20.0), Bound(feature="carrier", values=["EV", "UA"])]
    frame = pl.DataFrame({"wind": [11.0, 11.1, 20.0, 20.1, None], "carrier": ["EV", "UA", "EV", "EV", "EV"]})
    assert frame.select(weak_segments._predicate(bounds).fill_null(False)).to_series().to_list() == [False, True, True, False, False]
    assert [weak_segments._told(b) for b in bounds] == ["wind above 11 and at most 20", "carrier is EV, UA"]


def test_the_search_is_the_same_every_time() -> None:
    frame, right = rows()
    weak = overconfident(frame, right)
    assert find(frame, weak) == find(frame, weak)


def test_excess_is_zero_on_average_where_probabilities_are_right() -> None:
    frame, right = rows()
    expected, above = weak_segments.excess(frame["label"].to_numpy().astype(float), right)
    assert abs(above.mean()) < 0.02
    assert (expected >= 0).all()
