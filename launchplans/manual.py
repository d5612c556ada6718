"""What a person launches, in whichever domain: a retraining, scores of some days, a back-fill, at an instant of their choice."""

from __future__ import annotations

from flytekit import LaunchPlan

from launchplans.domains import Domain
from workflows.backfill import backfill
from workflows.batch_scoring import batch_scoring
from workflows.retrain import retrain


def manual_retrain(domain: Domain) -> LaunchPlan:
    """Retrain as of an instant, whatever else is under way."""
    return domain.plan(retrain, "evergreen-manual-retrain", "retraining")


def score_days(domain: Domain) -> LaunchPlan:
    """Score whole days by the champion or another version."""
    return domain.plan(batch_scoring, "evergreen-score-days", "batch-scoring")


def fill_days(domain: Domain) -> LaunchPlan:
    """Bring days of the lake up to date, with their features and scores."""
    return domain.plan(backfill, "evergreen-backfill", "back-fill")
