"""Sections on lineage and on the upkeep of the lake."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.artifacts.lineage import Lineage, Overdue, Reproduction, UpkeepReport
from tasks.reporting import text
from tasks.reporting.page import facts, fragment, heading, lead, paragraph, table


def trace(record: Lineage) -> str:
    """Show the way back from a prediction or a version to the files of the source."""
    made = f"Prediction {record.prediction_id} was made by version" if record.prediction_id else "Version"
    sentence = (
        f"{made} {record.version} of {record.name}{',' if record.prediction_id else ' was'} trained on what was known at "
        f"{text.instant(record.snapshot.as_of)}, from {text.count(len(record.files), 'file')}."
    )
    uses = [
        (use.table, use.file, use.fingerprint, use.source, use.first_day, use.last_day, text.count(use.days), text.count(use.rows))
        for use in record.files
    ]
    return fragment(
        lead("", sentence),
        facts(
            [
                *([("Prediction", record.prediction_id)] if record.prediction_id else []),
                ("Version", f"{record.name} {record.version}"),
                ("Verdict", record.verdict),
                ("Owner", record.owner),
                ("Evaluation days, held out", record.evaluation),
                ("Package", record.package_digest),
                ("Code commit", record.code_commit),
                ("Lock file", record.lock_hash),
                ("Snapshot", record.snapshot.content_hash),
                ("Manifest", record.snapshot.manifest),
            ]
        ),
        heading("Tables"),
        table(
            ["Table", "Version", "Rows", "Content hash", "Place"],
            [(t.name, t.version, text.count(t.rows), t.content_hash, t.uri) for t in record.snapshot.tables],
        ),
        heading("Source files"),
        table(["Table", "File", "Fingerprint", "Source", "First day", "Last day", "Days", "Rows"], uses),
        paragraph("A file that was changed later stands once for each state in which its days were read."),
    )


def reproduction(record: Reproduction) -> str:
    """Show whether a training done again gave the same weights, and what was not as it was."""
    verdict = "gave the same weights to the bit" if record.is_identical else "gave other weights"
    differs = [tuple(told.split(" ", 1)) for told in record.differs]
    return fragment(
        lead("", f"The training of version {record.version}, done again, {verdict}."),
        facts([("Then", record.bundle_digest), ("Now", record.again_digest)]),
        *([heading("What was not as it was"), table(["What", "Then and now"], differs)] if differs else []),
    )


def upkeep(record: UpkeepReport) -> str:
    """Show what upkeep compacted, removed and kept."""
    removed = sum(t.files_removed for t in record.tables)
    rows = [
        (t.table, text.count(t.files_compacted), text.count(t.files_removed), ", ".join(map(str, t.kept_versions)) or None)
        for t in record.tables
    ]
    return fragment(
        lead("", f"{text.count(removed, 'data file')} and {text.count(record.manifests_removed, 'manifest')} were removed."),
        table(["Table", "Files compacted", "Files removed", "Versions kept for a model"], rows),
        facts([("Manifests kept", text.count(record.manifests_kept)), ("Kept anyhow", text.count(round(record.keep_days), "day"))]),
        paragraph("The newest version of each table is always kept, and every version that a registered model names."),
        *_overdue(record.overdue),
    )


def _overdue(found: Sequence[Overdue]) -> list[str]:
    rows = [
        (f"{o.table}.{o.column}", text.count(o.retention_days, "day"), text.count(o.days, "day"), o.first_day, o.last_day) for o in found
    ]
    return [heading("Kept for too long"), table(["Column", "To be kept", "Older", "First", "Last"], rows)] if rows else []
