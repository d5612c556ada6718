"""Govern: the decision on a candidate, and the dossier on which it can be followed."""

from __future__ import annotations

from pathlib import Path

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.explanation import GlobalExplanation
from tasks.artifacts.fairness import Fairness
from tasks.artifacts.registry import Incumbent
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.training import TrainedModel
from tasks.edges import Bundle, local_path, scratch
from tasks.execution import LIGHT, publish, stage


@stage(resources=LIGHT)
def decide(
    evaluation: Evaluation,
    fairness: Fairness,
    behaviour: Behaviour,
    service: ServiceCheck,
    incumbent: Incumbent,
    snapshot: DataSnapshot,
) -> Decision:
    """Judge the candidate: PROMOTE, REVIEW or HOLD, with every threshold, value and reason.

    Args:
        evaluation: All models side by side.
        fairness: How its decisions treat groups.
        behaviour: What it does under odd inputs.
        service: What its Bento did as a server.
        incumbent: The champion, or none.
        snapshot: The data that they were trained and evaluated on.
    """
    from tasks import caching, contracts
    from tasks.governance import gate
    from tasks.governance.gate import Terms
    from tasks.reporting import judgement
    from tasks.usecase import contract, policy
    from tasks.usecase.features import Features

    decision = gate.decide(
        evaluation,
        fairness,
        behaviour,
        service,
        Terms(caching.definition(contracts.digest(Features), Features.__module__), contracts.digest(*contract.TABLES)),
        Terms(incumbent.features_digest, incumbent.contract_digest),
        policy.PROMOTION,
        policy.FAIRNESS,
        snapshot.content_hash,
        policy.OWNER,
    )
    publish("decision", judgement.verdict(decision, evaluation, fairness))
    return decision


@stage(resources=LIGHT)
def compile_dossier(
    decision: Decision,
    evaluation: Evaluation,
    fairness: Fairness,
    behaviour: Behaviour,
    explanation: GlobalExplanation,
    candidate: TrainedModel,
    baselines: list[TrainedModel],
    snapshot: DataSnapshot,
    validation: ValidationReport,
    package: FlyteDirectory,
    service: ServiceCheck,
) -> Bundle:
    """Write all that the decision rests on into one folder: a dossier and a model card to read, the same as JSON, a bill of materials.

    Cached, so that a run done again keeps the dossier that was made with the decision, with the commit and the packages of that time.

    Args:
        decision: The verdict on the candidate.
        evaluation: All models side by side.
        fairness: How its decisions treat groups.
        behaviour: What it does under odd inputs.
        explanation: Which features matter to it.
        candidate: What is known of it.
        baselines: What is known of the baselines.
        snapshot: The data.
        validation: The verdict on them.
        package: The package.
        service: What its Bento did as a server.
    """
    from tasks import provenance
    from tasks.artifacts.dossier import Dossier
    from tasks.governance import environment
    from tasks.model import bundle
    from tasks.reporting import dossier as document
    from tasks.reporting import model_card, page
    from tasks.usecase import policy
    from tasks.usecase.card import CARD

    components = environment.components(provenance.ROOT)
    digest = bundle.digest(local_path(package))
    dossier = Dossier(
        use_case=policy.USE_CASE,
        card=CARD,
        costs=policy.COSTS,
        fairness_rules=policy.FAIRNESS,
        monitoring=policy.MONITORING,
        decision=decision,
        candidate=candidate,
        baselines=baselines,
        evaluation=evaluation,
        fairness=fairness,
        behaviour=behaviour,
        explanation=explanation,
        snapshot=snapshot,
        validation=validation,
        service=service,
        package_digest=digest,
        code_commit=provenance.commit(),
        lock_hash=provenance.lock_hash(),
        components=components,
    )
    files = {
        "dossier.html": document.html(dossier),
        "dossier.json": dossier.model_dump_json(indent=1) + "\n",
        "model_card.html": page.page(f"Model card · {policy.USE_CASE}", model_card.html(dossier)),
        "model_card.md": model_card.markdown(dossier),
        "bom.json": environment.bom(components, policy.MODEL_NAME, digest),
    }

    def fill(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)

    folder = scratch("dossier")
    bundle.write(folder, fill)
    publish("model card", model_card.html(dossier))
    return Bundle(str(folder))
