"""The estimate before labels: right where probabilities mean what they did, with a fair interval, and blind where they do not."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.monitoring import Estimate
from tasks.artifacts.record import Window
from tasks.errors import EvaluationError
from tasks.evidence import estimate
from tasks.model.loss import log_loss

pytestmark = pytest.mark.unit

WINDOW = Window(first_day=date(2013, 7, 1), last_day=date(2013, 7, 7))


def days(count: int, seed: int, *, rows: int = 120, harder: float = 0.0, told: float = 1.0, changed: float = 0.0) -> tuple[Any, Any, Any]:
    """Return labels, probabilities and days.

    Args:
        count: Days.
        seed: Of the draws.
        rows: Of a day.
        harder: Added to the logits that both labels and probabilities come from: a storm that inputs tell of.
        told: Factor of the logits in the probabilities; other than 1 they are not calibrated.
        changed: Added to the logits that labels come from, and that no probability knows of.
    """
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(count), rows)
    logit = generator.normal(-1.5, 1.0, len(day)) + generator.normal(0, 0.3, count)[day] + harder
    truth = logit + generator.normal(0, 0.2, count)[day] + changed
    return (generator.random(len(day)) < 1 / (1 + np.exp(-truth))).astype(float), 1 / (1 + np.exp(-told * logit)), day


REFERENCE = days(28, 0)


def expected(now: tuple[Any, Any, Any], reference: tuple[Any, Any, Any] = REFERENCE) -> Estimate:
    labels, probabilities, names = reference
    return estimate.expected(labels, probabilities, names, now[1], now[2], WINDOW)


@pytest.mark.parametrize(
    ("harder", "told"),
    [
        (0.0, 1.0),  # days like those before
        (1.0, 1.0),  # harder ones
        (-1.0, 1.0),  # easier ones
        (0.0, 2.0),  # probabilities that are too sure: the calibration knows
        (0.7, 0.5),  # or not sure enough, on harder days
    ],
)
def test_it_is_near_what_comes_where_probabilities_mean_what_they_did(harder: float, told: float) -> None:
    now = days(150, 3, harder=harder, told=told)
    found = expected(now, days(150, 2, told=told))
    assert found.log_loss.value == pytest.approx(log_loss(now[0], now[1]), rel=0.05)
    assert found.positives.value == pytest.approx(now[0].mean(), rel=0.06)
    assert (found.window, found.rows) == (WINDOW, len(now[1]))


def test_the_reference_is_expected_to_be_as_it_was() -> None:
    found = expected(days(7, 1))
    assert found.reference_log_loss == pytest.approx(log_loss(*REFERENCE[:2]), rel=0.01)


def test_the_interval_has_what_comes_about_as_often_as_it_says() -> None:
    """Days without a surprise: what labels do on their own is in no estimate of a mean, so that a few more lie outside."""
    inside = 0
    for seed in range(40):
        now = days(7, 1_000 + seed, rows=60)
        found = expected(now, days(14, 2_000 + seed, rows=60)).log_loss
        inside += found.lower < log_loss(now[0], now[1]) < found.upper
    assert inside >= 33


def test_fewer_days_are_less_certain_on_either_side() -> None:
    widths = {
        (then, now): (found := expected(days(now, 5), days(then, 6)).log_loss).upper - found.lower
        for then, now in ((28, 28), (28, 5), (5, 28))
    }
    assert widths[28, 28] < widths[28, 5]
    assert widths[28, 28] < widths[5, 28]


def test_it_is_blind_to_a_change_of_what_inputs_mean() -> None:
    """This is what the warning in the reports is about."""
    now = days(28, 7, changed=1.5)
    found = expected(now)
    assert found.log_loss.upper < log_loss(now[0], now[1]) - 0.1
    assert found.log_loss == expected((1 - now[0], *now[1:])).log_loss, "it looks at no label"


@pytest.mark.parametrize("probability", [0.0, 1e-9, 0.2, 0.9, 1.0])
def test_the_loss_is_the_one_of_the_models(probability: float) -> None:
    """Half of the reference is positive, so that half of the expected loss is that of a positive, to the ends of the range."""
    labels, flat = np.tile([0.0, 1.0], 20), np.full(40, probability)
    found = estimate.expected(labels, flat, np.arange(40) // 4, flat[:4], [1, 1, 2, 2], WINDOW)
    both = log_loss([0, 1], [probability, probability])
    assert found.log_loss.value == pytest.approx(both)
    assert found.reference_log_loss == pytest.approx(both)


def test_few_values_and_empty_bins_are_no_trouble() -> None:
    labels, _, day = REFERENCE
    coarse = np.where(np.arange(len(day)) % 3 == 0, 0.2, 0.7)
    found = estimate.expected(labels, coarse, day, [0.01, 0.2, 0.7, 0.99], [1, 1, 2, 2], WINDOW)
    assert 0 < found.positives.value < 1
    flat = estimate.expected(labels, np.full(len(day), 0.3), day, [0.3, 0.3], [1, 2], WINDOW)
    assert flat.positives.value == pytest.approx(labels.mean())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([0, 1], [0.1, 0.2], [1, 2], [], []), "0 rows, and 2 of the reference with 1 positives"),  # nothing to score
        (([], [], [], [0.5], [1]), "0 of the reference"),  # the champion's days are gone
        (([0, 0], [0.1, 0.2], [1, 2], [0.5], [1]), "with 0 positives"),  # one label
        (([0, 1], [0.1, np.nan], [1, 2], [0.5, np.inf], [1, 1]), "2 have none"),  # not scored
    ],
)
def test_what_cannot_be_estimated_is_told(given: tuple[Any, Any, Any, Any, Any], words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        estimate.expected(*given, WINDOW)
