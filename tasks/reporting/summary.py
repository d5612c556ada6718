"""A run as a reader meets it: an index with a page for each task, and the closing table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.fairness import FairnessRules
from tasks.artifacts.registry import RunSummary, StageCost
from tasks.reporting import behaviour, explanation, fairness, judgement, page, plots, sections, sentences, text, usage
from tasks.reporting.page import Entry

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_INDEX = "index.html"
_MEASURES = ("Time", "Peak memory", "CPU time")
_STYLES = {Verdict.PROMOTE: "bold green", Verdict.REVIEW: "bold yellow", Verdict.HOLD: "bold red"}


def run_report(summary: RunSummary, fairness_rules: FairnessRules) -> dict[str, str]:
    """Return the report of a run: file name to whole HTML document.

    `index.html` links one page for each task that has a Deck, named after its task, one of what they used, and the dossier and
    the model card beside it; all belong in one folder.
    """
    candidate = [m for m in summary.models if m.name == text.CANDIDATE]
    baselines = [m for m in summary.models if m.name != text.CANDIDATE]
    rows = sum(summary.validation.rows_by_day.values())  # features have a row for each row of the main table
    numeric, categorical = (summary.models[0].numeric_features, summary.models[0].categorical_features) if summary.models else ([], [])
    groups = summary.fairness
    parts = [
        ("ingest", "Data", sentences.snapshot(summary.snapshot), sections.snapshot(summary.snapshot)),
        ("validate", "Validation", sentences.validation(summary.validation), sections.validation(summary.validation)),
        ("build_features", "Features", sentences.features(rows, numeric, categorical), sections.features(rows, numeric, categorical)),
        ("train_baselines", "Baselines", sentences.training(baselines), sections.training(baselines)),
        ("train_network", "Network", sentences.training(candidate), sections.training(candidate)),
        ("evaluate", "Evaluation", sentences.evaluation(summary.evaluation), judgement.evaluation(summary.evaluation)),
        ("assess_fairness", "Fairness", fairness.sentence(groups, fairness_rules), fairness.fairness(groups, fairness_rules)),
        ("examine_behaviour", "Behaviour", behaviour.verdict(summary.behaviour)[1], behaviour.behaviour(summary.behaviour)),
        ("explain_model", "Explanation", explanation.verdict(summary.explanation), explanation.explanation(summary.explanation)),
        ("validate_service", "Service", sentences.service(summary.service), sections.service(summary.service)),
        ("decide", "Decision", sentences.decision(summary.decision), judgement.verdict(summary.decision, summary.evaluation, groups)),
        ("register", "Registry", sentences.registered(summary.registered), sections.registered(summary.registered)),
        ("resources", "Resources", usage.sentence(summary), usage.run(summary)),
    ]
    documents = [
        Entry("dossier.html", "Dossier", f"All that the decision rests on; its sum is {text.short(summary.registered.dossier_digest)}"),
        Entry("model_card.html", "Model card", "What the model is for, what it can and cannot do"),
    ]
    entries = [Entry(f"{task}.html", label, fact) for task, label, fact, _ in parts]
    links = [Entry(_INDEX, "Summary", ""), *entries]
    pages = {f"{task}.html": page.page(f"{label} · {summary.use_case}", body, links) for task, label, _, body in parts}
    return {_INDEX: page.index(f"Run of {summary.use_case}", [*documents, *entries], _overview(summary)), **pages}


def _overview(summary: RunSummary) -> str:
    snapshot, registered = summary.snapshot, summary.registered
    by_model = plots.models(summary.evaluation.metrics, summary.evaluation.incumbent_version)
    aside = sum(q.rows for q in snapshot.quarantined)
    return "".join(
        [
            page.lead(summary.decision.verdict, sentences.decision(summary.decision)),
            page.bullets(summary.decision.reasons),
            page.facts(
                [
                    ("Model", f"{registered.name} v{registered.version}"),
                    *(("Candidate", text.candidate(m)) for m in summary.models if m.name == text.CANDIDATE),
                    ("Aliases", ", ".join(registered.aliases) or "none"),
                    ("As of", text.instant(summary.as_of)),
                    ("Days", f"{text.days_between(snapshot.first_day, snapshot.last_day):,}, {snapshot.first_day} to {snapshot.last_day}"),
                    ("Rows", f"{sum(t.rows for t in snapshot.tables):,}, {aside:,} set aside"),
                    ("Validation", page.mark(summary.validation.verdict)),
                    ("Time", text.duration(summary.seconds)),
                    ("Peak memory", text.memory(summary.peak_memory_mb)),
                    ("CPU time", text.duration(summary.cpu_seconds)),
                    ("Device time", text.duration(summary.device_seconds)),
                    ("Energy", usage.energy(summary.energy_joules)),
                    ("Cost", f"{usage.money(summary.cost)} {usage.currency(summary)}".strip()),
                    ("Snapshot", snapshot.content_hash),
                    ("Run", summary.run_id),
                ]
            ),
            page.heading("Models"),
            page.figure(by_model, "Log-loss on the evaluation days. The line is the candidate's."),
            judgement.metrics(summary.evaluation),
            page.heading("Stages"),
            page.table(
                ["Stage", *_MEASURES, "Device time", "Energy", f"Cost, {usage.currency(summary)}", "Tasks", "From the cache"],
                [
                    (*_measured(s), text.duration(s.device_seconds), usage.energy(s.energy_joules), usage.money(s.cost), s.tasks, s.cached)
                    for s in summary.stages
                ],
            ),
        ]
    )


def _measured(stage: StageCost) -> tuple[str, str, str, str]:
    return stage.stage, text.duration(stage.seconds), text.memory(stage.peak_memory_mb), text.duration(stage.cpu_seconds)


def closing_table(summary: RunSummary) -> Group:
    """Return what a terminal of 80 columns or more shows at the end of a run."""
    from rich.console import Group
    from rich.rule import Rule
    from rich.table import Table
    from rich.text import Text

    verdict = summary.decision.verdict
    title = Text(f"{summary.use_case}  ", style="bold") + Text(verdict, style=_STYLES[verdict])
    reasons = Table.grid(padding=(0, 1, 0, 0))
    for reason in summary.decision.reasons:
        reasons.add_row("-", Text(reason))
    return Group(
        Rule(title, align="left", style="dim"),
        Text(sentences.decision(summary.decision)),
        reasons,
        Text(),
        _facts(summary),
        Text(),
        _models(summary),
        Text(),
        _stages(summary),
        Text(),
        Rule(style="dim"),
    )


def _facts(summary: RunSummary) -> Table:
    from rich.table import Table
    from rich.text import Text

    snapshot, registered = summary.snapshot, summary.registered
    days = text.days_between(snapshot.first_day, snapshot.last_day)
    rows, aside = sum(t.rows for t in snapshot.tables), sum(q.rows for q in snapshot.quarantined)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in (
        ("as of", text.instant(summary.as_of)),
        ("snapshot", f"{text.short(snapshot.content_hash)}, {days:,} days, {snapshot.first_day} to {snapshot.last_day}"),
        ("rows", f"{rows:,}, {aside:,} set aside; validation {summary.validation.verdict}"),
        ("model", f"{registered.name} v{registered.version}, {', '.join(registered.aliases) or 'no alias'}"),
        *(("candidate", text.candidate(m)) for m in summary.models if m.name == text.CANDIDATE and m.config.lightgbm_share),
        ("service", _service(summary)),
        ("run", summary.run_id),
        ("resources", usage.sentence(summary)),
        ("dossier", f"dossier.html beside the report, sum {text.short(registered.dossier_digest)}"),
        ("report", summary.report),
    ):
        grid.add_row(label, Text(value))
    return grid


def _service(summary: RunSummary) -> str:
    found = summary.service
    refused = f"{sum(bad.is_refused for bad in found.refusals)} of {text.count(len(found.refusals), 'bad request')} refused"
    return f"ready in {text.duration(found.ready_seconds)}, p99 {found.p99_ms:.1f} ms, {text.memory(found.memory_mb)}, {refused}"


def _models(summary: RunSummary) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), show_edge=False)
    table.add_column("model", no_wrap=True)
    for header in ("log-loss", "AUC", "cost of a decision"):
        table.add_column(header, justify="right")
    for m in summary.evaluation.metrics:
        cells = (m.model, str(m.log_loss), text.brief(m.auc), text.brief(m.cost))
        table.add_row(*(Text(cell) for cell in cells), style="bold" if m.model == text.CANDIDATE else "")
    return table


def _stages(summary: RunSummary) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), show_edge=False, show_footer=True)
    tasks, cached = sum(s.tasks for s in summary.stages), sum(s.cached for s in summary.stages)
    table.add_column("stage", footer="total")
    for header, total in zip(
        (*map(str.lower, _MEASURES[:2]), _MEASURES[2], f"cost, {usage.currency(summary)}", "tasks", "cached"),
        (
            text.duration(summary.seconds),
            text.memory(summary.peak_memory_mb),
            text.duration(summary.cpu_seconds),
            usage.money(summary.cost),
            str(tasks),
            str(cached),
        ),
        strict=True,
    ):
        table.add_column(header, justify="right", footer=total)
    for s in summary.stages:
        table.add_row(*map(Text, (*_measured(s), usage.money(s.cost), str(s.tasks), str(s.cached))))
    return table
