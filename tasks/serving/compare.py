"""Canary (or shadow) against champion by what came: the same rows, scored by both, whose outcome is known.

Rows of one day share their weather and their congestion, so that whole days are drawn with replacement (Field and Welsh,
"Bootstrapping clustered data", JRSS B 2007), from which come the interval and its standard error. The interval informs. A canary is
sent back on a stricter bound, since it is looked at anew with each day of outcomes: the k-th day spends 6 / (pi k)**2 of the policy's
level, which sums to the level however long the rollout takes (Bonferroni's inequality; Student's t, as days are few). A day of the
clock is one look, however often is collected on it: only what was predicted for, and known by, the end of the day before is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from tasks.artifacts.audit import AuditEntry
from tasks.artifacts.record import Interval
from tasks.artifacts.serving import Arm, CanaryReport, Comparison, GuardRules, Routing
from tasks.lake import audit, predictions
from tasks.lake.audit import Draft
from tasks.model.loss import row_log_loss
from tasks.serving import events, routing
from tasks.serving.identifiers import PACKAGE_DIGITS

_RESAMPLES = 1_000
_SEED = 2013  # any: it draws the days
_TAIL = 0.025  # of an interval of 95 %
_ROLLOUT_DAYS = 60  # newest days that are read: their number, and with it memory, is bounded; that of the looks is not


def judge(lake: str, folder: Path, name: str, rules: GuardRules, zone: str, by: str, now: datetime) -> CanaryReport:
    """Compare what is routed now by the outcomes in the lake; drop a canary that is worse for certain, and record it.

    A shadow that is worse harms nobody, and stays until a person ends it.

    Args:
        lake: Folder or URI of the lake.
        folder: The service's folder.
        name: The model, for the audit trail.
        rules: How many days it takes, and what is worse.
        zone: Time zone of the days that are drawn.
        by: Who acts, for the audit trail.
        now: The clock (UTC).

    Raises:
        LakeError: If a table is damaged, or the audit trail is broken; a canary that is worse is dropped by then.
        ServingError: If the pointer is broken.
        StorageError: If the pointer or the trail cannot be written.
    """
    standing = routing.read(folder)
    report = compare(_trial_rows(lake), rules, standing, zone, now, _begun(lake, standing))
    if report.found is Comparison.WORSE and standing is not None and standing.canary is not None:
        made = routing.abort(folder, report.revision, by, f"worse by its outcomes: {report.reason}", now)
        if made is not None:  # the canary goes first; if this is killed here, `events.reconcile` records it the next time
            _record(lake, name, made, report)
    return report


def _trial_rows(lake: str) -> pl.DataFrame:
    newest = predictions.newest_day(lake)
    if newest is None:
        newest = datetime.min.date() + timedelta(days=_ROLLOUT_DAYS)
    return predictions.joined(lake, newest - timedelta(days=_ROLLOUT_DAYS), newest, both=True)


def _begun(lake: str, routed: Routing | None) -> datetime | None:
    """Return when, of all days, a row was first asked about that both models scored; None if none was."""
    challenger = (routed.canary or routed.shadow) if routed is not None else None
    if routed is None or challenger is None:
        return None
    pair = [routed.champion.package_digest[:PACKAGE_DIGITS], challenger.package_digest[:PACKAGE_DIGITS]]
    asked = predictions.scan(lake, predictions.PREDICTIONS, predictions.HEAD).filter(pl.col("package").is_in(pair))
    others = predictions.scan(lake, predictions.SHADOWS, predictions.SHADOW).filter(pl.col("package").is_in(pair))
    both = asked.join(others.select("prediction_id", other="package"), on="prediction_id").filter(pl.col("package") != pl.col("other"))
    first: datetime | None = both.select(pl.col("at").min()).collect().item()
    return first


def _record(lake: str, name: str, made: Routing, report: CanaryReport) -> None:
    """Record a revision in the audit trail, once."""

    def draft(trail: Sequence[AuditEntry]) -> Draft | None:
        return None if events.is_told(trail, name, made) else events.drafted(name, made, report.model_dump_json())

    audit.record(lake, draft)


def compare(
    joined: pl.DataFrame, rules: GuardRules, routed: Routing | None, zone: str, now: datetime, begun: datetime | None = None
) -> CanaryReport:
    """Compare the canary, or without one the shadow, with the champion.

    Args:
        joined: Rows of the lake's `predictions.joined`; those of other models, and without an outcome, are left out, and so is
            what was predicted for the day that `now` is of, or was known on it only.
        rules: How many days it takes, and what is worse.
        routed: Which models are meant; None if all is served by the package that came with the service.
        zone: Time zone of the days that are drawn, by the instants predicted for.
        now: The clock (an instant with its zone).
        begun: When a row was first asked about that both scored, as looks are counted from that day; by default there were as many
            looks as `joined` has days.
    """
    challenger = (routed.canary or routed.shadow) if routed is not None else None
    if routed is None or challenger is None:
        return _report(routed, None, 0, 0, None, Comparison.OPEN, "there is neither a canary nor a shadow", now)
    today = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    midnight = today.astimezone(UTC)
    over = joined.filter((pl.col("predicted_at") < midnight) & (pl.col("outcome_known_at") < midnight))
    rows = _pairs(over, routed.champion, challenger).with_columns(day=pl.col("predicted_at").dt.convert_time_zone(zone).dt.date())
    days = rows.get_column("day").n_unique()
    if days < rules.fewest_outcome_days:
        reason = f"{days} days with outcomes of rows that both scored, of the {rules.fewest_outcome_days} that are needed"
        return _report(routed, challenger, days, rows.height, None, Comparison.OPEN, reason, now)
    so_far = 0 if begun is None else (today.date() - begun.astimezone(ZoneInfo(zone)).date()).days
    gain, upper = _gain(rows, rules.level, max(days, so_far) - rules.fewest_outcome_days + 1)
    found, reason = _found(gain, upper, rules.loss)
    return _report(routed, challenger, days, rows.height, gain, found, reason, now)


def _pairs(joined: pl.DataFrame, champion: Arm, challenger: Arm) -> pl.DataFrame:
    """Return `outcome`, `predicted_at` and both models' probabilities `champion` and `challenger` of the rows that both scored."""
    known = joined.filter(pl.col("outcome").is_not_null() & pl.col("other_probability").is_not_null())
    ours, theirs = champion.package_digest[:PACKAGE_DIGITS], challenger.package_digest[:PACKAGE_DIGITS]
    answered = known.filter((pl.col("package") == ours) & (pl.col("other_package") == theirs))
    tried = known.filter((pl.col("package") == theirs) & (pl.col("other_package") == ours))
    both = [
        answered.select("outcome", "predicted_at", champion="probability", challenger="other_probability"),
        tried.select("outcome", "predicted_at", champion="other_probability", challenger="probability"),
    ]
    return pl.concat(both)


