"""What a use case of a sample would be: key, time, label and who it is about, each guessed with a reason, or asked for.

A guess that would be no better than chance is not made: the error says what to name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from tasks.errors import ConfigError, SourceError
from tasks.scaffold.sample import About, Column, Kind

_KEY_WORDS = ("id", "key", "number", "no", "nr", "num", "uuid", "code", "ref")
_TIME_WORDS = ("received", "created", "applied", "opened", "started", "start", "submitted", "ordered", "came", "date", "time", "day", "at")
_LABEL_WORDS = (
    *("label", "target", "outcome", "y", "class", "default", "defaulted", "churn", "churned", "fraud", "approved", "approve", "refused"),
    *("late", "bad", "response", "converted", "success", "accepted", "returned", "is", "died", "failed"),
)
_YES = ("1", "1.0", "true", "yes", "y", "t", "positive", "bad", "late", "fraud", "default")
_NAME = r"[a-z][a-z0-9_]*"
_LONGEST_NAME = 30


@dataclass(frozen=True)
class Asked:
    """What the person who has the sample says of it; None is guessed.

    Attributes:
        name: Of the table and the use case, several of what a row is, such as `loans`.
        key: Columns that name a row.
        time: The column of the instant at which a row comes, and is predicted.
        label: The column with two values of which one is predicted; `column=value` says which.
        zone: The time zone of a day.
    """

    name: str | None = None
    key: tuple[str, ...] = ()
    time: str | None = None
    label: str | None = None
    zone: str = "UTC"


@dataclass(frozen=True)
class Guess:
    """A use case, as far as a sample tells it.

    Attributes:
        name: Of the table.
        columns: All of the sample.
        key: Columns that name a row.
        time: The instant at which a row comes.
        label: What is predicted.
        positive: The value of the label that is predicted.
        days: The local days of the sample, in their order.
        rows: How many there are.
        reasons: Why each of these, a sentence each.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    time: Column
    label: Column
    positive: str
    days: tuple[date, ...]
    rows: int
    reasons: tuple[str, ...]


def zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ConfigError: If there is none of that name.
    """
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError("ZONE must be a time zone of the IANA data base", name, "write it such as America/New_York, or UTC") from error


def guess(rows: pl.DataFrame, columns: Sequence[Column], stem: str, asked: Asked) -> Guess:
    """Guess a use case.

    Args:
        rows: The sample, as text.
        columns: What each of its columns holds.
        stem: Of the sample's file, from which a name is taken if none is asked for.
        asked: What is known.

    Raises:
        ConfigError: If something that was named is not there or does not fit.
        SourceError: If something cannot be guessed, with what to name.
    """
    reasons: list[str] = []
    name = _name(stem, asked.name, reasons)
    time = _time(columns, asked.time, reasons)
    key = _key(rows, [c for c in columns if c.name != time.name], asked.key, reasons)
    named = {time.name, *(column.name for column in key)}
    wanted, _, value = (asked.label or "").partition("=")
    label = _label([c for c in columns if c.name not in named], wanted or None, reasons)
    positive = _positive(rows, label, value, reasons)
    days = rows.get_column(time.name).str.head(10).str.to_date("%Y-%m-%d").unique().sort()
    for column in columns:
        if column.about != About.NOTHING and column.name not in {*named, label.name}:
            reasons.append(f"{column.name} looks like {_article(column.about)}: restricted, and no input of the model")
    return Guess(name, tuple(columns), key, time, label, positive, tuple(days.to_list()), rows.height, tuple(reasons))


def _article(about: About) -> str:
    return "a column that identifies a person" if about == About.IDENTIFIER else str(about)


def _name(stem: str, asked: str | None, reasons: list[str]) -> str:
    if asked is not None:
        if not re.fullmatch(_NAME, asked) or len(asked) > _LONGEST_NAME:
            raise ConfigError(
                "NAME must be a lower-case word of at most 30 letters, digits and _, such as loans", asked, "choose another NAME"
            )
        return asked
    found = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:_LONGEST_NAME]
    found = found if re.fullmatch(_NAME, found) else f"rows_{found}".strip("_")
    reasons.append(f"the table is called {found}, after the file (NAME= names it otherwise)")
    return found


def _one(columns: Sequence[Column], asked: str, what: str) -> Column:
    for column in columns:
        if column.name == asked:
            return column
    raise ConfigError(f"{what} must be a column of the sample", asked, f"choose one of {', '.join(c.name for c in columns)}")


def _has_word(column: Column, words: Sequence[str]) -> int:
    """Return how early a column's name has one of some words, from 1; 0 if it has none."""
    parts = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).lower())
    return max((len(words) - words.index(part) for part in parts if part in words), default=0)


