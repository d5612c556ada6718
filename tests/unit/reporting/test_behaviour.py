"""The section on behaviour: verdict first, every test with its share, its limit and the row that breaks it most."""

from __future__ import annotations

from datetime import date

import pytest

from tasks.artifacts.behaviour import Behaviour, BehaviourKind, BehaviourResult
from tasks.artifacts.record import Window
from tasks.reporting import behaviour
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit


def result(name: str, passed: int = 1_940, least: float | None = 0.95, example: str = "") -> BehaviourResult:
    return BehaviourResult(
        name=name,
        kind=BehaviourKind.ROBUSTNESS,
        meaning=f"Under {name} the probability moves by at most 0.1",
        rows=2_000,
        passed=passed,
        least_share=least,
        largest=0.1766,
        example=example,
    )


def record(*results: BehaviourResult) -> Behaviour:
    window = Window(first_day=date(2013, 6, 3), last_day=date(2013, 6, 30))
    return Behaviour(model_digest=factory.CANDIDATE_DIGEST, window=window, results=list(results))


@pytest.mark.parametrize(
    ("results", "verdict", "sentence"),
    [
        ([result("noise"), result("storms")], "PASS", "All 2 tests of behaviour hold."),
        ([result("noise")], "PASS", "All 1 test of behaviour hold."),
        ([], "PASS", "There is no test of behaviour."),
        (
            [result("noise"), result("storms", 1_200)],
            "FAIL",
            "1 of 2 tests of behaviour does not hold: storms (60.0% of rows, at least 95.0% must).",
        ),
        (
            [result("noise", least=None), result("storms", 1_200)],  # a missing limit is told
            "FAIL",
            "2 of 2 tests of behaviour do not hold: noise (97.0% of rows, no limit is set) and "
            "storms (60.0% of rows, at least 95.0% must).",
        ),
    ],
)
def test_the_sentence_names_what_does_not_hold(results: list[BehaviourResult], verdict: str, sentence: str) -> None:
    assert behaviour.verdict(record(*results)) == (verdict, sentence)


def test_the_section_is_sound_and_tells_every_test() -> None:
    found = record(result("noise", example="2013-06-11-UA-322-EWR: 0.303 became 0.374"), result("storms", 1_200))
    tags = require_sound(behaviour.behaviour(found))
    facts = [
        "✗ FAIL",
        "✓ PASS",
        "97.0%",
        "60.0%",
        "95.0%",
        "0.1766",
        "2,000",
        "0.303 became 0.374",
        "moves by at most 0.1",
        "what may move it",
    ]
    assert [fact for fact in facts if fact not in tags.text] == []
    assert tags.text.startswith("✗ FAIL 1 of 2"), "verdict first"
    (image,) = tags.of("img")
    assert image["alt"] == "Share of rows that pass each test of behaviour: noise 97.0%; storms 60.0% (does not hold)."


def test_nothing_to_show_is_sound_too() -> None:
    assert require_sound(behaviour.behaviour(record())).of("img") == []


def test_many_tests_with_hostile_names_stay_small_and_text() -> None:
    many = [result(f"{HOSTILE} {i}", example=HOSTILE) for i in range(60)]
    assert "alert(" in require_sound(behaviour.behaviour(record(*many))).text
