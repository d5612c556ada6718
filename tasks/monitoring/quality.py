"""The champion on the newest labelled days: beside its own evaluation, beside the version before, and by segment.

Both windows of a comparison are drawn anew, each by its own whole days: the evaluation was weeks of weather, too. What is not here:
what follows from it (the trigger), and what can be said before labels come (`tasks/evidence/estimate.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.artifacts.monitoring import DayQuality, Quality, QualityRules, SegmentQuality
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState
from tasks.artifacts.settings import Costs, SegmentRules
from tasks.errors import EvaluationError
from tasks.evidence import bootstrap, slices, windows
from tasks.evidence.bootstrap import Array, Days
from tasks.evidence.slices import Mask
from tasks.evidence.windows import Side
from tasks.model.loss import row_cost, row_log_loss

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Scored:
    """Rows of a window: labels, probabilities and losses, each of shape (n,), and their days."""

    rows: pl.DataFrame
    labels: Array
    probabilities: Array
    losses: Array
    days: Days

    @classmethod
    def of(cls, rows: pl.DataFrame, seed: int) -> _Scored:
        labels, probabilities = (rows.get_column(name).to_numpy().astype(np.float64) for name in ("label", "probability"))
        days = Days.draw(rows.get_column("batch_day").to_numpy(), seed=seed)
        return cls(rows, labels, probabilities, row_log_loss(labels, probabilities), days)

    @property
    def side(self) -> Side:
        return Side(self.losses, self.days)


def late_days(rows: pl.DataFrame, rules: QualityRules) -> list[date]:
    """Return the days whose labels are late, in order: fewer than `rules.fewest_labelled_share` of their rows have one.

    Args:
        rows: All rows of the days, with `batch_day` and `label`, null where it is not known.
        rules: What share of labels is enough.
    """
    shares = rows.group_by("batch_day").agg(pl.col("label").is_not_null().mean().alias("share"))
    late = shares.filter(pl.col("share") < rules.fewest_labelled_share)
    return late.sort("batch_day").get_column("batch_day").to_list()


def measure(
    rows: pl.DataFrame,
    reference: pl.DataFrame,
    previous: Array | None,
    segments: Mapping[str, pl.Expr],
    threshold: float | Array,
    costs: Costs,
    rules: QualityRules,
    segment_rules: SegmentRules,
    champion: ChampionState,
) -> Quality | None:
    """Measure the champion.

    Rows without a label, of the champion's evaluation or before it, and of days that are not among the newest `rules.days`, are
    left out.

    Args:
        rows: n rows with `batch_day`, `label`, `probability` (of the champion), and what segments ask for.
        reference: The same of the champion's evaluation days.
        previous: Probabilities of the version that was champion before, shape (n,); None without one.
        segments: Name to predicate over both frames.
        threshold: Of the champion's decisions; one for all, or one a row, shape (n,).
        costs: Of a missed and of a needless flag.
        rules: How many days are looked at, and how many it takes.
        segment_rules: Rows and days that a segment needs to be measured.
        champion: Its evaluation days, and the version before.

    Returns:
        None where fewer than `rules.fewest_days` days have labels.

    Raises:
        EvaluationError: If the evaluation days have no labelled row, or a row has no probability.
    """
    kept = _kept(rows, rules, champion)
    newest = rows.filter(pl.Series(kept, dtype=pl.Boolean))
    number = newest.get_column("batch_day").n_unique()
    if number < rules.fewest_days:
        log.info("%d labelled days since the champion's evaluation: fewer than %d tell nothing", number, rules.fewest_days)
        return None
    then = reference.filter(pl.col("label").is_not_null())
    _require_scored(newest, then, champion)
    now, before = (_Scored.of(frame, seed) for frame, seed in zip((newest, then), windows.SEEDS, strict=True))
    costed = row_cost(now.labels, now.probabilities, threshold if np.ndim(threshold) == 0 else np.asarray(threshold)[kept], costs)
    over_previous = None
    if previous is not None and champion.previous_version is not None and number >= rules.roll_back_days:
        paired = Side(now.losses - row_log_loss(now.labels, previous[kept]), now.days)
        over_previous = windows.mean_at(paired, rules.roll_back_level)
    by_day = newest.select("batch_day", pl.Series("loss", now.losses)).group_by("batch_day")
    daily = by_day.agg(pl.len().alias("rows"), pl.col("loss").mean()).sort("batch_day")
    has_both = now.labels.min() < now.labels.max()
    return Quality(
        window=Window(first_day=daily.item(0, "batch_day"), last_day=daily.item(-1, "batch_day")),
        rows=newest.height,
        by_day=[DayQuality(day=day, rows=n, log_loss=loss) for day, n, loss in daily.iter_rows()],
        log_loss=bootstrap.mean(now.losses, now.days),
        auc=bootstrap.auc(now.labels, now.probabilities, now.days) if has_both else None,
        calibration_error=bootstrap.calibration_error(now.labels, now.probabilities, now.days),
        positives=bootstrap.mean(now.labels, now.days),
        cost=bootstrap.mean(costed, now.days),
        reference_log_loss=float(before.losses.mean()),
        decay=windows.difference(now.side, before.side),
        segments=_segments(now, before, segments, segment_rules),
        previous_version=champion.previous_version,
        over_previous=over_previous,
    )


def _kept(rows: pl.DataFrame, rules: QualityRules, champion: ChampionState) -> Mask:
    """Return which rows count: labelled, after the champion's evaluation, of the newest days."""
    labelled = pl.col("label").is_not_null() & (pl.col("batch_day") > champion.evaluation.last_day)
    newest: date | None = rows.filter(labelled).get_column("batch_day").max()  # type: ignore[assignment]  # a column of dates
    if newest is None:
        return np.zeros(rows.height, dtype=np.bool_)
    recent = pl.col("batch_day") > newest - timedelta(days=rules.days)
    return rows.select(labelled & recent).to_series().to_numpy()


