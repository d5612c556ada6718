"""Dependencies: a change is told once, by the first night that sees it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.monitoring import NightReport
from tasks.artifacts.retraining import Action
from tasks.evidence import trigger
from tasks.monitoring import dependencies
from tasks.usecase import policy
from tests.unit.evidence.reports import report

pytestmark = pytest.mark.unit

TRAINED = {"packages": "lock 1", "source": "feed"}
NIGHT = date(2013, 10, 12)


def watched(*todays: dict[str, str]) -> list[NightReport]:
    """Watch one night after another, with what there is on each."""
    earlier: list[NightReport] = []
    for number, today in enumerate(todays):
        found = dependencies.look(today, TRAINED, earlier)
        night = report(NIGHT + timedelta(days=number))
        earlier.append(night.model_copy(update={"dependencies": found, "problems": dependencies.problems(found)}))
    return earlier


def told(nights: list[NightReport]) -> list[str]:
    return [problem.told for night in nights for problem in night.problems]


def test_the_first_night_compares_with_what_the_champion_was_trained_with() -> None:
    assert told(watched(TRAINED)) == []
    assert told(watched(TRAINED | {"source": "another feed"})) == ["dependencies changed: source feed, now another feed"]


def test_a_change_is_told_once_and_the_way_back_too() -> None:
    other = TRAINED | {"packages": "lock 2"}
    assert told(watched(TRAINED, other, other, TRAINED)) == [
        "dependencies changed: packages lock 1, now lock 2",
        "dependencies changed: packages lock 2, now lock 1",
    ]


def test_what_cannot_be_told_is_no_change() -> None:
    (night,) = watched({"packages": "", "contract": "c", "source": "feed"})
    assert [(one.name, one.then, one.has_changed) for one in night.dependencies or []] == [
        ("contract", "", False),
        ("source", "feed", False),
    ]
    assert told(watched({"packages": ""}, {"packages": "lock 2"})) == ["dependencies changed: packages lock 1, now lock 2"]


def test_a_night_that_did_not_look_is_passed_over() -> None:
    first, late = watched(TRAINED | {"packages": "lock 2"}, {})[0], report(NIGHT + timedelta(days=1))
    (found, _) = dependencies.look(TRAINED | {"packages": "lock 2"}, TRAINED, [first, late])
    assert (found.then, found.has_changed) == ("lock 2", False)


def test_long_digests_are_cut_in_words() -> None:
    (problem,) = dependencies.problems(dependencies.look({"packages": "b" * 64}, {"packages": "a" * 64}, []))
    assert problem.told == f"dependencies changed: packages {'a' * 12}..., now {'b' * 12}..."


def test_the_trigger_alerts() -> None:
    (night,) = watched(TRAINED | {"source": "another feed"})
    decision = trigger.decide(night, [], policy.MONITORING)
    assert Action.ALERT in {evidence.action for evidence in decision.evidence if evidence.rule == "dependencies"}


@given(st.lists(st.dictionaries(st.sampled_from(["packages", "contract", "source"]), st.sampled_from(["a", "b"])), min_size=1, max_size=6))
def test_as_many_changes_are_told_as_there_are(todays: list[dict[str, str]]) -> None:
    known, changes = dict(TRAINED), 0
    for today in todays:
        changes += any(name in known and known[name] != now for name, now in today.items())
        # Only the last night that looked is asked: what it did not know is as when the champion was trained.
        known = TRAINED | today
    assert len(told(watched(*todays))) == changes
