"""The guard on made-up probabilities: what is as good passes, what is worse anywhere is refused and says where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.compression import Compressed, CompressionRules, Cost, Form
from tasks.evaluation.compression import compare
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days

pytestmark = pytest.mark.unit

RULES = CompressionRules(log_loss=0.001, calibration_error=0.005, segment_log_loss=0.02, segment_days=14)
LARGE, SMALL = (
    Cost(onnx_bytes=1_000, microseconds_a_row=200, rows_per_second=1e4),
    Cost(onnx_bytes=300, microseconds_a_row=90, rows_per_second=5e4),
)
ROWS = 5_600
DAY = np.repeat(np.arange(28), ROWS // 28)
DAYS = Days.draw(DAY, resamples=200)
GENERATOR = np.random.default_rng(0)
WHOLE = GENERATOR.uniform(0.05, 0.8, ROWS)
LABELS = (GENERATOR.random(ROWS) < WHOLE).astype(np.float64)
KIND = GENERATOR.integers(0, 50, ROWS)
SEGMENTS = {"rare": KIND == 0, "common": KIND >= 25, "brief": DAY < 13, "nothing": KIND > 50}


def judged(smaller: Array, rules: CompressionRules = RULES) -> Compressed:
    return compare(Form.INT8, "digest", LABELS, WHOLE, smaller, DAYS, SEGMENTS, rules, SMALL, LARGE)


def logit_moved(probabilities: Array, by: Array | float, times: float = 1.0) -> Array:
    moved: Array = 1 / (1 + np.exp(-(np.log(probabilities / (1 - probabilities)) * times + by)))
    return moved


def test_what_predicts_the_same_is_accepted() -> None:
    found = judged(WHOLE)
    assert found.accepted
    assert (found.log_loss_given_up.upper, found.calibration_error_given_up.upper) == (0, 0)
    assert found.log_loss == found.original_log_loss
    assert found.reasons == [
        "log-loss rises by 0.00000 at most (limit 0.001), calibration error by 0.00000 (limit 0.005); "
        "of 2 segments the worst is rare with 0.00000 at most"
    ]


def test_what_moves_a_little_is_accepted_and_what_it_gives_up_is_measured() -> None:
    moved = logit_moved(WHOLE, GENERATOR.normal(0, 0.01, ROWS))
    found = judged(moved)
    assert found.accepted
    assert found.log_loss_given_up.value == pytest.approx(found.log_loss.value - found.original_log_loss.value)
    assert found.calibration_error_given_up.value == pytest.approx(found.calibration_error.value - found.original_calibration_error.value)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_probabilities_of_other_rows_are_refused(seed: int) -> None:
    found = judged(np.random.default_rng(seed).permutation(WHOLE))
    assert not found.accepted
    assert any(reason.startswith("log-loss may rise by ") for reason in found.reasons)


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["rare", "common"]))
@settings(max_examples=20, deadline=None)
def test_damage_within_one_segment_is_refused_and_names_it_alone(seed: int, name: str) -> None:
    mask, smaller = SEGMENTS[name], WHOLE.copy()
    smaller[mask] = np.random.default_rng(seed).permutation(WHOLE[mask])
    lenient = RULES.model_copy(update={"log_loss": 1.0, "calibration_error": 1.0})
    found = judged(smaller, lenient)
    assert not found.accepted
    assert [reason.split(" may")[0] for reason in found.reasons] == [f"log-loss of segment {name}"]
    assert [segment.segment for segment in found.segments if segment.counts and not segment.holds] == [name]


def test_calibration_alone_refuses() -> None:
    lenient = RULES.model_copy(update={"log_loss": 1.0, "segment_log_loss": 1.0})
    found = judged(logit_moved(WHOLE, 0.0, times=1.3), lenient)  # too sure of itself
    assert [reason.split(" may")[0] for reason in found.reasons] == ["calibration error"]


def test_the_upper_bound_decides_and_not_the_value() -> None:
    by_day = np.where(DAY % 2 == 0, 0.06, -0.06)  # right on one day and wrong on the next
    moved = logit_moved(WHOLE, by_day * (2 * LABELS - 1))
    lenient = RULES.model_copy(update={"calibration_error": 1.0, "segment_log_loss": 1.0})
    given_up = judged(moved, lenient).log_loss_given_up
    assert given_up.value < 0.001 < given_up.upper
    assert not judged(moved, lenient).accepted
    assert judged(moved, lenient.model_copy(update={"log_loss": given_up.upper})).accepted


def test_a_segment_with_too_few_days_is_shown_and_does_not_count() -> None:
    moved = logit_moved(WHOLE, np.where(DAY < 13, 3.0, 0.0))
    lenient = RULES.model_copy(update={"log_loss": 9.0, "calibration_error": 1.0})
    brief = next(found for found in judged(moved, lenient).segments if found.segment == "brief")
    assert (brief.days, brief.counts, brief.holds) == (13, False, False)
    assert not any("brief" in reason for reason in judged(moved, lenient).reasons)
    assert any("brief" in reason for reason in judged(moved, lenient.model_copy(update={"segment_days": 13})).reasons)


def test_a_segment_without_rows_is_left_out() -> None:
    assert {found.segment for found in judged(WHOLE).segments} == {"rare", "common", "brief"}


@pytest.mark.parametrize("missing", list(CompressionRules.model_fields))
def test_a_missing_limit_refuses_and_is_named(missing: str) -> None:
    found = judged(WHOLE, RULES.model_copy(update={missing: None}))
    assert not found.accepted
    assert f"no limit is set for {missing}: set it in tasks/usecase/policy.py" in found.reasons


def test_a_difference_of_calibration_is_paired() -> None:
    """Two that err alike differ by nothing on every resample, though each error has a wide interval."""
    moved = logit_moved(WHOLE, 0.3)
    difference = bootstrap.calibration_difference(LABELS, moved, moved, DAYS)
    single = bootstrap.calibration_error(LABELS, moved, DAYS)
    assert (difference.lower, difference.upper) == (0, 0)
    assert single.upper - single.lower > 0.01
    against: Any = bootstrap.calibration_difference(LABELS, moved, WHOLE, DAYS)
    assert against.lower > 0
