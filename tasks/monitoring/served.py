"""What the prediction log holds of the newest days: how much, how fresh, whether inputs are as declared, and what came of it.

Volume, freshness, contract and skew are of all predictions; the realised loss is of the champion's, as they were answered. What is not
here: how a log comes into the lake (the serving stage), and how its metrics are read (`service_level.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from tasks.artifacts.monitoring import Problem, Served, ServedRules, ServiceLevel, Skew
from tasks.artifacts.record import Interval, Window
from tasks.artifacts.serving import RequestField
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Days
from tasks.lake import labelling, predictions
from tasks.lake.predictions import CAME, HEAD, OUTCOMES, PREDICTIONS
from tasks.lake.tables import DAY
from tasks.model.loss import row_log_loss
from tasks.monitoring import skew

log = logging.getLogger(__name__)

CHAMPION = "champion"
"""The arm whose loss is told; that of a canary is for the rollout to judge."""

_AT = "predicted_at"
_USUAL_DAYS = 28  # before the window: four of each weekday
_FEWEST_USUAL_DAYS = 7  # of fewer, the usual is that of some weekdays
_FEWEST_OUTCOME_DAYS = 4  # of three, an interval is as wide as the week
_CONTRADICTORY_SHARE = 0.01  # of outcomes: one in a hundred is more than slips of a client
_SHOWN = 5  # columns that a problem names


def look(
    lake: str,
    features_rows: pl.DataFrame | pl.LazyFrame,
    last_day: date,
    fields: Sequence[RequestField],
    rules: ServedRules,
    level: ServiceLevel | None,
    key: str,
) -> Served | None:
    """Look at the predictions of the newest days.

    Args:
        lake: Folder or URI of the lake.
        features_rows: Features as the lake has them, with `key`, `predicted_at` and what `fields` names, of the days that predictions
            of the window may be about.
        last_day: The last day, in UTC, that is complete.
        fields: The features with their contract.
        rules: How many days are looked at, and what counts as skew.
        level: What the service's metrics tell, None where they are out of reach.
        key: The column that names what was asked about.

    Returns:
        None if nothing was ever logged.

    Raises:
        LakeError: If a table is damaged.
    """
    asked = predictions.scan(lake, PREDICTIONS, HEAD)
    first = last_day - timedelta(days=rules.days - 1)
    recent = asked.filter(pl.col(DAY) >= first - timedelta(days=_USUAL_DAYS))
    counted = recent.group_by(DAY).agg(pl.len(), pl.col("at").max()).collect()
    # Only a log that has been silent for so long is read whole, for when that was.
    newest: datetime | None = (counted if counted.height else asked.select(pl.col("at").max()).collect()).get_column("at").max()  # type: ignore[assignment]  # instants
    if newest is None:
        return None
    there = asked.collect_schema()
    kept = [name for name in (key, *(field.name for field in fields)) if name in there]
    rows = predictions.joined(lake, first, last_day, kept).unique("prediction_id", keep="first", maintain_order=True)
    compared, differing = _skew(rows, features_rows, fields, key, rules.skew_tolerance)
    window = Window(first_day=first, last_day=last_day)
    log.info("%s predictions of %s, %s compared with the lake", f"{rows.height:,}", window, f"{compared:,}")
    per_day: dict[date, int] = dict(counted.filter(pl.col(DAY) <= last_day).select(DAY, "len").iter_rows())
    return Served(
        window=window,
        predictions=rows.height,
        per_day=[per_day.get(day, 0) for day in pl.date_range(first, last_day, eager=True)],
        usual_per_day=_usual(per_day, first),
        newest_at=newest,
        with_outcome=rows.height - rows.get_column("outcome").null_count(),
        contradictory=_contradictory(lake, rows),
        log_loss=_realised(rows.filter(pl.col("arm") == CHAMPION)),
        violations=violations(rows, fields),
        compared=compared,
        skew=differing,
        level=level,
        exploration=_exploration(lake, window),
    )


def violations(rows: pl.DataFrame, fields: Sequence[RequestField]) -> dict[str, int]:
    """Return how many rows break the contract of each field, of those fields that any breaks.

    Args:
        rows: Inputs as they were logged; a field that they lack counts as null.
        fields: The contract.
    """
    if not rows.height:
        return {}
    broken = {field.name: _breaks(field) for field in fields if field.name in rows.columns}
    counts = rows.select(expr.fill_null(False).sum().alias(name) for name, expr in broken.items()).to_dicts()[0] if broken else {}
    lacking = {f.name: rows.height for f in fields if f.name not in rows.columns and f.is_required and not f.is_nullable}
    return {field.name: n for field in fields if (n := int((counts | lacking).get(field.name, 0)))}


def problems(served: Served | None, as_of: datetime, rules: ServedRules, p99_ms: float) -> list[Problem]:
    """Return what a person should look at.

    Args:
        served: What was found; None if nothing was ever logged, which is no problem.
        as_of: The night's clock.
        rules: The limits.
        p99_ms: Latency of a request, at most, in 99 of 100.
    """
    if served is None:
        return []
    found = [*_silence(served, as_of, rules), *_inputs(served, rules), *_level(served.level, rules, p99_ms)]
    if served.contradictory > _CONTRADICTORY_SHARE * served.with_outcome:
        told = f"client and source say otherwise of {served.contradictory:,} of {served.with_outcome:,} outcomes; the source's count"
        found.append(Problem(name="contradictory outcomes", told=told, runbook="operations/runbook.md#contradictory-outcomes"))
    return found


# --- parts ------------------------------------------------------------------------------------------------------------


def _skew(
    rows: pl.DataFrame, features_rows: pl.DataFrame | pl.LazyFrame, fields: Sequence[RequestField], key: str, tolerance: float
) -> tuple[int, list[Skew]]:
    if key not in rows.columns:
        return 0, []
    have = features_rows.lazy().collect_schema()
    names = [field.name for field in fields if field.name in have]
    wanted = rows.lazy().select(key, _AT).unique()
    again = features_rows.lazy().select(key, _AT, *names).join(wanted, on=[key, _AT], how="semi").collect()
    numeric = [field.name for field in fields if field.kind in ("integer", "number")]
    categorical = [field.name for field in fields if field.kind == "string"]
    return skew.compare(rows, again, key, _AT, numeric, categorical, tolerance)


def _usual(per_day: dict[date, int], first: date) -> float | None:
    """Return the median of the days before a window, with those without any since the log began."""
    begun = min(per_day, default=first)
    days = [first - timedelta(days=n) for n in range(1, _USUAL_DAYS + 1)]
    counts = [per_day.get(day, 0) for day in days if day >= begun]
    return float(np.median(counts)) if len(counts) >= _FEWEST_USUAL_DAYS else None


def _contradictory(lake: str, rows: pl.DataFrame) -> int:
    told = predictions.scan(lake, OUTCOMES, CAME).join(rows.lazy().select("prediction_id"), on="prediction_id", how="semi")
    said = told.group_by("prediction_id").agg(pl.col("outcome").n_unique().alias("said"))
    return int(said.select((pl.col("said") > 1).sum()).collect().item())


def _realised(rows: pl.DataFrame) -> Interval | None:
    """Return the log-loss of the rows whose outcome is known, by the days that were predicted for."""
    known = rows.filter(pl.col("outcome").is_not_null())
    names = known.get_column("predicted_at").dt.date()
    if names.n_unique() < _FEWEST_OUTCOME_DAYS:
        return None
    losses = row_log_loss(known.get_column("outcome").to_numpy(), known.get_column("probability").to_numpy())
    return bootstrap.mean(losses, Days.draw(names.to_numpy()))


def _exploration(lake: str, window: Window) -> dict[str, float]:
    """Return what the predictions tell that were drawn at random for a label, each weighed by the inverse of its chance.

    The weighted mean (Hajek's form of Horvitz and Thompson's estimator) is of all predictions that had no outcome when they were queued,
    without a bias by which of the others were given a label. Of few, the interval is wide.
    """
    drawn = labelling.explored(lake, window.first_day, window.last_day)
    known = drawn.filter(pl.col("outcome").is_not_null())
    if not drawn.height:
        return {}
    found = {"drawn": float(drawn.height), "rows": float(known.height), "share": known.height / drawn.height}
    if known.height:
        weights = 1 / known.get_column("propensity").to_numpy()
        losses = row_log_loss(known.get_column("outcome").to_numpy(), known.get_column("probability").to_numpy())
        days = Days.draw(known.get_column("predicted_at").dt.date().to_numpy())
        loss = bootstrap.ratio(losses * weights, weights, days)
        found["log_loss"] = loss.value
        if days.count >= _FEWEST_OUTCOME_DAYS:
            found |= {"log_loss_lower": loss.lower, "log_loss_upper": loss.upper}
    return found


def _breaks(field: RequestField) -> pl.Expr:
    """Return whether a value breaks a field's contract; null where there is none and may be none."""
    value = pl.col(field.name)
    rules = [pl.lit(False) if field.is_nullable else value.is_null()]
    if field.minimum is not None:
        rules.append(value < field.minimum)
    if field.maximum is not None:
        rules.append(value > field.maximum)
    if field.allowed is not None:
        rules.append(~value.cast(pl.String).is_in(field.allowed))
    if field.pattern is not None:
        rules.append(~value.cast(pl.String).str.contains(f"^(?:{field.pattern})"))
    return pl.any_horizontal(rules)


