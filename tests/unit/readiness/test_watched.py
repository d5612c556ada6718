"""What nights leave as evidence, and what of it speaks against a test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.artifacts.monitoring import Dependency, Skew
from tasks.artifacts.record import Interval
from tasks.readiness import watched
from tasks.readiness.installation import Answer, Installation
from tests.unit.readiness.test_rubric import in_nights
from tests.unit.readiness.test_trained import absent, against, there
from tests.unit.reporting.factory import interval

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_a_change_that_was_told_is_evidence_and_nothing_known_is_none(whole: Installation) -> None:
    changed = [Dependency(name="packages", then="a", now="b"), Dependency(name="contract", then="", now="c")]
    assert "changed and told: packages" in there(watched.dependencies_watched(in_nights(dependencies=changed)(whole))).what
    assert "knew of no dependency" in absent(watched.dependencies_watched(in_nights(dependencies=[])(whole)))


def test_inputs_outside_their_contract_speak_against_it(whole: Installation) -> None:
    assert "breaks its contract" in against(watched.invariants_hold(in_nights(served={"violations": {"humid": 10}})(whole)))
    assert there(watched.invariants_hold(in_nights(served={"violations": {"humid": 9}})(whole))).lacks == ""
    assert there(watched.invariants_hold(in_nights(served=None)(whole))).lacks


def test_a_skewed_feature_speaks_against_it(whole: Installation) -> None:
    def skewed(differing: int) -> Answer:
        skew = [Skew(feature="humid", rows=900, differing=differing, largest=0.5)]
        return watched.no_skew(in_nights(served={"skew": skew})(whole))

    assert "humid" in against(skewed(10))
    there(skewed(9))


def test_a_stale_champion_speaks_against_it(whole: Installation) -> None:
    oldest = whole.terms.monitoring.trigger.oldest_days
    assert f"is {oldest} days old" in against(watched.not_stale(in_nights(age_days=oldest)(whole)))
    there(watched.not_stale(in_nights(age_days=oldest - 1)(whole)))


def test_decay_speaks_against_it_and_an_estimate_alone_is_half(whole: Installation) -> None:
    decay = {"decay": Interval(value=0.1, lower=0.05, upper=0.15)}
    assert against(watched.quality_holds(in_nights(quality=decay)(whole))).endswith("decay")
    assert "too few labelled days" in there(watched.quality_holds(in_nights(quality=None)(whole))).lacks


@pytest.mark.parametrize(
    ("online", "told"),
    [
        ([0.40, 0.41, 0.42, 0.43, 0.44, 0.45, 0.46, 0.47], "rank correlation 1.00"),
        ([0.47, 0.46, 0.45, 0.44, 0.43, 0.42, 0.41, 0.40], "rank correlation -1.00"),
        ([0.4] * 8, "rank correlation 0.00"),  # of what never changes there is none
    ],
)
def test_online_and_offline_must_go_together(whole: Installation, online: list[float], told: str) -> None:
    nights = [replace(night, report=in_loss(night.report, loss)) for night, loss in zip(whole.nights, online, strict=True)]
    answer = watched.online_follows_offline(replace(whole, nights=nights))
    assert told in (there(answer).what if "1.00" in told and "-" not in told else against(answer))


def in_loss(report: Any, loss: float) -> Any:
    return report.model_copy(update={"served": report.served.model_copy(update={"log_loss": interval(loss, 0.01)})})


def test_a_few_nights_with_both_losses_are_half(whole: Installation) -> None:
    few = replace(whole, nights=whole.nights[: whole.rules.paired_nights - 1])
    assert "a correlation needs 7" in there(watched.online_follows_offline(few)).lacks


def test_the_newest_night_counts_and_runs_are_executions(whole: Installation) -> None:
    found = there(watched.not_stale(whole))
    assert found.at == whole.nights[-1].recorded_at
    assert found.runs == len(whole.nights)
    one_run = replace(whole, nights=[replace(night, run="same") for night in whole.nights])
    assert there(watched.not_stale(one_run)).runs == 1  # nights that were caught up were not watched by themselves
