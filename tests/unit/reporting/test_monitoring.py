"""Decks of a night: problems with their runbook page first, what is missing said as such, nothing from a record unescaped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from tasks.artifacts.monitoring import Dependency, Drift, NightReport, Problem, Quality
from tasks.artifacts.record import Interval
from tasks.artifacts.retraining import Action, TriggerDecision
from tasks.reporting import monitoring
from tests.unit.reporting import nights
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

NIGHT = date(2013, 10, 12)


def words(html: str) -> str:
    return require_sound(html, 150_000).text


def found(report: NightReport) -> tuple[Drift, Quality]:
    assert report.drift is not None
    assert report.quality is not None
    return report.drift, report.quality


SECTIONS: dict[str, Callable[[], str]] = {
    "night": lambda: monitoring.night(nights.report(), nights.decision()),
    "night before the trigger": lambda: monitoring.night(nights.report()),
    "calm night": lambda: monitoring.night(nights.calm()),
    "first night of a champion": lambda: monitoring.night(nights.calm(drift=None, quality=None, estimate=None, served=None)),
    "late night": lambda: monitoring.night(nights.report(is_late=True), nights.decision(Action.ALERT)),
    "decision": lambda: monitoring.decision(nights.decision()),
    "way back": lambda: monitoring.decision(nights.decision(Action.ROLL_BACK)),
}


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "night",
            [
                "→ CHALLENGE Champion v3, 14 days after its evaluation: log-loss 0.5312 [0.4982, 0.5675] in 2013-09-14 to 2013-10-11",
                "weather drifted; 1 problem to look at. A challenger is trained now.",
                "What the rules say → CHALLENGE drift: weather drifted: humid, p = 0.0005, on 2 of the 3 newest nights",
                "docs/operations/runbook.md#labels-are-late",
                "! WARN weather humid level 7 +8.3 0.0005",
                "Without any value in the newest days: wind_gust.",
                "PSI and Wasserstein are for reading, and decide nothing.",
                "AUC of 0.6120 [0.5810, 0.6461]",
                "Above its evaluation +0.0400 [-0.0010, +0.0830]",
                "Log-loss above that of v2, paired -0.0040 [-0.0090, +0.0010]",
                "Share of positives 23.1% [19.7%, 26.8%]",
                "carrier 3 3,997 28 0.550 [0.500, 0.605] - -",  # too few rows at the evaluation: no reference
                "Expected log-loss 0.5218",
                "blind to a change of what the inputs mean (concept drift)",
                "2013-10-12 900",  # predictions of a day
            ],
        ),
        ("night before the trigger", ["! WARN Champion v3", "Problems labels are late: 2013-10-10: 31% of the rows have a label"]),
        ("calm night", ["✓ PASS Champion v3", "nothing drifted."]),
        (
            "first night of a champion",
            [
                "too few labelled days to tell its log-loss; too few days to test for drift.",
                "There are too few days before the newest ones",
                "Too few days after the champion's evaluation are labelled.",
                "The lake holds no predictions of the service.",
            ],
        ),
        ("late night", ["2013-10-12, caught up after it was missed", "A person should look; nothing is started."]),
        ("decision", ["→ CHALLENGE Night of 2013-10-12, champion v3: A challenger is trained now.", "the gate alone promotes one"]),
        ("way back", ["ROLL BACK Night of 2013-10-12, champion v3: Version 2 comes back.", "docs/operations/runbook.md#roll-back"]),
    ],
)
def test_shows_what_the_record_holds(name: str, facts: list[str]) -> None:
    shown = words(SECTIONS[name]())
    assert [fact for fact in facts if fact not in shown] == [], shown


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (nights.decision(Action.NONE), "Nothing is to be done."),
        (nights.decision(Action.ALERT), "A person should look; nothing is started."),
        (nights.decision(Action.CHALLENGE), "A challenger is trained now."),
        (nights.decision(Action.CHALLENGE, retrain=False), "A challenger is asked for; none is started now."),
        (nights.decision(Action.ROLL_BACK), "Version 2 comes back."),
        (nights.decision(Action.ROLL_BACK, roll_back_to=None), "A rollback is asked for; none is started now."),
    ],
)
def test_each_action_is_said(decision: TriggerDecision, said: str) -> None:
    assert monitoring.asks(decision) == said
    assert said in words(monitoring.decision(decision))


def test_before_labels_the_sentence_has_the_estimate() -> None:
    said = monitoring.sentence(nights.calm(quality=None))
    assert said.endswith("too few labelled days to tell its log-loss; expected 0.5218 [0.5008, 0.5449]; nothing drifted.")


def test_the_gravest_rule_comes_first_and_names_its_page() -> None:
    decision = nights.decision(Action.ROLL_BACK)
    turned = decision.model_copy(update={"evidence": decision.evidence[::-1]})
    shown = words(monitoring.decision(turned)).partition("What the rules say")[2]
    places = [shown.index(action) for action in ("ROLL BACK", "CHALLENGE", "ALERT")]
    assert places == sorted(places)
    assert all(f"docs/{evidence.runbook}" in shown for evidence in decision.evidence)


def test_a_rule_that_its_text_names_is_not_named_twice() -> None:
    (evidence,) = nights.decision(Action.NONE).evidence
    told = evidence.model_copy(update={"rule": "schedule", "told": "schedule: 28 days since the newest candidate"})
    assert "schedule: schedule:" not in words(monitoring.decision(nights.decision(Action.NONE, evidence=[told])))


def test_problems_that_the_decision_tells_are_told_once() -> None:
    other = Problem(name="volume", told="71 predictions of the usual 912", runbook="operations/runbook.md#volume")
    report = nights.report(problems=[nights.PROBLEM, other])
    shown = words(monitoring.night(report, nights.decision(Action.ALERT)))
    assert shown.count(nights.PROBLEM.told) == 1
    assert shown.count(other.told) == 1


def test_dependencies_are_shown_with_what_changed() -> None:
    known = [Dependency(name="packages", then="lock 1", now="lock 2"), Dependency(name="contract", then="", now="c")]
    text = words(monitoring.night(nights.calm(dependencies=known)))
    assert "Dependencies Verdict Dependency Now The time before ! ALERT packages lock 2 lock 1 ✓ NONE contract c -" in text
    assert "Dependencies" not in words(monitoring.night(nights.calm(dependencies=None)))


def test_columns_that_moved_most_come_first_and_are_ten() -> None:
    drift, _ = found(nights.report())
    shown = words(monitoring.night(nights.report(drift=drift.model_copy(update={"columns": drift.columns[::-1]}))))
    table = shown.partition("Columns that moved most")[2]
    assert [column.column for column in drift.columns if f"{column.column} {column.group} {column.what}" in table] == [
        column.column for column in drift.columns[:10]
    ]


def test_segments_that_are_worse_for_certain_come_first() -> None:
    shown = words(monitoring.night(nights.report())).partition("Segments")[2]
    places = [shown.index(f"carrier {n} ") for n in (5, 4, 2, 1, 0, 3)]  # the last has no p-value
    assert places == sorted(places)


def test_a_night_of_a_thousand_columns_and_segments_stays_small() -> None:
    crowded = nights.report(
        drift=nights.drift(NIGHT, columns=1_000).model_copy(update={"missing": [f"column {n}" for n in range(1_000)]}),
        quality=nights.quality(NIGHT, segments=1_000),
        problems=[Problem(name=f"p{n}", told="x" * 900, runbook="operations/runbook.md#volume") for n in range(1_000)],
    )
    require_sound(monitoring.night(crowded, nights.decision()), 300_000)


def test_the_page_of_a_night_leads_back_to_all_nights() -> None:
    document = require_sound(monitoring.night_page(nights.report(), nights.decision()))
    assert [link["href"] for link in document.of("a")] == ["index.html"]
    assert document.of("h1")
    assert "Night of 2013-10-12" in document.text


def test_hostile_texts_of_records_stay_text() -> None:
    drift, quality = found(nights.report())
    report = nights.report(
        drift=drift.model_copy(
            update={
                "missing": ["missing " + HOSTILE],
                "groups": [drift.groups[0].model_copy(update={"group": "group " + HOSTILE, "what": "what " + HOSTILE, "is_drifted": True})],
                "columns": [drift.columns[0].model_copy(update={"column": "column " + HOSTILE})],
            }
        ),
        quality=quality.model_copy(update={"segments": [quality.segments[0].model_copy(update={"segment": "segment " + HOSTILE})]}),
        problems=[Problem(name="name " + HOSTILE, told="told " + HOSTILE, runbook="page " + HOSTILE)],
    )
    decision = nights.decision(evidence=[nights.decision().evidence[0].model_copy(update={"told": "evidence " + HOSTILE})])
    shown = words(monitoring.night_page(report, decision))
    for place in ("missing", "group", "what", "column", "segment", "name", "told", "page", "evidence"):
        assert f"{place} {HOSTILE}"[:60] in shown  # shown, not dropped


def test_a_champion_without_a_version_before_is_not_compared_with_one() -> None:
    _, quality = found(nights.report())
    alone = quality.model_copy(update={"previous_version": None, "over_previous": None, "auc": None, "segments": []})
    shown = words(monitoring.night(nights.report(quality=alone)))
    assert "paired" not in shown
    assert "AUC - Calibration error" in shown
    assert "Segments" not in shown


def test_intervals_are_shown_with_their_signs() -> None:
    _, quality = found(nights.report())
    better = quality.model_copy(update={"decay": Interval(value=-0.02, lower=-0.05, upper=0.01), "window": nights.window(NIGHT, 14)})
    shown = words(monitoring.night(nights.report(quality=better)))
    assert "-0.0200 [-0.0500, +0.0100]" in shown
    assert f"{NIGHT - timedelta(days=13)} to {NIGHT}" in shown
