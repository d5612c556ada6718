"""Does a day look like the days before it? Every rule reads the profile alone and is robust: medians and ranges of days.

A day is compared with the same weekdays of the weeks before it, as much lives by the week; level and scale
are compared with all days of these weeks, as weather does not. The newest day is left out: the clock may have cut it.
"""

from __future__ import annotations

import polars as pl

from tasks.artifacts.settings import BatchRules
from tasks.contracts import Table, columns, describe, sensitive
from tasks.rows import MASK
from tasks.validation.outcome import TOO_FEW, Outcome, by_day
from tasks.validation.profile import DAY, KEY, MOST_VALUES


def changes(profile: pl.DataFrame, table: Table, rules: BatchRules) -> list[Outcome]:
    """Judge every day but the newest of a daily table.

    Args:
        profile: The table's profile.
        table: Its contract.
        rules: Thresholds.
    """
    whole = profile.filter(pl.col(DAY) < pl.col(DAY).max())
    filled = pl.lit(profile.get_column(DAY).max(), pl.Date) - pl.duration(days=rules.late_days)  # on days before it all is known
    beside = _beside_weekdays(whole, rules)
    compared = beside.filter(pl.col("rows") >= rules.fewest_rows_a_day)  # of a day that thin the volume tells
    return [
        _volume(beside.filter(pl.col("column") == KEY), table, rules),
        _nulls(compared.filter(pl.col(DAY) < filled), table, rules),
        _constants(compared, table, rules),
        _scale(compared, whole, table, rules),
        _categories(whole, table, rules),
        *([_label(compared, table, rules)] if columns(table.schema, "label") else []),
    ]


def _beside_weekdays(profile: pl.DataFrame, rules: BatchRules) -> pl.DataFrame:
    """Append what the same weekdays before had, of the days that have enough of them and enough rows to compare."""
    base = profile.with_columns((pl.col("nulls") / pl.col("rows")).alias("null_share"))
    earlier = [
        base.select(
            (pl.col(DAY) + pl.duration(weeks=week)).cast(pl.Date).alias(DAY),
            "column",
            *(pl.col(name).alias(f"{name}_before") for name in ("rows", "null_share", "distinct", "with_label")),
        )
        for week in range(1, rules.weeks + 1)
    ]
    before = (
        pl.concat(earlier)
        .group_by(DAY, "column")
        .agg(
            pl.len().alias("weeks"),
            pl.col("rows_before", "with_label_before").median(),
            pl.col("null_share_before").max(),
            pl.col("distinct_before").min(),
        )
    )
    enough = (pl.col("weeks") >= rules.fewest_weeks) & (pl.col("rows_before") >= rules.fewest_rows_a_day)
    return base.join(before, on=[DAY, "column"]).filter(enough)


def _outcome(rule: str, expected: str, compared: pl.DataFrame, bad: pl.DataFrame) -> Outcome:
    days = compared.get_column(DAY).n_unique()
    sound = f"none on {days} days" if days else TOO_FEW
    return Outcome(rule, expected, sound, by_day(bad.select(DAY, "is_stop", "found"), DAY))


def _percent(value: str | pl.Expr) -> pl.Expr:
    return ((pl.col(value) if isinstance(value, str) else value) * 100).round(0).cast(pl.Int64).cast(pl.String) + "%"


