"""What a retraining leaves as evidence, and what of it speaks against a test."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tasks.artifacts.audit import Act
from tasks.artifacts.data import Severity
from tasks.artifacts.evaluation import Decision
from tasks.readiness import trained
from tasks.readiness.installation import Absent, Answer, Evidence, Installation
from tests.unit.readiness.house import HOUR, used
from tests.unit.readiness.test_rubric import in_dossier, without_rows
from tests.unit.reporting import test_backtest

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def against(answer: Answer) -> str:
    assert isinstance(answer, Absent)
    assert answer.is_against
    return answer.told


def absent(answer: Answer) -> str:
    assert isinstance(answer, Absent)
    assert not answer.is_against
    return answer.told


def there(answer: Answer) -> Evidence:
    assert isinstance(answer, Evidence), answer
    return answer


def of_champion(whole: Installation, **fields: Any) -> Installation:
    """Replace fields of the registry's facts of the champion."""
    versions = [v.model_copy(update=fields) if "champion" in v.aliases else v for v in whole.inventory.versions]
    return replace(whole, inventory=whole.inventory.model_copy(update={"versions": versions}))


def unmet(whole: Installation, name: str, version: int) -> Installation:
    """Let a criterion of the decisions on a version not hold."""
    trail = []
    for row in whole.trail:
        if row.act is Act.DECISION and row.subject.endswith(f" {version}"):
            decision = Decision.model_validate_json(row.evidence)
            criteria = [c.model_copy(update={"holds": c.holds and c.name != name}) for c in decision.criteria]
            row = row.model_copy(update={"evidence": decision.model_copy(update={"criteria": criteria}).model_dump_json()})
        trail.append(row)
    return replace(whole, trail=trail)


def unapproved(whole: Installation) -> Installation:
    trail = [
        row.model_copy(update={"evidence": json.dumps(json.loads(row.evidence) | {"approval": None})}) if row.act is Act.PROMOTION else row
        for row in whole.trail
    ]
    return replace(whole, trail=trail)


def test_the_contract_must_be_that_of_now_and_the_data_must_pass(whole: Installation) -> None:
    assert "contract of now" in there(trained.contract_held(whole)).what
    other = in_dossier(decision={"contract_digest": "old"})(whole)
    assert "another contract (old)" in absent(trained.contract_held(other))
    assert "did not pass" in against(trained.contract_held(in_dossier(validation={"verdict": Severity.STOP})(whole)))


def test_too_many_features_of_no_value_speak_against_it(whole: Installation) -> None:
    assert whole.newest is not None
    effects = whole.newest.explanation.features
    most = int(whole.rules.no_value_share * len(effects))

    def with_idle(count: int) -> Answer:
        idle = [e.model_copy(update={"permutation": e.permutation.model_copy(update={"upper": 0.0})}) for e in effects[:count]]
        return trained.features_matter(in_dossier(explanation={"features": [*idle, *effects[count:]]})(whole))

    assert f"{most} of {len(effects)} features are of no value" in there(with_idle(most)).what
    assert f"{most + 1} of {len(effects)}" in against(with_idle(most + 1))


@pytest.mark.parametrize(("features", "told"), [(["humid", "secret"], "not declared: secret"), (["tailnum"], "not declared: tailnum")])
def test_an_input_that_is_not_declared_speaks_against_it(whole: Installation, features: list[str], told: str) -> None:
    assert told in against(trained.inputs_keep_the_rules(in_dossier(candidate={"numeric_features": features})(whole)))


def test_an_input_that_nobody_may_see_speaks_against_it(whole: Installation) -> None:
    shown = replace(whole, terms=replace(whole.terms, restricted=frozenset({"humid"})))
    assert "nobody may see: humid" in against(trained.inputs_keep_the_rules(shown))


def test_a_loss_that_rises_speaks_against_it(whole: Installation) -> None:
    assert "rose from" in against(trained.losses_are_finite(in_dossier(candidate={"losses": [0.4, 0.5]})(whole)))


