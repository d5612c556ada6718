"""The slim deepchecks suite on a sample of one table: is each column of one kind, spelling and sense?

It informs the reader of the report and decides nothing: the contract and the rules about batches do that.
"""

from __future__ import annotations

import polars as pl

from tasks.artifacts.record import SuiteCondition
from tasks.contracts import Table, columns, sensitive, types
from tasks.suites import conditions, quiet

_SAMPLE = 5_000
"""Rows: a column of mixed kinds shows in a few thousand, and the suite takes a second."""


def run(rows: pl.LazyFrame, table: Table) -> list[SuiteCondition]:
    """Run the suite.

    Args:
        rows: The table's rows.
        table: Its contract; sensitive columns are left out.

    Returns:
        Every condition with its outcome, none for a table without rows.
    """
    names = [name for name in types(table.schema) if name not in sensitive(table.schema)]
    every = max(1, rows.select(pl.len()).collect().item() // _SAMPLE)
    # A lake gives the rows of its files in any order.
    frame = rows.sort(table.key).select(names).gather_every(every).head(_SAMPLE).collect()
    if frame.is_empty() or not names:
        return []
    with quiet():
        from deepchecks.tabular import Dataset, Suite
        from deepchecks.tabular.checks import (
            DataDuplicates,
            IsSingleValue,
            MixedDataTypes,
            MixedNulls,
            PercentOfNulls,
            SpecialCharacters,
            StringMismatch,
        )

        texts = [name for name in names if frame.schema[name] == pl.String]
        labels = [name for name in columns(table.schema, "label") if name in names]
        # deepchecks takes out rows without a label where it is told of one; here the label is a column like others.
        dataset = Dataset(frame.to_pandas(), cat_features=texts, label=None)
        others = [name for name in names if name not in labels]
        suite = Suite(
            f"integrity of {table.name}",
            IsSingleValue(ignore_columns=[name for name in table.key if name in names]).add_condition_not_single_value(),
            MixedNulls().add_condition_different_nulls_less_equal_to(),
            MixedDataTypes().add_condition_rare_type_ratio_not_in_range(),
            SpecialCharacters().add_condition_ratio_of_special_characters_less_or_equal(),
            StringMismatch().add_condition_no_variants(),
            DataDuplicates(columns=others).add_condition_ratio_less_or_equal(0.0),
            PercentOfNulls().add_condition_percent_of_nulls_not_greater_than(0.5),
        )
        return conditions(suite.run(dataset, with_display=False))
