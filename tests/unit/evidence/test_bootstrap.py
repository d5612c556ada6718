"""Every statistic against scikit-learn, and every resample against the rows that it stands for, drawn out in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tasks.artifacts.record import Interval
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days

pytestmark = pytest.mark.unit

ROWS, DAYS_OF, RESAMPLES = 120, 8, 80


def data(seed: int = 0, decimals: int = 12, rows: int = ROWS) -> tuple[Array, Array, Any]:
    """Return labels, scores and days of uneven size; few decimals make ties."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows).astype(np.float64)
    scores = np.clip(generator.random(rows) * 0.7 + 0.3 * labels, 0, 1).round(decimals)
    days = np.sort(generator.integers(0, DAYS_OF, rows)).astype("datetime64[D]")
    return labels, scores, days


def rows_of(days: Days, resample: int) -> Any:
    """Return the row numbers of one resample, each day's rows as often as the day is drawn."""
    return np.concatenate([np.repeat(np.flatnonzero(days.index == d), int(n)) for d, n in enumerate(days.draws[resample])])


def naive(days: Days, statistic: Callable[[Any], float], value: float, seen: int | None = None) -> Interval:
    """Return the interval of a statistic computed on the rows of each resample, one after another."""
    found = np.array([statistic(rows_of(days, i)) for i in range(len(days.draws))])
    lower, upper = np.percentile(found[np.isfinite(found)], bootstrap.percentiles(seen or days.count))
    return Interval(value=value, lower=lower, upper=upper)


def assert_alike(found: Interval, expected: Interval, tolerance: float = 1e-9) -> None:
    assert found.value == pytest.approx(expected.value, abs=tolerance)
    assert found.lower == pytest.approx(expected.lower, abs=tolerance)
    assert found.upper == pytest.approx(expected.upper, abs=tolerance)


# --- draws ------------------------------------------------------------------------------------------------------------


def test_every_resample_draws_as_many_days_as_there_are() -> None:
    days = Days.draw(["b", "a", "b", "c"], resamples=50)
    assert days.count == 3
    assert days.index.tolist() == [1, 0, 1, 2]
    assert days.draws.shape == (50, 3)
    assert (days.draws.sum(1) == 3).all()
    assert len(np.unique(days.draws, axis=0)) > 5  # they differ


def test_the_same_seed_draws_the_same_days() -> None:
    np.testing.assert_array_equal(Days.draw([1, 2, 3], seed=1).draws, Days.draw([1, 2, 3], seed=1).draws)
    assert (Days.draw([1, 2, 3], seed=1).draws != Days.draw([1, 2, 3], seed=2).draws).any()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.floats(-5, 5)), min_size=1, max_size=30))
def test_sums_and_histograms_are_those_of_a_loop(rows: list[tuple[int, int, float]]) -> None:
    days = Days.draw([d for d, _, _ in rows], resamples=1)
    bins, weights = np.array([b for _, b, _ in rows]), np.array([w for _, _, w in rows])
    names = sorted({d for d, _, _ in rows})
    sums = [sum(w for d, _, w in rows if d == name) for name in names]
    cells = [[sum(w for d, b, w in rows if (d, b) == (name, bin_)) for bin_ in range(4)] for name in names]
    np.testing.assert_allclose(days.sums(weights), sums, atol=1e-9)
    np.testing.assert_allclose(days.histogram(bins, 4, weights), cells, atol=1e-9)


@pytest.mark.parametrize(
    ("days", "tail"),
    [
        (1, 0.0),  # one day tells nothing of others: all that there is
        (2, 0.0),
        (28, 1.833),  # Student's t of 27 degrees of freedom, 2.052, and the root of 28/27
        (10_000, 2.5),  # the usual ones
    ],
)
def test_percentiles_are_further_out_for_few_days(days: int, tail: float) -> None:
    lower, upper = bootstrap.percentiles(days)
    assert lower == pytest.approx(tail, abs=0.002)
    assert upper == pytest.approx(100 - lower)


def test_days_of_some_rows_are_drawn_as_before() -> None:
    days = Days.draw([1, 1, 2, 3], resamples=5)
    some = days.of(np.array([True, False, False, True]))
    assert some.index.tolist() == [0, 2]
    assert (some.count, some.seen) == (3, 2)
    np.testing.assert_array_equal(some.draws, days.draws)


# --- statistics -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_mean_is_that_of_the_resampled_rows(seed: int) -> None:
    _, values, names = data(seed)
    days = Days.draw(names, RESAMPLES)
    assert_alike(bootstrap.mean(values, days), naive(days, lambda r: values[r].mean(), values.mean()))


def test_mean_over_a_mask_counts_only_its_rows() -> None:
    labels, values, names = data()
    mask = labels == 1
    days = Days.draw(names, RESAMPLES)
    expected = naive(days, lambda r: values[r][mask[r]].mean(), values[mask].mean())
    assert_alike(bootstrap.mean(values, days, mask), expected)