def _volume(compared: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    share = pl.col("rows") / pl.col("rows_before")
    is_stop = (share <= rules.thin_day_share_stop) | (share >= rules.full_day_share_stop)
    is_odd = (share <= rules.thin_day_share_warn) | (share >= rules.full_day_share_warn)
    found = pl.format("{} rows, {} of the usual {}", "rows", _percent(share), pl.col("rows_before").round(0).cast(pl.Int64))
    return _outcome(
        f"volume of {table.name}",
        f"between {rules.thin_day_share_warn:.0%} and {rules.full_day_share_warn:.0%} of the weekday's median"
        f" (at {rules.thin_day_share_stop:.0%} and {rules.full_day_share_stop:.0%} it stops)",
        compared,
        compared.filter(is_odd | is_stop).with_columns(is_stop.alias("is_stop"), found.alias("found")),
    )


def _is_emptied(rules: BatchRules) -> pl.Expr:
    return pl.col("null_share") - pl.col("null_share_before") >= rules.null_rise_warn


def _nulls(compared: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    is_stop = pl.col("null_share") - pl.col("null_share_before") >= rules.null_rise_stop
    found = pl.format("{} is {} null, before at most {}", "column", _percent("null_share"), _percent("null_share_before"))
    return _outcome(
        f"nulls of {table.name}",
        f"a share less than {rules.null_rise_warn:.0%} above that of the same weekdays ({rules.null_rise_stop:.0%} stops)",
        compared,
        compared.filter(_is_emptied(rules)).with_columns(is_stop.alias("is_stop"), found.alias("found")),
    )


def _constants(compared: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    """A column that always varied and has one value: a sensor or a field that is stuck. Mostly null, it says nothing."""
    is_pinned = (pl.col("distinct") == 1) & (pl.col("distinct_before") >= rules.fewest_values) & (pl.col("null_share") < 0.5)
    return _outcome(
        f"constants of {table.name}",
        f"more than one value, where the same weekdays had {rules.fewest_values} or more",
        compared,
        compared.filter(is_pinned).with_columns(
            pl.lit(True).alias("is_stop"), pl.format("{} has one value in {} rows", "column", "rows").alias("found")
        ),
    )


def _scale(compared: pl.DataFrame, whole: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    """Level (median) and scale (logarithm of the standard deviation) against their range over the days of the weeks before.

    A changed unit multiplies the deviation, which in the real year leaves its range by half of the range's width at
    most; a shifted zone or offset moves the median. A level that leaves its range by little counts when it stays out
    for days: weather is free to jump for a day. How far is told in widths of the range, which has a floor for columns
    that hardly move. Keys and instants have no scale.
    """
    described = describe(table.schema)
    measured = [name for name, c in described.items() if name not in table.key and not str(c.dtype).startswith("Datetime")]
    days = whole.filter(pl.col("column").is_in(measured), pl.col("median").is_not_null()).sort("column", DAY)
    days = days.with_columns(pl.when(pl.col("deviation") > 0).then(pl.col("deviation").log()).alias("log_deviation"))
    ranged = days.with_columns(
        *(_rolling(name, kind, rules).alias(f"{name}_{kind}") for name in ("median", "log_deviation") for kind in ("min", "max")),
        _rolling("deviation", "median", rules).alias("usual_deviation"),
    )
    held = rules.level_days
    lowest, highest = (pl.col(f"median_{kind}").shift(held - 1).over("column") for kind in ("min", "max"))
    floor = 0.1 * pl.col("usual_deviation")
    width = pl.col("median_max") - pl.col("median_min") + floor
    above = pl.col("median").rolling_min(held).over("column") - highest
    below = lowest - pl.col("median").rolling_max(held).over("column")
    away = pl.max_horizontal(pl.col("median") - pl.col("median_max"), pl.col("median_min") - pl.col("median"))
    scale_away = pl.max_horizontal(
        pl.col("log_deviation") - pl.col("log_deviation_max"), pl.col("log_deviation_min") - pl.col("log_deviation")
    ) / (pl.col("log_deviation_max") - pl.col("log_deviation_min") + 0.1)
    scored = (
        ranged.with_columns(
            (away / width).alias("level"),
            (pl.max_horizontal(above, below) / width).alias("held"),
            scale_away.alias("scale"),
        )
        .filter(pl.col("usual_deviation") > 0)
        # Values that are gone are not a changed unit: that is told by the rule on nulls.
        .join(compared.filter(~_is_emptied(rules)).select(DAY, "column"), on=[DAY, "column"])
    )
    is_stop = (
        (pl.col("scale") >= rules.scale_stop) | (pl.col("level") >= rules.level_stop) | (pl.col("held") >= rules.held_level_stop)
    ).fill_null(False)
    is_odd = is_stop | ((pl.col("scale") >= rules.scale_warn) | (pl.col("level") >= rules.level_warn)).fill_null(False)
    numbers = pl.format(
        "median {} (before {} to {}), deviation {} (usually {})",
        *(pl.col(name).round(2) for name in ("median", "median_min", "median_max", "deviation", "usual_deviation")),
    )
    is_hidden = pl.col("column").is_in(sensitive(table.schema))
    found = pl.format("{}: {}", "column", pl.when(is_hidden).then(pl.lit(f"median and deviation {MASK}")).otherwise(numbers))
    return _outcome(
        f"scale of {table.name}",
        f"median and deviation within the range of the {rules.weeks} weeks before, or near it",
        scored,
        scored.filter(is_odd).with_columns(is_stop.alias("is_stop"), found.alias("found")),
    )


def _rolling(name: str, kind: str, rules: BatchRules) -> pl.Expr:
    """Return a statistic over the days of the weeks before, this one left out."""
    rolling = getattr(pl.col(name), f"rolling_{kind}_by")
    made: pl.Expr = rolling(DAY, window_size=f"{rules.weeks}w", closed="left", min_samples=7 * rules.fewest_weeks).over("column")
    return made


def _categories(whole: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    first = whole.get_column(DAY).min() if whole.height else None
    seen = whole.select(DAY, "column", "values").explode("values", empty_as_null=False, keep_nulls=False)
    is_compared = pl.col(DAY) >= pl.lit(first, pl.Date) + pl.duration(weeks=rules.fewest_weeks)
    news = seen.group_by("column", "values").agg(pl.col(DAY).min()).filter(is_compared)
    gone = _gone(whole.filter(pl.col("rows") >= rules.fewest_rows_a_day), seen, rules)
    told = [
        found.sort("values")
        .group_by(DAY, "column")
        .agg(pl.len().alias("values"), pl.col("values").head(5).str.join(", ").alias("named"))
        .select(
            DAY,
            (pl.lit(kind == "new") & (pl.col("values") >= rules.new_values_stop)).alias("is_stop"),
            pl.format("{}: {} " + kind + ", {}", "column", "values", "named").alias("found"),
        )
        for kind, found in (("new", news), ("gone", gone))
    ]
    told.append(_many(whole).filter(is_compared))
    return _outcome(
        f"categories of {table.name}",
        f"no category that no day before had ({rules.new_values_stop} in a day stop), and each of a few that every day had",
        seen.filter(is_compared),
        pl.concat(told),
    )


def _gone(whole: pl.DataFrame, seen: pl.DataFrame, rules: BatchRules) -> pl.DataFrame:
    """Return the days and values of columns with few categories that every day of the weeks before had, and this one has not."""
    few = seen.group_by("column").agg(pl.col("values").unique()).filter(pl.col("values").list.len() <= rules.few_values)
    listed = whole.filter(pl.col("values").is_not_null())
    grid = listed.select(DAY, "column").join(few.explode("values", empty_as_null=False, keep_nulls=False), on="column")
    there = grid.join(seen.with_columns(there=pl.lit(1, pl.Int8)), on=[DAY, "column", "values"], how="left").sort(DAY)
    before = pl.col("there").fill_null(0).rolling_min_by(DAY, f"{rules.weeks}w", closed="left", min_samples=7 * rules.fewest_weeks)
    return there.filter(pl.col("there").is_null() & (before.over("column", "values") == 1)).select(DAY, "column", "values")


def _many(whole: pl.DataFrame) -> pl.DataFrame:
    """Return the days on which a column that had few enough values to list them has too many: it is coded in another way."""
    before = pl.col("values").is_not_null().cast(pl.Int8).cum_max().shift(1).over("column", order_by=DAY)
    return whole.filter(pl.col("values").is_null() & (pl.col("distinct") > MOST_VALUES) & (before == 1)).select(
        DAY, pl.lit(True).alias("is_stop"), pl.format("{}: {} values, never as many before", "column", "distinct").alias("found")
    )


def _label(compared: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    """A column that goes with the label on every day before goes with it today, unless labels were torn from their rows."""
    related = compared.filter(pl.col("with_label_before").abs() >= rules.label_correlation, pl.col("with_label").is_not_null())
    share = pl.col("with_label") / pl.col("with_label_before")
    is_stop = share <= rules.label_share_stop
    found = pl.format("{}: correlation {}, usually {}", "column", pl.col("with_label").round(2), pl.col("with_label_before").round(2))
    return _outcome(
        f"labels of {table.name}",
        f"correlation with the label above {rules.label_share_warn:.0%} of the usual ({rules.label_share_stop:.0%} stops)",
        related,
        related.filter(share <= rules.label_share_warn).with_columns(is_stop.alias("is_stop"), found.alias("found")),
    )
