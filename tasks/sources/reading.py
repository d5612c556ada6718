"""A source as the use case asks for it: the files of a table, and the rows of one of them as text.

`s3://bucket/prefix` and a plain path are folders on a storage that fsspec knows; any other scheme is a database. Which
tables there are and when what was known is said by `tasks/usecase/source.py`; what text means, by the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tasks.contracts import SourceFile, Table
from tasks.sources import forms
from tasks.sources.forms import Form

if TYPE_CHECKING:
    from tasks.sources.folder import Folder
    from tasks.sources.sql import Database


@dataclass(frozen=True)
class Raw:
    """The raw data of a use case.

    Attributes:
        forms: Table to how it stands in the source; `Form()` if it is called as in the contract.
    """

    forms: Mapping[str, Form]

    def files(self, source: str, table: Table) -> Sequence[SourceFile]:
        """List the files of one table: one a day, in the order of their days, or one with all rows.

        Args:
            source: A folder, a URI of a storage, or the URL of a database.
            table: The contract of the table.

        Returns:
            `flights/2013-10-01.csv` and its like; what is no file (a day of a Delta table, of a database) is named alike.

        Raises:
            SourceError: If there is none, or the source cannot be reached.
        """
        return self._opened(source).files(table, self.forms[table.name])

    def read(self, source: str, table: Table, file: SourceFile | None = None) -> pl.DataFrame:
        """Read one file of a table as text.

        Args:
            source: A folder, a URI of a storage, or the URL of a database.
            table: The contract of the table.
            file: Which of `files`; by default all of them.

        Returns:
            All rows, with the columns of the contract (and whatever else a CSV file has), each text; what is missing is null.

        Raises:
            SourceError: If a file is missing or damaged, or lacks a column of the contract.
        """
        opened, form = self._opened(source), self.forms[table.name]
        if file is not None:
            return opened.read(table, form, file)
        return pl.concat([opened.read(table, form, each) for each in opened.files(table, form)], how="diagonal")

    def _opened(self, source: str) -> Folder | Database:
        mend = forms.mend(forms.names(self.forms))
        if is_database(source):
            from tasks.sources.sql import Database

            return Database(source, mend)
        from tasks.sources.folder import Folder

        return Folder(source, mend)


def is_database(source: str) -> bool:
    """Return whether a source is the URL of a database: it has a scheme, and no storage has that."""
    import fsspec

    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme not in fsspec.available_protocols()
