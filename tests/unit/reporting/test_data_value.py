from __future__ import annotations

from datetime import date, timedelta

import pytest

from tasks.artifacts.data_value import FeatureImportance, FeatureValue, GroupImportance, LearningCurve, LearningPoint
from tasks.artifacts.record import Interval, Window
from tasks.reporting import data_value, plots
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

WINDOW = Window(first_day=date(2013, 6, 3), last_day=date(2013, 6, 30))
LENGTHS = (30, 61, 122)


def feature(name: str, value: float, *, half: float = 0.0001, idle: bool = False, constant: bool = False) -> FeatureImportance:
    return FeatureImportance(
        feature=name, group="state", increase_log_loss=factory.interval(value, half), is_constant=constant, is_of_no_value=idle
    )


def group(name: str, features: list[str], value: float) -> GroupImportance:
    return GroupImportance(group=name, features=features, increase_log_loss=factory.interval(value, 0.0001))


def value(idle: int = 2, together: float = 0.0001, extra: str = "noise", used: int = 40) -> FeatureValue:
    names = [f"{extra} {i}" for i in range(idle)]
    strong = [feature(f"signal {i}", 0.0412 / (i + 1), half=0.001) for i in range(used)]
    return FeatureValue(
        model="network",
        model_digest=factory.CANDIDATE_DIGEST,
        window=WINDOW,
        rows=2_987,
        rows_labelled=25_312,
        days=28,
        repeats=2,
        seed=2013,
        no_value_log_loss=0.0003,
        log_loss=factory.interval(0.3552, 0.04),
        features=[*strong, *(feature(name, 0.0001, idle=True) for name in names), feature("snow", 0.0, half=0.0, constant=True)],
        groups=[group("state", [f.feature for f in strong], 0.0819)],
        no_value_together=group("of no value", names, together) if names else None,
    )


def curve(gains: tuple[float, ...] = (0.03, 0.015), *, would_help: bool = True, ahead: float | None = 0.0075) -> LearningCurve:
    steps = [None, *(factory.interval(gain, 0.004) for gain in gains)]
    points = [
        LearningPoint(
            share=2.0 ** (i - 2),
            first_day=WINDOW.first_day - timedelta(days=length),
            training_days=length,
            training_rows=900 * length,
            rounds=100,
            log_loss=factory.interval(0.4 - sum(gains[:i]), 0.04),
            gain_log_loss=step,
        )
        for i, (length, step) in enumerate(zip(LENGTHS, steps, strict=True))
    ]
    return LearningCurve(
        model="lightgbm",
        window=WINDOW,
        rows=25_312,
        days=28,
        least_gain_log_loss=0.0003,
        points=points,
        last_gain_log_loss=factory.interval(gains[-1], 0.004),
        next_gain_log_loss=ahead,
        would_help=would_help,
    )


@pytest.mark.parametrize("idle", [0, 1, 2, 100])
def test_features_are_sound_and_name_those_of_no_value(idle: int) -> None:
    shown = require_sound(data_value.features(value(idle)))
    assert [i for i in range(idle) if f"noise {i}" not in shown.text] == []
    assert ("There are none." in shown.text) == (idle == 0)
    assert len(shown.of("img")) == (3 if idle else 2)


def test_features_show_what_the_record_holds() -> None:
    shown = require_sound(data_value.features(value())).text
    facts = [
        *("+0.0412 [+0.0402, +0.0423]", "0.3552 [0.3152, 0.3992]", "2,987 of 25,312", "2, seed 2013", factory.CANDIDATE_DIGEST),
        *("stand in for each other", "Breiman", "one value on all rows: snow", "0.0003"),
    ]
    assert [fact for fact in facts if fact not in shown] == []


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (value(0), "None of 41 features is certainly of no value to the candidate on 2,987 rows of 28 days"),
        (value(1), "1 of 42 features is of no value"),
        (
            value(2),
            "2 of 43 features are of no value to the candidate on 2,987 rows of 28 days (2013-06-03 to 2013-06-30): noise 0 and noise 1.",
        ),
        (value(2), "Permuted together they cost nothing either: +0.0001"),
        (value(9), "noise 5 and 3 more."),
        (value(2, together=0.02), "they cost +0.0200 [+0.0199, +0.0201], which is not certainly nothing"),  # they hide each other
    ],
)
def test_the_sentence_on_features(record: FeatureValue, words: str) -> None:
    assert words in data_value.value_of_features(record)


def test_a_feature_is_open_where_the_interval_holds_nothing_and_something() -> None:
    record = value().model_copy(update={"features": [feature("unsure", 0.0005, half=0.001)]})
    assert "<td>open</td>" in data_value.features(record)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (curve(), "More data would help: going from 61 to 122 days of history gained LightGBM +0.0150 [+0.0110, +0.0194] log-loss"),
        (curve(), "; another doubling would gain about 0.0075 more if the curve keeps its course."),
        (curve((0.03, -0.001), would_help=False, ahead=None), "No sign that more data would help: going from 61 to 122 days"),
        (curve((0.03, -0.001), would_help=False, ahead=None), "-0.0010 [-0.0050, +0.0034] log-loss."),
    ],
)
def test_the_sentence_on_history(record: LearningCurve, words: str) -> None:
    assert words in data_value.value_of_history(record)


def test_learning_curve_is_sound_and_shows_every_point() -> None:
    shown = require_sound(data_value.learning_curve(curve()))
    facts = ["25.0%", "2013-05-04", "109,800", "0.3550 [0.3150, 0.3990]", "+0.0300 [+0.0260, +0.0344]", "25,312"]
    assert [fact for fact in facts if fact not in shown.text] == []
    (image,) = shown.of("img")
    assert "0.4000 with 30" in str(image["alt"])


def test_hostile_names_stay_text() -> None:
    assert "alert(" in require_sound(data_value.features(value(extra=HOSTILE))).text


def test_plots_of_nothing_are_nothing() -> None:
    assert plots.importances([], 0.0) == ""
    assert plots.group_importances([]) == ""
    assert plots.learning_curve(curve().points[:1]) == ""


def test_the_records_say_what_matters_in_a_line() -> None:
    assert repr(value()) == "2 of 43 features of no value: noise 0, noise 1"
    assert repr(value(0)) == "0 of 41 features of no value: none"
    assert repr(curve()) == "more data would help: the last step brought 0.0150 [0.0110, 0.0194] log-loss"
    assert repr(curve(would_help=False)).startswith("no sign that more data would help")
    assert FeatureValue.model_validate_json(value().model_dump_json()) == value()
    assert LearningCurve.model_validate_json(curve().model_dump_json()) == curve()


def test_a_value_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        feature("broken", float("nan"))
    with pytest.raises(ValueError, match="finite"):
        Interval(value=0.1, lower=0.1, upper=float("inf"))
    with pytest.raises(ValueError, match="finite"):
        curve(ahead=float("nan"))
