"""What a use case says of a table in its source: what it is called there, and what its instants and missing values mean.

The contract says what the rows are; nothing here does. In which form a table comes (CSV, Parquet, Delta, SQL) is found
by looking and need not be said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DAY_COLUMN = "batch_day"
"""The column that divides a table into days, unless a form says another: a date, or text such as 2013-10-01."""


@dataclass(frozen=True)
class Form:
    """One table, as its source has it. The defaults are right for a table that is called as in the contract.

    Attributes:
        called: Its name: of its file without the ending, of its folder, of its table in a database (`schema.table` too); by
            default the table's own.
        query: In a database, a SELECT to read instead of a table of that name. It is code: no value may be put into it.
        day: The column by which a Delta table, a database's table or a folder of `day=2013-10-01` is divided into days.
        updated: In a database, a column that grows with every change of a row: with it, what changed is found without
            reading the rows.
        zone: The time zone of instants that come without one; a day alone is then its first instant. None: such a value cannot be
            read, and its row is set aside.
        missing: Texts of a CSV file that stand for no value.
    """

    called: str | None = None
    query: str | None = None
    day: str = DAY_COLUMN
    updated: str | None = None
    zone: str | None = None
    missing: tuple[str, ...] = ("NA", "")


def mend(names: Sequence[str]) -> str:
    """Return how to mend a source in which a table is missing or cannot be read.

    Args:
        names: What the tables of the use case are called.
    """
    files = " and ".join(filter(None, [", ".join(f"{name}.csv" for name in names[:-1]), f"{names[-1]}.csv"]))
    return (
        f"give --source a folder with {files} (or .parquet, .csv.gz, .csv.zip; a daily table may have a file a day, such as "
        f"{names[0]}/2013-01-01.csv; or Delta tables of these names), or the URL of a database with such tables: see docs/sources.md"
    )


def names(forms: Mapping[str, Form]) -> list[str]:
    """Return what the tables are called in the source, in the use case's order."""
    return [form.called or table for table, form in forms.items()]
