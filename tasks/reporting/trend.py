"""All nights together: lines with intervals, what alarmed, what was asked for and what came of it; for a Deck and as a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from itertools import pairwise

from tasks.artifacts.monitoring import NightReport
from tasks.artifacts.retraining import Action, TriggerDecision
from tasks.reporting import monitoring, text, trend_plots
from tasks.reporting.page import Entry, facts, figure, fragment, heading, index, lead, mark, paragraph, table
from tasks.reporting.page import page as whole
from tasks.reporting.trend_plots import GroupNight, Marks

MOST_NIGHTS = 400
"""Newest ones that are shown: a year and the month before it, and what a page of a few hundred kilobytes holds."""
_MOST_LISTED = 60  # nights that asked for something: two months of an alert each night
_MOST_LINKED = 30
_LEAST_SHOWN = timedelta(days=13)


def section(reports: Sequence[NightReport], decisions: Sequence[TriggerDecision]) -> str:
    """Show the newest nights together, the newest decision first.

    Args:
        reports: Of all nights, in any order; of a night that stands there twice the last counts.
        decisions: Of the same nights, as far as there are any.

    Returns:
        HTML of a Deck of less than 300 kB, whatever the number of nights.
    """
    shown, decided = _newest(reports), {decision.night: decision for decision in decisions}
    if not shown:
        return fragment(lead("", "No night has been recorded yet."))
    marks = _marks(shown, decided)
    newest = decided.get(shown[-1].night)
    return fragment(
        lead(newest.action if newest is not None else "", f"Night of {shown[-1].night}. {monitoring.sentence(shown[-1], newest)}"),
        facts(
            [
                ("Nights shown", f"{text.count(len(shown))} ({shown[0].night} to {shown[-1].night})"),
                ("Nights before that", text.count(len({report.night for report in reports}) - len(shown))),
                ("Missed in between", text.count(text.days_between(shown[0].night, shown[-1].night) - len(shown))),
                ("Alerts", text.count(len(marks.alerts))),
                ("Challengers asked for", text.count(len(marks.challenges))),
                ("Promotions", text.count(len(marks.promotions))),
                ("Ways back to a version before", text.count(len(marks.ways_back))),
            ]
        ),
        *_figures(shown, marks),
        *_alarms(shown),
        *_listed(shown, decided),
    )


def page(reports: Sequence[NightReport], decisions: Sequence[TriggerDecision], pages: Collection[date] = ()) -> str:
    """Return all nights as one page that needs no network.

    Args:
        reports: Of all nights; see `section`.
        decisions: Of the same nights.
        pages: Nights that have a page of their own beside this one, named `<night>.html`; the newest 30 are linked.
    """
    title, body = "Monitoring: all nights", section(reports, decisions)
    known = {report.night: report for report in reports}
    linked = sorted((night for night in pages if night in known), reverse=True)[:_MOST_LINKED]
    entries = [Entry(f"{night}.html", str(night), monitoring.sentence(known[night])) for night in linked]
    return index(title, entries, body) if entries else whole(title, body)


def _newest(reports: Sequence[NightReport]) -> list[NightReport]:
    by_night = {report.night: report for report in reports}
    return [by_night[night] for night in sorted(by_night)[-MOST_NIGHTS:]]


def _marks(shown: Sequence[NightReport], decided: dict[date, TriggerDecision]) -> Marks:
    """Return what was done; another champion than the night before is a promotion, or a way back if its version is lower."""
    asked: dict[Action, list[date]] = {action: [] for action in Action}
    for report in shown:
        if report.night in decided:
            asked[decided[report.night].action].append(report.night)
    changes = [
        (after.night, after.champion_version, after.champion_version > before.champion_version)
        for before, after in pairwise(shown)
        if after.champion_version != before.champion_version
    ]
    return Marks(
        alerts=tuple(asked[Action.ALERT]),
        challenges=tuple(asked[Action.CHALLENGE]),
        promotions=tuple((night, version) for night, version, is_newer in changes if is_newer),
        ways_back=tuple((night, version) for night, version, is_newer in changes if not is_newer),
    )


def _figures(shown: Sequence[NightReport], marks: Marks) -> list[str]:
    last = shown[-1].night
    first = min(shown[0].night, last - _LEAST_SHOWN)  # an axis of one day would be one of years
    days = tuple(first + timedelta(days=n) for n in range(text.days_between(first, last)))
    # A log with a gap of years is drawn by its newest days: a place a day must stay wide enough to be seen.
    days = days[-2 * MOST_NIGHTS :]
    by_night = {report.night: report for report in shown}
    reports = [by_night.get(day) for day in days]
    quality = [report.quality if report else None for report in reports]
    estimate = [report.estimate if report else None for report in reports]
    served = [report.served if report else None for report in reports]
    realised = tuple(found.log_loss if found else None for found in quality)
    expected = tuple(found.log_loss if found else None for found in estimate)
    reference = tuple(found.reference_log_loss if found else None for found in quality)
    shares = tuple(found.positives if found else None for found in quality)
    expected_shares = tuple(found.positives if found else None for found in estimate)
    rows = tuple(report.rows if report else None for report in reports)
    predictions = tuple(found.per_day[-1] if found and found.per_day else None for found in served)
    return [
        figure(
            trend_plots.log_loss(days, realised, expected, reference, marks.since(days[0])),
            "Log-loss of the newest labelled days as each night saw them, with 95 % intervals from a bootstrap over whole days",
        ),
        figure(_drift(days, reports), "Drift by group and night"),
        figure(trend_plots.positives(days, shares, expected_shares), "Share of positives, in the same windows"),
        figure(trend_plots.volume(days, rows, predictions), "Rows and predictions"),
    ]


def _drift(days: tuple[date, ...], reports: Sequence[NightReport | None]) -> str:
    tested = [report.drift if report else None for report in reports]
    names = list(dict.fromkeys(group.group for drift in tested if drift for group in drift.groups))
    found = [{g.group: GroupNight(g.p_value, g.is_drifted) for g in drift.groups} if drift else {} for drift in tested]
    levels = [drift.level for drift in tested if drift]
    return trend_plots.drift(days, {name: tuple(night.get(name) for night in found) for name in names}, levels[-1] if levels else 0.0)


def _alarms(shown: Sequence[NightReport]) -> list[str]:
    """Return how often each group alarmed: what fires each week tells nothing."""
    tests = [(report.night, group) for report in shown if report.drift for group in report.drift.groups]
    names = list(dict.fromkeys(group.group for _, group in tests))
    rows = []
    for name in names:
        nights = [(night, group) for night, group in tests if group.group == name]
        fired = [(night, group) for night, group in nights if group.is_drifted]
        newest = fired[-1] if fired else None
        rows.append(
            (
                name,
                text.count(len(nights)),
                text.count(len(fired)),
                text.share(len(fired) / len(nights)),
                newest and newest[0],
                newest and f"{newest[1].column}: {newest[1].what}",
            )
        )
    return [heading("Alarms by group"), table(["Group", "Nights tested", "Alarms", "Share", "Newest", "By"], rows)] if rows else []


def _listed(shown: Sequence[NightReport], decided: dict[date, TriggerDecision]) -> list[str]:
    rows = []
    for report in reversed(shown):
        decision = decided.get(report.night)
        drifted = [group.group for group in report.drift.drifted] if report.drift else []
        problems = [problem.name for problem in report.problems]
        if (decision is None or decision.action == Action.NONE) and not drifted and not problems:
            continue
        quality = report.quality
        rows.append(
            (
                report.night,
                mark(decision.action) if decision else None,
                f"v{report.champion_version}",
                text.brief(quality.log_loss) if quality else None,
                text.signed(quality.decay) if quality else None,
                ", ".join(drifted) or None,
                ", ".join(problems) or None,
            )
        )
    if not rows:
        return [heading("Nights"), paragraph("No night asked for anything.")]
    left_out = len(rows) - _MOST_LISTED
    return [
        heading("Nights that asked for something, newest first"),
        table(["Night", "Action", "Champion", "Log-loss", "Above its evaluation", "Drifted", "Problems"], rows[:_MOST_LISTED]),
        *([paragraph(f"{text.count(left_out, 'earlier one')} not shown.")] if left_out > 0 else []),
    ]
