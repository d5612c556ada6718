"""Small plots as `<img>` tags: PNG of a few tens of kilobytes within the page, each with a text that says the same.

What they are drawn with stands in `drawing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from tasks.artifacts.data_value import FeatureImportance, GroupImportance, LearningPoint
from tasks.artifacts.evaluation import CalibrationBin, ModelMetrics, SegmentMetrics
from tasks.artifacts.monitoring import DayQuality
from tasks.artifacts.record import Interval
from tasks.artifacts.search import Trial, TrialState
from tasks.reporting import text
from tasks.reporting.drawing import LABEL, Dot, canvas, image, once, whiskers
from tasks.reporting.style import BLACK, BLUE, GREY, ORANGE, SKY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@once
def rows_by_day(rows: Mapping[str, int]) -> str:
    """Draw the rows of each day; a day without rows is a gap.

    Args:
        rows: ISO date to number of rows.
    """
    if not rows:
        return ""
    days = sorted(rows)
    least, most = min(days, key=lambda day: rows[day]), max(days, key=lambda day: rows[day])
    alt = (
        f"Rows by day, {days[0]} to {days[-1]}: fewest {text.count(rows[least])} on {least}, "
        f"most {text.count(rows[most])} on {most}, {len(days)} days with rows."
    )
    with canvas(2.3) as figure:
        axes = figure.subplots()
        axes.bar(_dates(days), [rows[day] for day in days], width=0.9, color=SKY)
        axes.grid(visible=False, axis="x")
        axes.margins(x=0.01)
        axes.set_ylabel("rows")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        date_axis(axes)
        return image(figure, alt)


@once
def models(metrics: Sequence[ModelMetrics], champion: int | None = None) -> str:
    """Draw each model's log-loss with its interval, the candidate in blue."""
    colours = {text.CANDIDATE: BLUE, "incumbent": VERMILION}
    dots = [Dot(text.model(m.model, champion), m.log_loss, colours.get(m.model, BLACK)) for m in metrics]
    candidate = next((m.log_loss.value for m in metrics if m.model == text.CANDIDATE), None)
    return whiskers(dots, "Log-loss by model, lower is better", "log-loss (lower is better)", candidate, "")


@once
def segments(found: Sequence[SegmentMetrics]) -> str:
    """Draw each segment's log-loss with its interval, worst first, with a line for all rows."""
    everywhere = next((s.log_loss.value for s in found if s.segment == "all"), None)
    worst = sorted((s for s in found if s.segment != "all"), key=lambda s: (-s.log_loss.value, s.segment))
    dots = [Dot(_segment_label(s), s.log_loss) for s in worst]
    return whiskers(dots, "Log-loss by segment, worst first", "log-loss of the candidate (lower is better)", everywhere, "all rows")


@once
def segment_gains(found: Sequence[SegmentMetrics]) -> str:
    """Draw each segment's paired gain over the champion in percent, smallest first; one that is worse is vermilion."""
    paired = [(s, s.paired.gain) for s in found if s.paired is not None]
    paired.sort(key=lambda pair: (pair[1].value, pair[0].segment))
    dots = [Dot(_segment_label(s), gain, VERMILION if gain.upper < 0 else BLUE) for s, gain in paired]
    title, axis = "Gain over the champion by segment", "share of the champion's log-loss (higher is better)"
    return whiskers(dots, title, axis, 0.0, "no gain", "{:+.1%}".format)


@once
def calibration(bins: Sequence[CalibrationBin]) -> str:
    """Draw observed against predicted probability, above a histogram of the rows."""
    if not bins:
        return ""
    widest = max(bins, key=lambda b: abs(b.observed - b.predicted))
    alt = (
        f"Calibration in {len(bins)} bins of {text.count(sum(b.rows for b in bins))} rows: largest gap where "
        f"{text.share(widest.predicted)} was predicted and {text.share(widest.observed)} came."
    )
    predicted, observed = [b.predicted for b in bins], [b.observed for b in bins]
    top = min(1.0, max(*predicted, *observed) * 1.08 + 0.02)
    with canvas(5.0, 6.2) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        upper.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1, label="perfect")
        upper.plot(predicted, observed, color=BLUE, marker="o", markersize=5, linewidth=1.4, label="candidate")
        upper.set(xlim=(0, top), ylim=(0, top), ylabel="observed share")
        upper.legend(loc="upper left")
        lower.bar(predicted, [b.rows for b in bins], width=top * 0.016, color=SKY)
        lower.set(xlabel="predicted probability", ylabel="rows")
        for axis in (upper.yaxis, lower.xaxis):
            axis.set_major_formatter(lambda value, _: f"{value:.0%}")
        lower.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        return image(figure, alt)