# --- problems ---------------------------------------------------------------------------------------------------------


def _silence(served: Served, as_of: datetime, rules: ServedRules) -> list[Problem]:
    now = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    hours = (now - served.newest_at).total_seconds() / 3_600 if served.newest_at else 0.0
    if hours > rules.stale_hours:
        told = f"the newest prediction is {hours:,.0f} hours old, of {served.newest_at:%Y-%m-%d %H:%M} UTC; at most {rules.stale_hours:g}"
        return [Problem(name="no predictions", told=told, runbook="operations/runbook.md#no-predictions")]
    usual, count = served.usual_per_day, served.per_day[-1]
    if usual is None or count >= rules.volume_share * usual:
        return []
    told = f"{count:,} predictions on {served.window.last_day}, of {usual:,.0f} on a usual day; at least {rules.volume_share:.0%} of it"
    return [Problem(name="volume", told=told, runbook="operations/runbook.md#volume")]


def _inputs(served: Served, rules: ServedRules) -> list[Problem]:
    found = []
    broken = {name: n / served.predictions for name, n in served.violations.items() if n > rules.violations_share * served.predictions}
    if broken:
        told = f"{_listed(broken)} of {served.predictions:,} predictions"
        found.append(
            Problem(name="inputs outside their contract", told=told, runbook="operations/runbook.md#inputs-outside-their-contract")
        )
    skewed = {one.feature: one.differing / one.rows for one in served.skew if one.differing > rules.skewed_share * one.rows}
    if skewed:
        told = f"features differ from what the lake gives for the same instant: {_listed(skewed)} of {served.compared:,} predictions"
        found.append(Problem(name="skew", told=told, runbook="operations/runbook.md#skew"))
    return found


def _level(level: ServiceLevel | None, rules: ServedRules, p99_ms: float) -> list[Problem]:
    if level is None:
        return []
    told = []
    if level.errors > rules.errors_share * level.requests:
        told.append(f"{level.errors:,} of {level.requests:,} requests failed; at most {rules.errors_share:.1%}")
    if level.p99_ms is not None and level.p99_ms > p99_ms:
        told.append(f"99 of 100 answers take up to {level.p99_ms:,.0f} ms; at most {p99_ms:g}")
    return [Problem(name="service level", told="; ".join(told), runbook="operations/runbook.md#service-level")] if told else []


def _listed(shares: dict[str, float]) -> str:
    most = sorted(shares.items(), key=lambda item: -item[1])
    more = f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
    return ", ".join(f"{name} in {share:.1%}" for name, share in most[:_SHOWN]) + more
