"""The rubric: all 28 tests, each tied to evidence that is looked for; without it the point is gone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.audit import Act, AuditReport
from tasks.artifacts.evaluation import Decision
from tasks.artifacts.readiness import Cadence, Inventory, Section
from tasks.readiness import served, trained, watched
from tasks.readiness.installation import Installation
from tasks.readiness.rubric import RUBRIC
from tasks.readiness.scoring import Entry, judge, score
from tests.unit.readiness.house import ATTRIBUTES, COMMIT

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).resolve().parents[3]
Removal = Callable[[Installation], Installation]
every_entry = pytest.mark.parametrize("entry", RUBRIC, ids=lambda entry: entry.item.id.replace(" ", "-"))


# --- what it says -----------------------------------------------------------------------------------------------------


def test_there_are_seven_tests_in_each_section() -> None:
    assert len(RUBRIC) == len({entry.item.id for entry in RUBRIC}) == len({entry.item.title for entry in RUBRIC}) == 28
    numbers = {section: [e.item.number for e in RUBRIC if e.item.section is section] for section in Section}
    assert numbers == {section: [1, 2, 3, 4, 5, 6, 7] for section in Section}


@every_entry
def test_a_test_names_its_evidence_and_how_it_is_earned(entry: Entry) -> None:
    assert len(entry.item.needs) == len(entry.looks)
    for need in entry.item.needs:
        assert need.what
        assert need.where
        assert need.earn
    assert entry.item.half
    assert entry.item.full


def test_what_is_run_by_hand_alone_never_gives_a_full_point() -> None:
    by_hand = [e.item.id for e in RUBRIC if all(need.cadence is Cadence.HAND for need in e.item.needs)]
    assert by_hand == ["model 3"]


def named() -> list[str]:
    return sorted({name for entry in RUBRIC for look in entry.looks for name in getattr(look, "tests", ())})


@pytest.mark.parametrize("name", named())
def test_a_test_that_is_named_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    text = (ROOT / file).read_text()
    assert f"def {test}(" in text if test else re.search(r"^def test_", text, re.M)


def test_a_command_that_is_named_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    asked = {name for entry in RUBRIC for need in entry.item.needs for name in re.findall(r"\bmake ([a-z-]+)", need.earn)}
    assert asked
    assert asked <= targets


# --- a well-kept installation, and what is left of it -----------------------------------------------------------------


def points(installation: Installation) -> dict[str, float]:
    return {scored.item.id: scored.points for scored in score(installation, RUBRIC, COMMIT).items}


def test_with_all_evidence_each_test_has_what_it_can_get(whole: Installation) -> None:
    found = score(whole, RUBRIC, COMMIT)
    lacking = {scored.item.id: scored.missing for scored in found.items if scored.points < 1}
    assert lacking.keys() == {"model 3"}, lacking
    assert [part.points for part in found.sections] == [7, 6.5, 7, 7]
    assert found.final == 6.5
    assert "exceptional" in found.reading


def without_tests(*gone: str) -> Removal:
    def remove(whole: Installation) -> Installation:
        assert whole.tests is not None
        kept = {name: ok for name, ok in whole.tests.passed.items() if not name.startswith(gone)}
        assert len(kept) < len(whole.tests.passed)
        return replace(whole, tests=replace(whole.tests, passed=kept))

    return remove


def without_runs(*tasks: str) -> Removal:
    return lambda whole: replace(whole, usage={task: kept for task, kept in whole.usage.items() if task not in tasks})


def without_rows(act: Act) -> Removal:
    return lambda whole: replace(whole, trail=[row for row in whole.trail if row.act is not act])


def without_criteria(*gone: str) -> Removal:
    """Take criteria out of every decision."""

    def remove(whole: Installation) -> Installation:
        trail = []
        for row in whole.trail:
            if row.act is Act.DECISION:
                decision = Decision.model_validate_json(row.evidence)
                kept = [c for c in decision.criteria if not c.name.endswith(gone)]
                row = row.model_copy(update={"evidence": decision.model_copy(update={"criteria": kept}).model_dump_json()})
            trail.append(row)
        return replace(whole, trail=trail)

    return remove


def in_dossier(**fields: Any) -> Removal:
    """Replace fields of parts of the newest dossier: `validation={"findings": []}`."""

    def remove(whole: Installation) -> Installation:
        assert whole.newest is not None
        parts = {part: getattr(whole.newest, part).model_copy(update=values) for part, values in fields.items()}
        return replace(whole, newest=whole.newest.model_copy(update=parts))

    return remove


def in_nights(**fields: Any) -> Removal:
    """Replace fields of every night; a dict replaces fields of its part."""

    def remove(whole: Installation) -> Installation:
        changed = []
        for night in whole.nights:
            parts = {
                part: getattr(night.report, part).model_copy(update=values) if isinstance(values, dict) else values
                for part, values in fields.items()
            }
            changed.append(replace(night, report=night.report.model_copy(update=parts)))
        return replace(whole, nights=changed)

    return remove


def without_search(whole: Installation) -> Installation:
    return replace(whole, searches=[], inventory=whole.inventory.model_copy(update={"searches": []}))


REMOVED: dict[str, Removal] = {
    "data 1": in_dossier(validation={"findings": []}),
    "data 2": in_dossier(explanation={"features": []}),
    "data 3": without_runs(*trained.FEATURES),
    "data 4": without_tests("tests/data/test_leak.py"),
    "data 5": lambda whole: replace(whole, columns={}),
    "data 6": without_tests("tests/e2e/test_new_feature.py"),
    "data 7": without_tests("tests/data/test_parity.py"),
    "model 1": without_rows(Act.PROMOTION),  # which name the approval
    "model 2": in_nights(served={"log_loss": None}),
    "model 3": without_search,
    "model 4": in_nights(quality={"over_previous": None}),
    "model 5": without_criteria("gain over logistic regression", "log-loss against LightGBM"),
    "model 6": in_nights(quality={"segments": []}),
    "model 7": without_criteria(*(f" of {attribute}" for attribute in ATTRIBUTES)),
    "infrastructure 1": lambda whole: replace(whole, proofs=[]),
    "infrastructure 2": without_tests("tests/model/test_network.py"),
    "infrastructure 3": without_tests("tests/e2e/test_retrain.py"),
    "infrastructure 4": lambda whole: without_rows(Act.PROMOTION)(without_rows(Act.ROLLBACK)(whole)),
    "infrastructure 5": without_runs(served.EXPLAIN),
    "infrastructure 6": without_rows(Act.ROUTING),
    "infrastructure 7": without_rows(Act.ROLLBACK),
    "monitoring 1": in_nights(dependencies=None),
    "monitoring 2": without_runs(watched.ADMIT),
    "monitoring 3": in_nights(served={"compared": 0}),
    "monitoring 4": lambda whole: replace(whole, nights=[]),
    "monitoring 5": in_dossier(candidate={"losses": []}),
    "monitoring 6": lambda whole: replace(whole, usage={task: kept[-1:] for task, kept in whole.usage.items()}),
    "monitoring 7": in_nights(quality=None, estimate=None),
}
"""How the evidence of each test is taken away, and nothing else of the installation."""


@every_entry
def test_without_its_evidence_the_point_falls(entry: Entry, whole: Installation) -> None:
    before, after = judge(entry, whole), judge(entry, REMOVED[entry.item.id](whole))
    assert after.points < before.points
    assert after.missing
    assert after.earn


def test_the_evidence_of_one_test_is_not_that_of_all(whole: Installation) -> None:
    """Each removal above is as narrow as it says: most of the other tests keep their points."""
    full = points(whole)
    fell = {name: sum(full[other] > got for other, got in points(remove(whole)).items()) for name, remove in REMOVED.items()}
    assert fell.keys() == full.keys()
    assert Counter(count <= 3 for count in fell.values())[True] >= 24, fell


def test_an_empty_installation_has_no_point_and_28_reasons(whole: Installation) -> None:
    empty = replace(
        whole,
        inventory=Inventory(name="toy", versions=[], searches=[], anchors={}),
        newest=None,
        trail=[],
        trail_report=AuditReport(rows=0, is_whole=True, broken_at=None, problem="", newest=[]),
        usage={},
        nights=[],
        proofs=[],
        tests=None,
        backtest=None,
        searches=[],
        columns={},
    )
    found = score(empty, RUBRIC, COMMIT)
    assert found.final == 0
    assert {part.points for part in found.sections} == {0}
    assert found.reading == "more of a research project than a productionized system"
    assert all(scored.missing and scored.earn and not scored.found for scored in found.items)
    assert len({(scored.item.id, *scored.missing) for scored in found.items}) == 28
