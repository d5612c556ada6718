"""How often drift is called where there is none, and found where there is, beside the usual detectors: `make bench NAME=monitoring`.

The flights of 2013 with probabilities of LightGBM (each half of the days by a model of the other half).

- No drift: the days of the year change places with days of the same weekday, so that nothing drifts but every day is real. Each
  night is tested against the days before. Counted are the years with an alarm. Beside it the usual detectors with their usual
  limits, a week against the twelve before.
- Faults (drifts.py): put into all days from one on, in such a year; found within two nights, and after how many. The usual
  detectors get the limits at which they call as many years as ours asks for, each with windows of 2 and of 7 days, with one
  limit for all columns and with a limit for each.
- The real year, in order: on which days each group alarms. And a made-up feed without seasons, weather or drift.
- Seconds of a night, with 4 and with 12 months of history.

Days are counted by the values of the whole year, which saves reading every replay's rows; `find` itself counts by its own rows.
`--quick` takes 20 years for 400, and 5 replays of a fault for 20; `--years` takes another number of years.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import binom

from tasks.contracts import columns as declared
from tasks.evidence import drift, profiles
from tasks.evidence.profiles import OUTCOMES, Profiles
from tasks.model import preprocessing
from tasks.model.loss import row_log_loss
from tasks.training import baselines
from tasks.training.baselines import Encoded
from tasks.usecase import features, policy
from tests.benchmarks import drifts
from tests.benchmarks.drifts import Counted
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, packaged

Ints = npt.NDArray[np.int64]

NUMERIC, CATEGORICAL = declared(features.Features, "numeric"), declared(features.Features, "categorical")
RULES = policy.MONITORING.drift
BACK = RULES.reference_days + max(RULES.windows)
NIGHTS = 364  # whole weeks: the year's end meets its beginning, and each night has the days before it
_ROUNDS = 60
_LONGEST_WAIT = 7
_EVERY = 4
"""Nights of the real year: each fourth."""
_PEER_WINDOWS = (2, 7)
_BY_COLUMN = ("KS", "PSI", "JS")
_TUNED = ("KS", "PSI", "JS", "share of drifted columns", "mean distance")
_USUAL_LIMITS = {"PSI": 0.2, "JS": 0.1, "share of drifted columns": 0.5}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def groups() -> dict[str, list[str]]:
    """Return all groups of columns of a night."""
    found: dict[str, list[str]] = {}
    for name, column in features.Features.to_schema().columns.items():
        told = column.metadata or {}
        if told.get("role") in ("numeric", "categorical"):
            found.setdefault(told["group"], []).append(name)
    return {**found, "prediction": ["probability"], "label": ["label"], "fit": ["residual", "loss"]}


def year() -> pl.DataFrame:
    """Return the flights of the year with probabilities, residuals and losses."""
    rows = features.build(accepted(packaged())).collect()
    day = rows.get_column("batch_day").rank("dense").to_numpy()
    known = rows.get_column("label").is_not_null().to_numpy()
    labelled = rows.with_columns(pl.col("label").fill_null(0))
    probabilities = np.empty(rows.height)
    for half in (0, 1):
        learn = (day % 2 == half) & known
        encoding = preprocessing.fit(labelled.filter(learn), NUMERIC, CATEGORICAL)
        model = baselines.boost(Encoded.of(labelled.filter(learn), encoding), policy.TRAINING.baselines, _ROUNDS)
        probabilities[day % 2 != half] = model.predict(np.hstack(encoding.encode(rows.filter(day % 2 != half))))
    labels = labelled.get_column("label").to_numpy().astype(np.float64)
    frame = pl.DataFrame({"residual": labels - probabilities, "loss": row_log_loss(labels, probabilities), "known": known})
    return rows.with_columns(
        probability=pl.Series(probabilities),
        **{name: pl.when(frame.get_column("known")).then(frame.get_column(name)) for name in ("residual", "loss")},
    )


def tested(found: Profiles) -> npt.NDArray[np.bool_]:
    """Return which numbers the test looks at."""
    late = np.array([found.codings[str(column)].group in OUTCOMES for column in found.columns])
    kept: npt.NDArray[np.bool_] = ~(late & (found.whats == "nulls"))
    return kept


def shuffled(days: Sequence[date], length: int, generator: np.random.Generator) -> Ints:
    """Return a day of the same weekday for each day of a year in order, without repeats, shape (length,); length at most 364."""
    weekdays = np.array([day.weekday() for day in days])
    order = np.empty(NIGHTS, dtype=np.int64)
    for weekday in range(7):
        own = np.flatnonzero(weekdays == weekday)
        order[weekday::7] = generator.permutation(own)[: NIGHTS // 7]
    return order[:length]


@dataclass(frozen=True)
class Peer:
    """A usual detector, tuned: it calls a night where a column is above its limit.

    Attributes:
        name: What it looks at.
        days: Length of its window.
        scale: Of each column, what is usual for its largest value of a year without drift; ones where all columns have one limit.
        limit: Of the largest column, in its scale.
    """

    name: str
    days: int
    scale: npt.NDArray[np.float64]
    limit: float

    @property
    def told(self) -> str:
        """What it is called."""
        return f"{self.name}{'' if (self.scale == 1).all() else ' by column'}, {self.days} days"

    def calls(self, night: Mapping[str, npt.NDArray[np.float64]]) -> bool:
        """Return whether it calls a night."""
        return bool((night[self.name] / self.scale).max() > self.limit)


def tune(extremes: Mapping[tuple[str, int], Sequence[npt.NDArray[np.float64]]], rate: float) -> list[Peer]:
    """Return detectors that call years without drift at a rate, of the largest value of each column in each of such years."""
    found = []
    for (name, days), years in extremes.items():
        largest = np.stack(years)
        scales = [np.ones(largest.shape[1])]
        scales += [np.maximum(np.median(largest, axis=0), 1e-9)] if name in _BY_COLUMN else []
        found += [Peer(name, days, scale, float(np.quantile((largest / scale).max(axis=1), 1 - rate))) for scale in scales]
    return found


class Detector:
    """Ours on days that are already counted."""

    def __init__(self, found: Profiles) -> None:
        self.rows, self.weekdays = float(np.median(found.rows)), np.arange(BACK) % 7
        self.late = np.array([found.codings[str(column)].group in OUTCOMES for column in found.columns[tested(found)]], dtype=bool)

    def p_value(self, table: npt.NDArray[np.float64]) -> float:
        """Return the p-value of the newest days of a table of BACK days."""
        days = drift.standardise(table, self.weekdays, self.rows)
        scores = drift.score(days, self.late, RULES.windows, RULES.permutations, RULES.seed)
        return float(scores.p_values().min())


def _years(count: int, table: npt.NDArray[np.float64], days: Sequence[date], detector: Detector) -> list[float]:
    """Return the least p-value over the nights of each shuffled year."""
    least = []
    generator = np.random.default_rng(2013)
    for number in range(count):
        order = shuffled(days, NIGHTS, generator)
        sequence = table[np.concatenate([order, order])]
        least.append(min(detector.p_value(sequence[night - BACK : night]) for night in range(NIGHTS, 2 * NIGHTS)))
        if number % 20 == 19:
            _say(f"{number + 1} years without drift: {np.mean(np.array(least) <= drift.level(RULES)):.3f} with an alarm")
    return least


def _sums(counts: npt.NDArray[np.float64], order: Ints) -> npt.NDArray[np.float64]:
    """Return sums over all days before each one of a sequence of days, shape (days + 1, columns, values)."""
    return np.concatenate([np.zeros((1, *counts.shape[1:])), np.cumsum(counts[order], axis=0)])


def _peers(counted: Counted, order: Ints, nights: Sequence[int], length: int) -> list[dict[str, npt.NDArray[np.float64]]]:
    """Return what the usual detectors look at, of each night of a sequence of days; night n has the n days before it."""
    numbers, names = _sums(counted.numbers, order), _sums(counted.names, order)
    found = []
    for night in nights:
        newest, before = (night - length, night), (night - length - RULES.reference_days, night - length)
        reference, current = (Counted(numbers[j] - numbers[i], names[j] - names[i]) for i, j in (before, newest))
        found.append(drifts.usual(reference, current))
    return found


def _no_drift(years: int, table: npt.NDArray[np.float64], found: Profiles, counted: Counted) -> tuple[list[Figure], list[Peer]]:
    """Return figures without drift, and the usual detectors, tuned to as many years of alarms as the rules ask for."""
    least = np.array(_years(years, table, found.days, Detector(found)))
    rate = RULES.false_alarms_a_year
    calls = float(np.mean(least <= drift.level(RULES)))
    bounds = binom.ppf([0.025, 0.975], years, rate) / years
    name = f"no drift: years with an alarm, of {years}"
    figures = [Figure(name, 100 * calls, "%", 100 * float(bounds[1]))]
    figures.append(Figure("  95 % of such counts at the configured rate, from", 100 * float(bounds[0]), "%"))
    step = 1 / (1 + RULES.permutations)
    for k in (1, 2, 3, 4, 6, 8):
        share = float(np.mean(least <= k * step + 1e-12))
        looks = np.log1p(-min(share, 1 - 1e-9)) / np.log1p(-k * step)
        figures.append(Figure(f"  years with a p-value of at most {k} of {1 + RULES.permutations:,}", 100 * share, "%"))
        figures.append(Figure("    independent looks that a year is worth", looks, ""))
    generator = np.random.default_rng(2014)
    extremes: dict[tuple[str, int], list[npt.NDArray[np.float64]]] = {}
    fired: dict[str, list[bool]] = {}
    for _ in range(max(20, years // 4)):
        order = shuffled(found.days, NIGHTS, generator)
        twice = np.concatenate([order, order])
        for length in _PEER_WINDOWS:
            told = _peers(counted, twice, range(NIGHTS, 2 * NIGHTS), length)
            for peer in _TUNED:
                extremes.setdefault((peer, length), []).append(np.max([night[peer] for night in told], axis=0))
            if length == 7:
                columns = counted.numbers.shape[1]
                for night in told[::7]:
                    for peer, limit in _USUAL_LIMITS.items():
                        fired.setdefault(f"{peer} {limit}", []).append(bool(night[peer].max() >= limit))
                    fired.setdefault("KS p < 0.05", []).append(bool(night["KS p-value"].min() < 0.05))
                    fired.setdefault("KS, Bonferroni", []).append(bool(night["KS p-value"].min() < 0.05 / columns))
    figures += [Figure(f"no drift: weeks with an alarm, {name}", 100 * float(np.mean(calls)), "%") for name, calls in fired.items()]
    return figures, tune(extremes, rate)


def _split_by_rows(rows: pl.DataFrame, days: Sequence[date], replays: int) -> float:
    """Return how often a classifier with rows split at random tells a week of shuffled days by an AUC above 0.55."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    generator, fired = np.random.default_rng(2015), []
    for _ in range(replays):
        order = [days[i] for i in shuffled(days, 63, generator)]
        chosen = rows.filter(pl.col("batch_day").is_in(order)).sample(fraction=0.3, seed=int(generator.integers(1 << 30)))
        is_new = chosen.get_column("batch_day").is_in(order[-7:]).to_numpy()
        inputs, learn = chosen.select(NUMERIC).to_numpy(), generator.random(chosen.height) < 0.5
        model = HistGradientBoostingClassifier(max_iter=40, early_stopping=False, random_state=0).fit(inputs[learn], is_new[learn])
        fired.append(roc_auc_score(is_new[~learn], model.predict_proba(inputs[~learn])[:, 1]) > 0.55)
    return float(np.mean(fired))


