"""How often the gate is wrong, beside gates that take points for evidence or rows for independent: `make bench NAME=gate`.

The flights of September to December are predicted by LightGBM models that were trained before. A replay draws 28 of these days.

- Equal models: two that differ in their seed, and on each day a coin says which of them is the candidate, so that neither is
  better by construction. Promoting is wrong.
- Worse in one segment: the candidate is better than the champion everywhere but in one segment, where it is drawn towards
  that segment's own rate until it has 2 % more log-loss than the champion over all days. Promoting is wrong.
- Better everywhere: the same candidate without that. Promoting is right.

The peers have the same thresholds. One compares point estimates; the other resamples rows, by way of as many pseudo-days as
make no difference, to which rows are given at random. `--quick` takes 100 replays where there are 400, and 2 segments.

Beside it stands the time of all metrics with their intervals, on 100,000 rows by 30 segments that share rows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import brentq

from tasks.artifacts.evaluation import Evaluation, SegmentMetrics, Verdict, WeakSegments
from tasks.artifacts.record import Interval, Window
from tasks.clock import labelled_before, labelled_in
from tasks.contracts import columns
from tasks.evaluation import segments
from tasks.evidence import bootstrap, slices
from tasks.evidence.bootstrap import Array, Days
from tasks.governance import gate
from tasks.model import preprocessing
from tasks.model.loss import log_loss, row_log_loss
from tasks.training import baselines
from tasks.training.baselines import Encoded
from tasks.usecase import features, policy, source
from tasks.usecase.segments import BY_VALUE, SEGMENTS
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, packaged

Mask = npt.NDArray[np.bool_]

NUMERIC, CATEGORICAL = columns(features.Features, "numeric"), columns(features.Features, "categorical")
WINDOW = Window(first_day=date(2013, 9, 3), last_day=date(2013, 12, 30))
DAYS = 28
LOSS = 0.02
_PSEUDO_DAYS = 400
_NOTHING = Interval(value=0, lower=0, upper=0)
_ZERO = dict.fromkeys(("auc", "pr_auc", "log_loss", "brier", "calibration_error", "cost"), _NOTHING)


@dataclass(frozen=True)
class Rows:
    """What a gate sees: labels, days, segments, and probabilities of both models."""

    labels: Array
    days: npt.NDArray[np.int64]
    named: dict[str, Mask]
    candidate: Array
    champion: Array

    def on(self, days: npt.NDArray[np.int64]) -> Rows:
        """Return the rows of some days."""
        kept = np.isin(self.days, days)
        named = {name: mask[kept] for name, mask in self.named.items()}
        return Rows(self.labels[kept], self.days[kept], named, self.candidate[kept], self.champion[kept])


def by_days(rows: Rows, seed: int) -> Verdict:
    """The gate as it is."""
    return _verdict(rows, Days.draw(rows.days, seed=seed))


def by_rows(rows: Rows, seed: int) -> Verdict:
    """The same rules, with rows taken for independent."""
    random = np.random.default_rng(seed).integers(0, _PSEUDO_DAYS, len(rows.labels))
    real = np.array([len(np.unique(rows.days[mask])) for mask in rows.named.values()])
    return _verdict(rows, Days.draw(random, seed=seed), dict(zip(rows.named, real, strict=True)))


def by_points(rows: Rows, seed: int) -> Verdict:
    """The same rules, with point estimates taken for the truth."""
    ours, theirs = row_log_loss(rows.labels, rows.candidate), row_log_loss(rows.labels, rows.champion)
    assert policy.PROMOTION.segment_rows is not None
    worst = min(1 - ours[m].mean() / theirs[m].mean() for m in rows.named.values() if m.sum() >= policy.PROMOTION.segment_rows)
    return Verdict.PROMOTE if ours.mean() < theirs.mean() and worst > -LOSS else Verdict.HOLD


def _verdict(rows: Rows, days: Days, real_days: dict[str, int] | None = None) -> Verdict:
    named = {name: mask for name, mask in rows.named.items() if mask.sum() >= policy.SEGMENT_RULES.fewest_rows}
    paired = segments.pair(rows.labels, rows.candidate, rows.champion, days, named)
    found = [
        SegmentMetrics(
            segment=name,
            rows=int(mask.sum()),
            days=real_days[name] if real_days else len(np.unique(days.index[mask])),
            positives=0,
            paired=paired[name],
            **_ZERO,
        )
        for name, mask in named.items()
    ]
    gain = bootstrap.mean(row_log_loss(rows.labels, rows.champion) - row_log_loss(rows.labels, rows.candidate), days)
    seen = Window(first_day=WINDOW.first_day, last_day=WINDOW.first_day)
    evaluation = Evaluation(
        candidate_digest="candidate",
        incumbent_version=1,
        window=WINDOW,
        rows=len(rows.labels),
        base_rate=float(rows.labels.mean()),
        metrics=[],
        gains={"incumbent": gain},
        segments=found,
        small_segments=[],
        weak_segments=WeakSegments(searched=seen, confirmed_on=seen, level=0.05, found=[]),
        calibration=[],
        suite=[],
    )
    same = gate.Terms("features", "contract")
    return gate.verdict(gate.against_incumbent(evaluation, same, same, policy.PROMOTION))


GATES: dict[str, Callable[[Rows, int], Verdict]] = {"this gate": by_days, "row bootstrap": by_rows, "point estimates": by_points}


def _boosted(built: pl.LazyFrame, rows: pl.DataFrame) -> Callable[[int, int], Array]:
    """Return a function from a seed and a number of rounds to the probabilities of the rows, by a model trained before them."""
    needed = [*NUMERIC, *CATEGORICAL, "label"]
    train = labelled_before(built, WINDOW.first_day, source.LOCAL_ZONE).select(needed).collect()
    encoding = preprocessing.fit(train, NUMERIC, CATEGORICAL)
    encoded, inputs = Encoded.of(train, encoding), np.hstack(encoding.encode(rows))

    def predict(seed: int, rounds: int) -> Array:
        config = policy.TRAINING.baselines.model_copy(update={"seed": seed})
        found: Array = baselines.boost(encoded, config, rounds).predict(inputs)
        return found

    return predict


def worsened(rows: Rows, mask: Mask) -> Rows:
    """Return the rows with the candidate drawn towards a segment's own rate, until it has 2 % more log-loss there than the champion."""
    labels, champion = rows.labels[mask], rows.champion[mask]
    aim = log_loss(labels, champion) * (1 + LOSS)
    rate = labels.mean()

    def drawn(share: float) -> Array:
        return (1 - share) * champion + share * rate

    share = brentq(lambda share: log_loss(labels, drawn(share)) - aim, 0.05, 1.0)
    candidate = rows.candidate.copy()
    candidate[mask] = drawn(float(share))
    return Rows(rows.labels, rows.days, rows.named, candidate, rows.champion)


