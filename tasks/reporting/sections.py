"""One section of HTML for each record, as a Deck shows it: what matters in a sentence, few plots, then tables.

Pure functions of records; each fragment carries its style and stays well below 500 KB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from tasks.artifacts.data import DataSnapshot, Severity, ValidationReport
from tasks.artifacts.registry import RegisteredModel
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.training import TrainedModel
from tasks.reporting import plots, sentences, text
from tasks.reporting.page import facts, figure, fragment, heading, lead, mark, paragraph, table

_WORST_FIRST = [Severity.STOP, Severity.WARN, Severity.PASS]


def snapshot(record: DataSnapshot) -> str:
    """Show the tables of a snapshot with their versions, and the rows that were set aside."""
    tables = [(t.name, text.count(t.rows), t.version, t.content_hash, t.uri) for t in record.tables]
    reasons = [(q.table, reason, text.count(rows)) for q in record.quarantined for reason, rows in q.reasons.items()]
    return fragment(
        lead("", sentences.snapshot(record)),
        facts(
            [
                ("Source", record.source),
                ("As of", text.instant(record.as_of)),
                ("Rows read", text.count(record.rows_read)),
                ("= accepted", text.count(sum(table.rows for table in record.tables))),
                ("+ set aside", text.count(sum(count.rows for count in record.quarantined))),
                ("+ not yet known at this instant", text.count(record.rows_not_yet_known)),
                ("Content hash", record.content_hash),
            ]
        ),
        heading("Tables"),
        table(["Table", "Rows", "Version", "Content hash", "Place"], tables),
        heading("Rows set aside"),
        table(["Table", "Reason", "Rows"], reasons) + paragraph("A row may have several reasons.")
        if reasons
        else paragraph("Every row keeps its contract."),
    )


def validation(record: ValidationReport) -> str:
    """Show the verdict on a batch, its rows by day, every finding, worst first, who overrode what, and the suite's conditions."""
    ordered = sorted(record.findings, key=lambda f: _WORST_FIRST.index(f.severity))
    return fragment(
        lead(record.verdict, sentences.validation(record)),
        figure(plots.rows_by_day(record.rows_by_day), "Rows by day"),
        heading("Findings"),
        table(
            ["Verdict", "Rule", "Day", "Expected", "Found"],
            [(mark(f.severity), f.rule, str(f.day or ""), f.expected, f.found) for f in ordered],
        ),
        *_overrides(record),
        *_integrity(record),
        facts([("Snapshot", record.snapshot_hash)]),
    )


def _overrides(record: ValidationReport) -> list[str]:
    if not record.overrides:
        return []
    rows = [(o.rule, str(o.day or "any"), o.by, o.reason, text.instant(o.at)) for o in record.overrides]
    return [heading("Overrides"), table(["Rule", "Day", "By", "Reason", "At"], rows)]


def _integrity(record: ValidationReport) -> list[str]:
    if not record.integrity:
        return []
    rows = [("yes" if c.passed else "no", c.check, c.condition, c.details) for c in sorted(record.integrity, key=lambda c: c.passed)]
    return [
        heading("Integrity of a sample"),
        paragraph("deepchecks on a sample of the rows: it informs, it does not decide."),
        table(["Holds", "Check", "Condition", "Details"], rows),
    ]


def features(rows: int, numeric: Sequence[str], categorical: Sequence[str]) -> str:
    """Show the features by kind and by the first word of their names.

    Args:
        rows: Number of rows that have them.
        numeric: Names of the numeric features.
        categorical: Names of the categorical ones.
    """
    groups: list[tuple[str, str, str, str]] = []
    for stem, names in groupby(sorted(numeric, key=_stem), key=_stem):
        members = list(names)
        groups.append(("numeric", stem, text.count(len(members)), ", ".join(members)))
    lone = [group for group in groups if group[2] == "1"]
    groups = [group for group in groups if group[2] != "1"]
    if lone:
        groups.append(("numeric", "other", text.count(len(lone)), ", ".join(group[3] for group in lone)))
    if categorical:
        groups.append(("categorical", "all", text.count(len(categorical)), ", ".join(categorical)))
    return fragment(
        lead("", sentences.features(rows, numeric, categorical)),
        table(["Kind", "Group", "Features"], [group[:3] for group in groups]),
        heading("Names"),
        *(paragraph(f"{kind.capitalize()}, {stem}: {names}") for kind, stem, _, names in groups),
    )


