"""The registry: who is champion, and a new version beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.audit import Approval, AuditReport
from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.evaluation import Decision, Evaluation, Verdict
from tasks.artifacts.lineage import Lineage, NamedData, Recipe, Reproduction
from tasks.artifacts.readiness import Inventory
from tasks.artifacts.registry import ChampionState, Incumbent, RegisteredModel
from tasks.artifacts.search import Search, Tracked
from tasks.artifacts.serving import Deployable, Mode
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import local_path
from tasks.errors import LakeError, PromotionRefused
from tasks.execution import LIGHT, artifacts_uri, lake_uri, publish, stage, tracking_uri
from tasks.usecase import policy

APPROVAL_TIME = timedelta(hours=policy.APPROVAL_HOURS)
"""How long Flyte waits for a person's answer: as long as an answer holds."""


@stage(cached=False, resources=LIGHT)
def find_incumbent(candidate: TrainedModel) -> Incumbent:
    """Find the champion that a candidate has to beat, or none.

    Args:
        candidate: The trained network; one that was judged before meets the same champion again.
    """

    return _registry().incumbent(candidate.bundle_digest)


@stage(cached=False)
def register(
    package: FlyteDirectory,
    bento: FlyteDirectory,
    dossier: FlyteDirectory,
    model: TrainedModel,
    baselines: list[TrainedModel],
    snapshot: DataSnapshot,
    evaluation: Evaluation,
    decision: Decision,
) -> RegisteredModel:
    """Register the package with its lineage as challenger, and record the decision on it in the audit trail.

    Args:
        package: The package.
        bento: The Bento built from it.
        dossier: The sealed folder with dossier.html and dossier.json.
        model: What is known of the model.
        baselines: What is known of the baselines that it was judged beside.
        snapshot: The data that it was trained on.
        evaluation: Its metrics.
        decision: The verdict on it.
    """
    from datetime import UTC, datetime

    from tasks.model.bundle import digest
    from tasks.registry import lineage, promotion
    from tasks.registry.runs import Judged
    from tasks.reporting import sections

    registry, folder, file = _registry(), local_path(package), local_path(dossier)
    tags = lineage.tags(snapshot, policy.OWNER, model)
    sums = digest(folder), promotion.dossier_digest(file)
    registered = registry.register(Judged(model, baselines, evaluation, decision, folder, local_path(bento), file, *sums, tags))
    promotion.record_decision(registry, lake_uri(), registered.version, decision, f"{__name__}.register", datetime.now(UTC))
    publish("registry", sections.registered(registered))
    return registered


@stage(cached=False, resources=LIGHT)
def settle(registered: RegisteredModel, decision: Decision) -> RegisteredModel:
    """Make a version champion if the decision on it is PROMOTE; else leave it as challenger, and tell what a person can do.

    Args:
        registered: The version.
        decision: The verdict on it.
    """
    import logging
    from datetime import UTC, datetime

    from tasks.registry import promotion
    from tasks.reporting import sections

    if decision.verdict == Verdict.PROMOTE:
        registry = _registry()
        settled = promotion.promote(registry, lake_uri(), registered.version, f"{__name__}.settle", datetime.now(UTC))
        publish("registry", sections.registered(settled))
        return settled
    log = logging.getLogger("tasks.registry")
    log.info("version %d stays challenger: %s", registered.version, decision.verdict.value)
    if decision.verdict == Verdict.REVIEW:
        told = 'read its dossier, then: make approve VERSION=%d BY="your name" REASON="why" DOSSIER=%s'
        log.info(told, registered.version, registered.dossier_digest[:12])
    return registered


@stage(cached=False, resources=LIGHT)
def promote(model_version: int) -> RegisteredModel:
    """Make a version champion, if its decision or a person's approval allows it; once.

    Args:
        model_version: The version.
    """
    from datetime import UTC, datetime

    from tasks.registry import promotion
    from tasks.reporting import sections

    registry = _registry()
    promoted = promotion.promote(registry, lake_uri(), model_version, f"{__name__}.promote", datetime.now(UTC))
    publish("registry", sections.registered(promoted))
    return promoted