def _nights(faulty: npt.NDArray[np.float64], sequence: npt.NDArray[np.float64], detector: Detector, limit: float) -> int | None:
    """Return after how many nights ours calls a fault that begins after BACK days; None within a week."""
    for wait in range(1, _LONGEST_WAIT + 1):
        table = np.concatenate([sequence[wait:BACK], faulty[BACK : BACK + wait]])
        if detector.p_value(table) <= limit:
            return wait
    return None


def _faults(
    rows: pl.DataFrame, replays: int, base: Profiles, codings: Mapping[str, profiles.Coding], peers: Sequence[Peer]
) -> list[Figure]:
    """Return how often and how soon faults are found, by ours and by the usual detectors at one rate of false alarms."""
    keep, clean = tested(base), drifts.count(base)
    detector, limit = Detector(base), drift.level(RULES)
    figures: list[Figure] = []
    soon: dict[str, list[float]] = {size: [] for size in drifts.SIZES}
    every: dict[str, list[float]] = {size: [] for size in drifts.SIZES}
    by_peer: dict[str, dict[str, list[float]]] = {peer.told: {size: [] for size in drifts.SIZES} for peer in peers}
    for name, (fault, sizes) in drifts.FAULTS.items():
        for size, amount in zip(drifts.SIZES, sizes, strict=True):
            found = profiles.profile(fault(rows, amount, np.random.default_rng(1)), codings)
            bad, table = drifts.count(found), found.table[:, keep]
            generator, waits = np.random.default_rng(2016), []
            called: dict[str, list[bool]] = {peer.told: [] for peer in peers}
            for _ in range(replays):
                order = shuffled(base.days, BACK + _LONGEST_WAIT, generator)
                waits.append(_nights(table[order], base.table[order][:, keep], detector, limit))
                both = Counted(
                    *(np.concatenate([getattr(clean, k)[order[:BACK]], getattr(bad, k)[order[BACK:]]]) for k in ("numbers", "names"))
                )
                nights = {length: _peers(both, np.arange(BACK + 2), (BACK + 1, BACK + 2), length) for length in _PEER_WINDOWS}
                for peer in peers:
                    called[peer.told].append(any(peer.calls(night) for night in nights[peer.days]))
            share = float(np.mean([wait is not None and wait <= 2 for wait in waits]))
            seen = name not in drifts.BLIND
            delays = [wait for wait in waits if wait is not None]
            every[size].append(share)
            soon[size] += [share] if seen else []
            for told, calls in called.items():
                by_peer[told][size] += [float(np.mean(calls))] if seen else []
            best = max(float(np.mean(calls)) for calls in called.values())
            figures.append(Figure(f"{name}, {size} ({amount:g}): found within 2 nights", 100 * share, "%"))
            figures.append(Figure("  within 7 nights", 100 * len(delays) / replays, "%"))
            figures.append(Figure("  nights until it is found, mean", float(np.mean(delays)) if delays else float("nan"), "nights"))
            figures.append(Figure("  the best usual detector, within 2 nights", 100 * best, "%"))
            _say(f"{name}, {size}: {share:.2f} within 2 nights, {len(delays) / replays:.2f} within 7, best peer {best:.2f}")
    for size in drifts.SIZES:
        shares = {told: float(np.mean(found[size])) for told, found in by_peer.items()}
        best_told, best_share = max(shares.items(), key=lambda item: item[1])
        bar = max(95.0, 100 * best_share) if size == "large" else 100 * best_share
        figures.append(Figure(f"all {size} faults: found within 2 nights", 100 * float(np.mean(soon[size])), "%", bar, "higher"))
        figures.append(Figure("  with those that it cannot see", 100 * float(np.mean(every[size])), "%"))
        figures.append(Figure(f"  the best usual detector over all of them: {best_told}", 100 * best_share, "%"))
    return figures


