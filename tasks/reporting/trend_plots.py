"""Plots over all nights: log-loss with what was done, drift by group, positives and volume.

One place a calendar day; a night that was not recorded, or has no value, is a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from tasks.artifacts.record import Interval
from tasks.reporting import text
from tasks.reporting.drawing import canvas, image, once
from tasks.reporting.plots import date_axis
from tasks.reporting.style import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_P = 1e-5  # smaller ones are drawn there: no permutation tells them apart
_NONE = float("nan")


class Marks(NamedTuple):
    """Nights on which something was done."""

    alerts: Sequence[date]
    challenges: Sequence[date]
    promotions: Sequence[tuple[date, int]]
    """Night, and the version that it sees for the first time."""
    ways_back: Sequence[tuple[date, int]]

    def since(self, first: date) -> Marks:
        """Return those of a day and later."""
        alerts, challenges = ([day for day in days if day >= first] for days in (self.alerts, self.challenges))
        promotions, ways_back = ([pair for pair in pairs if pair[0] >= first] for pairs in (self.promotions, self.ways_back))
        return Marks(alerts, challenges, promotions, ways_back)


class GroupNight(NamedTuple):
    """One group of columns on one night."""

    p_value: float
    is_drifted: bool


@once
def log_loss(
    days: Sequence[date],
    realised: Sequence[Interval | None],
    expected: Sequence[Interval | None],
    reference: Sequence[float | None],
    marks: Marks,
) -> str:
    """Draw the log-loss that came and that was expected, beside the champion's evaluation, above what was done on which night.

    Args:
        days: All days from the first night to the last.
        realised: Of each day; None without one.
        expected: Of each day, by the estimate before labels.
        reference: Of each day, the champion's log-loss at its evaluation.
        marks: What was done.
    """
    known = [(day, found) for day, found in zip(days, realised, strict=True) if found is not None]
    told = "no night has a realised log-loss"
    if known:
        (worst_day, worst), (newest_day, newest) = max(known, key=lambda pair: pair[1].value), known[-1]
        told = f"realised {newest} on {newest_day}, highest {worst} on {worst_day}"
    done = f"{text.count(len(marks.alerts), 'alert')}, {text.count(len(marks.challenges), 'challenge')}, "
    done += f"{text.count(len(marks.promotions), 'promotion')}, {text.count(len(marks.ways_back), 'way')} back"
    with canvas(4.3) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
        places = _places(days)
        _band(upper, places, expected, ORANGE, "expected before labels", "--")
        _band(upper, places, realised, BLUE, "realised", "-")
        upper.step(
            places, [_NONE if v is None else v for v in reference], where="mid", color=GREY, linewidth=1.3, label="at its evaluation"
        )
        upper.set_ylabel("log-loss (lower is better)")
        upper.margins(x=0.015, y=0.1)
        for day, version in [*marks.promotions, *marks.ways_back]:
            upper.axvline(*_places([day]), color=GREEN, linewidth=0.9, linestyle=":")
            upper.annotate(f"v{version}", (_places([day])[0], 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8)
        figure.legend(loc="outside upper left", ncols=3)
        _strip(lower, marks)
        date_axis(lower)
        return image(figure, f"Log-loss of the champion over {text.count(len(days), 'day')}, {days[0]} to {days[-1]}: {told}. {done}.")


def _strip(axes: Axes, marks: Marks) -> None:
    """Mark what was done, a line each, so that neither colour nor place alone tells it."""
    kinds = [
        ("way back", [day for day, _ in marks.ways_back], "X", VERMILION),
        ("promotion", [day for day, _ in marks.promotions], "o", GREEN),
        ("challenge", marks.challenges, "^", BLUE),
        ("alert", marks.alerts, "|", ORANGE),
    ]
    for place, (_, days, sign, colour) in enumerate(kinds):
        axes.plot(_places(days), [place] * len(days), sign, color=colour, markersize=7, markeredgewidth=1.4)
    axes.set_yticks(range(len(kinds)), [name for name, *_ in kinds])
    axes.set_ylim(-0.6, len(kinds) - 0.4)
    axes.grid(visible=False, axis="x")


@once
def drift(days: Sequence[date], groups: Mapping[str, Sequence[GroupNight | None]], level: float) -> str:
    """Draw the p-value of each group by night on a scale of powers, smaller ones higher, with the level of an alarm.

    Args:
        days: All days from the first night to the last.
        groups: Of each group its p-value and whether it is called drifted, a day each; None without a test.
        level: Of a night.
    """
    if not groups:
        return ""
    alarms = {name: [day for day, n in zip(days, nights, strict=True) if n and n.is_drifted] for name, nights in groups.items()}
    told = "; ".join(
        f"{name} {text.count(len(found), 'alarm')}{f', newest {found[-1]}' if found else ''}" for name, found in alarms.items()
    )
    with canvas(0.8 + 0.72 * len(groups)) as figure:
        column = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        places = _places(days)
        for axes, (name, nights) in zip(column, groups.items(), strict=True):
            values = [_NONE if night is None else max(night.p_value, _LEAST_P) for night in nights]
            axes.plot(places, values, color=SKY, linewidth=1.1)
            axes.axhline(level, color=GREY, linestyle="--", linewidth=0.9)
            fired = [(place, value) for place, value, n in zip(places, values, nights, strict=True) if n and n.is_drifted]
            axes.plot([place for place, _ in fired], [value for _, value in fired], "o", color=VERMILION, markersize=4.6)
            axes.set_yscale("log")
            axes.minorticks_off()
            axes.set_yticks([1, 0.1, 0.01, 0.001], ["1", "0.1", "0.01", "0.001"])
            axes.set_ylabel(name, rotation=0, ha="right", va="center", color=BLACK)
            axes.margins(x=0.015)
        least = min([n.p_value for nights in groups.values() for n in nights if n] + [level])
        column[0].set_ylim(1.5, max(least, _LEAST_P) / 2.5)  # downwards: an alarm stands out at the top
        column[0].set_title("p-value; dashed: level of a night; dots: alarms", loc="left", fontsize=9, color=GREY)
        date_axis(column[-1])
        return image(figure, f"p-value of drift by group and night, {days[0]} to {days[-1]}, level {level:.2g}: {told}.")


@once
def positives(days: Sequence[date], realised: Sequence[Interval | None], expected: Sequence[Interval | None]) -> str:
    """Draw the share of positives that came, and that was expected before labels, a day each; nothing where neither is known."""
    if not any(realised) and not any(expected):
        return ""
    known = [found for found in realised if found is not None]
    told = f"from {min(f.value for f in known):.1%} to {max(f.value for f in known):.1%}" if known else "none is known yet"
    with canvas(2.6) as figure:
        axes = figure.subplots()
        _band(axes, _places(days), expected, ORANGE, "expected before labels", "--")
        _band(axes, _places(days), realised, BLUE, "realised", "-")
        axes.set_ylabel("share of positives")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.margins(x=0.015, y=0.1)
        figure.legend(loc="outside upper left", ncols=2)
        date_axis(axes)
        return image(figure, f"Share of positives by night, {days[0]} to {days[-1]}: realised {told}.")


@once
def volume(days: Sequence[date], rows: Sequence[int | None], predictions: Sequence[int | None]) -> str:
    """Draw the rows of each night, above the service's predictions of the newest day it had then, where there are any."""
    known = [(day, n) for day, n in zip(days, rows, strict=True) if n is not None]
    least, most = min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])
    panels: list[tuple[str, Sequence[int | None]]] = [("rows of the day", rows)]
    if any(n is not None for n in predictions):
        panels.append(("predictions", predictions))
    with canvas(0.7 + 1.5 * len(panels)) as figure:
        column = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, counts) in zip(column, panels, strict=True):
            axes.bar(_places(days), [n or 0 for n in counts], width=1.0, color=SKY)
            axes.grid(visible=False, axis="x")
            axes.margins(x=0.015)
            axes.set_ylabel(name)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        date_axis(column[-1])
        fewest = f"fewest {text.count(least[1])} on {least[0]}, most {text.count(most[1])} on {most[0]}"
        return image(figure, f"Rows of each night's newest day, {days[0]} to {days[-1]}: {fewest}.")


def _band(axes: Axes, places: Sequence[float], found: Sequence[Interval | None], colour: str, label: str, style: str) -> None:
    """Draw a line with its intervals; a single value between gaps would be no line, so that it is a point."""
    if not any(found):
        return
    value, lower, upper = ([_NONE if f is None else getattr(f, name) for f in found] for name in ("value", "lower", "upper"))
    axes.fill_between(places, lower, upper, color=colour, alpha=0.2, linewidth=0)
    axes.plot(places, value, style, color=colour, linewidth=1.5, label=label)
    alone = [n for n, f in enumerate(found) if f and not any(found[max(n - 1, 0) : n]) and not any(found[n + 1 : n + 2])]
    axes.errorbar(
        [places[n] for n in alone],
        [value[n] for n in alone],
        yerr=[[value[n] - lower[n] for n in alone], [upper[n] - value[n] for n in alone]],
        fmt="o",
        color=colour,
        markersize=4,
        linewidth=1.2,
    )


def _places(days: Sequence[date]) -> list[float]:
    from matplotlib.dates import date2num

    return [float(date2num(day)) for day in days]
