"""Readiness: the ML Test Score of this installation, by what is on record."""

from __future__ import annotations

from tasks.artifacts.readiness import Inventory, MLTestScore
from tasks.execution import LIGHT, lake_uri, publish, stage


@stage(cached=False, resources=LIGHT)
def score(inventory: Inventory) -> MLTestScore:
    """Look for the evidence of each of the 28 tests, score it, and keep, print and show the score.

    Args:
        inventory: What the registry holds.
    """
    from datetime import UTC, datetime

    from rich.console import Console

    from tasks import local, provenance
    from tasks.artifacts.readiness import Proof
    from tasks.lake import proofs
    from tasks.readiness import gather, scoring
    from tasks.readiness.rubric import RUBRIC
    from tasks.reporting import readiness as section
    from tasks.usecase import policy

    now = datetime.now(UTC)
    installation = gather.gather(lake_uri(), local.home(), inventory, _terms(), policy.READINESS, now)
    found = scoring.score(installation, RUBRIC, provenance.commit())
    history = [proof for proof in installation.proofs if proof.kind == proofs.SCORE]
    told = section.sentence(found)
    kept = Proof(
        kind=proofs.SCORE,
        subject=found.code_commit,
        holds=found.final > 0,
        told=told,
        at=now,
        run=local.run(),
        record=found.model_dump_json(),
    )
    proofs.add(lake_uri(), kept)
    publish("ML Test Score", section.section(found, history))
    console = Console()
    console.print(section.closing(found))
    if not local.is_pod():  # whose disk goes with it; there, the Deck and the lake have it
        folder = local.home() / "ml-test-score"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{now:%Y-%m-%d}.json").write_text(found.model_dump_json(indent=1) + "\n")
        (folder / "index.html").write_text(section.document(found, history))
        console.print(f"  {folder / 'index.html'}", markup=False, highlight=False, soft_wrap=True)
    return found


def _terms():  # type: ignore[no-untyped-def]  # its type lives behind a heavy import
    from tasks import contracts, provenance
    from tasks.readiness.installation import Terms
    from tasks.usecase import contract, policy
    from tasks.usecase.features import Features

    return Terms(
        contract_digest=contracts.digest(*contract.TABLES),
        inputs=contracts.inputs(Features),
        restricted=frozenset(name for table in contract.TABLES for name in contracts.sensitive(table.schema)),
        raw_tables=frozenset(table.name for table in contract.TABLES),
        attributes=sorted(policy.FAIRNESS.limits),
        no_value_log_loss=policy.DATA_VALUE.no_value_log_loss,
        monitoring=policy.MONITORING,
        code=provenance.code_hash(),
    )
