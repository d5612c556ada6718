"""What a request asks: its body read strictly, every field checked, and the first thing wrong said with its place.

No text here holds a value that a client sent, so that none can reach a log; names of fields are cut.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pydantic_core import from_json

from tasks.artifacts.serving import RequestField

PREDICTED_AT = "predicted_at"
_LONGEST_TEXT = 64  # of a value: an id has 40 characters
_LONGEST_NAME = 40  # of a field that nobody knows
_LARGEST = 3.4e38  # of a float32, which the model reads
_NUMBERS, _NULLABLE = {int, float}, {int, float, type(None)}
_KNOWN_TYPES = _NULLABLE | {str}
_KINDS: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in _NUMBERS and math.isfinite(value),
    "string": lambda value: type(value) is str and len(value) <= _LONGEST_TEXT,
    "instant": lambda value: type(value) is str and instant(value) is not None,
}
_WORDS = {
    "integer": "an integer",
    "number": "a finite number",
    "string": f"a string of at most {_LONGEST_TEXT} characters",
    "instant": "an instant with its zone, such as 2013-09-05T22:00:00Z",
}


class Rejected(Exception):
    """A request that is refused: the status, a short code, what is wrong and where.

    Args:
        status: Of HTTP, 4xx or 503.
        code: A word for programs.
        message: What must hold, and what kind of thing was found; never a value.
        where: The place in the body, such as `rows[3].carrier`.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, code: str, message: str, where: str = "", headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.where, self.headers = status, code, message, where, headers


def invalid(message: str, where: str = "") -> Rejected:
    """Return the refusal of a body that is not as it must be."""
    return Rejected(400, "invalid", message, where)


@dataclass(frozen=True)
class Accepted:
    """The columns that rows of features may hold: those of every model that may answer or be asked beside.

    Attributes:
        numeric: A number or null each; left out they are null.
        categorical: A string each.
        unread: Numeric ones that no array of the model has, so that their bounds have to be looked at here.
        key: A string that may stand beside them, the client's own label of the row; empty for none.
    """

    numeric: frozenset[str]
    categorical: frozenset[str]
    unread: frozenset[str] = frozenset()
    key: str = ""

    @cached_property
    def names(self) -> frozenset[str]:
        """All that may stand in a row."""
        return self.numeric | self.categorical | ({self.key} if self.key else set())


@dataclass(frozen=True)
class Asked:
    """The rows that a request asks for.

    Attributes:
        rows: Of features, one a prediction.
        predicted_at: The instant for which each is predicted; empty for now.
        warnings: Further warnings of each row; empty for none.
    """

    rows: list[dict[str, Any]]
    predicted_at: list[datetime] = field(default_factory=list)
    warnings: list[list[str]] = field(default_factory=list)


def read(body: bytes) -> dict[str, Any]:
    """Return the object that a body is.

    Raises:
        Rejected: If it is no JSON (which knows no NaN and no infinity), or no object.
    """
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        place = re.search(r"line \d+ column \d+", str(error))
        raise invalid("the body must be JSON, without NaN and infinity", place[0] if place else "") from None
    if not isinstance(found, dict):
        raise invalid(f"the body must be an object; got {kind_of(found)}")
    return found


def only(body: Mapping[str, Any], *names: str) -> Any:
    """Return what stands under the one name that a body has, of those that it may have.

    Raises:
        Rejected: If it has another, none or several.
    """
    unknown = sorted(body.keys() - set(names))
    if unknown:
        raise invalid(f"no such field; the body has {' or '.join(names)}", shown(unknown[0]))
    if len(body) != 1:
        raise invalid(f"the body must have exactly one of {', '.join(names)}; got {len(body)}")
    return next(iter(body.values()))


def listed(found: Any, where: str, most: int) -> list[dict[str, Any]]:
    """Return a list of objects.

    Raises:
        Rejected: If it is none, empty, too long, or holds something else.
    """
    if not isinstance(found, list):
        raise invalid(f"must be a list; got {kind_of(found)}", where)
    if not 1 <= len(found) <= most:
        raise invalid(f"must hold 1 to {most} entries; got {len(found)}", where)
    if set(map(type, found)) != {dict}:
        number, other = next((i, value) for i, value in enumerate(found) if not isinstance(value, dict))
        raise invalid(f"must be an object; got {kind_of(other)}", f"{where}[{number}]")
    return found


