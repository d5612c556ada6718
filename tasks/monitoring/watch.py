"""A champion on the nights after its training: drift, realised and expected quality, what is late. One report a night.

Only the days that matter are read, so that a night costs the same however long the history is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.monitoring import Estimate, MonitoringRules, Night, NightReport, Problem, Quality, QualityRules
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState
from tasks.artifacts.settings import Costs, SegmentRules
from tasks.evidence import classifier, drift, estimate, slices
from tasks.model.loss import row_log_loss
from tasks.monitoring import quality

log = logging.getLogger(__name__)

PREDICTION, LABEL, FIT = "prediction", "label", "fit"
"""Groups of columns beside those of the features: what is predicted, what came, and how both go together."""

_BESIDE = {PREDICTION: ["probability"], LABEL: ["label"], FIT: ["residual", "loss"]}


class Model(Protocol):
    """What gives probabilities for rows."""

    def predict(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return the probability of each row, shape (n,)."""


@dataclass(frozen=True)
class Watched:
    """What is watched, and how.

    Attributes:
        read: From the first and last of some days, both included, to their features, with labels where known.
        champion: The champion, with the window of its evaluation.
        model: It, loaded.
        previous: The version before it, None without one.
        groups: Group to its features, for the test of drift.
        segments: Segment to its predicate.
        by_value: Features of which every value is a segment.
        costs: Cost of wrong decisions.
        rules: Of a night.
        segment_rules: What a segment needs to be measured.
        problems: What is wrong with all of it, for each night's report.
    """

    read: Callable[[date, date], pl.DataFrame]
    champion: ChampionState
    model: Model
    previous: Model | None
    groups: Mapping[str, Sequence[str]]
    segments: Mapping[str, pl.Expr]
    by_value: Sequence[str]
    costs: Costs
    rules: MonitoringRules
    segment_rules: SegmentRules
    problems: Sequence[Problem] = ()


def watch(nights: Sequence[Night], watched: Watched) -> list[NightReport]:
    """Report on nights, each with what was known at its clock.

    Args:
        nights: In order.
        watched: Model, data and rules.
    """
    rules, evaluation = watched.rules, watched.champion.evaluation
    back = timedelta(days=rules.drift.reference_days + max(rules.drift.windows))
    # The running day is read too: it has no labels, which is what is estimated.
    recent = scored(watched.read(nights[0].night - back, nights[-1].night + timedelta(days=1)), watched.model)
    reference = scored(watched.read(evaluation.first_day, evaluation.last_day), watched.model).filter(pl.col("label").is_not_null())
    return [_report(night, recent, reference, watched) for night in nights]