def _best(columns: Sequence[Column], fits: Callable[[Column], float]) -> Column:
    return max(columns, key=fits)


def _time(columns: Sequence[Column], asked: str | None, reasons: list[str]) -> Column:
    written = "days (2024-03-01) or instants (2024-03-01T12:00:00Z, or with a space, with or without a zone)"
    if asked is not None:
        column = _one(columns, asked, "TIME")
        if column.kind != Kind.INSTANT:
            raise ConfigError(f"TIME must be a column of {written}", f"{asked}, a column of {column.kind}", "write it so, or name another")
        if column.nulls:
            raise ConfigError("TIME must be there in every row", f"{asked}, missing in {column.nulls:,} rows", "leave such rows out")
        return column
    found = [column for column in columns if column.kind == Kind.INSTANT and not column.nulls and column.about == About.NOTHING]
    if not found:
        mend = f"add a column of {written}, or name one by TIME="
        raise SourceError("the sample must have a column that says when each row came", f"none of {_names(columns)} does", mend)
    best = _best(found, lambda column: _has_word(column, _TIME_WORDS))
    others = [column.name for column in found if column != best]
    reasons.append(f"{best.name} says when a row came: it is there in every row" + (f" (as {', '.join(others)})" if others else ""))
    return best


def _key(rows: pl.DataFrame, columns: Sequence[Column], asked: tuple[str, ...], reasons: list[str]) -> tuple[Column, ...]:
    if asked:
        found = tuple(_one(columns, name, "KEY") for name in asked)
        repeated = rows.height - rows.select(pl.struct(asked).n_unique()).item()
        if repeated or any(column.nulls for column in found):
            raise ConfigError(
                "KEY must be there in every row, and name one alone",
                f"{repeated:,} rows repeat it, or lack it",
                "name further columns: KEY=a,b",
            )
        return found
    unique = [c for c in columns if c.distinct == rows.height and not c.nulls and c.kind in (Kind.INT, Kind.TEXT)]
    if not unique:
        mend = "name several columns, KEY=a,b, or add a column that numbers the rows"
        raise SourceError("the sample must have a column that names each row", "none whose values are all there and all different", mend)
    best = _best(unique, lambda column: _has_word(column, _KEY_WORDS) - 100.0 * (column.about != About.NOTHING))
    reasons.append(f"{best.name} names a row: all of its values are there and different")
    return (best,)


def _label(columns: Sequence[Column], asked: str | None, reasons: list[str]) -> Column:
    if asked is not None:
        column = _one(columns, asked, "LABEL")
        if column.distinct != 2:
            mend = "name a column with two values, or add one, such as 1 where a number is above a limit and else 0"
            raise ConfigError("LABEL must have two values", f"{asked} with {column.distinct:,}", mend)
        return column
    two = [c for c in columns if c.distinct == 2 and c.kind != Kind.INSTANT and c.about == About.NOTHING]
    named = [column for column in two if _has_word(column, _LABEL_WORDS)]
    if not two:
        raise SourceError(
            "the sample must have a column with two values to predict", "none", "add one, such as 1 for late and 0 for on time"
        )
    if not named and len(two) > 1:
        raise SourceError(
            "what is predicted must be clear", f"several columns with two values: {_names(two)}", "name one of them by LABEL="
        )
    best = _best(named or two, lambda column: _has_word(column, _LABEL_WORDS))
    reasons.append(f"{best.name} is predicted: it has two values, {' and '.join(best.values)}")
    return best


def _positive(rows: pl.DataFrame, label: Column, asked: str, reasons: list[str]) -> str:
    if asked and asked not in label.values:
        raise ConfigError(f"LABEL={label.name}=value must name one of its values", asked, f"choose {' or '.join(label.values)}")
    counts = dict(rows.get_column(label.name).drop_nulls().value_counts().iter_rows())
    rarer = min(sorted(counts), key=lambda value: counts[value])
    found = asked or next((value for value in label.values if value.lower() in _YES), rarer)
    share = counts[found] / sum(counts.values())
    other = next(value for value in label.values if value != found)
    reasons.append(
        f"{found} is the value of {label.name} that is predicted: {share:.0%} have it (LABEL={label.name}={other} for the other)"
    )
    return found


def _names(columns: Sequence[Column]) -> str:
    shown = ", ".join(column.name for column in columns[:12])
    return shown + (", ..." if len(columns) > 12 else "")