def _real(rows: pl.DataFrame, named: Mapping[str, Sequence[str]]) -> list[Figure]:
    """Return on how many nights of the real year, in order, each group alarms, and how long a night takes."""
    history = rows.get_column("batch_day").unique().sort().to_list()
    night, last = history[RULES.fewest_reference_days + 1], history[-1]
    alarms: dict[str, list[date]] = {group: [] for group in named}
    seconds = []
    while night <= last:
        started = time.process_time()
        found = drift.find(rows, named, night, RULES)
        seconds.append(time.process_time() - started)
        for drifted in found.drifted if found else []:
            alarms[drifted.group].append(night)
        night += timedelta(days=_EVERY)
    figures = [
        Figure(f"the real year: nights with an alarm of {group}, of {len(seconds)}", len(days), "nights") for group, days in alarms.items()
    ]
    for group, days in alarms.items():
        _say(f"real year, {group}: {' '.join(day.strftime('%m-%d') for day in days)}")
    quarter = len(seconds) // 3
    figures.append(Figure("a night's test of drift, processor time, median", float(np.median(seconds)), "s", 2))
    ratio = float(np.median(seconds[-quarter:]) / np.median(seconds[quarter : 2 * quarter]))
    return [*figures, Figure("  of the last third of the year, by that of the second", ratio, "", 1.25)]


