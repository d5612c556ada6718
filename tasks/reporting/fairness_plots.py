"""Plots of fairness: rates of groups beside each other, and what ways to less difference bring and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.artifacts.fairness import AttributeFairness, Mitigation
from tasks.artifacts.record import Interval
from tasks.reporting import text
from tasks.reporting.drawing import canvas, image, once
from tasks.reporting.style import BLUE, GREY, ORANGE

_MOST_LINES = 30
_LABEL = 34  # characters of a label beside a line


class Panel(NamedTuple):
    """One column of dots with whiskers: a value a line, None where there is none."""

    title: str
    values: list[Interval | None]
    line: float | None = None


@once
def rates(attribute: AttributeFairness) -> str:
    """Draw selection rate and true positive rate of each group, the largest groups first; those that do not count in grey."""
    groups = sorted(attribute.groups, key=lambda group: (not group.counts, -group.rows, group.group))[:_MOST_LINES]
    labels = [f"{text.clip(g.group, _LABEL)} · {text.count(g.rows, 'row')}" for g in groups]
    panels = [
        Panel("flagged, share of all", [g.selection_rate for g in groups]),
        Panel("flagged, share of the positives", [g.true_positive_rate for g in groups]),
    ]
    colours = [BLUE if g.counts else GREY for g in groups]
    return _panels(f"Rates by {attribute.grouping.name}", labels, panels, colours)


@once
def ways(record: Mitigation) -> str:
    """Draw the difference of true positive rates that each way leaves, and what it costs beside no mitigation."""
    labels = [result.name for result in record.results]
    panels = [
        Panel("difference of true positive rates", [result.fairness.equal_opportunity_difference for result in record.results], 0.0),
        Panel("price in cost a row (above 0 is worse)", [result.price_cost for result in record.results], 0.0),
    ]
    colours = [GREY if result.price_cost is None else ORANGE for result in record.results]
    return _panels(f"Ways to less difference by {record.attribute}", labels, panels, colours)


def _panels(title: str, labels: Sequence[str], panels: Sequence[Panel], colours: Sequence[str]) -> str:
    """Draw panels side by side on the same lines; a marker stands at the value, whiskers at its interval."""
    if not labels:
        return ""
    told = [
        f"{label}: {', '.join(f'{panel.title} {panel.values[i]}' for panel in panels if panel.values[i] is not None)}"
        for i, label in enumerate(labels[:6])
    ]
    alt = f"{title}. {'; '.join(told)}{'; ...' if len(labels) > len(told) else ''}."
    places = range(len(labels))
    with canvas(0.85 + 0.25 * max(2, len(labels))) as figure:
        for number, (axes, panel) in enumerate(zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True)):
            if panel.line is not None:
                axes.axvline(panel.line, color=GREY, linestyle="--", linewidth=1.1)
            for place, interval, colour in zip(places, panel.values, colours, strict=True):
                if interval is not None:
                    axes.plot([interval.lower, interval.upper], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
                    axes.plot(interval.value, place, marker="o", markersize=5.5, color=colour)
            axes.set_xlabel(panel.title)
            axes.grid(visible=False, axis="y")
            if number == 0:
                axes.set_yticks(list(places), list(labels))
                axes.set_ylim(len(labels) - 0.4, -0.6)
        return image(figure, alt)
