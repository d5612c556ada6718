"""Versions in a cluster's registry that no training has made: a decision on each, small sealed folders."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.artifacts.evaluation import Verdict
from tasks.registry import promotion
from tasks.registry.versions import Registry
from tasks.usecase import policy
from tests.flyte.pods.cluster import Cluster
from tests.unit.registry.versions import judged


def add(cluster: Cluster, verdict: Verdict) -> tuple[int, str]:
    """Register a version with a decision in the audit trail; return its number and the sum of its dossier."""
    settings = cluster.pods.settings
    with pytest.MonkeyPatch.context() as patch:  # MLflow and Delta find the object store by the environment
        for name, value in settings.items():
            patch.setenv(name, value)
        registry = Registry(settings["MLFLOW_TRACKING_URI"], policy.MODEL_NAME, settings["EVERGREEN_ARTIFACTS"])
        given = judged(registry, cluster.pods.folder / "made", verdict.value, verdict)
        registered = registry.register(given)
        number = registered.version
        promotion.record_decision(registry, settings["EVERGREEN_LAKE"], number, given.decision, "a task", datetime.now(UTC))
    return number, given.dossier_digest