def _stem(name: str) -> str:
    return name.split("_")[0]


def training(models: Sequence[TrainedModel]) -> str:
    """Show what was trained, how it did on the rolling-origin folds, and with what."""
    parts = [lead("", sentences.training(models))]
    for model in models:
        image = plots.losses(model.losses)
        parts.append(figure(image, f"Mean training log-loss of {text.model(model.name)} by epoch"))
    folds = [(text.candidate(m), f.window, text.count(f.rows), text.decimals(f.log_loss)) for m in models for f in m.folds]
    trained = [
        (
            text.candidate(m),
            text.count(m.training_rows) + (f", evenly taken from {text.count(m.sampled_from)}" if m.sampled_from else ""),
            text.decimals(m.threshold),
            text.decimals(m.temperature),
            text.duration(m.train_seconds),
            text.count(round(m.rows_per_second)) if m.rows_per_second else None,
            f"{m.device}, {m.precision}",
            m.seed,
            text.decimals(m.losses[-1]) if m.losses else None,
        )
        for m in models
    ]
    parts += [
        heading("Folds"),
        paragraph("Each fold is trained on the labels that were known before its first day."),
        table(["Model", "Days tested on", "Rows", "Log-loss"], folds),
        heading("Models"),
        table(
            ["Model", "Training rows", "Threshold", "Temperature", "Time", "Rows a second", "Device", "Seed", "Last training log-loss"],
            trained,
        ),
        table(["Model", "Bundle", "Features"], [(text.candidate(m), m.bundle_digest, m.features_hash) for m in models]),
    ]
    if models:
        split = models[0].split
        parts.append(facts([("Training days", split.training), ("Evaluation days, held out", split.evaluation)]))
    return fragment(*parts)


def package(tag: str, digest: str, sizes: Mapping[str, int]) -> str:
    """Show what a package holds.

    Args:
        tag: Of the Bento that serves it.
        digest: Of the package.
        sizes: Its files with their bytes.
    """
    return fragment(
        lead("", f"The package has {text.count(len(sizes), 'file')} of {text.count(sum(sizes.values()), 'byte')}, none of them a pickle."),
        facts([("Package", digest), ("Bento", tag)]),
        table(["File", "Bytes"], [(name, text.count(size)) for name, size in sizes.items()]),
    )


def service(record: ServiceCheck) -> str:
    """Show whether the service, in a process of its own, answers as trained, refuses what is bad, and keeps its limits."""
    required = [
        (mark("PASS" if r.holds else "FAIL"), r.name, text.measure(r.value), text.measure(r.limit), r.reason) for r in record.requirements
    ]
    refusals = [(mark("PASS" if bad.is_refused else "FAIL"), bad.name, bad.expected_status, bad.status) for bad in record.refusals]
    return fragment(
        lead("PASS" if sentences.is_fit(record) else "STOP", sentences.service(record)),
        table(["Verdict", "Requirement", "Value", "Limit", "Found"], required),
        facts(
            [
                ("Bento", record.bento_tag),
                ("Golden rows", text.count(record.golden_rows)),
                ("Half of the requests of one row take", f"{record.p50_ms:.1f} ms"),
                ("Rows a second, in full requests", text.count(round(record.rows_per_second))),
                ("Packages that it could import", text.count(record.packages)),
            ]
        ),
        heading("Bad requests"),
        table(["Verdict", "Request", "Status that it must get", "Status"], sorted(refusals, key=lambda r: r[2] == r[3])),
    )


def registered(record: RegisteredModel) -> str:
    """Show the version in the registry."""
    return fragment(
        lead("", sentences.registered(record)),
        facts(
            [
                ("Model", record.name),
                ("Version", f"v{record.version}"),
                ("Aliases", ", ".join(record.aliases) or "none"),
                ("Package", record.package_digest),
                ("Run", record.run_id),
            ]
        ),
    )
