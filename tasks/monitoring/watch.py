"""What the days since the champion's training look like: drift of inputs, realised quality, age."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.artifacts.monitoring import DayQuality, MonitoringReport
from tasks.artifacts.record import Interval, Window
from tasks.artifacts.registry import ChampionState
from tasks.artifacts.settings import MonitoringRules
from tasks.clock import labelled_in
from tasks.model.loss import row_log_loss
from tasks.model.trained import NetworkModel
from tasks.monitoring import drift

log = logging.getLogger(__name__)

_RESAMPLES = 1_000


def watch(
    features: pl.LazyFrame,
    last_day: date,
    champion: ChampionState,
    model: NetworkModel,
    groups: Mapping[str, Sequence[str]],
    rules: MonitoringRules,
) -> MonitoringReport:
    """Watch a champion over the newest labelled days.

    Args:
        features: Features of all days known, with `label` where known.
        last_day: The last local day whose labels are complete.
        champion: The champion with the window and the log-loss of its evaluation.
        model: The champion, loaded.
        groups: Group to its numeric features.
        rules: Lengths of windows, rates and margins.

    Returns:
        The report; without drift and quality where too few labelled days have passed since the champion's evaluation.
    """
    first = max(champion.evaluation.last_day + timedelta(days=1), last_day - timedelta(days=rules.current_days - 1))
    current = Window(first_day=first, last_day=last_day)
    days = (last_day - first).days + 1
    end = champion.evaluation.last_day
    reference = Window(first_day=end - timedelta(days=rules.reference_days - 1), last_day=end)
    report = MonitoringReport(
        champion_version=champion.version,
        reference=reference,
        current=None,
        age_days=max(0, (last_day - end).days),
        days_since_candidate=max(0, (last_day - champion.newest_candidate_day).days),
        drift=[],
        quality=[],
        reference_log_loss=champion.log_loss,
        current_log_loss=None,
    )
    if days < rules.fewest_current_days:
        log.info("%d labelled days since the champion's evaluation: fewer than %d tell nothing", max(0, days), rules.fewest_current_days)
        return report
    then, now = (labelled_in(features, w.first_day, w.last_day).collect() for w in (reference, current))
    quality, loss = _quality(now, model)
    found = drift.find_drift(then, now, groups, rules.false_alarm_rate, rules.permutations)
    return report.model_copy(update={"current": current, "drift": found, "quality": quality, "current_log_loss": loss})


def _quality(rows: pl.DataFrame, model: NetworkModel) -> tuple[list[DayQuality], Interval]:
    """Return the realised log-loss by day, and over all days with an interval from resampled days."""
    loss = row_log_loss(rows.get_column("label").to_numpy(), model.predict(rows))
    losses = rows.select("batch_day", pl.Series("loss", loss))
    by_day = losses.group_by("batch_day").agg(pl.len().alias("rows"), pl.col("loss").sum()).sort("batch_day")
    counts, sums = by_day.get_column("rows").to_numpy(), by_day.get_column("loss").to_numpy()
    draws = np.random.default_rng(2013).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_RESAMPLES)
    lower, upper = np.percentile((draws @ sums) / (draws @ counts), (2.5, 97.5))
    quality = [DayQuality(day=day, rows=n, log_loss=total / n) for day, n, total in by_day.iter_rows()]
    return quality, Interval(value=float(sums.sum() / counts.sum()), lower=float(lower), upper=float(upper))
