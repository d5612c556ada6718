"""What a person launches: a retraining at an instant of their choice."""

from __future__ import annotations

from flytekit import LaunchPlan

from workflows.defaults import SOURCE
from workflows.retrain import retrain

manual_retrain = LaunchPlan.get_or_create(retrain, name="evergreen-manual-retrain", default_inputs={"source": SOURCE})
"""Retrain as of an instant."""
