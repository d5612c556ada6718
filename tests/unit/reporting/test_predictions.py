"""Decks of serving: each record in a sentence, nothing from it unescaped, and no page too long."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tasks.artifacts.record import Interval, Window
from tasks.artifacts.serving import BatchScores, CanaryReport, Collected, Comparison, State
from tasks.artifacts.vocabulary import Vocabulary
from tasks.reporting import predictions
from tests.unit.reporting.documents import HOSTILE, Tags, require_sound

pytestmark = pytest.mark.unit

NAMES = Vocabulary(row="flight", rows="flights")
AT = datetime(2013, 10, 1, 12, tzinfo=UTC)
DAY = date(2013, 10, 1)


def words(html: str) -> str:
    require_sound(html)
    return " ".join(" ".join(Tags(html).words).split())


def collected(**more: int) -> Collected:
    counts = {
        "segments": 2,
        "answers": 1_200,
        "predictions": 3_400,
        "torn": 1,
        "damaged": 0,
        "outcomes": 7,
        "joined": 900,
        "contradictions": 3,
    }
    return Collected(**(counts | more))


def report(found: Comparison, **more: object) -> CanaryReport:
    told = {
        "champion": 3,
        "challenger": 4,
        "days": 9,
        "rows": 1_800,
        "gain": Interval(value=-0.05, lower=-0.07, upper=-0.03),
        "found": found,
        "reason": HOSTILE,
        "revision": 12,
        "decided_at": AT,
    }
    return CanaryReport.model_validate(told | more)


def test_a_state_is_told() -> None:
    told = words(predictions.state(State(as_of=AT, digest="d" * 64, rows=30_106, uri=HOSTILE), NAMES))
    assert "made from what was known at 2013-10-01 12:00 UTC." in told
    assert "Flights 30,106" in told


def test_scored_days_are_told() -> None:
    days = [DAY + timedelta(days=n) for n in range(2)]
    records = [
        BatchScores(
            day=Window(first_day=day, last_day=day),
            version=3,
            package_digest="d" * 64,
            rows=900,
            flagged=90,
            table=HOSTILE,
            table_version=8,
        )
        for day in days
    ]
    told = words(predictions.scores(records, NAMES))
    assert "Version 3 scored 1,800 flights of 2 days." in told
    assert "10.0%" in told


def test_a_collection_is_told() -> None:
    by_day = [(DAY, "champion", 3_000, 900), (DAY, HOSTILE, 400, 0)]
    told = words(predictions.collected(collected(), by_day, {}))
    assert "1,200 answers with 3,400 predictions came into the lake, from 2 segments of the log." in told
    assert "30.0%" in told
    assert "Left out" not in told
    assert "WARN" not in told


def test_what_is_damaged_or_left_out_is_told() -> None:
    told = words(predictions.collected(collected(damaged=2), [], {f"the feature {HOSTILE}": 5}))
    assert "WARN" in told
    assert "Left out" in told
    assert "There are none yet." in told


@pytest.mark.parametrize(
    ("found", "verdict", "sentence"),
    [
        (Comparison.WORSE, "STOP", "Version 4 is worse than the champion, version 3"),
        (Comparison.BETTER, "PASS", "Version 4 is better than the champion, version 3"),
        (Comparison.OPEN, "", "What came does not tell the models apart"),
    ],
)
def test_a_canary_is_told(found: Comparison, verdict: str, sentence: str) -> None:
    told = words(predictions.rollout(report(found)))
    assert sentence in told
    assert verdict in told
    assert "-5.0% [-7.0%, -3.0%]" in told


def test_models_without_a_number() -> None:
    assert "Days 0" in words(predictions.rollout(report(Comparison.OPEN, champion=None, challenger=None, gain=None, days=0)))
