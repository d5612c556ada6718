"""Points: by age, by repetition, by what makes them; never more with older evidence; the least section is the score."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.readiness import Cadence, Combine, Item, Need, Section
from tasks.readiness.installation import Absent, Answer, Evidence, Installation
from tasks.readiness.rubric import RUBRIC
from tasks.readiness.scoring import Entry, combine, judge, reading, score, weigh
from tests.unit.readiness.house import COMMIT, RULES

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DAY = timedelta(days=1)


def need(cadence: Cadence) -> Need:
    return Need(what="something", where="somewhere", cadence=cadence, earn="make something")


def seen(whole: Installation, age_days: float, runs: int | None = None, lacks: str = "") -> Evidence:
    return Evidence("something", "somewhere", whole.now - age_days * DAY, runs, lacks)


@pytest.mark.parametrize(
    ("cadence", "age_days", "runs", "lacks", "points", "told"),
    [
        (Cadence.RETRAIN, 0, 2, "", 1.0, ""),
        (Cadence.RETRAIN, RULES.retrain_days - 0.01, 2, "", 1.0, ""),
        (Cadence.RETRAIN, RULES.retrain_days + 0.01, 2, "", 0.5, "more than 14 days ago"),
        (Cadence.RETRAIN, 0, 1, "", 0.5, "on record once"),
        (Cadence.NIGHT, RULES.night_days + 0.01, 9, "", 0.5, "more than 3 days ago"),
        (Cadence.TESTS, RULES.tests_days + 0.01, None, "", 0.5, "more than 7 days ago"),
        (Cadence.TESTS, 0, None, "other code", 0.5, "other code"),
        (Cadence.NOW, 0, None, "", 1.0, ""),
        (Cadence.HAND, 0, 9, "", 0.5, "done by hand"),  # however often
        (Cadence.HAND, RULES.documented_days + 0.01, None, "", 0.0, "older than 180 days"),
        (Cadence.TESTS, RULES.documented_days + 0.01, None, "", 0.0, "older than 180 days"),
        (Cadence.NIGHT, -1, 2, "", 1.0, ""),  # of a machine whose clock is ahead
    ],
)
def test_what_evidence_gives(
    whole: Installation, cadence: Cadence, age_days: float, runs: int | None, lacks: str, points: float, told: str
) -> None:
    found = weigh(seen(whole, age_days, runs, lacks), need(cadence), whole)
    assert found.points == points
    assert (told in found.lacks) if told else found.lacks == ""


@given(
    cadence=st.sampled_from(list(Cadence)),
    ages=st.tuples(st.floats(0, 400), st.floats(0, 400)),
    runs=st.none() | st.integers(1, 5),
    lacks=st.sampled_from(["", "something"]),
)
def test_older_evidence_never_gives_more(
    whole: Installation, cadence: Cadence, ages: tuple[float, float], runs: int | None, lacks: str
) -> None:
    newer, older = (weigh(seen(whole, age, runs, lacks), need(cadence), whole) for age in sorted(ages))
    assert older.points <= newer.points
    assert {newer.points, older.points} <= {0, 0.5, 1}
    assert bool(older.lacks) == (older.points < 1)


@pytest.mark.parametrize(
    ("how", "points", "found"),
    [
        (Combine.ALL, [1, 0.5, 1], 0.5),
        (Combine.ALL, [1, 0], 0),
        (Combine.EITHER, [1, 0], 0.5),
        (Combine.EITHER, [0, 0.5], 0.5),
        (Combine.EITHER, [1, 0.5], 0.5),
        (Combine.EITHER, [1, 1], 1),
        (Combine.EITHER, [0, 0], 0),
        (Combine.PRACTISED, [1, 0.5], 1),  # what is done by hand has no full point by itself
        (Combine.PRACTISED, [0.5, 0.5], 0.5),
        (Combine.PRACTISED, [1, 0], 0.5),
        (Combine.PRACTISED, [0, 0.5], 0.5),
        (Combine.PRACTISED, [0, 0], 0),
    ],
)
def test_how_needs_make_points(how: Combine, points: list[float], found: float) -> None:
    assert combine(how, points) == found


@pytest.mark.parametrize("how", list(Combine))
def test_what_speaks_against_it_takes_the_point_away(whole: Installation, how: Combine) -> None:
    item = Item(section=Section.DATA, number=1, title="t", needs=[need(Cadence.TESTS), need(Cadence.NOW)], combine=how, half="h", full="f")
    sound: Answer = seen(whole, 0)

    def judged(second: Answer) -> float:
        return judge(Entry(item, (lambda _: sound, lambda _: second)), whole).points

    assert judged(sound) == 1
    assert judged(Absent("it does not hold", is_against=True)) == 0
    assert judged(Absent("nothing there")) == (0 if how is Combine.ALL else 0.5)


@pytest.mark.parametrize(
    ("final", "words"),
    [
        (0, "research project"),
        (0.5, "not totally untested"),
        (1, "not totally untested"),
        (1.5, "first pass"),
        (2.5, "reasonably tested"),
        (5, "strong levels"),
        (5.5, "exceptional"),
        (7, "exceptional"),
    ],
)
def test_what_the_paper_says(final: float, words: str) -> None:
    assert words in reading(final)


def test_a_point_falls_with_time_alone(whole: Installation) -> None:
    """Nobody touches the installation: after a month it has halves, after a year nothing but what is looked at now."""
    finals = [score(replace(whole, now=whole.now + days * DAY), RUBRIC, COMMIT).final for days in (0, 30, 365)]
    assert finals == [6.5, 3.5, 0]