def _replays(rows: Rows, count: int, seed: int) -> Iterator[tuple[Rows, int]]:
    generator = np.random.default_rng(seed)
    names = np.unique(rows.days)
    for replay in range(count):
        yield rows.on(generator.choice(names, DAYS, replace=False)), replay


def _shared(rows: Rows, seed: int) -> Rows:
    """Return the rows with both models changing places on days that a coin chooses."""
    is_swapped = (np.random.default_rng(seed).random(int(rows.days.max()) + 1) < 0.5)[rows.days]
    candidate, champion = (np.where(is_swapped, a, b) for a, b in ((rows.champion, rows.candidate), (rows.candidate, rows.champion)))
    return Rows(rows.labels, rows.days, rows.named, candidate, champion)


def _seconds() -> float:
    """Return the time of 1,000 resamples of 100,000 rows by 30 segments, each with all metrics and a paired gain."""
    generator = np.random.default_rng(0)
    rows = 100_000
    scores = generator.beta(1, 3, rows)
    labels = (generator.random(rows) < scores).astype(np.float64)
    champion = np.clip(scores + generator.normal(0, 0.02, rows), 0.001, 0.999)
    named = {f"segment {i}": generator.random(rows) < 0.05 + 0.02 * i for i in range(30)}
    names = generator.integers(0, DAYS, rows)
    segments.measure(named, labels, scores, scores, champion, Days.draw(names, 2), policy.SEGMENT_RULES)  # imports
    started = time.perf_counter()
    segments.measure(named, labels, scores, scores, champion, Days.draw(names), policy.SEGMENT_RULES)
    return time.perf_counter() - started


