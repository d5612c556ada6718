"""What each day looks like: a few numbers a day and column, from all rows of the days together and symmetric in days.

Drift is looked for among days, since rows of one day share their weather and congestion. A day is told by numbers of which
each sees a fault that the others miss:

- level, spread: the mean rank of a number, and how far its ranks lie from the middle;
- nulls: the share of rows without a value;
- unusual values: the share of rows with a value that few days have. Sensors read in steps, so another unit gives
  values that hardly another day has, long before their level is odd;
- one place: the share of the fullest of 32 places by rank (a stuck sensor, or values below all that were);
- far out: the share of values many times as far out as the bulk;
- apart from X: the mean distance of a number's rank from that of X, which goes with it most closely (one of the two is wrong);
- share of V: of a category that is not rare;
- pairs with X: as unusual values, of two categories together (two names changed for each other);
- affinity to X: the mean of how much more often a pair occurs than by chance (pointwise mutual information: a swap of names that all
  occur together now and then);
- order with X: of what comes with the label, the rank correlation with X within the day (labels turned round).

Shares are taken by the arcsine of their root, which evens out the chance in them.
Ranks and shares bound what an outlier can do. Nothing knows which days are the newest: so days stay exchangeable where nothing
drifts, which the test rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

OUTCOMES, BESIDE_OUTCOMES = frozenset({"label", "fit"}), frozenset({"label", "fit", "prediction"})
"""Groups of columns that are null until labels come, and the groups that they are held against; others stay among themselves."""
_MOST_VALUES, _BINS = 4096, 512
"""Distinct values of a number that are counted one by one, as of a sensor; of more, so many equally full bins (a night's counts stay
below 50 MB)."""
_ROWS_A_VALUE, _ROWS_A_BIN = 10, 2
"""Rows that a value has on average at least to be counted for itself, and rows a day that a bin has: or chance makes it unusual."""
_PLACES = 32
"""Places by rank, for what crowds into one: two days of a hundred fill not even one."""
_FAR = 5.0
"""Ranges between the 5th and 95th percentile beyond which a value is far out: no feature of a year of flights lies there all day."""
_FREQUENT = 0.005
"""Share of all rows from which on a category has a share of its own: fewer than five rows of a day are mostly chance."""
_TOGETHER = 0.3
"""Rank correlation from which on two columns go together closely enough that their distance tells something."""
_PARTNERS = 3
"""Columns that a column's ranks are held against: where two differ, others tell which is wrong, and each sees other faults."""
_PARTNER_ROWS = 20_000
"""Rows, about, from which partners are found: a rank correlation to a hundredth."""
_FEW_DAYS = 0.1
"""Share of days up to which a value is unusual: a week of twelve, and a few more."""
_AFFINITY = 3.0
"""Logarithm beyond which pairs are as good as tied, or as good as never: twenty times more or less often than by chance."""
_MOST_PAIRS = 2_000_000
"""Pairs of days and combined values that are counted; two columns with more are not looked at together."""


@dataclass(frozen=True)
class Pairs:
    """What is known of two names together.

    Attributes:
        partner: The other column.
        combined: Codes of pairs that occur, sorted, shape (pairs,).
        unusual: Whether few days have the pair, shape (pairs,).
        affinity: Logarithm of how much more often the pair occurs than by chance, bounded, shape (pairs,).
    """

    partner: str
    combined: Codes
    unusual: Mask
    affinity: Array