def _require_scored(newest: pl.DataFrame, then: pl.DataFrame, champion: ChampionState) -> None:
    mend = "run again; remove the cached outputs if it stays"
    if not then.height:
        expected = f"the evaluation days of the champion, {champion.evaluation}, must have labelled rows"
        raise EvaluationError(expected, "none", "ingest these days again")
    for frame, what in ((newest, "labelled rows"), (then, "rows of the evaluation days")):
        lacking = frame.height - int(frame.get_column("probability").is_finite().sum())
        if lacking:
            raise EvaluationError(f"all {what} must have a probability by the champion", f"{lacking:,} have none", mend)


# --- segments ---------------------------------------------------------------------------------------------------------


def _segments(now: _Scored, before: _Scored, named: Mapping[str, pl.Expr], rules: SegmentRules) -> list[SegmentQuality]:
    """Return what segments are large enough to be measured, with the reference where it is, too."""
    here, there = slices.masks(now.rows, named), slices.masks(before.rows, named)
    large = [name for name in named if _is_large(now, here[name], rules)]
    compared = [name for name in large if _is_large(before, there[name], rules)]
    pairs = [(here[name], there[name]) for name in compared]
    p_values = dict(zip(compared, windows.higher_p_values(now.side, before.side, pairs), strict=True))
    return [
        SegmentQuality(
            segment=name,
            rows=int(here[name].sum()),
            days=now.days.of(here[name]).seen,
            log_loss=bootstrap.mean(now.losses, now.days, here[name]),
            reference_log_loss=float(before.losses[there[name]].mean()) if name in p_values else None,
            p_value=p_values.get(name),
        )
        for name in large
    ]


def _is_large(scored: _Scored, mask: Mask, rules: SegmentRules) -> bool:
    return int(mask.sum()) >= rules.fewest_rows and scored.days.of(mask).seen >= rules.fewest_days
