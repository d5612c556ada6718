"""ML Test Score: the 28 tests of the rubric, each by what proves it in this installation; the score, and what is missing."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.readiness import MLTestScore
from tasks.readiness.task import score
from tasks.registry.task import take_stock


@workflow
def ml_test_score() -> MLTestScore:
    """Score this installation by the ML Test Score (Breck et al., 2017), and say what would earn more."""
    return score(inventory=take_stock())
