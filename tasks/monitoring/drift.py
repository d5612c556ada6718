"""Drift of features: a permutation test over whole days, with the largest statistic over all columns.

Rows of one hour share their weather, so rows are not exchangeable and the usual tests fire every week. Whole days are
(as far as a season allows): the labels "reference" and "current" are shuffled among days. Taking the largest
statistic over all columns, and one level for all groups, holds the false-alarm rate over everything tested together
(Westfall and Young, "Resampling-based multiple testing", 1993).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.monitoring import GroupDrift

Array = npt.NDArray[np.float64]


def day_means(rows: pl.DataFrame, numeric: Sequence[str]) -> tuple[Array, npt.NDArray[np.str_]]:
    """Return the mean rank of each column by day, and its share of nulls, shape (days, 2 x columns), and the days.

    Ranks (scaled to 0..1 over all rows) make columns comparable and outliers harmless. A column's nulls are counted in
    a column of their own, so that a sensor that falls silent is seen.
    """
    ranked = rows.select(
        pl.col("batch_day"),
        *(((pl.col(c).fill_nan(None).rank() - 1) / (pl.col(c).fill_nan(None).count() - 1)).alias(c) for c in numeric),
        *(pl.col(c).fill_nan(None).is_null().cast(pl.Float64).alias(f"{c} is null") for c in numeric),
    )
    by_day = ranked.group_by("batch_day").mean().sort("batch_day")
    table = by_day.drop("batch_day").fill_nan(None).fill_null(0.5)
    return table.to_numpy().astype(np.float64), by_day.get_column("batch_day").cast(pl.String).to_numpy()


def statistics(means: Array, is_current: npt.NDArray[np.bool_]) -> Array:
    """Return, for each assignment of days, the standardised difference of means of each column.

    Args:
        means: Mean of each column by day, shape (days, columns).
        is_current: Assignments of days, shape (assignments, days).

    Returns:
        Absolute differences in units of the days' pooled standard deviation, shape (assignments, columns); a column
        without spread gives 0.
    """
    spread = means.std(axis=0)
    weights = is_current / is_current.sum(1, keepdims=True) - ~is_current / (~is_current).sum(1, keepdims=True)
    difference = np.abs(weights @ means)
    return np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 1e-12)


def find_drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    groups: Mapping[str, Sequence[str]],
    false_alarm_rate: float,
    permutations: int,
    seed: int = 2013,
) -> list[GroupDrift]:
    """Test groups of columns for drift, at one false-alarm rate over all of them.

    Args:
        reference: Rows of the reference days, with `batch_day`.
        current: Rows of the current days; no day is in both.
        groups: Group to its numeric columns.
        false_alarm_rate: Chance that any group is called drifted where nothing drifts.
        permutations: Number of shuffles.
        seed: Seed of the shuffles.

    Returns:
        For each group its largest statistic, the column that has it, and a p-value adjusted for all columns of all groups.
    """
    columns = [column for names in groups.values() for column in names]
    means, days = day_means(pl.concat([reference.select("batch_day", *columns), current.select("batch_day", *columns)]), columns)
    observed_split = np.isin(days, current.get_column("batch_day").unique().cast(pl.String).to_numpy())
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.tile(observed_split, (permutations, 1)), axis=1)
    observed = statistics(means, observed_split[None, :])[0]
    highest = statistics(means, shuffled).max(axis=1)
    names = [*columns, *(f"{column} is null" for column in columns)]
    found = []
    for group, members in groups.items():
        own = [i for i, name in enumerate(names) if name.removesuffix(" is null") in set(members)]
        best = max(own, key=lambda i: observed[i])
        p_value = float((1 + (highest >= observed[best]).sum()) / (1 + permutations))
        found.append(
            GroupDrift(
                group=group,
                statistic=float(observed[best]),
                p_value=p_value,
                column=names[best],
                is_drifted=p_value <= false_alarm_rate,
            )
        )
    return found
