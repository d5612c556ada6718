"""Evidence that serving, and people who practise, leave: rollouts, rollbacks, trainings done again, explanations, the lake's columns."""

from __future__ import annotations

from pydantic import ValidationError

from tasks.artifacts.audit import Act, AuditEntry
from tasks.artifacts.serving import Routing
from tasks.lake.proofs import REPRODUCTION
from tasks.readiness.installation import Absent, Answer, Evidence, Installation
from tasks.readiness.trained import runs

JUDGE = "tasks.serving.task.judge_rollout"
EXPLAIN = "tasks.evaluation.task.explain_flight"
"""Tasks whose runs are looked for in the lake's accounts."""


def canaried(installation: Installation) -> Answer:
    """Look whether the version that answers all was a canary before, and its outcomes were judged night by night."""
    routed = _routed(installation)
    if not routed:
        return Absent("nothing has been served from this installation")
    tried = [(row, routing.canary.version) for row, routing in routed if routing.canary is not None]
    if not tried:
        return Absent("no version has been a canary")
    _, stands = routed[-1]
    began = [(row, version) for row, version in tried if version == stands.champion.version]
    if not began:
        row, version = tried[-1]
        lacks = f"version {stands.champion.version}, which answers all, was no canary"
        return Evidence(f"version {version} was a canary", f"lake `audit`, row {row.number}", row.at, lacks=lacks)
    row, version = began[0]
    judged = [used for used in runs(installation, JUDGE) if used.started >= row.at]
    told = f"version {version} was a canary before it answered all"
    if not judged:
        return Evidence(told, f"lake `audit`, row {row.number}", row.at, lacks="no nightly collection has judged it by what came")
    return Evidence(
        f"{told}; collections have judged what is tried {len(judged)} times since",
        "lake `audit` and `usage`",
        judged[-1].started,
        len(judged),
    )


def rolled_back(installation: Installation) -> Answer:
    """Look for a rollback that was done here."""
    rows = [row for row in installation.trail if row.act is Act.ROLLBACK]
    if not rows:
        return Absent("no version has been brought back in this installation")
    return Evidence(f"{rows[-1].subject} was brought back by {rows[-1].by}", f"lake `audit`, row {rows[-1].number}", rows[-1].at)


def reproduced(installation: Installation) -> Answer:
    """Look for a registered version that was trained again here."""
    kept = [proof for proof in installation.proofs if proof.kind == REPRODUCTION]
    if not kept:
        return Absent("no version of this installation has been trained again")
    last = kept[-1]
    if not last.holds:
        return Absent(f"{last.subject}: {last.told}", is_against=True)
    return Evidence(f"{last.subject}: {last.told}", "lake `proofs`", last.at)


def explained(installation: Installation) -> Answer:
    """Look for a prediction that was explained here, step by step."""
    kept = runs(installation, EXPLAIN)
    if not kept:
        return Absent("no prediction has been explained in this installation")
    return Evidence(f"{len(kept)} explanations of single predictions", "lake `usage`", kept[-1].started)


def lake_shows_no_restricted_value(installation: Installation) -> Answer:
    """Look whether a column that nobody may see stands in a table that is not the source's own."""
    made = {table: names for table, names in installation.columns.items() if table not in installation.terms.raw_tables}
    if not made:
        return Absent("the lake has no table that was made of the source's")
    shown = sorted(f"{table}.{name}" for table, names in made.items() for name in names if name in installation.terms.restricted)
    if shown:
        return Absent(f"restricted columns stand in {', '.join(shown)}", is_against=True)
    told = f"none of {len(installation.terms.restricted)} restricted columns stands in {len(made)} tables that were made of the source's"
    return Evidence(told, "the lake's columns", installation.now)


def _routed(installation: Installation) -> list[tuple[AuditEntry, Routing]]:
    """Return the rows that tell who answers whom; what a service refused is a row too, and tells of no routing."""
    found = []
    for row in installation.trail:
        if row.act is Act.ROUTING:
            try:
                found.append((row, Routing.model_validate_json(row.evidence)))
            except ValidationError:
                continue
    return found