@stage(cached=False, resources=LIGHT)
def present(model_version: int, by: str, reason: str, dossier: str) -> str:
    """Show a person what is to be approved, and return it in a line; refuse what no approval could help.

    Args:
        model_version: The version.
        by: Who is asked.
        reason: Why it may become champion.
        dossier: At least the first 12 digits of the sum of the dossier that was read.
    """
    import sys

    from tasks import local
    from tasks.registry import promotion
    from tasks.reporting import audit, judgement

    asked = promotion.review(_registry(), lake_uri(), model_version, by, reason, dossier)
    publish("decision", judgement.decision(asked.decision))
    if not local.is_pod():
        # Flyte's gate takes whatever stands in standard input for the answer, and an empty line for yes.
        if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
            raise PromotionRefused(
                "a person must approve, on a terminal or in Flyte's console",
                "standard input that is no terminal",
                "run `make approve` in a terminal",
            )
        print(audit.question(asked.decision, model_version, asked.dossier_uri), flush=True)
    return audit.asked(policy.MODEL_NAME, model_version, asked.decision, asked.dossier_digest, by)


@stage(cached=False, resources=LIGHT)
def record_approval(presented: str, model_version: int, by: str, reason: str, dossier: str) -> Approval:
    """Record a person's approval, which holds for some hours.

    Args:
        presented: What was approved, as Flyte's gate let it pass.
        model_version: The version.
        by: Who approved.
        reason: Why it may become champion.
        dossier: At least the first 12 digits of the sum of the dossier that was read.
    """
    import logging
    from datetime import UTC, datetime

    from tasks.registry import promotion

    registry, now = _registry(), datetime.now(UTC)
    given = promotion.approve(registry, lake_uri(), model_version, by, reason, dossier, now, policy.APPROVAL_HOURS)
    logging.getLogger("tasks.registry").info("approved: %s", presented)
    return given


@stage(cached=False, resources=LIGHT)
def roll_back(to: int, by: str, reason: str) -> RegisteredModel:
    """Make an earlier version champion again.

    Args:
        to: The version.
        by: Who answers for it; empty for the name of the operating system's user.
        reason: Why it is brought back.
    """
    import getpass
    from datetime import UTC, datetime

    from tasks.registry import promotion
    from tasks.reporting import sections

    registry = _registry()
    champion = promotion.roll_back(registry, lake_uri(), to, by or getpass.getuser(), reason, datetime.now(UTC))
    publish("registry", sections.registered(champion))
    return champion


@stage(cached=False, resources=LIGHT)
def audit() -> AuditReport:
    """Verify the audit trail, and hold it to the registry."""
    from tasks.registry import promotion
    from tasks.reporting import audit as section

    report = promotion.inspect(_registry(), lake_uri())
    publish("audit", section.audit(report))
    return report


@stage(cached=False, resources=LIGHT)
def require_whole(report: AuditReport) -> AuditReport:
    """Let a report of the audit trail pass unless the trail is broken. Apart from the task before, so that its Deck is there.

    Args:
        report: What was found.
    """
    if not report.is_whole:
        print(report, flush=True)
        raise LakeError(
            "the audit trail must be whole, and the registry must follow it",
            f"row {report.broken_at}, which {report.problem}",
            "find out who did it; then bring the folder `audit` of the lake back from a backup, or roll back what was done by hand",
        )
    return report


@stage(cached=False, resources=LIGHT)
def track_search(search: Search) -> Tracked:
    """Track a search in MLflow: a run of it, and nested in it one of each trial. Done again it adds what has come since.

    Args:
        search: The search, as far as it is.
    """
    from tasks.registry.runs import log_search
    from tasks.registry.tracking import Tracker

    return log_search(Tracker(tracking_uri(), policy.MODEL_NAME, artifacts_uri()), policy.MODEL_NAME, search)


@stage(cached=False, resources=LIGHT)
def find_champion(snapshot: DataSnapshot) -> ChampionState:
    """Find the champion to watch.

    Args:
        snapshot: The newest data; the champion is looked up after it is there.
    """

    return _registry().champion()