def control(days: int, rows: int, seed: int) -> pl.DataFrame:
    """Return a made-up feed without season or drift: each day has a congestion and a weather of its own, weekends fewer flights."""
    generator = np.random.default_rng(seed)
    frames = []
    for day in range(days):
        when = date(2013, 1, 1) + timedelta(days=day)
        count = int(rows * (0.8 if when.weekday() > 4 else 1)) + int(generator.integers(-5, 6))
        mood, storm = generator.normal(), generator.random() < 0.05
        delay = generator.gamma(1.5, 10 * np.exp(0.5 * mood), count)
        frames.append(
            pl.DataFrame(
                {
                    "batch_day": [when] * count,
                    "carrier": generator.choice(["A", "B", "C"], count, p=[0.5, 0.3, 0.2]),
                    "delay": delay,
                    "late": (delay + generator.normal(0, 5, count)) / (20 + delay),
                    "wind": np.round(generator.gamma(3, 3 + 6 * storm, count)),
                    "label": (generator.random(count) < delay / (delay + 60)).astype(np.float64),
                }
            )
        )
    return pl.concat(frames)


def _control(years: int) -> list[Figure]:
    """Return the share of made-up years that alarm on any night, each with as many days as a real one has."""
    named = {"schedule": ["carrier"], "state": ["delay", "late"], "weather": ["wind"], "label": ["label"]}
    nights, calls = 0, []
    for seed in range(years):
        rows = control(BACK + NIGHTS, 200, seed)
        found = profiles.of(rows, named)
        keep, detector = tested(found), Detector(found)
        p_values = [detector.p_value(found.table[night - BACK : night, keep]) for night in range(BACK, BACK + NIGHTS)]
        alarms = sum(p <= drift.level(RULES) for p in p_values)
        nights += alarms
        calls.append(alarms > 0)
    _say(f"control: {np.mean(calls):.2f} of years alarm")
    return [
        Figure(f"made-up feed without drift: years with an alarm, of {years}", 100 * float(np.mean(calls)), "%", 100 * _most(years)),
        Figure("  nights with an alarm a year", nights / years, "nights"),
    ]


def _most(replays: int) -> float:
    """Return the share of years with an alarm that 97.5 % of counts at the configured rate stay within."""
    return float(binom.ppf(0.975, replays, RULES.false_alarms_a_year)) / replays


def main() -> None:
    """Replay all, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 years, 5 replays of a fault")
    parser.add_argument("--years", type=int, help="years without drift: about three seconds each")
    arguments = parser.parse_args()
    quick = arguments.quick
    years = arguments.years or (20 if quick else 400)
    rows, named = year(), groups()
    codings = profiles.code(rows, named)
    found = profiles.profile(rows, codings)
    keep = tested(found)
    _say(f"{rows.height:,} rows, {len(found.days)} days, {int(keep.sum())} numbers a day")
    figures, peers = _no_drift(years, found.table[:, keep], found, drifts.count(found))
    figures.append(
        Figure("no drift: weeks told by a classifier with rows split", 100 * _split_by_rows(rows, found.days, 4 if quick else 20), "%")
    )
    figures += _faults(rows, 5 if quick else 20, found, codings, peers)
    figures += _control(4 if quick else 40)
    figures += _real(rows, named)
    publish("monitoring", figures)


if __name__ == "__main__":
    main()
