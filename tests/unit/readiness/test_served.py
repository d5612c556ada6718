"""What serving and practice leave as evidence, and what of it speaks against a test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.artifacts.audit import Act
from tasks.readiness import served
from tasks.readiness.installation import Installation
from tests.unit.readiness.test_rubric import without_runs
from tests.unit.readiness.test_trained import absent, against, there

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def routed(whole: Installation, *revisions: int) -> Installation:
    """Keep some of the routings."""
    trail = [row for row in whole.trail if row.act is not Act.ROUTING or int(row.subject.split()[-1]) in revisions]
    return replace(whole, trail=trail)


def test_a_version_that_answers_all_without_having_been_a_canary_has_half(whole: Installation) -> None:
    assert "version 2 was a canary before it answered all" in there(served.canaried(whole)).what
    assert "no version has been a canary" in absent(served.canaried(routed(whole, 1, 3)))
    assert "version 1, which answers all, was no canary" in there(served.canaried(routed(whole, 1, 2))).lacks
    assert "no nightly collection" in there(served.canaried(without_runs(served.JUDGE)(whole))).lacks


def test_what_a_service_refused_is_no_routing(whole: Installation) -> None:
    refused = [row.model_copy(update={"evidence": '{"kind": "refused"}'}) for row in whole.trail if row.act is Act.ROUTING]
    assert "nothing has been served" in absent(served.canaried(replace(whole, trail=refused)))


def test_other_weights_speak_against_it_though_there_were_equal_ones_before(whole: Installation) -> None:
    other = whole.proofs[-1].model_copy(update={"holds": False, "told": "other weights"})
    assert "other weights" in against(served.reproduced(replace(whole, proofs=[*whole.proofs, other])))
    there(served.reproduced(replace(whole, proofs=[other, *whole.proofs])))


def test_a_restricted_column_in_a_table_that_was_made_speaks_against_it(whole: Installation) -> None:
    shown = replace(whole, columns={**whole.columns, "features": ["flight_id", "tailnum"]})
    assert "features.tailnum" in against(served.lake_shows_no_restricted_value(shown))
    assert "no table" in absent(served.lake_shows_no_restricted_value(replace(whole, columns={"flights": ["tailnum"]})))
