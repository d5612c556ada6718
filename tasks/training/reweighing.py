"""Reweighing: weights by which group and label are independent among the training rows.

Kamiran and Calders, "Data preprocessing techniques for classification without discrimination" (KAIS 2012), section 5.1: a
row's weight is P(group) P(label) / P(group, label), above 1 where a group has that label less often than others. Weights
have a mean of 1, so that steps are as long as without them.
"""

from __future__ import annotations

import logging

import polars as pl

from tasks.artifacts.fairness import Grouping
from tasks.model.groups import group

log = logging.getLogger(__name__)

WEIGHT = "__weight"
"""Column of what each row's label counts."""

_GROUP, _ROWS = "__group", "__rows"


def weighed(rows: pl.LazyFrame, grouping: Grouping) -> pl.LazyFrame:
    """Add the column of weights, float32, to training rows, in their order.

    Args:
        rows: Training rows, with a `label` of 0 or 1 and the attribute's column.
        grouping: The sensitive attribute; a row without a value is in a group of its own.
    """
    cells = rows.select(group(grouping).alias(_GROUP), "label").group_by(_GROUP, "label").agg(pl.len().cast(pl.Float64).alias(_ROWS))
    weight = pl.col(_ROWS).sum().over(_GROUP) * pl.col(_ROWS).sum().over("label") / pl.col(_ROWS).sum() / pl.col(_ROWS)
    table = cells.with_columns(weight.alias(WEIGHT)).sort(_GROUP, "label").collect(engine="streaming")
    if not table.is_empty():
        least, most = table.get_column(WEIGHT).min(), table.get_column(WEIGHT).max()
        log.info("reweighing by %s: %d groups, weights from %.3f to %.3f", grouping.name, table.get_column(_GROUP).n_unique(), least, most)
    keys = table.select(_key(pl.col(_GROUP))).to_series()
    found = _key(group(grouping)).replace_strict(keys, table.get_column(WEIGHT), return_dtype=pl.Float32)
    return rows.with_columns(found.alias(WEIGHT))


def _key(name: pl.Expr) -> pl.Expr:
    """Return label and group as one text."""
    return pl.concat_str(pl.col("label").cast(pl.String), pl.lit(" "), name)