def _gain(rows: pl.DataFrame, level: float, look: int) -> tuple[Interval, float]:
    """Return the challenger's log-loss below the champion's, as a share of it, and the bound above it that is certain.

    Args:
        rows: n rows, with `day`, of more than one day.
        level: Of all looks together.
        look: Which of them this is, from 1.
    """
    from scipy.stats import norm, t

    outcome = rows.get_column("outcome").to_numpy()
    ours, theirs = (row_log_loss(outcome, rows.get_column(name).to_numpy()) for name in ("champion", "challenger"))
    names, index = np.unique(rows.get_column("day").to_numpy(), return_inverse=True)
    days = len(names)
    below = np.bincount(index, weights=ours, minlength=days)
    above = below - np.bincount(index, weights=theirs, minlength=days)
    draws = np.random.default_rng(_SEED).multinomial(days, np.full(days, 1 / days), size=_RESAMPLES)
    resampled = (draws @ above) / (draws @ below)
    value, short = float(above.sum() / below.sum()), math.sqrt(days / (days - 1))
    # The bootstrap knows neither of the factor n - 1 nor of Student's t (Hesterberg, The American Statistician 69, 2015, 4.3).
    tail = 100 * float(norm.cdf(short * t.ppf(_TAIL, days - 1)))
    lower, upper = np.percentile(resampled, (tail, 100 - tail))
    spent = level * 6 / (math.pi * look) ** 2
    certain = value + float(t.isf(spent, days - 1)) * short * float(resampled.std())
    return Interval(value=value, lower=float(lower), upper=float(upper)), certain


def _found(gain: Interval, upper: float, loss: float) -> tuple[Comparison, str]:
    told = f"log-loss {-gain.value:+.2%} of the champion's [{-gain.upper:+.2%}, {-gain.lower:+.2%}]"
    if upper < -loss:
        return Comparison.WORSE, f"{told}; above {loss:.2%} even by the bound for all looks, {-upper:+.2%}"
    if gain.lower > 0:
        return Comparison.BETTER, told
    return Comparison.OPEN, f"{told}; the bound for all looks is {-upper:+.2%}"


def _report(
    routed: Routing | None,
    challenger: Arm | None,
    days: int,
    rows: int,
    gain: Interval | None,
    found: Comparison,
    reason: str,
    now: datetime,
) -> CanaryReport:
    return CanaryReport(
        champion=routed.champion.version if routed else None,
        challenger=challenger.version if challenger else None,
        days=days,
        rows=rows,
        gain=gain,
        found=found,
        reason=reason,
        revision=routed.revision if routed else 0,
        decided_at=now,
    )