@stage(cached=False, resources=LIGHT)
def trace(model_version: int, prediction_id: str) -> Lineage:
    """Walk back from a version or a prediction to code, environment, snapshot and the files of the source.

    Args:
        model_version: The version, or 0 for that behind the prediction.
        prediction_id: The id of a prediction as the service gave it, or empty.
    """
    from tasks.registry import lineage
    from tasks.reporting import lineage as section

    versions = _registry().tags()
    found = lineage.trace(policy.MODEL_NAME, versions, model_version, prediction_id)
    publish("lineage", section.trace(found))
    return found


class Recalled(NamedTuple):
    """What a version was trained on and by."""

    snapshot: DataSnapshot
    recipe: Recipe
    config: TrainingConfig


@stage(cached=False, resources=LIGHT)
def recall(model_version: int) -> Recalled:
    """Recall the data and the settings of a registered version.

    Args:
        model_version: The version.
    """
    from tasks.registry import lineage

    snapshot, recipe = lineage.recall(policy.MODEL_NAME, _registry().tags(), model_version)
    return Recalled(snapshot, recipe, recipe.config)


@stage(cached=False, resources=LIGHT)
def compare(recipe: Recipe, split: Split, again: TrainedModel) -> Reproduction:
    """Say whether a training done again gave the same weights to the bit, and what was not as it was; keep that as a proof.

    Args:
        recipe: What the version was trained by.
        split: The split made again.
        again: The model trained again.
    """
    from datetime import UTC, datetime

    from tasks import local
    from tasks.artifacts.readiness import Proof
    from tasks.lake import proofs
    from tasks.registry import lineage
    from tasks.registry.evidence import subject
    from tasks.reporting import lineage as section

    found = lineage.compare(recipe, split, again)
    proof = Proof(
        kind=proofs.REPRODUCTION,
        subject=subject(policy.MODEL_NAME, found.version),
        holds=found.is_identical,
        told="the same weights to the bit" if found.is_identical else "other weights",
        at=datetime.now(UTC),
        run=local.run(),
        record=found.model_dump_json(),
    )
    proofs.add(lake_uri(), proof)
    publish("reproduction", section.reproduction(found))
    return found


@stage(cached=False, resources=LIGHT)
def take_stock() -> Inventory:
    """Return the versions and searches that the registry holds, as evidence of readiness."""
    from tasks.registry import inventory
    from tasks.registry.tracking import Tracker

    return inventory.take(_registry(), Tracker(tracking_uri(), policy.MODEL_NAME))


@stage(cached=False, resources=LIGHT)
def named_versions() -> NamedData:
    """Return the data that registered versions name, which upkeep must leave whole."""
    from tasks.registry import lineage

    return lineage.named(_registry().tags())


@stage(cached=False, resources=LIGHT)
def find_version(snapshot: DataSnapshot, model_version: int) -> Incumbent:
    """Find a version's package and threshold.

    Args:
        snapshot: The newest data; the version is looked up after it is there.
        model_version: The version, or 0 for the champion.
    """

    return _registry().deployed(model_version)


@stage(cached=False, resources=LIGHT)
def deployable(model_version: int, mode: Mode, share: float) -> Deployable | None:
    """Find a version that a step of a rollout asks for; none for an abort, which must work without the registry.

    Args:
        model_version: The version.
        mode: The step.
        share: Of the entities that a canary is to answer; 0 for other steps.
    """
    from tasks.lake import audit

    if mode == Mode.ABORT:
        return None
    registry = _registry()
    trail, most = audit.read(lake_uri(), registry.anchors()), policy.SERVICE.unapproved_share
    return registry.deployable(model_version, mode, trail, share=share, unapproved_share=most)


def _registry():  # type: ignore[no-untyped-def]  # its type lives behind a heavy import
    from tasks.registry.versions import Registry

    return Registry(tracking_uri(), policy.MODEL_NAME, artifacts_uri())
