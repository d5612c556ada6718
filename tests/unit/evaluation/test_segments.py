"""Segments: each is measured on its own rows, those too small to tell are named, and one that matches nothing is refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from tasks.artifacts.evaluation import SegmentMetrics, SmallSegment
from tasks.artifacts.settings import SegmentRules
from tasks.evaluation import segments
from tasks.evidence import slices
from tasks.evidence.bootstrap import Days

pytestmark = pytest.mark.unit

ROWS = 600
GENERATOR = np.random.default_rng(3)
LABELS = GENERATOR.integers(0, 2, ROWS).astype(np.float64)
NOISE = GENERATOR.normal(0, 0.1, ROWS)
CANDIDATE, INCUMBENT = (np.clip(0.5 + strength * (LABELS - 0.5) + NOISE, 0.01, 0.99) for strength in (0.4, 0.2))
DAYS = Days.draw([date(2013, 11, 1) + timedelta(days=i % 28) for i in range(ROWS)])
COSTS = np.where(CANDIDATE >= 0.4, 1 - LABELS, 4 * LABELS)
ROWS_OF = pl.DataFrame(
    {
        "origin": ["EWR", "JFK", "LGA"] * (ROWS // 3),
        "n": range(ROWS),
        "is_late": LABELS == 1,
        "gaps": [1.0 if i % 4 == 0 else None for i in range(ROWS)],
    }
)
RULES = SegmentRules(
    fewest_rows=30, fewest_days=7, search_rows=100, search_features=2, smallest_share=0.1, least_excess=0, most_found=1, level=0.05
)
SEGMENTS = {
    "origin EWR": pl.col("origin") == "EWR",
    "few rows": pl.col("n") < 29,
    "one class": pl.col("is_late"),
    "unknown": pl.col("gaps") > 0,  # null where nothing is known: not in the segment
    "nobody today": pl.col("n") > ROWS,
    "six days": pl.col("n") % 28 < 6,
}


def measure(incumbent: Any = INCUMBENT) -> tuple[dict[str, SegmentMetrics], list[SmallSegment]]:
    found, small = segments.measure(slices.masks(ROWS_OF, SEGMENTS), LABELS, CANDIDATE, COSTS, incumbent, DAYS, RULES)
    return {segment.segment: segment for segment in found}, small


def test_each_has_its_rows_and_those_that_tell_nothing_have_a_reason() -> None:
    found, small = measure()
    assert {name: segment.rows for name, segment in found.items()} == {"all": ROWS, "origin EWR": ROWS // 3, "unknown": ROWS // 4}
    assert [(s.segment, s.rows, s.reason) for s in small] == [
        ("few rows", 29, "fewer than 30 rows"),
        ("one class", int(LABELS.sum()), "one class only"),
        ("nobody today", 0, "fewer than 30 rows"),
        ("six days", 132, "fewer than 7 days"),
    ]


def test_a_segment_is_measured_on_its_own_rows() -> None:
    segment, mask = measure()[0]["origin EWR"], (ROWS_OF["origin"] == "EWR").to_numpy()
    labels, scores = LABELS[mask], CANDIDATE[mask]
    assert (segment.positives, segment.days) == (labels.sum(), 28)
    assert segment.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert segment.pr_auc.value == pytest.approx(average_precision_score(labels, scores))
    assert segment.log_loss.value == pytest.approx(log_loss(labels, scores))
    assert segment.brier.value == pytest.approx(((scores - labels) ** 2).mean())
    assert segment.cost.value == pytest.approx(COSTS[mask].mean())
    assert segment.paired is not None
    incumbent = log_loss(labels, INCUMBENT[mask])
    assert segment.paired.gain.value == pytest.approx((incumbent - segment.log_loss.value) / incumbent)
    assert segment.paired.gain.lower > 0
    assert segment.paired.worse_p_value > 0.9


def test_without_an_incumbent_nothing_is_paired() -> None:
    assert all(segment.paired is None for segment in measure(None)[0].values())


def test_the_same_model_gains_nothing_anywhere() -> None:
    for segment in measure(CANDIDATE)[0].values():
        assert segment.paired is not None
        assert (segment.paired.gain.value, segment.paired.gain.lower, segment.paired.gain.upper) == (0, 0, 0)
        assert segment.paired.worse_p_value == 1


def test_a_segment_that_lost_is_worse_for_certain_and_the_others_are_not() -> None:
    mask = (ROWS_OF["origin"] == "EWR").to_numpy()
    worse = np.where(mask, 0.5, INCUMBENT)
    found, _ = segments.measure(slices.masks(ROWS_OF, SEGMENTS), LABELS, worse, COSTS, INCUMBENT, DAYS, RULES)
    p_values = {segment.segment: segment.paired.worse_p_value for segment in found if segment.paired}
    assert p_values["origin EWR"] < 0.01
    assert p_values["all"] < 0.01  # the whole is compared by itself
