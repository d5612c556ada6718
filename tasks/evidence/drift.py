"""Drift: do the newest days look like those before? One test over all columns, their day statistics and the windows together.

Rows of one day share their weather and congestion, so rows are not exchangeable and tests of rows fire every week. Whole days
are, as far as a season allows. The test is a permutation of whole days with the largest statistic over everything that is looked
at (Westfall and Young, "Resampling-based multiple testing", 1993), so that the rate of false alarms holds over all of it:

1. Each day is told by a few numbers a column (`profiles.py`); the median of its weekday is taken off, so that a weekend is none.
2. Each number is divided by its spread over all days, the newest among them. The two most extreme days count less in it, so that
   a single storm or outage hides nothing; but they do count, or numbers that are usually zero would raise every threshold.
3. A window of at most three days scores by its least extreme day, in one direction: a fault stays, a storm passes. A longer one
   scores by the mean, with each day bounded.
4. The windows' scores are brought to one scale by what shuffled days give; the largest of all is held against that of shuffled days:
   of the features and predictions, and apart from these of what comes with the label, whose few numbers the hundreds of the others
   would drown. Each has its share of the level (Bonferroni).

A night's level is what makes a year of nights, whose windows overlap, as rare as the rules ask: 1 - (1 - false alarms a year) to
the power of 1 / looks a year. The looks are measured (tests/benchmarks/monitoring.py).

Labels come late: of the groups `label` and `fit` the newest days that have labels are looked at, and their nulls are not (late
labels are told elsewhere).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.monitoring import ColumnDrift, Drift, DriftRules, GroupDrift
from tasks.artifacts.record import Window
from tasks.evidence import profiles, reading
from tasks.evidence.profiles import Profiles

Floats = npt.NDArray[np.float32]
Orders = npt.NDArray[np.int64]

_SHORT = 3
"""Longest window, in days, that scores by its least extreme day."""
_EXTREME, _THEIR_SHARE = 2, 0.8
"""Days that count less in the spread, and the share of the plain spread that stays all the same (both measured: of 0, 0.6, 0.8
and 1 this finds most faults at one rate of false alarms)."""
_BOUND = 4.0
"""Spreads that a day of a longer window counts at most: the faults of one day do not make a week."""
_FIRST, _BATCH = 400, 200
"""Shuffles that are looked at first, and then at a time (what they take fits a processor's cache)."""
_DOUBT = 16
"""Shuffles that score as much as the real order end the search: the p-value is far from any level, and known to a quarter of itself
(Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991)."""
_SCALE = 95
"""Percentile of shuffled days that windows of different lengths have in common."""
_LATE_SHARE = 0.2
"""Part of the level that is for what comes with the label: a fifth of the numbers at most, and of the faults."""


@dataclass(frozen=True)
class Scores:
    """How far the newest days lie from the others.

    Attributes:
        windows: Lengths of windows, in days.
        observed: Signed score of each window and number, in its own scale, shape (windows, numbers).
        common: The same without sign in the windows' common scale.
        late: Which numbers come with the label, shape (numbers,).
        highest: Largest of `common` of each shuffle among these, and among the others, sorted, shape (2, shuffles).
    """

    windows: list[int]
    observed: Floats
    common: Floats
    late: npt.NDArray[np.bool_]
    highest: Floats

    def p_values(self) -> npt.NDArray[np.float64]:
        """Return of each window and number the share of shuffles, the real order among them, whose largest score is as large.

        Adjusted for all numbers and windows; shape (windows, numbers).
        """
        found = np.ones(self.common.shape)
        for highest, own, share in zip(self.highest, (self.late, ~self.late), (_LATE_SHARE, 1 - _LATE_SHARE), strict=True):
            above = len(highest) - np.searchsorted(highest, self.common[:, own], side="left")
            # Where there is only one kind, it has the whole level.
            found[:, own] = (1 + above) / (1 + len(highest)) / (share if own.any() and not own.all() else 1.0)
        least: npt.NDArray[np.float64] = np.minimum(found, 1.0)
        return least


def level(rules: DriftRules) -> float:
    """Return the level of one night that gives the yearly rate of false alarms."""
    return float(-np.expm1(np.log1p(-rules.false_alarms_a_year) / rules.looks_a_year))


def standardise(table: npt.NDArray[np.float64], weekdays: npt.NDArray[np.int64], rows: float) -> Floats:
    """Return days in units of their spread around the median of their weekday.

    Args:
        table: Numbers of days, NaN where there is none, shape (days, numbers).
        weekdays: Of each day, shape (days,).
        rows: Of a usual day: the spread is never below what so many rows leave to chance, 1 / (2 sqrt(rows)) of a share's arcsine.

    Returns:
        Shape (days, numbers); 0 where there was NaN.
    """
    apart = np.array(table, dtype=np.float32)
    for weekday in np.unique(weekdays):
        of = apart[weekdays == weekday]
        ordered = np.sort(np.ascontiguousarray(of.T), axis=1)  # NaN last; rows are sorted much faster than columns
        middle = (ordered[:, (len(of) - 1) // 2] + ordered[:, len(of) // 2]) / 2
        gaps = np.flatnonzero(np.isnan(ordered[:, -1]) & ~np.isnan(ordered[:, 0]))
        middle[gaps] = np.nanmedian(of[:, gaps], axis=0)
        apart[weekdays == weekday] = of - middle
    apart = np.nan_to_num(apart, nan=0.0, posinf=0.0, neginf=0.0)
    squares = apart**2
    inner = squares.copy()
    for _ in range(min(_EXTREME, len(inner) - 1)):
        np.put_along_axis(inner, inner.argmax(axis=0)[None, :], 0.0, axis=0)
    inner = inner.sum(axis=0) / max(1, len(inner) - _EXTREME)
    chance = 1 / (4 * max(1.0, rows))
    spread = np.sqrt(np.maximum(inner, _THEIR_SHARE**2 * squares.mean(axis=0)) + chance)
    found: Floats = (apart / spread).astype(np.float32)
    return found


def _window(days: Floats, bounded: Floats, orders: Orders, length: int) -> Floats:
    """Return the signed score of the first days of each order, shape (orders, numbers)."""
    if length > _SHORT:
        chosen = np.zeros((len(orders), len(days)), dtype=np.float32)
        np.put_along_axis(chosen, orders[:, :length], 1 / length, axis=1)
        found: Floats = chosen @ bounded
        return found
    least = highest = days[orders[:, 0]]
    for place in range(1, length):
        other = days[orders[:, place]]
        least, highest = np.minimum(least, other), np.maximum(highest, other)
    return np.maximum(least, 0) + np.minimum(highest, 0)


def score(days: Floats, late: npt.NDArray[np.bool_], windows: Sequence[int], permutations: int, seed: int) -> Scores:
    """Return how far the newest days lie from the others, beside shuffled days.

    Args:
        days: From `standardise`, in order, the newest last, shape (days, numbers).
        late: Which numbers are of columns that come with the label, shape (numbers,).
        windows: Lengths of windows, in days.
        permutations: Most shuffles; with as many as there are pairs of days, each pair is looked at once.
        seed: Of the shuffles.
    """
    bounded = np.clip(days, -_BOUND, _BOUND)
    newest_first = np.arange(len(days))[::-1][None, :]
    observed = np.concatenate([_window(days, bounded, newest_first, length) for length in windows])
    generator = np.random.default_rng(seed)
    pairs = _pairs(len(days), permutations, generator)

    def shuffled(some: Orders) -> Floats:
        orders = _orders(some, len(days), max(windows), generator)
        found = (np.abs(_window(days, bounded, orders, length)) for length in windows)
        return np.stack([[part.max(axis=1, initial=0, where=own) for own in (late, ~late)] for part in found])  # (windows, 2, shuffles)

    def largest(found: Floats) -> Floats:
        both: Floats = (found / scale[:, None, None]).max(axis=0)
        return both

    first = shuffled(pairs[:_FIRST])
    scale = np.maximum(np.percentile(first.max(axis=1), _SCALE, axis=1), 1e-6).astype(np.float32)
    common, highest = np.abs(observed) / scale[:, None], largest(first)
    kinds = [(place, common[:, own].max()) for place, own in enumerate((late, ~late)) if own.any()]
    looked = [highest]
    for at in range(_FIRST, len(pairs), _BATCH):
        if all(sum(int((part[place] >= score_of).sum()) for part in looked) >= _DOUBT for place, score_of in kinds):
            break
        looked.append(largest(shuffled(pairs[at : at + _BATCH])))
    highest = np.concatenate(looked, axis=1)
    return Scores(list(windows), observed, common, late, np.sort(highest, axis=1))


def _pairs(days: int, most: int, generator: np.random.Generator) -> Orders:
    """Return pairs of days that a shuffle may have for its newest two, in any order: each once, but the real one; shape (pairs, 2).

    Drawn with replacement, the real pair would stand among them, and no night could be rarer than these are.
    """
    pairs = np.stack(np.triu_indices(days, k=1), axis=1)[:-1]  # the last of them are the newest two
    chosen: Orders = generator.permutation(pairs)[:most]
    return chosen


def _orders(pairs: Orders, days: int, length: int, generator: np.random.Generator) -> Orders:
    """Return the first days of shuffles that begin with the pairs, all others at random, shape (pairs, length)."""
    places = generator.random((len(pairs), days), dtype=np.float32)
    np.put_along_axis(places, pairs, np.float32(-1), axis=1)
    return np.argsort(places, axis=1)[:, :length]


def _ready(found: Profiles) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the numbers of days with late columns moved up to the newest day, and which numbers are tested."""
    table, tested = found.table.copy(), np.ones(found.table.shape[1], dtype=bool)
    for column, coding in found.codings.items():
        if coding.group not in profiles.OUTCOMES:
            continue
        own = found.columns == column
        tested &= ~(own & (found.whats == "nulls"))
        late = len(found.days) - 1 - int(np.flatnonzero(found.filled[column])[-1])
        if late:
            weeks = -(-late // 7) * 7  # whole weeks, so that weekdays stay what they are
            table[:, own] = np.nan if weeks >= len(table) else _moved(table[:, own], late, weeks)
    return table, tested


def _moved(table: npt.NDArray[np.float64], late: int, weeks: int) -> npt.NDArray[np.float64]:
    """Return numbers whose newest days, which have none, are filled with those of the same weekdays of the weeks before."""
    filled = table.copy()
    filled[-late:] = table[len(table) - late - weeks : len(table) - weeks]
    return filled


def find(rows: pl.DataFrame, groups: Mapping[str, Sequence[str]], last_day: date, rules: DriftRules) -> Drift | None:
    """Test the newest days against those before.

    Args:
        rows: Rows of at least the reference and the longest window, with `batch_day` and the columns of the groups: numbers, or
            names (String, Categorical). Days without rows count as none.
        groups: Group to its columns.
        last_day: Newest day that is looked at.
        rules: Windows, level and reference.

    Returns:
        What was found; None with fewer reference days before the shortest window than the rules ask for.
    """
    first = last_day - timedelta(days=rules.reference_days + max(rules.windows) - 1)
    rows = rows.filter(pl.col("batch_day").is_between(first, last_day))
    days = rows.get_column("batch_day").unique().sort().to_list()
    windows = [length for length in sorted(rules.windows) if len(days) - length >= rules.fewest_reference_days]
    if not windows:
        return None
    found = profiles.of(rows, groups)
    wanted = [column for names in groups.values() for column in names]
    missing = [c for c in wanted if c not in found.filled or not found.filled[c][-windows[0] :].any()]
    tested, scores = _scores(found, windows, rules)
    night = level(rules)
    columns = _columns(found, tested, scores)
    return Drift(
        last_day=last_day,
        reference=Window(first_day=days[0], last_day=days[-windows[0] - 1]),
        windows=windows,
        level=night,
        groups=_groups(groups, columns, scores, night),
        columns=columns,
        missing=missing,
    )


def _scores(found: Profiles, windows: Sequence[int], rules: DriftRules) -> tuple[npt.NDArray[np.int64], Scores]:
    """Return which numbers are tested, and their scores."""
    table, is_tested = _ready(found)
    tested = np.flatnonzero(is_tested)
    weekdays = np.array([day.weekday() for day in found.days])
    days = standardise(table[:, tested], weekdays, float(np.median(found.rows)))
    late = np.array([found.codings[str(column)].group in profiles.OUTCOMES for column in found.columns[tested]], dtype=bool)
    return tested, score(days, late, windows, rules.permutations, rules.seed)


def _columns(found: Profiles, tested: npt.NDArray[np.int64], scores: Scores) -> list[ColumnDrift]:
    """Return each column with the number and the window in which it differs most, by p-value and score."""
    names, p_values = found.columns[tested], scores.p_values()
    told = []
    for column, coding in found.codings.items():
        own = np.flatnonzero(names == column)
        if not len(own):
            continue
        at, best = np.unravel_index(int(scores.common[:, own].argmax()), (len(scores.windows), len(own)))
        days, number = scores.windows[int(at)], int(own[int(best)])
        counts = found.counts[column]
        before, now = counts[:-days].sum(axis=0), counts[-days:].sum(axis=0)
        score_of = float(scores.common[int(at), number])
        drift = ColumnDrift(
            column=column,
            group=coding.group,
            days=days,
            what=str(found.whats[tested[number]]),
            statistic=float(scores.observed[int(at), number]),
            p_value=float(p_values[int(at), number]),
            psi=reading.psi(before, now, coding.is_number),
            wasserstein=reading.wasserstein(coding.values.astype(np.float64), before, now) if coding.is_number else None,
        )
        told.append((drift.p_value, -score_of, drift))
    return [drift for *_, drift in sorted(told, key=lambda one: one[:2])]


def _groups(groups: Mapping[str, Sequence[str]], columns: Sequence[ColumnDrift], scores: Scores, night: float) -> list[GroupDrift]:
    """Return each group that has a column with the one that differs most."""
    told = []
    for group in groups:
        worst = next((column for column in columns if column.group == group), None)
        if worst is not None:
            told.append(
                GroupDrift(
                    group=group,
                    days=worst.days,
                    column=worst.column,
                    what=worst.what,
                    statistic=worst.statistic,
                    p_value=worst.p_value,
                    is_drifted=worst.p_value <= night,
                )
            )
    return told
