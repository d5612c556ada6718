"""Versions to register in tests: small sealed folders, and a decision on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.artifacts.evaluation import Decision, Evaluation, Verdict
from tasks.artifacts.registry import RegisteredModel
from tasks.model import bundle
from tasks.registry.promotion import dossier_digest
from tasks.registry.runs import Judged
from tasks.registry.versions import Registry
from tests.unit.reporting import factory


def judged(
    registry: Registry, folder: Path, digest: str, verdict: Verdict, decision: Decision | None = None, card: str = "", **model: Any
) -> Judged:
    """Return a candidate judged against the champion of now, with folders of its own."""
    place = folder / digest
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package", "bento"):
        bundle.write(place / name, lambda inside, name=name: (inside / "file").write_text(f"{name} {digest}"))
    bundle.write(place / "dossier", lambda inside: (inside / "dossier.json").write_text(f'"{digest} {decision}{card}"'))
    incumbent = registry.incumbent(digest).version
    whole = factory.evaluation()
    # A run each of the models beside it is slow to log, and another test's matter.
    evaluation: Evaluation = whole.model_copy(update={"incumbent_version": incumbent, "metrics": [whole.of("network")]})
    return Judged(
        model=factory.model("network").model_copy(update={"bundle_digest": digest, **model}),
        baselines=[],
        evaluation=evaluation,
        decision=decision or decided(digest, verdict, incumbent),
        package=place / "package",
        bento=place / "bento",
        dossier=place / "dossier",
        package_digest=bundle.digest(place / "package"),
        dossier_digest=dossier_digest(place / "dossier"),
        lineage={"owner": "x"},
    )


def decided(digest: str, verdict: Verdict, incumbent: int | None) -> Decision:
    decision: Decision = factory.decision(verdict, incumbent).model_copy(update={"candidate_digest": digest})
    return decision


def register(registry: Registry, folder: Path, digest: str, verdict: Verdict = Verdict.PROMOTE, **model: Any) -> RegisteredModel:
    return registry.register(judged(registry, folder, digest, verdict, **model))