@dataclass(frozen=True)
class Coding:
    """How a column's values are counted.

    Attributes:
        column: Its name.
        group: Its group.
        values: Sorted: numbers, or the upper edges of bins of numbers, or names.
        is_exact: Whether each value has its own code (False: bins).
        ranks: Mid-rank of each code, from 0 to 1; of names unused.
        unusual: Whether few days have the value, of each code (a bin is had as soon as one of its values is).
        bounds: Numbers outside of these are far out.
        frequent: Codes of names that are not rare.
        partners: Of numbers the columns that go with it most closely, and whether they rise together.
        pairs: Of names what is known of it together with others.
    """

    column: str
    group: str
    values: npt.NDArray[np.generic]
    is_exact: bool
    ranks: Array
    unusual: Mask
    bounds: tuple[float, float] = (-np.inf, np.inf)
    frequent: tuple[int, ...] = ()
    partners: tuple[tuple[str, bool], ...] = ()
    pairs: tuple[Pairs, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers."""
        return self.values.dtype.kind == "f"


@dataclass(frozen=True)
class Profiles:
    """Days as numbers.

    Attributes:
        days: The days in order.
        columns: Of each number its column, shape (numbers,).
        whats: Of each number what it tells of the column, shape (numbers,).
        table: The numbers, shape (days, numbers); NaN where a day has no value of the column.
        counts: Column to its values by day, shape (days, values).
        filled: Column to the number of values by day, shape (days,).
        rows: Rows by day, shape (days,).
        codings: Column to how it is counted.
    """

    days: list[date]
    columns: npt.NDArray[np.str_]
    whats: npt.NDArray[np.str_]
    table: Array
    counts: dict[str, npt.NDArray[np.int64]]
    filled: dict[str, npt.NDArray[np.int64]]
    rows: npt.NDArray[np.int64]
    codings: dict[str, Coding]


class _Rows:
    """Rows with what is read of them more than once.

    Attributes:
        frame: The rows.
        days: Their days in order.
        index: Number of each row's day, shape (n,).
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        column = frame.get_column("batch_day")
        self.frame, self.days = frame, column.unique().sort().to_list()
        self.index: Codes = column.rank("dense").to_numpy().astype(np.int64) - 1
        self._numbers: dict[str, Floats] = {}
        self._codes: dict[str, tuple[Codes, Mask]] = {}

    def numbers(self, name: str) -> Floats:
        """Return a column as float32, NaN for what is no finite number, shape (n,)."""
        if name not in self._numbers:
            numbers = self.frame.get_column(name).cast(pl.Float32).fill_null(float("nan")).to_numpy()
            self._numbers[name] = np.where(np.isfinite(numbers), numbers, np.float32("nan"))
        return self._numbers[name]

    def codes(self, coding: Coding) -> tuple[Codes, Mask]:
        """Return the code of each value, -1 of a null or an unknown name, and whether the coding knows it; shapes (n,)."""
        if coding.column not in self._codes:
            self._codes[coding.column] = self._coded(coding)
        return self._codes[coding.column]

    def _coded(self, coding: Coding) -> tuple[Codes, Mask]:
        if coding.is_number:
            numbers = self.numbers(coding.column)
            is_null = np.isnan(numbers)
            at = np.minimum(np.searchsorted(coding.values, numbers), len(coding.values) - 1)
            known = is_null | (coding.values[at] == numbers) if coding.is_exact else np.ones(len(at), dtype=bool)
            return np.where(is_null, -1, at), known
        texts = self.frame.get_column(coding.column).cast(pl.String)
        names = coding.values.tolist()
        at = texts.replace_strict(names, list(range(len(names))), default=-1, return_dtype=pl.Int64).to_numpy()
        return at.astype(np.int64), (at >= 0) | texts.is_null().to_numpy()


def _by_day(index: Codes, days: int, codes: Codes, values: int) -> npt.NDArray[np.int64]:
    """Return how often each day has each code, shape (days, values); codes below zero are left out."""
    held = codes >= 0
    counted = np.bincount(index[held] * values + codes[held], minlength=days * values)
    return counted.reshape(days, values).astype(np.int64)


def _rare(counts: npt.NDArray[np.int64]) -> Mask:
    """Return which values few days have, shape (values,), of the days that have any."""
    present = counts > 0
    rare: Mask = present.sum(0) <= _FEW_DAYS * int(present.any(1).sum())
    return rare


def _code_number(name: str, group: str, rows: _Rows) -> Coding:
    numbers = np.sort(rows.numbers(name))
    numbers = numbers[: len(numbers) - int(np.isnan(numbers).sum())]  # NaN is sorted to the end
    starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    is_exact = len(starts) <= min(_MOST_VALUES, len(numbers) / _ROWS_A_VALUE)
    bins = int(np.clip(len(numbers) / len(rows.days) / _ROWS_A_BIN, 1, _BINS))
    ends = np.linspace(0, len(numbers) - 1, bins + 1)[1:].astype(np.int64)
    values = numbers[starts] if is_exact else np.unique(numbers[ends])
    upto = np.searchsorted(numbers, values, side="right") / len(numbers)
    ranks = upto - np.diff(upto, prepend=0.0) / 2
    low, high = (float(numbers[int(q * (len(numbers) - 1))]) for q in (0.05, 0.95))
    reach = _FAR * (high - low) or np.inf
    found = Coding(name, group, values, is_exact, ranks, np.empty(0, dtype=bool), (low - reach, high + reach))
    return replace(found, unusual=_rare(_by_day(rows.index, len(rows.days), rows.codes(found)[0], len(values))))


def _code_names(name: str, group: str, rows: _Rows) -> Coding:
    values = np.array(rows.frame.get_column(name).cast(pl.String).drop_nulls().unique().sort().to_list(), dtype=np.str_)
    found = Coding(name, group, values, True, np.zeros(len(values)), np.empty(0, dtype=bool))
    counts = _by_day(rows.index, len(rows.days), rows.codes(found)[0], len(values))
    frequent = np.flatnonzero(counts.sum(0) >= _FREQUENT * rows.frame.height)
    return replace(found, unusual=_rare(counts), frequent=tuple(int(code) for code in frequent))


def _ranks(rows: _Rows, codings: Sequence[Coding]) -> Floats:
    """Return ranks of numbers on some rows, evenly spaced, NaN without a value, shape (at most `_PARTNER_ROWS`, columns)."""
    some = slice(None, None, max(1, rows.frame.height // _PARTNER_ROWS))
    found = np.empty((len(rows.index[some]), len(codings)), dtype=np.float32, order="F")
    for i, coding in enumerate(codings):
        found[:, i] = np.append(coding.ranks, np.nan)[rows.codes(coding)[0][some]]
    return found


def _partners(ranks: Floats, codings: Sequence[Coding]) -> dict[int, list[tuple[int, bool]]]:
    """Return of each column of ranks those that go with it most closely, and whether they rise together."""
    if ranks.shape[1] < 2:
        return {}
    centred = np.where(np.isnan(ranks), np.float32(0), ranks - np.float32(0.5))
    product = centred.T @ centred
    size = np.sqrt(np.maximum(np.diag(product), 1e-9))
    together = product / np.outer(size, size)
    np.fill_diagonal(together, 0)
    groups = [coding.group for coding in codings]
    together *= [[other in BESIDE_OUTCOMES if own in OUTCOMES else own == other for other in groups] for own in groups]
    best = np.argsort(-np.abs(together), axis=1, kind="stable")[:, :_PARTNERS]
    return {i: [(int(j), bool(row[j] > 0)) for j in best[i] if abs(row[j]) >= _TOGETHER] for i, row in enumerate(together)}


def _combined(first: Codes, second: Codes, values: int) -> Codes:
    return np.where((first >= 0) & (second >= 0), first * values + second, -1)


def _with_pairs(found: list[Coding], rows: _Rows) -> list[Coding]:
    """Return codings of one group's names with what is known of each two together."""
    count = len(rows.days)
    codes = [rows.codes(coding)[0] for coding in found]
    # A name that is the same all day (its weekday) would call every pair unusual on six days of seven.
    by_day = [_by_day(rows.index, count, own, len(coding.values)) for own, coding in zip(codes, found, strict=True)]
    varied = [i for i, counts in enumerate(by_day) if int((counts > 0).sum(1).max(initial=0)) > 1]
    pairs: dict[int, list[Pairs]] = {}
    for i, j in combinations(varied, 2):
        width = len(found[j].values)
        values, inverse = np.unique(_combined(codes[i], codes[j], width), return_inverse=True)
        if len(values) * count > _MOST_PAIRS:
            continue
        counted = _by_day(rows.index, count, inverse.astype(np.int64), len(values))
        one, other = (np.maximum(by_day[k].sum(0), 1) for k in (i, j))
        chance = one[values // width] * other[values % width] / rows.frame.height
        affinity = np.clip(np.log(counted.sum(0) / chance), -_AFFINITY, _AFFINITY)
        pairs.setdefault(i, []).append(Pairs(found[j].column, values, _rare(counted), np.where(values < 0, 0.0, affinity)))
    return [replace(coding, pairs=tuple(pairs.get(i, []))) for i, coding in enumerate(found)]


def _coding(rows: _Rows, groups: Mapping[str, Sequence[str]]) -> dict[str, Coding]:
    codings: dict[str, Coding] = {}
    schema = rows.frame.schema
    for group, names in groups.items():
        there = [name for name in names if name in schema and rows.frame.get_column(name).null_count() < rows.frame.height]
        numeric = [name for name in there if schema[name].is_numeric()]
        numbers = [_code_number(name, group, rows) for name in numeric if not np.isnan(rows.numbers(name)).all()]
        named = _with_pairs([_code_names(name, group, rows) for name in there if name not in numeric], rows)
        codings |= {coding.column: coding for coding in [*numbers, *named]}
    every = [coding for coding in codings.values() if coding.is_number]
    for i, partners in _partners(_ranks(rows, every), every).items():
        codings[every[i].column] = replace(every[i], partners=tuple((every[j].column, rises) for j, rises in partners))
    return codings


def code(rows: pl.DataFrame, groups: Mapping[str, Sequence[str]]) -> dict[str, Coding]:
    """Return how the columns of rows are counted, from all of these rows.

    Args:
        rows: Rows with `batch_day` and columns of groups.
        groups: Group to its columns; those that the rows lack, or that have no value, are left out.
    """
    return _coding(_Rows(rows), groups)


def of(rows: pl.DataFrame, groups: Mapping[str, Sequence[str]]) -> Profiles:
    """Return the numbers of each day, counted by these rows alone; arguments as of `code`."""
    read = _Rows(rows)
    return _profile(read, _coding(read, groups))


def _arc(shares: Array) -> Array:
    """Return shares so that those of equally many rows have equally much chance in them: the arcsine of the root (Anscombe, 1948)."""
    found: Array = np.arcsin(np.sqrt(np.clip(shares, 0, 1)))
    return found


def _share(index: Codes, days: int, is_one: Mask, held: Mask) -> Array:
    return _arc(_mean(index, days, is_one.astype(np.float64), held))


def _mean(index: Codes, days: int, values: npt.NDArray[Any], held: Mask) -> Array:
    """Return the mean by day of the values that are held; NaN of a day without any."""
    total = np.bincount(index[held], weights=values[held], minlength=days)
    number = np.bincount(index[held], minlength=days)
    with np.errstate(invalid="ignore"):
        found: Array = total / number
    return found


def profile(rows: pl.DataFrame, codings: Mapping[str, Coding]) -> Profiles:
    """Return the numbers of each day, counted as other rows were.

    Args:
        rows: Rows with `batch_day` and all columns of the codings; a value that was not there when the coding was made counts as one
            that few days have.
        codings: From `code`.
    """
    return _profile(_Rows(rows), codings)


def _profile(rows: _Rows, codings: Mapping[str, Coding]) -> Profiles:
    index, count = rows.index, len(rows.days)
    by_day = np.bincount(index, minlength=count)
    numbers: list[tuple[str, str, Array]] = []
    counts, filled = {}, {}
    for name, coding in codings.items():
        own, known = rows.codes(coding)
        counts[name] = _by_day(index, count, own, len(coding.values))
        has = (own >= 0) | ~known
        number = filled[name] = np.bincount(index[has], minlength=count)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = counts[name] / number[:, None]
        told = [("nulls", _arc(1 - number / by_day))]
        unusual = np.where(known, np.append(coding.unusual, False)[own], True)
        told.append(("unusual values", _share(index, count, unusual, has)))
        told += _of_number(rows, coding, codings, shares, has) if coding.is_number else _of_names(rows, coding, codings, shares)
        numbers += [(name, what, values) for what, values in told]
    table = np.column_stack([values for _, _, values in numbers]) if numbers else np.empty((count, 0))
    names, whats = np.array([n for n, _, _ in numbers], dtype=np.str_), np.array([w for _, w, _ in numbers], dtype=np.str_)
    return Profiles(rows.days, names, whats, table, counts, filled, by_day, dict(codings))


def _of_number(rows: _Rows, coding: Coding, codings: Mapping[str, Coding], shares: Array, has: Mask) -> list[tuple[str, Array]]:
    """Return the numbers of the days of a column of numbers; shares of values by day, shape (days, values)."""
    index, count = rows.index, len(rows.days)
    values, (low, high) = rows.numbers(coding.column), coding.bounds
    places = np.minimum((coding.ranks * _PLACES).astype(np.int64), _PLACES - 1)
    told = [
        ("level", shares @ coding.ranks),
        ("spread", shares @ np.abs(coding.ranks - 0.5)),
        ("one place", _arc((shares @ np.eye(_PLACES)[places]).max(1))),
        ("far out", _share(index, count, (values < low) | (values > high), has)),
    ]
    for partner, rises in coding.partners:
        if partner in codings:
            own, other = (np.append(c.ranks, np.nan).astype(np.float32)[rows.codes(c)[0]] for c in (coding, codings[partner]))
            apart = np.abs(own - (other if rises else 1 - other))
            told.append((f"apart from {partner}", _mean(index, count, apart, ~np.isnan(apart))))
            if coding.group in OUTCOMES:
                told.append((f"order with {partner}", _order(index, count, own, other)))
    return told


def _order(index: Codes, days: int, first: Floats, second: Floats) -> Array:
    """Return the correlation within each day; NaN of a day where one of both does not vary."""
    held = ~(np.isnan(first) | np.isnan(second))
    mean, other = _mean(index, days, first, held), _mean(index, days, second, held)
    one, two = first - mean[index], second - other[index]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = _mean(index, days, one * two, held) / np.sqrt(_mean(index, days, one**2, held) * _mean(index, days, two**2, held))
    return np.where(np.isfinite(found), found, np.nan)


def _of_names(rows: _Rows, coding: Coding, codings: Mapping[str, Coding], shares: Array) -> list[tuple[str, Array]]:
    """Return the numbers of the days of a column of names; shares of values by day, shape (days, values)."""
    told = [(f"share of {coding.values[at]}", _arc(shares[:, at])) for at in coding.frequent]
    own, known = rows.codes(coding)
    for pairs in coding.pairs:
        if pairs.partner in codings:
            other, other_known = rows.codes(codings[pairs.partner])
            both = _combined(own, other, len(codings[pairs.partner].values))
            at = np.minimum(np.searchsorted(pairs.combined, both), len(pairs.combined) - 1)
            is_there = (pairs.combined[at] == both) & known & other_known
            every = np.ones(len(both), dtype=bool)
            unusual: Mask = np.where(is_there, pairs.unusual[at], True)
            told.append((f"pairs with {pairs.partner}", _share(rows.index, len(rows.days), unusual, every)))
            affinity: Array = np.where(is_there, pairs.affinity[at], -_AFFINITY)
            told.append((f"affinity to {pairs.partner}", _mean(rows.index, len(rows.days), affinity, every)))
    return told
