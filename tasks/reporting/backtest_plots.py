"""Plots of a backtest: what each policy saves by its promotions, and week by week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from tasks.artifacts.backtest import Backtest, PolicyKind, PolicyResult
from tasks.reporting import text
from tasks.reporting.drawing import canvas, image, once
from tasks.reporting.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {PolicyKind.FIXED: BLUE, PolicyKind.PEER: ORANGE, PolicyKind.OURS: GREEN, PolicyKind.ORACLE: BLACK}
_SHAPES = {PolicyKind.FIXED: "o", PolicyKind.PEER: "s", PolicyKind.OURS: "D", PolicyKind.ORACLE: "^"}


@once
def gains(found: Backtest) -> str:
    """Draw the gain over never by the number of promotions, each policy with its interval."""
    shown = [policy for policy in found.policies if policy.promotions]
    if not shown:
        return ""
    told = "; ".join(f"{p.name} {text.signed(p.over_never)} with {p.promotions}" for p in shown[:12])
    with canvas(4.2) as figure:
        axes = figure.subplots()
        for kind in PolicyKind:
            some = [policy for policy in shown if policy.kind == kind]
            for policy in some:
                gain = policy.over_never
                axes.plot([policy.promotions] * 2, [gain.lower, gain.upper], color=_COLOURS[kind], linewidth=1, alpha=0.35)
            axes.plot(
                [p.promotions for p in some],
                [p.over_never.value for p in some],
                _SHAPES[kind],
                color=_COLOURS[kind],
                markersize=6,
                label=kind.value,
            )
        shortest = next(p for p in found.policies if p.name == found.shortest)
        wanted = shortest.over_never.value * found.rules.least_gain_share
        most = shortest.promotions * found.rules.most_promotions_share
        axes.axhline(wanted, color=GREY, linestyle="--", linewidth=1.1)
        axes.axvline(most, color=GREY, linestyle="--", linewidth=1.1)
        axes.set(xlabel="promotions", ylabel="log-loss saved over never")
        axes.legend(loc="lower right", ncols=4)
        axes.margins(y=0.12)
        return image(figure, f"Log-loss saved over never by promotions: {told}.")


@once
def weeks(found: Backtest, names: Sequence[str]) -> str:
    """Draw the log-loss that some policies save over never, week by week, with the promotions of the last one marked.

    Args:
        found: The backtest; a policy called never is among its own.
        names: Policies, in the order in which they are drawn.
    """
    by_name = {policy.name: policy for policy in found.policies}
    never = by_name.get("never")
    shown = [by_name[name] for name in names if name in by_name]
    if never is None or not shown:
        return ""
    told = "; ".join(f"{policy.name} {text.signed(policy.over_never)} over all days" for policy in shown)
    with canvas(3.4) as figure:
        axes = figure.subplots()
        axes.axhline(0, color=GREY, linewidth=1.1)
        for policy, colour, style in zip(shown, (VERMILION, BLACK, BLUE, GREEN), ("-", ":", "--", "-"), strict=False):
            _saved(axes, policy, never, colour, style)
        last = shown[-1]
        for number, promotion in enumerate(last.promoted):
            label = f"promotion, {last.name}" if number == 0 else None
            axes.axvline(_number(promotion.first_day), color=GREY, linestyle=(0, (1, 2)), linewidth=1, label=label)
        axes.set_ylabel("log-loss saved over never")
        figure.legend(loc="outside upper center", ncols=3)
        _by_date(axes)
        return image(figure, f"Log-loss saved over never by week, {found.window}: {told}.")


def _saved(axes: Axes, policy: PolicyResult, never: PolicyResult, colour: str, style: str) -> None:
    kept = {week.first_day: week.log_loss for week in never.weeks}
    some = [week for week in policy.weeks if week.first_day in kept]
    saved = [kept[week.first_day] - week.log_loss for week in some]
    axes.plot([_number(week.first_day) for week in some], saved, color=colour, linestyle=style, linewidth=1.4, label=policy.name)


def _number(day: date) -> float:
    from matplotlib.dates import date2num

    return float(date2num(day))


def _by_date(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
