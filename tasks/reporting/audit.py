"""The audit trail as a Deck shows it, and what a person is asked before an approval."""

from __future__ import annotations

from tasks.artifacts.audit import AuditReport
from tasks.artifacts.evaluation import Decision
from tasks.reporting import text
from tasks.reporting.page import facts, fragment, heading, lead, paragraph, table

_METHOD = (
    "Each row carries the sum of the row before it: a row that was changed, removed or moved no longer fits, nor do those after it. "
    "That the last rows are all there is known from the registry, which keeps the sum of the newest row on each version."
)


def audit(record: AuditReport) -> str:
    """Show whether the trail is whole, where it breaks, and its newest rows, the newest first."""
    rows = [(e.number, text.instant(e.at), e.act, e.subject, e.by, e.reason, text.short(e.hash)) for e in reversed(record.newest)]
    return fragment(
        lead("PASS" if record.is_whole else "STOP", sentence(record)),
        paragraph(_METHOD),
        heading("Newest rows"),
        table(["Row", "At", "Act", "Subject", "By", "Reason", "Sum"], rows) if rows else paragraph("There are none yet."),
        *([facts([("Newest sum", record.newest[-1].hash)])] if record.newest else []),
    )


def sentence(record: AuditReport) -> str:
    """Say whether the trail is whole."""
    if record.is_whole:
        return f"The audit trail of {text.count(record.rows, 'row')} is whole, and the registry follows it."
    return f"The audit trail of {text.count(record.rows, 'row')} does not hold: row {record.broken_at} {record.problem}."


def question(decision: Decision, version: int, dossier_uri: str) -> str:
    """Return what a terminal shows before the question: the verdict, its reasons, every requirement, and where to read more."""
    width = max((len(c.name) for c in decision.criteria), default=0)
    lines = [
        f"version {version}: {decision.verdict}",
        *(f"  {reason}" for reason in decision.reasons),
        "requirements",
        *(
            f"  {'holds ' if c.holds else 'FAILS '}  {c.name:<{width}}  {text.decimals(c.value)} against {text.decimals(c.threshold)}"
            for c in sorted(decision.criteria, key=lambda c: c.holds)
        ),
        f"dossier  {dossier_uri}",
    ]
    return "\n".join(["", *lines, ""])


def asked(model: str, version: int, decision: Decision, dossier_digest: str, by: str) -> str:
    """Return in a line what is approved, by whom and on what; Flyte's gate puts the question mark behind it."""
    answer = "(Enter means yes, n refuses)"  # flytekit asks so that an empty answer is one
    return f"{model} version {version}, {decision.verdict}, dossier {text.short(dossier_digest)}, in the name of {by} {answer}"
