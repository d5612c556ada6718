"""The test of drift as every night of the past would have made it: once for all policies, as it does not depend on the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from tasks.artifacts.monitoring import Drift, DriftRules
from tasks.evidence import drift


def series(features: pl.LazyFrame, groups: Mapping[str, Sequence[str]], first_day: date, rules: DriftRules) -> list[Drift]:
    """Return what the nights from a day on would have found; nights with too few days before them are left out.

    Args:
        features: Rows with `batch_day` and the columns of the groups.
        groups: Group to its columns.
        first_day: The first night.
        rules: When days are called other than those before.

    Returns:
        In order, each without its columns: what is called drifted stands in its groups.
    """
    columns = list(dict.fromkeys(name for names in groups.values() for name in names))
    rows = features.select("batch_day", *columns).collect().sort("batch_day", maintain_order=True)
    days = rows.get_column("batch_day")
    reach = timedelta(days=rules.reference_days + max(rules.windows))
    found, night, last = [], first_day, days.max()
    while isinstance(last, date) and night <= last:
        begin, end = (int(days.search_sorted(day, side="left")) for day in (night - reach, night + timedelta(days=1)))
        one = drift.find(rows[begin:end], groups, night, rules)
        if one is not None:
            found.append(one.model_copy(update={"columns": []}))
        night += timedelta(days=1)
    return found
