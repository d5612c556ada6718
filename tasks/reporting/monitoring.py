"""What a night's monitoring found, and what the trigger decided: sections of a Deck, and the night as a page of its own.

What was served is in `served.py`, all nights together are in `trend.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.artifacts.monitoring import Drift, Estimate, NightReport, Quality
from tasks.artifacts.record import Interval
from tasks.artifacts.retraining import Action, TriggerDecision
from tasks.reporting import page, plots, served, text
from tasks.reporting.page import Entry, badge, escape, facts, figure, folded, fragment, heading, lead, mark, paragraph, table

_MOST_COLUMNS = 10  # of a night: further ones moved less
_MOST_CHARACTERS = 600  # of what a rule says: its figures stand in the tables below
_GRAVEST_FIRST = [*reversed(Action)]
_BLIND = (
    "It rests on the champion's own probabilities, calibrated on its evaluation days. It sees that rows have become harder or easier. "
    "It is blind to a change of what the inputs mean (concept drift): only labels show that."
)
_READING = (
    "The p-value decides, and is adjusted for all columns of all groups and all windows. It compares whole days with whole days, because "
    "rows of one day share what the day brings. PSI and Wasserstein are for reading, and decide nothing."
)
_RULES = (
    "Each rule says what it asks for by itself. A cool-down, a retraining under way or a late night make an alert of it. A challenger is "
    "only asked for; the gate alone promotes one."
)


def sentence(report: NightReport, decision: TriggerDecision | None = None) -> str:
    """Say in plain words how the champion does, what drifted, and what is asked for."""
    found = _quality_told(report)
    if report.drift is None:
        drift = "too few days to test for drift"
    elif drifted := report.drift.drifted:
        drift = f"{text.listed(group.group for group in drifted)} drifted"
    else:
        drift = "nothing drifted"
    problems = f"; {text.count(len(report.problems), 'problem')} to look at" if report.problems else ""
    asked = "" if decision is None else f" {asks(decision)}"
    old = text.count(report.age_days, "day")
    return f"Champion v{report.champion_version}, {old} after its evaluation: {found}; {drift}{problems}.{asked}"


def _quality_told(report: NightReport) -> str:
    if (quality := report.quality) is not None:
        return f"log-loss {quality.log_loss} in {quality.window}, {text.decimals(quality.reference_log_loss)} at its evaluation"
    expected = f"; expected {report.estimate.log_loss}" if report.estimate is not None else ""
    return f"too few labelled days to tell its log-loss{expected}"


def asks(decision: TriggerDecision) -> str:
    """Say what a decision asks for."""
    match decision.action:
        case Action.NONE:
            return "Nothing is to be done."
        case Action.ALERT:
            return "A person should look; nothing is started."
        case Action.CHALLENGE:
            return "A challenger is trained now." if decision.retrain else "A challenger is asked for; none is started now."
        case Action.ROLL_BACK:
            return (
                "A rollback is asked for; none is started now."
                if decision.roll_back_to is None
                else f"Version {decision.roll_back_to} comes back."
            )


def night(report: NightReport, decision: TriggerDecision | None = None) -> str:
    """Show what a night found: problems first, then drift, quality, the estimate and what was served.

    Args:
        report: Of the night.
        decision: What the trigger made of it; None where it has not yet decided.

    Returns:
        HTML of a Deck: bounded, whatever the number of columns, segments or days.
    """
    is_calm = not report.problems and not (report.drift and report.drift.drifted)
    verdict = decision.action if decision is not None else "PASS" if is_calm else "WARN"
    return fragment(
        lead(verdict, sentence(report, decision)),
        *([_evidence(decision)] if decision is not None else []),
        *_problems(report, decision),
        facts(
            [
                ("Night", f"{report.night}{', caught up after it was missed' if report.is_late else ''}"),
                ("As of", text.instant(report.as_of)),
                ("Champion", f"v{report.champion_version}"),
                ("Its evaluation", report.evaluation),
                ("Labelled days since", text.count(report.new_labelled_days)),
                ("Days since the newest candidate", text.count(report.days_since_candidate)),
                ("Rows of the day", text.count(report.rows)),
            ]
        ),
        *_drift(report.drift),
        *_quality(report.quality),
        *_estimate(report.estimate),
        served.served(report.served),
        *_dependencies(report),
    )


def decision(record: TriggerDecision) -> str:
    """Show what the trigger decided, what each rule says, and where the runbook explains it."""
    told = f"Night of {record.night}, champion v{record.champion_version}: {asks(record)}"
    return fragment(lead(record.action, told), _evidence(record), paragraph(_RULES))


def night_page(report: NightReport, decision: TriggerDecision | None = None) -> str:
    """Return the night as a whole page, which needs no network, beside `index.html` of all nights."""
    return page.page(f"Night of {report.night}", night(report, decision), [Entry("index.html", "All nights", "")])


def _evidence(record: TriggerDecision) -> str:
    ordered = sorted(record.evidence, key=lambda evidence: _GRAVEST_FIRST.index(evidence.action))
    told = [_said(f"{badge(e.action)} ", e.rule, e.told, e.runbook) for e in ordered[: page.MOST_ROWS]]
    return heading("What the rules say") + f"<ul>{''.join(told)}</ul>" if told else ""


def _problems(report: NightReport, decision: TriggerDecision | None) -> list[str]:
    """Return the problems, but those that the decision tells already."""
    known = set() if decision is None else {evidence.told for evidence in decision.evidence}
    told = [_said("", p.name, p.told, p.runbook) for p in report.problems[: page.MOST_ROWS] if p.told not in known]
    return [heading("Problems"), f"<ul>{''.join(told)}</ul>"] if told else []


def _said(sign: str, name: str, told: str, runbook: str) -> str:
    """Return an item that names its page of the runbook; a list, since a narrow screen breaks such a table."""
    name = "" if told.startswith(f"{name}:") else f"{name}: "
    said = escape(text.clip(name + told, _MOST_CHARACTERS))
    return f'<li>{sign}{said}<br><span class="note">docs/{escape(runbook)}</span></li>'


def _dependencies(report: NightReport) -> list[str]:
    """Show what the champion depends on and does not hold, and what of it changed since the night before."""
    if not report.dependencies:
        return []
    rows = [(mark("ALERT" if d.has_changed else "NONE"), d.name, d.now, d.then or None) for d in report.dependencies]
    return [heading("Dependencies"), table(["Verdict", "Dependency", "Now", "The time before"], rows)]


def _drift(found: Drift | None) -> list[str]:
    if found is None:
        return [heading("Drift"), paragraph("There are too few days before the newest ones to compare them with.")]
    groups = [
        (mark("WARN" if g.is_drifted else "PASS"), g.group, g.column, g.what, g.days, f"{g.statistic:+.1f}", _p_value(g.p_value))
        for g in sorted(found.groups, key=lambda g: (g.p_value, -abs(g.statistic), g.group))
    ]
    moved = sorted(found.columns, key=lambda c: (c.p_value, -abs(c.statistic), c.column))[:_MOST_COLUMNS]
    columns = [
        (c.column, c.group, c.what, c.days, f"{c.statistic:+.1f}", _p_value(c.p_value), _reading(c.psi), _reading(c.wasserstein))
        for c in moved
    ]
    windows = text.listed(str(days) for days in found.windows)
    return [
        heading("Drift"),
        paragraph(f"The newest {windows} days to {found.last_day} against {found.reference}; level {found.level:.2g} a night. {_READING}"),
        table(["Verdict", "Group", "Column that moved most", "What of it", "Days", "Statistic", "p-value"], groups),
        *([page.words(f"Without any value in the newest days: {', '.join(found.missing)}.")] if found.missing else []),
        *([heading("Columns that moved most"), _columns(columns)] if columns else []),
        *_classifier(found),
    ]


def _columns(rows: Sequence[Sequence[object]]) -> str:
    return table(["Column", "Group", "What of it", "Days", "Statistic", "p-value", "PSI", "Wasserstein, in sd"], rows)


def _classifier(found: Drift) -> list[str]:
    if (told := found.classifier) is None:
        return []
    return [
        page.words(
            f"A classifier tells the newest {text.count(told.days, 'day')} from {text.count(told.reference_days)} before with an AUC of "
            f"{told.auc}, on days it has not seen; 0.5 is none."
        )
    ]


def _quality(found: Quality | None) -> list[str]:
    if found is None:
        return [heading("Quality"), paragraph("Too few days after the champion's evaluation are labelled.")]
    before: list[tuple[str, object]] = []
    if found.over_previous is not None:
        before = [(f"Log-loss above that of v{found.previous_version}, paired", text.signed(found.over_previous))]
    days = [(day.day, text.count(day.rows), text.decimals(day.log_loss)) for day in sorted(found.by_day, key=lambda day: day.day)]
    return [
        heading("Quality"),
        figure(plots.quality(found.by_day, found.reference_log_loss, found.log_loss), "Log-loss of the champion by labelled day"),
        facts(
            [
                ("Days looked at", found.window),
                ("Rows", text.count(found.rows)),
                ("Log-loss", found.log_loss),
                ("At its evaluation", text.decimals(found.reference_log_loss)),
                ("Above its evaluation", text.signed(found.decay)),
                ("AUC", found.auc if found.auc is not None else page.NOTHING),
                ("Calibration error", found.calibration_error),
                ("Share of positives", _shares(found.positives)),
                ("Cost of a decision", found.cost),
                *before,
            ]
        ),
        paragraph(text.INTERVALS),
        *_segments(found),
        folded("Log-loss of each day", table(["Day", "Rows", "Log-loss"], days)),
    ]


def _segments(found: Quality) -> list[str]:
    if not found.segments:
        return []
    worst = sorted(found.segments, key=lambda s: (1.0 if s.p_value is None else s.p_value, -s.log_loss.value))
    rows = [
        (
            s.segment,
            text.count(s.rows),
            text.count(s.days),
            text.brief(s.log_loss),
            None if s.reference_log_loss is None else text.decimals(s.reference_log_loss),
            _p_value(s.p_value),
        )
        for s in worst
    ]
    return [
        heading("Segments"),
        paragraph("p-value: that the segment is no worse than at the champion's evaluation, adjusted for all segments."),
        table(["Segment", "Rows", "Days", "Log-loss", "At its evaluation", "p-value"], rows),
    ]


def _estimate(found: Estimate | None) -> list[str]:
    if found is None:
        return []
    return [
        heading("Estimate before labels"),
        facts(
            [
                ("Days", found.window),
                ("Rows", text.count(found.rows)),
                ("Expected log-loss", found.log_loss),
                ("Expected at its evaluation, by the same way", text.decimals(found.reference_log_loss)),
                ("Expected share of positives", _shares(found.positives)),
            ]
        ),
        paragraph(_BLIND),
    ]


def _p_value(value: float | None) -> str | None:
    return None if value is None else f"{value:.2g}"


def _reading(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _shares(interval: Interval) -> str:
    return f"{interval.value:.1%} [{interval.lower:.1%}, {interval.upper:.1%}]"