def _share(promoted: list[bool]) -> float:
    return float(np.mean(promoted))


def _figures(replays: int, most_segments: int | None) -> list[Figure]:
    built = features.build(accepted(packaged())).collect().lazy()
    rows = labelled_in(built, WINDOW.first_day, WINDOW.last_day).collect()
    predict = _boosted(built, rows)
    labels = rows.get_column("label").to_numpy().astype(np.float64)
    days = np.unique(rows.get_column("batch_day").to_numpy(), return_inverse=True)[1].astype(np.int64)
    make = partial(Rows, labels, days, slices.masks(rows, slices.declared(rows, SEGMENTS, BY_VALUE)))
    equal, better = make(predict(1, 150), predict(2, 150)), make(predict(1, 150), predict(1, 60))
    gain = 1 - log_loss(labels, better.candidate) / log_loss(labels, better.champion)
    figures = [Figure("1,000 resamples of 100,000 rows by 30 segments", _seconds(), "s", 3)]
    figures += [Figure("log-loss gained by the better model", 100 * gain, "%")]
    for name, decide in GATES.items():
        promoted = [decide(_shared(drawn, seed), seed) == Verdict.PROMOTE for drawn, seed in _replays(equal, replays, 2013)]
        is_ours = decide is by_days
        figures.append(Figure(f"{name}: equal models promoted", 100 * _share(promoted), "%", 5 if is_ours else None))
        print(f"{name}: equal {_share(promoted):.3f}", file=sys.stderr, flush=True)
        promoted = [decide(drawn, seed) == Verdict.PROMOTE for drawn, seed in _replays(better, replays, 2014)]
        figures.append(Figure(f"{name}: better model promoted", 100 * _share(promoted), "%"))
        print(f"{name}: better {_share(promoted):.3f}", file=sys.stderr, flush=True)
    month = rows.height * DAYS / len(np.unique(days))
    assert policy.PROMOTION.segment_rows is not None
    large = [name for name, mask in better.named.items() if mask.mean() * month >= policy.PROMOTION.segment_rows * 1.05][:most_segments]
    refused: dict[str, list[float]] = {name: [] for name in GATES}
    for segment in large:
        worse = worsened(better, better.named[segment])
        for name, decide in GATES.items():
            share = _share([decide(drawn, seed) != Verdict.PROMOTE for drawn, seed in _replays(worse, replays, 2015)])
            refused[name].append(share)
            print(f"{name}: worse in {segment} refused {share:.3f}", file=sys.stderr, flush=True)
    for name, shares in refused.items():
        bar = 90 if name == "this gate" else None
        figures.append(
            Figure(f"{name}: worse in one segment refused, mean of {len(large)}", 100 * float(np.mean(shares)), "%", bar, "higher")
        )
        figures.append(Figure("  in the segment where it is least", 100 * min(shares), "%", bar, "higher"))
    return figures


def main() -> None:
    """Replay all, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 replays, 2 segments")
    quick = parser.parse_args().quick
    publish("gate", _figures(100 if quick else 400, 2 if quick else None))


if __name__ == "__main__":
    main()
