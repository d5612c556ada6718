"""What a decision rests on, as a reader sees it: the verdict first, small segments without figures, weak ones with a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.artifacts.evaluation import Verdict
from tasks.reporting import judgement
from tests.unit.reporting import evidence, factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

SECTIONS: dict[str, Callable[[], str]] = {
    "evaluation": lambda: judgement.evaluation(factory.evaluation()),
    "evaluation without champion": lambda: judgement.evaluation(factory.evaluation(None)),
    "evaluation of 500 segments": lambda: judgement.evaluation(factory.evaluation(extra_segments=500)),
    "decision": lambda: judgement.decision(factory.decision()),
    "verdict": lambda: judgement.verdict(factory.decision(Verdict.REVIEW), factory.evaluation(), evidence.fairness()),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_fragment_is_sound(name: str) -> None:
    require_sound(SECTIONS[name]())


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("evaluation", ["0.5123 [0.4711, 0.5576]", "+0.0186 [+0.0114, +0.0265]", "small communities", "28.7%", "humid: 0.23"]),
        ("evaluation", ["carrier OO", "fewer than 30 rows"]),  # its size, and no figure
        ("evaluation", ["! WARN wind_gust above 18.4 and hour in 17, 18, 19", "not confirmed wind_gust above 18.4"]),
        ("decision", ["✓ PROMOTE", "log-loss against LightGBM", "0.9967", "1.0200", "v2"]),
        ("verdict", ["! REVIEW", "✗ FAIL gain over champion 2", "flight-operations", "2013-06-03 to 2013-06-30"]),
    ],
)
def test_shows_what_the_record_holds(name: str, facts: list[str]) -> None:
    shown = require_sound(SECTIONS[name]()).text
    assert [fact for fact in facts if fact not in shown] == []


@pytest.mark.parametrize(("name", "verdict"), [("decision", "✓ PROMOTE"), ("verdict", "! REVIEW")])
def test_the_verdict_comes_first(name: str, verdict: str) -> None:
    assert require_sound(SECTIONS[name]()).text.startswith(verdict)


def test_requirements_that_do_not_hold_come_first() -> None:
    shown = require_sound(judgement.decision(factory.decision(Verdict.HOLD))).text
    requirements = shown[shown.index("Requirements") :]
    assert requirements.index("gain over champion 2") < requirements.index("log-loss against LightGBM")


def test_no_weak_segment_is_said() -> None:
    evaluation = factory.evaluation()
    none = evaluation.model_copy(update={"weak_segments": evaluation.weak_segments.model_copy(update={"found": []})})
    assert "None was found." in require_sound(judgement.evaluation(none)).text


def test_hostile_texts_of_records_stay_text() -> None:
    evaluation, decision = factory.evaluation(), factory.decision()
    hostile = [
        judgement.evaluation(
            evaluation.model_copy(
                update={
                    "segments": [evaluation.segments[1].model_copy(update={"segment": HOSTILE})],
                    "suite": [evaluation.suite[0].model_copy(update={"details": HOSTILE})],
                }
            )
        ),
        judgement.decision(decision.model_copy(update={"reasons": [HOSTILE]})),
    ]
    for section in hostile:
        assert "alert(" in require_sound(section).text  # shown, not dropped
