"""Whether the features still have the distributions that they had: a guard against refactorings that change one slightly.

`summarise` keeps of a frame what fits into a small file: null shares, empirical distribution functions at fixed edges,
counts of categories. `compare` tests another frame against it. Meant for the *same rows* built by two versions of the
code: where nothing changed every statistic is zero, and the critical values say how small a change is found. Not for
two different weeks: rows of one hour share their weather, so that independent-sample levels would not hold (drift has
its own test, over whole days).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2

from tasks.artifacts.record import Record

LEVEL = 0.01
"""Family-wise level: the chance that any of all features would be called changed, were the rows drawn anew."""

_EDGES = 40  # quantiles at which a distribution function is kept: a shift of 1/40 of the mass cannot hide between two
_NULL = "(null)"


class Numeric(Record):
    """The distribution of a numeric feature."""

    feature: str
    nulls: int
    edges: tuple[float, ...]
    until: tuple[int, ...]
    """Number of values at or below each edge."""


class Categorical(Record):
    """The counts of a categorical feature's values."""

    feature: str
    counts: dict[str, int]


class Summary(Record):
    """The distributions of the features of some rows."""

    rows: int
    numeric: tuple[Numeric, ...]
    categorical: tuple[Categorical, ...]


class Change(Record):
    """A feature whose distribution is another: the statistic exceeds its critical value."""

    feature: str
    test: Literal["kolmogorov-smirnov", "chi-squared of nulls", "chi-squared of categories"]
    statistic: float
    critical: float

    def __str__(self) -> str:
        return f"{self.feature}: {self.test} {self.statistic:.4g}, critical value {self.critical:.4g}"


def summarise(
    frame: pl.DataFrame, numeric: Sequence[str], categorical: Sequence[str], edges: Mapping[str, Sequence[float]] | None = None
) -> Summary:
    """Summarise the distributions of features.

    Args:
        frame: One row an entity, with at least these columns.
        numeric: Names of the numeric features.
        categorical: Names of the categorical features.
        edges: Where to keep each numeric feature's distribution function; by default near 40 quantiles of its own.
    """
    return Summary(
        rows=frame.height,
        numeric=tuple(_numeric(frame.get_column(name), None if edges is None else edges[name]) for name in numeric),
        categorical=tuple(Categorical(feature=name, counts=_counts(frame.get_column(name))) for name in categorical),
    )


def _counts(values: pl.Series) -> dict[str, int]:
    text = values.cast(pl.String).fill_null(_NULL)
    return dict(sorted(text.value_counts().rows()))


def _numeric(values: pl.Series, edges: Sequence[float] | None) -> Numeric:
    known = np.sort(values.drop_nulls().cast(pl.Float64).to_numpy())
    if edges is None:
        edges = _edges(known)
    until = known.searchsorted(np.asarray(edges, dtype=np.float64), side="right")
    return Numeric(feature=values.name, nulls=values.null_count(), edges=tuple(edges), until=tuple(until.tolist()))


def _edges(known: NDArray[np.float64]) -> list[float]:
    """Return edges next to quantiles, each in the middle between two values: the last digit of a sine decides nothing."""
    distinct = np.unique(known)
    if distinct.size > _EDGES:
        quantiles = known[np.linspace(0, known.size - 1, _EDGES).astype(int)]
        places = np.unique(distinct.searchsorted(quantiles))
    else:
        places = np.arange(distinct.size)
    beyond = distinct[-1:] + 1e-3 * np.maximum(1.0, np.abs(distinct[-1:]))  # above the greatest: nothing may be there
    nexts = np.concatenate([distinct, beyond])[places + 1]
    return [float(f"{edge:.7g}") for edge in (distinct[places] + nexts) / 2]


def compare(golden: Summary, frame: pl.DataFrame, level: float = LEVEL) -> list[Change]:
    """Find the features whose distribution in a frame differs from the golden one.

    Numeric features: the two-sample Kolmogorov-Smirnov distance at the golden edges, against the asymptotic critical
    value sqrt(-ln(a / 2) / 2 * (n + m) / (n m)) (Smirnov 1948, Annals of Mathematical Statistics 19; conservative for
    values with ties and for a maximum over some edges only), and the null share, by the chi-squared test of
    homogeneity. Categorical features: chi-squared of their counts (Cramer 1946, Mathematical Methods of Statistics, chapter 30). The level
    a of each of the k tests is `level` / k (Bonferroni), so that k tests together keep `level`.

    Args:
        golden: What `summarise` gave, of at least one row.
        frame: Rows with the same columns.
        level: Family-wise level.

    Returns:
        One record a failed test, in the order of the summary.
    """
    edges = {kept.feature: kept.edges for kept in golden.numeric}
    found = summarise(frame, list(edges), [kept.feature for kept in golden.categorical], edges)
    each = level / (2 * len(golden.numeric) + len(golden.categorical))
    tests: list[Change] = []
    for kept, new in zip(golden.numeric, found.numeric, strict=True):
        tests.append(_ks(kept, golden.rows - kept.nulls, new, found.rows - new.nulls, each))
        tests.append(
            _chi_squared(kept.feature, "chi-squared of nulls", _null_counts(kept, golden.rows), _null_counts(new, found.rows), each)
        )
    for before, after in zip(golden.categorical, found.categorical, strict=True):
        tests.append(_chi_squared(before.feature, "chi-squared of categories", before.counts, after.counts, each))
    return [test for test in tests if test.statistic > test.critical]


def _null_counts(found: Numeric, rows: int) -> dict[str, int]:
    return {_NULL: found.nulls, "(value)": rows - found.nulls}


def _ks(kept: Numeric, n: int, new: Numeric, m: int, level: float) -> Change:
    name: Literal["kolmogorov-smirnov"] = "kolmogorov-smirnov"
    if not n or not m or not kept.edges:  # no values to compare; the null share tells
        return Change(feature=kept.feature, test=name, statistic=0.0, critical=1.0)
    distance = np.abs(np.array(kept.until) / n - np.array(new.until) / m).max()
    critical = math.sqrt(-math.log(level / 2) / 2 * (n + m) / (n * m))
    return Change(feature=kept.feature, test=name, statistic=float(distance), critical=critical)


def _chi_squared(
    feature: str,
    test: Literal["chi-squared of nulls", "chi-squared of categories"],
    kept: Mapping[str, int],
    new: Mapping[str, int],
    level: float,
) -> Change:
    """Test two samples of counts for homogeneity."""
    names = [name for name in sorted({*kept, *new}) if kept.get(name, 0) + new.get(name, 0)]
    a, b = (np.array([counts.get(name, 0) for name in names], dtype=float) for counts in (kept, new))
    n, m = a.sum(), b.sum()
    statistic = max(n, m)  # rows against none
    if n and m:
        statistic = ((math.sqrt(m / n) * a - math.sqrt(n / m) * b) ** 2 / (a + b)).sum()
    critical = float(chi2.isf(level, max(1, len(names) - 1)))
    return Change(feature=feature, test=test, statistic=float(statistic), critical=critical)