@once
def quality(days: Sequence[DayQuality], reference: float, current: Interval) -> str:
    """Draw the champion's log-loss by day, with that of the reference days and the current interval."""
    if not days:
        return ""
    ordered = sorted(days, key=lambda d: d.day)
    worst = max(ordered, key=lambda d: d.log_loss)
    alt = (
        f"Log-loss of the champion by day, {ordered[0].day} to {ordered[-1].day}: highest {text.decimals(worst.log_loss)} on "
        f"{worst.day}; reference days {text.decimals(reference)}, current days {current}."
    )
    with canvas(2.8) as figure:
        axes = figure.subplots()
        axes.axhspan(current.lower, current.upper, color=ORANGE, alpha=0.22, linewidth=0, label="current days, 95 % interval")
        axes.axhline(reference, color=GREY, linestyle="--", linewidth=1.2, label="reference days")
        dates, values = _dates([str(d.day) for d in ordered]), [d.log_loss for d in ordered]
        axes.plot(dates, values, color=BLUE, marker="o", markersize=3.5, linewidth=1.3, label="day")
        axes.set_ylabel("log-loss (lower is better)")
        axes.margins(y=0.15)
        figure.legend(loc="outside upper left", ncols=3)
        date_axis(axes)
        return image(figure, alt)


@once
def losses(by_epoch: Sequence[float]) -> str:
    """Draw the mean training loss of each epoch; nothing for a single one."""
    from matplotlib.ticker import MaxNLocator

    if len(by_epoch) < 2:
        return ""
    alt = f"Training log-loss over {len(by_epoch)} epochs: from {text.decimals(by_epoch[0])} to {text.decimals(by_epoch[-1])}."
    with canvas(2.3) as figure:
        axes = figure.subplots()
        axes.plot(range(1, len(by_epoch) + 1), list(by_epoch), color=BLUE, marker="o", markersize=4, linewidth=1.4)
        axes.set(xlabel="epoch", ylabel="training log-loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return image(figure, alt)


@once
def trials(found: Sequence[Trial]) -> str:
    """Draw the mean log-loss of each trial of a search that has one."""
    from matplotlib.ticker import MaxNLocator

    scored = [trial for trial in found if trial.folds]
    if not scored:
        return ""
    with canvas(2.6) as figure:
        axes = figure.subplots()
        for is_whole, mark, colour in ((True, "o", BLUE), (False, "x", ORANGE)):
            some = [t for t in scored if (t.state is TrialState.COMPLETE) is is_whole]
            axes.plot([t.number for t in some], [t.log_loss for t in some], mark, color=colour)
        axes.set_xlabel("trial")
        axes.set_ylabel("log-loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        best = min(scored, key=lambda t: (t.state is not TrialState.COMPLETE, t.log_loss))
        return image(figure, f"Log-loss of {len(scored)} trials, the lowest {best.log_loss:.4f} of trial {best.number}")


@once
def importances(features: Sequence[FeatureImportance], threshold: float) -> str:
    """Draw what permuting each feature costs, in the order given, with a line from where on it has a value."""
    dots = [Dot(f.feature, f.increase_log_loss, GREY if f.is_of_no_value else BLUE) for f in features]
    return whiskers(dots, "Cost of permuting a feature", "increase of log-loss when permuted", threshold, "value")


@once
def group_importances(groups: Sequence[GroupImportance]) -> str:
    """Draw what permuting all features of a group together costs, in the order given."""
    dots = [Dot(f"{g.group} · {text.count(len(g.features), 'feature')}", g.increase_log_loss) for g in groups]
    return whiskers(dots, "Cost of permuting a group of features", "increase of log-loss when permuted together", 0.0, "")


@once
def learning_curve(points: Sequence[LearningPoint]) -> str:
    """Draw log-loss by days of history, beside the paired gain of each step with its interval."""
    if len(points) < 2:
        return ""
    steps = [(point.training_days, point.gain_log_loss) for point in points if point.gain_log_loss is not None]
    alt = (
        f"Log-loss by days of history: {', '.join(f'{text.decimals(p.log_loss.value)} with {p.training_days}' for p in points)}. "
        f"Gain of each step: {'; '.join(f'{text.signed(gain)} up to {length}' for length, gain in steps)}."
    )
    lengths = [point.training_days for point in points]
    with canvas(3.0) as figure:
        left, right = figure.subplots(1, 2, sharex=True)
        left.plot(lengths, [point.log_loss.value for point in points], color=BLUE, marker="o", markersize=5, linewidth=1.4)
        left.set(xscale="log", xlabel="newest days trained on", ylabel="log-loss (lower is better)")
        right.axhline(0, color=GREY, linestyle="--", linewidth=1.1)
        for length, gain in steps:
            right.plot([length, length], [gain.lower, gain.upper], color=BLUE, linewidth=1.6, solid_capstyle="butt")
            right.plot(length, gain.value, color=BLUE, marker="o", markersize=5.5)
        right.set(xlabel="newest days trained on", ylabel="gain over the point before")
        left.set_xticks(lengths, [text.count(length) for length in lengths])
        left.minorticks_off()
        right.minorticks_off()
        return image(figure, alt)


def _segment_label(segment: SegmentMetrics) -> str:
    size = f" · {text.count(segment.rows, 'row')}, {text.count(segment.days, 'day')}"
    name = "all rows" if segment.segment == "all" else segment.segment
    return text.clip(name, LABEL - len(size)) + size


def _dates(days: Sequence[str]) -> list[float]:
    from matplotlib.dates import date2num

    return [float(date2num(date.fromisoformat(day))) for day in days]


def date_axis(axes: Axes) -> None:
    """Label an axis of days as briefly as its span allows."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