def test_ratio_is_that_of_the_sums_of_the_resampled_rows() -> None:
    labels, values, names = data()
    mask = labels == 1
    days = Days.draw(names, RESAMPLES)
    above, below = values - 0.5, values + 1
    expected = naive(days, lambda r: above[r][mask[r]].sum() / below[r][mask[r]].sum(), above[mask].sum() / below[mask].sum())
    assert_alike(bootstrap.ratio(above, below, days, mask), expected)


def test_a_mask_of_one_day_gives_no_nan_where_that_day_is_not_drawn() -> None:
    _, values, names = data()
    days = Days.draw(names, RESAMPLES)
    found = bootstrap.mean(values, days, days.index == 0)
    assert found.value == found.lower == found.upper == pytest.approx(values[days.index == 0].mean())


# With few decimals rows share scores, with many none do; both are exact while there are fewer scores than bins.
@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("seed", range(2))
def test_auc_is_that_of_scikit_learn_on_the_resampled_rows(seed: int, decimals: int) -> None:
    labels, scores, names = data(seed, decimals)
    days = Days.draw(names, RESAMPLES)
    expected = naive(days, lambda r: roc_auc_score(labels[r], scores[r]), roc_auc_score(labels, scores))
    assert_alike(bootstrap.auc(labels, scores, days), expected)


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("seed", range(2))
def test_pr_auc_is_that_of_scikit_learn_on_the_resampled_rows(seed: int, decimals: int) -> None:
    labels, scores, names = data(seed, decimals)
    days = Days.draw(names, RESAMPLES)
    expected = naive(days, lambda r: average_precision_score(labels[r], scores[r]), average_precision_score(labels, scores))
    assert_alike(bootstrap.pr_auc(labels, scores, days), expected)


def test_with_more_rows_than_bins_the_intervals_are_close() -> None:
    labels, scores, names = data(rows=6_000)
    days = Days.draw(names, 60)
    expected = naive(days, lambda r: roc_auc_score(labels[r], scores[r]), roc_auc_score(labels, scores))
    assert_alike(bootstrap.auc(labels, scores, days), expected, tolerance=1e-4)
    expected = naive(days, lambda r: average_precision_score(labels[r], scores[r]), average_precision_score(labels, scores))
    assert_alike(bootstrap.pr_auc(labels, scores, days), expected, tolerance=2e-3)


@pytest.mark.parametrize("seed", range(2))
def test_calibration_error_is_that_of_the_resampled_rows_in_the_same_bins(seed: int) -> None:
    labels, scores, names = data(seed)
    days = Days.draw(names, RESAMPLES)
    rank = np.searchsorted(np.quantile(scores, np.arange(1, 10) / 10), scores, side="right")

    def error(rows: Any) -> float:
        gaps = [abs((scores[rows] - labels[rows])[rank[rows] == b].sum()) for b in range(10)]
        return sum(gaps) / len(rows)

    assert_alike(bootstrap.calibration_error(labels, scores, days), naive(days, error, error(np.arange(ROWS))))


def test_scores_that_are_frequencies_are_calibrated() -> None:
    labels = np.tile([1.0, 0, 0, 0, 1, 1, 1, 0], 50)
    scores = np.tile([0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75], 50)
    days = Days.draw(np.repeat(np.arange(50), 8), RESAMPLES)
    assert bootstrap.calibration_error(labels, scores, days).value == pytest.approx(0, abs=1e-12)
    assert bootstrap.calibration_error(labels, 1 - scores, days).value == pytest.approx(0.5)


def test_calibration_curve_counts_every_row_once() -> None:
    labels, scores, _ = data()
    curve = bootstrap.calibration_curve(labels, scores)
    assert len(curve) == 10
    assert sum(n for _, _, n in curve) == ROWS
    assert [p for p, _, _ in curve] == sorted(p for p, _, _ in curve)
    assert sum(o * n for _, o, n in curve) == pytest.approx(labels.sum())
    assert sum(p * n for p, _, n in curve) == pytest.approx(scores.sum())


@pytest.mark.parametrize(
    ("scores", "auc"),
    [
        (np.full(ROWS, 0.3), 0.5),  # one score for all
        (data()[0], 1.0),  # the labels themselves
        (1 - data()[0], 0.0),
    ],
    ids=["constant", "perfect", "reversed"],
)
def test_extreme_scores(scores: Array, auc: float) -> None:
    labels, _, names = data()
    days = Days.draw(names, RESAMPLES)
    found = bootstrap.auc(labels, scores, days)
    assert (found.value, found.lower, found.upper) == (auc, auc, auc)
    # A constant score finds no more than the share of positives, the labels find all.
    assert bootstrap.pr_auc(labels, scores, days).value == pytest.approx(1.0 if auc == 1.0 else labels.mean(), abs=0.01)
    assert bootstrap.calibration_error(labels, scores, days).upper <= 1


