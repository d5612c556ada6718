"""A sample of rows looked at column by column: what each holds, and whether it looks as if it were about a person.

Everything is told from text, as ingest reads it. What a column is *for* (key, time, label) is guessed in `guess.py`.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pandera.polars as pa
import polars as pl

from tasks.errors import SourceError
from tasks.sources import csv, parquet
from tasks.sources.forms import Form
from tasks.sources.text import has_text, text_of

FEW = 20
"""Values of a text that are few enough to be listed in a contract."""

_MISSING = ("NA", "")
_LONGEST_ATTRIBUTE = 40
_FLAG = 2  # numbers of so few values are a flag: a median of them says nothing
_MEND = "give SAMPLE a .csv (or .csv.gz, .csv.zip) or .parquet file with a line of names and some weeks of rows"
_WHOLE, _LEADING_ZERO = r"^[+-]?\d+$", r"^[+-]?0\d"
_DAY_OR_INSTANT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})?)?$"


class Kind(StrEnum):
    """What a column's values are."""

    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    INSTANT = "instant"


class About(StrEnum):
    """What a column seems to tell of a person, by its name."""

    NOTHING = ""
    IDENTIFIER = "identifies a person"
    PROTECTED = "a protected attribute"


_IDENTIFIERS = (
    *("name", "names", "surname", "forename", "firstname", "lastname", "fullname", "email", "mail", "phone", "mobile", "telephone"),
    *(
        "address",
        "street",
        "zip",
        "zipcode",
        "postcode",
        "postal",
        "ssn",
        "passport",
        "iban",
        "ip",
        "birthday",
        "birthdate",
        "dob",
        "birth",
    ),
)
_PROTECTED = (
    *("gender", "sex", "male", "female", "race", "ethnicity", "ethnic", "black", "white", "hispanic", "hispan", "latino", "asian"),
    *("religion", "nationality", "citizenship", "age", "old", "marital", "married", "disability", "disabled", "pregnant", "dependents"),
    *("dependants", "veteran", "orientation"),
)


@dataclass(frozen=True)
class Column:
    """One column of the sample.

    Attributes:
        name: As in the sample.
        attribute: The same as a Python name.
        kind: What its values are.
        nulls: How many are missing.
        distinct: How many different ones there are.
        values: All of them, sorted, if they are few; else none.
        low: The smallest number.
        high: The largest number.
        has_zone: Whether all of its instants say their zone.
        about: What it seems to tell of a person.
    """

    name: str
    attribute: str
    kind: Kind
    nulls: int
    distinct: int
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    has_zone: bool = False
    about: About = About.NOTHING

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in (Kind.INT, Kind.FLOAT)


def read(path: Path) -> pl.DataFrame:
    """Return the rows of a sample as text.

    Raises:
        SourceError: If there is no such file, or it is no table with rows.
    """
    if not path.is_file():
        raise SourceError(f"SAMPLE must be a file; {path}", "no such file", _MEND)
    data = path.read_bytes()
    if path.name.endswith(parquet.ENDING):
        typed = parquet.parse(data, str(path))
        rows = pl.DataFrame([text_of(typed[n], pl.String(), Form()) for n, dtype in typed.schema.items() if has_text(dtype)])
    elif path.name.endswith(csv.ENDINGS):
        rows = csv.parse(data, _MISSING, str(path), _MEND)
    else:
        raise SourceError(f"SAMPLE must end with {', '.join((*csv.ENDINGS, parquet.ENDING))}", path.name, _MEND)
    if rows.height == 0:
        raise SourceError(f"{path} must have rows", "none", _MEND)
    return rows


def columns(rows: pl.DataFrame) -> list[Column]:
    """Return what each column of a sample holds, in its order."""
    found: list[Column] = []
    for name in rows.columns:
        attribute = _attribute(name, {column.attribute for column in found})
        found.append(_column(rows.get_column(name), attribute))
    return found


def _column(values: pl.Series, attribute: str) -> Column:
    held = values.drop_nulls()
    kind = _kind(held)
    numbers = held.cast(pl.Float64, strict=False) if kind in (Kind.INT, Kind.FLOAT) else pl.Series([0.0])
    different = held.unique().sort()
    return Column(
        name=values.name,
        attribute=attribute,
        kind=kind,
        nulls=values.null_count(),
        distinct=different.len(),
        values=tuple(different.to_list()) if different.len() <= FEW else (),
        low=float(str(numbers.min())),
        high=float(str(numbers.max())),
        has_zone=kind == Kind.INSTANT and bool(held.str.contains(r"(Z|:\d{2}[+-]\d{2}:?\d{2})$").all()),
        about=_about(values.name),
    )


def _kind(held: pl.Series) -> Kind:
    if held.n_unique() <= _FLAG:
        whole = held.str.contains(_DAY_OR_INSTANT).all()
        return Kind.INSTANT if whole and not held.is_empty() and _are_days(held) else Kind.TEXT
    if held.str.contains(_WHOLE).all() and held.cast(pl.Int64, strict=False).null_count() == 0:
        return Kind.TEXT if held.str.contains(_LEADING_ZERO).any() else Kind.INT  # 007 is a code
    numbers = held.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0 and numbers.is_finite().all():
        return Kind.FLOAT
    return Kind.INSTANT if held.str.contains(_DAY_OR_INSTANT).all() and _are_days(held) else Kind.TEXT


def _are_days(held: pl.Series) -> bool:
    return held.str.head(10).str.to_date("%Y-%m-%d", strict=False).null_count() == 0


def _about(name: str) -> About:
    words = set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    if words & set(_PROTECTED):
        return About.PROTECTED
    return About.IDENTIFIER if words & set(_IDENTIFIERS) else About.NOTHING


def _attribute(name: str, taken: set[str]) -> str:
    """Return a column's name as one of Python that no other column has and no pandera model."""
    plain = name if name.isidentifier() and not name.startswith("_") else re.sub(r"\W+", "_", name).strip("_").lower() or "column"
    plain = (plain if plain.isidentifier() else f"column_{plain}")[:_LONGEST_ATTRIBUTE]
    if keyword.iskeyword(plain) or hasattr(pa.DataFrameModel, plain) or plain == "Config":
        plain = f"{plain}_"
    while plain in taken:
        plain = f"{plain}_2"
    return plain