def scored(rows: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Return rows with their `probability`, and with `residual` and `loss` where the label is known."""
    rows = rows.with_columns(probability=pl.Series(model.predict(rows), dtype=pl.Float64) if rows.height else pl.lit(None, pl.Float64))
    label, probability = rows.get_column("label").cast(pl.Float64), rows.get_column("probability")
    is_known = label.is_not_null()
    loss = pl.Series("loss", row_log_loss(label.fill_null(0).to_numpy(), probability.to_numpy()))
    return rows.with_columns(
        residual=pl.when(is_known).then(label - probability), loss=pl.when(is_known).then(loss), label=rows.get_column("label")
    )


def _report(night: Night, recent: pl.DataFrame, reference: pl.DataFrame, watched: Watched) -> NightReport:
    champion, rules = watched.champion, watched.rules
    known = (pl.col("label_known_at") <= night.as_of).fill_null(False)
    held = [pl.when(known).then(pl.col(name)).alias(name) for name in ("label", "residual", "loss")]
    rows = recent.filter(pl.col("predicted_at") <= night.as_of).with_columns(held)
    complete = rows.filter(pl.col("batch_day") <= night.night)
    after = complete.filter(pl.col("batch_day") > champion.evaluation.last_day)
    late = quality.late_days(after, rules.quality)
    labelled = after.filter(pl.col("label").is_not_null() & ~pl.col("batch_day").is_in(late))
    groups = {**watched.groups, **_BESIDE}
    # Of a day whose labels come in parts, the first may all be of one kind.
    whole = [pl.when(~pl.col("batch_day").is_in(late)).then(pl.col(name)).alias(name) for name in ("label", "residual", "loss")]
    found = drift.find(complete.with_columns(whole), groups, night.night, rules.drift)
    if found is not None and not night.is_late:
        columns = [name for names in watched.groups.values() for name in names]
        found = found.model_copy(update={"classifier": classifier.tell(complete, columns, night.night, rules.drift)})
    newest = complete.filter(pl.col("batch_day") == night.night).height
    measured = _quality(labelled, reference, watched)
    expected = _expected(rows, reference, night, watched)
    report = NightReport(
        night=night.night,
        as_of=night.as_of,
        champion_version=champion.version,
        evaluation=champion.evaluation,
        age_days=max(0, (night.night - champion.evaluation.last_day).days),
        days_since_candidate=max(0, (night.night - champion.newest_candidate_day).days),
        new_labelled_days=labelled.get_column("batch_day").n_unique(),
        rows=newest,
        drift=found,
        quality=measured,
        estimate=expected,
        problems=[*watched.problems, *_problems(night, newest, late, expected, rules.quality)],
        is_late=night.is_late,
    )
    log.info("%s: %d rows, %d labelled days since the champion's evaluation", night.night, newest, report.new_labelled_days)
    return report


def _quality(labelled: pl.DataFrame, reference: pl.DataFrame, watched: Watched) -> Quality | None:
    rules = watched.rules.quality
    if labelled.is_empty():
        return None
    newest = labelled.get_column("batch_day").max()
    rows = labelled.filter(pl.col("batch_day") > newest - timedelta(days=rules.days))  # type: ignore[operator]
    previous = None if watched.previous is None else watched.previous.predict(rows)
    segments = slices.declared(rows, watched.segments, watched.by_value)
    champion = watched.champion
    return quality.measure(rows, reference, previous, segments, champion.threshold, watched.costs, rules, watched.segment_rules, champion)


def _expected(rows: pl.DataFrame, reference: pl.DataFrame, night: Night, watched: Watched) -> Estimate | None:
    """Return what to expect on the newest days, labelled or not."""
    newest = rows.filter(pl.col("batch_day") > night.night - timedelta(days=watched.rules.quality.fewest_days))
    if newest.is_empty() or reference.is_empty():
        return None
    days = newest.get_column("batch_day")
    window = Window(first_day=days.min(), last_day=days.max())
    label, probability, day = (reference.get_column(name).to_numpy() for name in ("label", "probability", "batch_day"))
    return estimate.expected(label, probability, day, newest.get_column("probability").to_numpy(), days.to_numpy(), window)


def _problems(night: Night, newest: int, days: Sequence[date], expected: Estimate | None, rules: QualityRules) -> list[Problem]:
    # What was late a week ago is lost, and no news.
    late, problems = [day for day in days if day > night.night - timedelta(days=rules.fewest_days)], []
    if not newest:
        told = f"no rows of {night.night}, the newest day: the feed is late, or nothing took place"
        problems.append(Problem(name="no rows", told=told, runbook="operations/runbook.md#a-failed-nightly-run"))
    if late:
        told = f"labels are late on {len(late)} days, the newest {max(late)}: quality is that of the others"
        problems.append(Problem(name="late labels", told=told, runbook="operations/runbook.md#labels-are-late"))
        # Where labels come, what they say counts, and a season that is harder to tell is no fault.
        if expected is not None and expected.log_loss.lower > expected.reference_log_loss + rules.decay_margin:
            before = f"{expected.reference_log_loss:.4f} at its evaluation by the same way"
            told = f"expected log-loss {expected.log_loss} on {expected.window}, {before}"
            problems.append(Problem(name="estimate rises", told=told, runbook="operations/runbook.md#estimate-rises"))
    return problems
