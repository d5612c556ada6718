"""Days as names say them: a day of a source is one file, named by its date, whatever the form."""

from __future__ import annotations

from datetime import date

from tasks.errors import SourceError


def day_named(name: str, where: str) -> date:
    """Return the day that a name says.

    Args:
        name: Such as `2013-10-01`.
        where: What is named so, for errors.

    Raises:
        SourceError: If it is no date.
    """
    try:
        if len(name) == len("2013-10-01"):  # `fromisoformat` takes 20131001 and weeks too
            return date.fromisoformat(name)
    except ValueError:
        pass
    raise SourceError(f"{where} must be named by its day", name, "name it such as 2013-10-01")
