from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tasks.artifacts.record import Interval
from tasks.artifacts.settings import TrainingConfig
from tasks.reporting import text
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0.00 s"),
        (9.876, "9.88 s"),
        (59.96, "60.0 s"),
        (119.6, "2 min 0 s"),  # not "119.6 s": it rounds to the next unit
        (187.4, "3 min 7 s"),
        (7200.0, "2 h 0 min"),
    ],
)
def test_duration_takes_the_unit_that_a_person_would(seconds: float, written: str) -> None:
    assert text.duration(seconds) == written


@pytest.mark.parametrize(("number", "written"), [(0, "0 rows"), (1, "1 row"), (1234567, "1,234,567 rows")])
def test_count_has_separators_and_the_right_plural(number: int, written: str) -> None:
    assert text.count(number, "row") == written


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2013, 7, 1, 12, tzinfo=UTC), "2013-07-01 12:00 UTC"),
        (datetime(2013, 7, 1, 12, tzinfo=timezone(timedelta(hours=-4))), "2013-07-01 16:00 UTC"),  # another zone
        (datetime(2013, 7, 1, 12, 0, 5, tzinfo=UTC), "2013-07-01 12:00:05 UTC"),
        (datetime(2013, 7, 1, 12), "2013-07-01 12:00"),  # no zone is claimed that is not known
    ],
)
def test_instant_is_in_utc(moment: datetime, written: str) -> None:
    assert text.instant(moment) == written


def test_intervals_keep_value_and_bounds() -> None:
    gain = Interval(value=0.01, lower=-0.002, upper=0.03)
    assert text.signed(gain) == "+0.0100 [-0.0020, +0.0300]"
    assert text.brief(gain) == "0.010 [-0.002, 0.030]"


def test_days_between_counts_both_ends() -> None:
    assert text.days_between(date(2013, 1, 1), date(2013, 1, 1)) == 1
    assert text.days_between(date(2013, 1, 1), date(2013, 6, 30)) == 181


def test_models_are_named_as_in_a_sentence() -> None:
    assert [text.model(name, 2) for name in ("network", "lightgbm", "logistic", "incumbent")] == [
        "network",
        "LightGBM",
        "logistic regression",
        "champion v2",
    ]
    assert text.model("incumbent") == "the champion"


def test_a_candidate_says_what_is_beside_the_network() -> None:
    shares = TrainingConfig(lightgbm_share=0.3)
    assert text.candidate(factory.model("network")) == "network"
    assert text.candidate(factory.model("network").model_copy(update={"config": shares})) == "network with 30% LightGBM"
    assert text.candidate(factory.model("lightgbm").model_copy(update={"config": shares})) == "LightGBM", "the baseline is what it was"


@pytest.mark.parametrize(("items", "written"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_listed(items: list[str], written: str) -> None:
    assert text.listed(items) == written


def test_fold_mean_is_the_mean_of_the_folds() -> None:
    assert text.fold_mean(factory.model("network", 0.4).folds) == pytest.approx(0.41)
    assert text.fold_mean([]) is None


def test_clip_keeps_to_its_length() -> None:
    assert text.clip("abc", 3) == "abc"
    assert text.clip("abcd", 3) == "ab…"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (53.0, "53"),  # a count
        (1_000_000.0, "1,000,000"),
        (0.0, "0"),
        (5.8e-7, "5.8e-07"),  # would be nothing with four decimals
        (1.00321, "1.0032"),
        (-0.0011, "-0.0011"),
        (198.3672, "198.4"),
    ],
)
def test_a_measure_has_the_digits_that_tell(value: float, written: str) -> None:
    assert text.measure(value) == written