def test_a_service_that_answers_otherwise_speaks_against_it(whole: Installation) -> None:
    assert "differs" in against(trained.service_parity(in_dossier(service={"largest_difference": 0.1})(whole)))


def test_the_dearest_run_of_the_features_counts(whole: Installation) -> None:
    runs = [used(trained.FEATURES[0], "a", whole.now - 3 * HOUR, 9.0), used(trained.FEATURES[1], "b", whole.now, 0.1)]
    held = replace(whole, usage={run.task: [run] for run in runs})
    assert "at most 9.0 s" in there(trained.features_are_cheap(held)).what
    slow = replace(whole, rules=whole.rules.model_copy(update={"feature_seconds": 8.0}))
    assert "more than 8 s" in against(trained.features_are_cheap(replace(held, rules=slow.rules)))


def test_a_criterion_that_the_champion_does_not_meet_speaks_against_it_unless_a_person_approved(whole: Installation) -> None:
    look = trained.judged(lambda c: c.name == "service p99", "latency")
    failing = unmet(whole, "service p99", 2)
    assert there(look(failing))
    assert "the champion, version 2: service p99 holds" in against(look(unapproved(failing)))


def test_a_champion_on_which_nothing_was_decided_lacks_it(whole: Installation) -> None:
    look = trained.judged(lambda c: c.name == "service p99", "latency")
    trail = [row for row in whole.trail if not (row.act is Act.DECISION and row.subject.endswith(" 2"))]
    assert "no decision on the champion" in absent(look(replace(whole, trail=trail)))
    assert "no decision in the audit trail" in absent(look(without_rows(Act.DECISION)(whole)))


@pytest.mark.parametrize("commit", ["", "unknown", "c" * 40 + "-dirty"])
def test_code_that_is_in_no_commit_speaks_against_it(whole: Installation, commit: str) -> None:
    assert "in no commit" in against(trained.specification(of_champion(whole, code_commit=commit)))


def test_a_champion_that_no_person_approved_has_half(whole: Installation) -> None:
    assert there(trained.specification(whole)).lacks == ""
    assert "no person has approved" in there(trained.specification(unapproved(whole))).lacks


def test_settings_that_no_search_found_have_none(whole: Installation) -> None:
    assert whole.newest is not None
    config = whole.newest.candidate.config
    near = config.model_copy(update={"network": config.network.model_copy(update={"k": config.network.k + 1})})
    told = absent(trained.settings_searched(in_dossier(candidate={"config": near})(whole)))
    assert told == "the newest candidate has other settings than any search found: k"


def test_a_champion_past_the_trail_speaks_against_it(whole: Installation) -> None:
    moves = without_rows(Act.PROMOTION)(without_rows(Act.ROLLBACK)(whole))
    assert "past the audit trail" in against(trained.gate_guards(moves))
    broken = whole.trail_report.model_copy(update={"is_whole": False, "broken_at": 3, "problem": "was changed"})
    assert "broken at row 3" in against(trained.gate_guards(replace(whole, trail_report=broken)))


def test_a_task_that_takes_far_longer_speaks_against_it(whole: Installation) -> None:
    def took(*seconds: float) -> Answer:
        runs = [used("tasks.a.task.b", f"{n}", whole.now - (9 - n) * HOUR, value) for n, value in enumerate(seconds)]
        return trained.performance_holds(replace(whole, usage={"tasks.a.task.b": runs}))

    assert there(took(2, 9, 2, 26.9)).at == whole.now - 6 * HOUR
    assert "a.task.b 27.1 s, before at most 9.0 s" in against(took(2, 9, 2, 27.1))
    absent(took(2))
    absent(took(0.1, 0.9))  # too short to tell


def test_a_backtest_tells_of_staleness_by_half(whole: Installation) -> None:
    alone = replace(whole, nights=[], backtest=(test_backtest.found(), whole.now))
    found = there(trained.staleness_known(alone))
    assert "never 0.5000" in found.what
    assert found.lacks
    assert "no backtest" in absent(trained.staleness_known(replace(alone, backtest=None)))