def test_resamples_of_one_class_are_left_out() -> None:
    labels, scores = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.4, 0.5, 0.1])
    days = Days.draw(np.array([1, 1, 2, 2]), RESAMPLES)
    assert (days.draws == 2).any()  # such a resample is there
    found = bootstrap.auc(labels, scores, days)
    assert found == Interval(value=0.75, lower=0.75, upper=0.75)


def test_a_single_day_has_no_spread() -> None:
    labels, scores, _ = data()
    found = bootstrap.auc(labels, scores, Days.draw(np.zeros(ROWS), RESAMPLES))
    assert found.lower == found.upper == pytest.approx(found.value)


def test_days_not_rows_are_the_unit() -> None:
    """A hundred copies of every row tell nothing new: the interval stays as wide."""
    _, values, names = data()
    once = bootstrap.mean(values, Days.draw(names))
    often = bootstrap.mean(np.tile(values, 100), Days.draw(np.tile(names, 100)))
    assert_alike(often, once)


@pytest.mark.parametrize(
    ("count", "least", "most"),
    [
        (60, 0.91, 0.99),
        (10, 0.91, 0.99),  # of ten days, too, which the usual percentiles cover nine times in ten
    ],
)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(count: int, least: float, most: float) -> None:
    generator = np.random.default_rng(5)
    day = np.repeat(np.arange(count), 10)
    hits = 0
    for _ in range(300):
        values = generator.normal(size=count)[day] + generator.normal(size=len(day))  # rows of a day share a shock
        found = bootstrap.mean(values, Days.draw(day, 400))
        hits += found.lower <= 0 <= found.upper
    assert least <= hits / 300 <= most


# --- several groups at once -------------------------------------------------------------------------------------------


def groups(count: int, rows: int) -> list[Any]:
    return [np.arange(rows) % count == i for i in range(count)]


def test_p_values_hold_their_level_over_all_groups_together() -> None:
    """Of 12 groups without any difference one is below 5 % in 46 % of all trials, were they not adjusted."""
    generator = np.random.default_rng(6)
    day = np.repeat(np.arange(30), 48)
    called = 0
    for seed in range(150):
        values = generator.normal(size=30)[day] * 0.5 + generator.normal(size=len(day))
        called += min(bootstrap.adjusted_p_values(values, Days.draw(day, 300, seed), groups(12, len(day)))) <= 0.05
    assert called / 150 <= 0.1


def test_a_group_that_is_above_zero_is_found_among_many() -> None:
    generator = np.random.default_rng(7)
    day, parts = np.repeat(np.arange(28), 60), groups(12, 28 * 60)
    values = generator.normal(size=len(day)) + np.where(parts[3], 0.6, 0)
    found = bootstrap.adjusted_p_values(values, Days.draw(day), parts)
    assert found[3] == min(found) < 0.01
    assert sorted(found)[1] > 0.05


def test_one_group_has_the_p_value_of_its_own_and_more_groups_a_larger_one() -> None:
    generator = np.random.default_rng(8)
    day = np.repeat(np.arange(28), 60)
    values, days, parts = generator.normal(0.05, 1, len(day)), Days.draw(day), groups(6, len(day))
    alone = [bootstrap.adjusted_p_values(values, days, [part])[0] for part in parts]
    together = bootstrap.adjusted_p_values(values, days, parts)
    assert all(b >= a for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("value", "p"),
    [
        (0.0, 1.0),  # equal models differ nowhere
        (0.1, 0.0),  # a difference that is the same on every row is certain
        (-0.1, 1.0),
    ],
)
def test_values_without_spread(value: float, p: float) -> None:
    assert bootstrap.adjusted_p_values(np.full(ROWS, value), Days.draw(data()[2]), groups(2, ROWS)) == [p, p]


def test_no_groups_have_no_p_values() -> None:
    assert bootstrap.adjusted_p_values(np.ones(ROWS), Days.draw(data()[2]), []) == []


def test_of_one_day_nothing_is_certain() -> None:
    """A storm: fifty rows of one day, all worse than expected."""
    _, _, names = data()
    days = Days.draw(names)
    one = days.index == 0
    assert bootstrap.adjusted_p_values(np.full(ROWS, 0.05), days, [one]) == [1.0]


def test_a_group_of_two_days_is_judged_by_the_resamples_that_have_one() -> None:
    """Those without are no evidence that it is extreme."""
    day = np.repeat(np.arange(14), 10)
    values = np.where(day == 0, 1.0, -1.0)
    (p,) = bootstrap.adjusted_p_values(values, Days.draw(day), [day < 2])  # one day above 0 and one below, alike
    assert p > 0.4
