"""The sections on explanation: which features matter by both methods, and the reasons of one prediction."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tasks.artifacts.explanation import Contribution, FeatureEffect, GlobalExplanation, LocalExplanation
from tasks.artifacts.record import Window
from tasks.reporting import explanation
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit


def effect(name: str, permutation: float, attribution: float) -> FeatureEffect:
    return FeatureEffect(
        feature=name,
        group="state",
        meaning=f"What {name} says, minutes",
        permutation=factory.interval(permutation, 0.004),
        attribution=factory.interval(attribution, 0.02),
    )


def of_model(*effects: FeatureEffect, agreement: float = 0.53) -> GlobalExplanation:
    return GlobalExplanation(
        model_digest=factory.CANDIDATE_DIGEST,
        window=Window(first_day=date(2013, 6, 3), last_day=date(2013, 6, 30)),
        rows=789,
        days=28,
        features=list(effects),
        rank_correlation=agreement,
    )


FEW = of_model(effect("delay", 0.0081, 0.19), effect("wind", 0.006, 0.03), effect("hour", 0.0047, 0.3), effect("rain", -0.001, 0.25))


def of_row(*contributions: Contribution, label: int | None = 1, flagged: bool = True) -> LocalExplanation:
    return LocalExplanation(
        row="2013-06-11-UA-322-EWR",
        predicted_at=datetime(2013, 6, 11, 14, 5, tzinfo=UTC),
        model="nyc-late-flights version 3",
        model_digest=factory.CANDIDATE_DIGEST,
        probability=0.456,
        typical_probability=0.257,
        threshold=0.186,
        flagged=flagged,
        label=label,
        contributions=list(contributions),
        remainder=-0.0032,
        words=[f"{c.meaning}: {c.value} (typically {c.typical}) raises the risk" for c in contributions[:5]],
    )


def contribution(name: str, logits: float) -> Contribution:
    return Contribution(feature=name, meaning=f"What {name} says", value="62", typical="4.1", logits=logits)


@pytest.mark.parametrize(
    ("agreement", "word"),
    [(0.7, "agree on"), (0.53, "agree in part on"), (0.4, "agree in part on"), (0.39, "do not agree on"), (-0.8, "do not agree on")],
)
def test_the_sentence_names_the_first_of_each_method_and_whether_they_agree(agreement: float, word: str) -> None:
    found = FEW.model_copy(update={"rank_correlation": agreement})
    assert explanation.verdict(found) == (
        "Dearest to lose: delay, wind and hour. Largest in the predictions: hour, rain and delay. "
        f"The two methods {word} the order of 4 features (rank correlation {agreement:.2f})."
    )


def test_the_section_of_a_model_is_sound_and_tells_both_methods() -> None:
    tags = require_sound(explanation.explanation(FEW))
    facts = [
        *("+0.0081 [+0.0041, +0.0125]", "0.300 [0.280, 0.322]", "What delay says, minutes (state)", "-0.0010", "0.53 (Spearman)"),
        *("789", "28 with rows", factory.CANDIDATE_DIGEST),
    ]
    assert [fact for fact in facts if fact not in tags.text] == []
    assert tags.text.startswith("Dearest to lose: delay")
    assert "delay +0.0081" in str(tags.of("img")[0]["alt"])


def test_the_section_of_a_row_is_sound_and_tells_its_reasons() -> None:
    tags = require_sound(explanation.local(of_row(contribution("delay", 0.52), contribution("wind", -0.31))))
    facts = [
        *("45.6%, at or above the threshold of 18.6%, so flagged", "A typical row has 25.7%", "What delay says: 62 (typically 4.1)"),
        *("+0.5200", "-0.3100", "-0.0032", "nyc-late-flights version 3", "2013-06-11 14:05 UTC", "What came yes"),
    ]
    assert [fact for fact in facts if fact not in tags.text] == []
    assert tags.text.startswith("2013-06-11-UA-322-EWR: 45.6%")
    assert tags.of("img")[0]["alt"] == "Contributions to this prediction, in logits: delay +0.52; wind -0.31."


@pytest.mark.parametrize(("label", "came"), [(None, "not known yet"), (0, "no"), (1, "yes")])
def test_what_came_is_told_or_that_it_is_not_known(label: int | None, came: str) -> None:
    shown = require_sound(explanation.local(of_row(contribution("delay", 0.2), label=label, flagged=False))).text
    assert f"What came {came}" in shown
    assert "below the threshold of 18.6%, so not flagged" in shown


def test_nothing_to_show_is_sound_too() -> None:
    assert require_sound(explanation.explanation(of_model(agreement=0.0))).of("img") == []
    assert "No feature moves it by much" in require_sound(explanation.local(of_row())).text


def test_many_features_with_hostile_names_stay_small_and_text() -> None:
    effects = [effect(f"{HOSTILE} {i}", 0.01 - i * 1e-4, 0.1) for i in range(120)]
    assert "alert(" in require_sound(explanation.explanation(of_model(*effects))).text
    assert "alert(" in require_sound(explanation.local(of_row(*(contribution(f"{HOSTILE} {i}", 0.1) for i in range(120))))).text