def check_rows(rows: Sequence[dict[str, Any]], accepted: Accepted) -> None:
    """Require that rows of features are what the models read; whether numbers are within bounds shows once they are an array.

    Raises:
        Rejected: Naming the first row and field that is not.
    """
    texts, key = accepted.categorical, accepted.key
    for number, row in enumerate(rows):
        names = row.keys()
        if not (names <= accepted.names and texts <= names):
            raise _wrong_names(names, accepted, f"rows[{number}]")
        # All at once, as a look at each of sixty fields takes ten times as long: as many strings as there are fields for them,
        # and these are strings, so that the others are numbers.
        types = list(map(type, row.values()))
        if not (
            _KNOWN_TYPES.issuperset(types)
            and types.count(str) == len(texts) + (key in names)
            and all(type(row[name]) is str and len(row[name]) <= _LONGEST_TEXT for name in texts)
            and type(row.get(key, "")) is str
            and len(row.get(key, "")) <= _LONGEST_TEXT
            and all(
                type(value) not in _NUMBERS or -_LARGEST <= value <= _LARGEST for value in map(row.__getitem__, accepted.unread & names)
            )
        ):
            check_values(row, accepted, f"rows[{number}]")


def check_values(row: Mapping[str, Any], accepted: Accepted, where: str) -> None:
    """Require that each value of a row is as it must be, one after the other.

    Raises:
        Rejected: Naming the first field that is not.
    """
    for name, value in row.items():
        if name in accepted.numeric:
            # A comparison with NaN is false, so that it is refused too.
            if type(value) not in _NULLABLE or (value is not None and not -_LARGEST <= value <= _LARGEST):
                raise invalid(f"must be a finite number or null; got {kind_of(value)}", f"{where}.{name}")
        elif type(value) is not str or len(value) > _LONGEST_TEXT:
            raise invalid(f"must be {_WORDS['string']}; got {kind_of(value)}", f"{where}.{name}")


def _wrong_names(names: Any, accepted: Accepted, where: str) -> Rejected:
    unknown = sorted(names - accepted.names)
    if unknown:
        return invalid("no feature has this name", f"{where}.{shown(unknown[0])}")
    return invalid(f"must be {_WORDS['string']}; got nothing", f"{where}.{min(accepted.categorical - names)}")


def check_fields(entry: Mapping[str, Any], fields: Sequence[RequestField], where: str, *further: str) -> dict[str, Any]:
    """Return an entry whose fields are as declared, with instants as such.

    Args:
        entry: What was sent.
        fields: What it may hold.
        where: Its place in the body.
        further: Names that it may hold too, which are not looked at.

    Raises:
        Rejected: Naming the first field that is not as declared.
    """
    unknown = sorted(entry.keys() - {f.name for f in fields} - set(further))
    if unknown:
        raise invalid("no such field", f"{where}.{shown(unknown[0])}")
    found = dict(entry)
    for declared in fields:
        place, value = f"{where}.{declared.name}", entry.get(declared.name)
        if value is None:
            if declared.is_required and not (declared.is_nullable and declared.name in entry):
                raise invalid(f"must be {_WORDS[declared.kind]}; got {'null' if declared.name in entry else 'nothing'}", place)
            found.pop(declared.name, None)
            continue
        if not _KINDS[declared.kind](value):
            raise invalid(f"must be {_WORDS[declared.kind]}; got {kind_of(value)}", place)
        if declared.kind == "instant":
            found[declared.name] = instant(value)
        elif (fault := _out_of(declared, value)) is not None:
            raise invalid(fault, place)
    return found


def _out_of(declared: RequestField, value: Any) -> str | None:
    """Return what a value breaks of what its field declares."""
    if declared.minimum is not None and value < declared.minimum:
        return f"must be at least {declared.minimum:g}"
    if declared.maximum is not None and value > declared.maximum:
        return f"must be at most {declared.maximum:g}"
    if declared.allowed is not None and value not in declared.allowed:
        return f"must be one of {', '.join(declared.allowed)[:300]}"
    if declared.pattern is not None and not re.fullmatch(declared.pattern, value):
        return f"must match {declared.pattern}"
    return None


def instant(text: Any) -> datetime | None:
    """Return an instant in UTC, or None if a text is none with its zone."""
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in JSON's own words."""
    words = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null", int: "a number", float: "a number"}
    return words[type(value)]


def shown(name: str) -> str:
    """Return the name of a field as a client sent it, cut and in printable ASCII."""
    plain = name.encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= _LONGEST_NAME else plain[:_LONGEST_NAME] + "..."
