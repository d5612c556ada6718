"""Requests made from a service's own OpenAPI document, valid ones and broken ones. Not a test itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tasks.usecase.source import LOCAL_ZONE

Schema = Mapping[str, Any]
Values = st.SearchStrategy[Any]

MARKER = "zqMARKERqz"
MARKED = f"{MARKER}00000"
"""What every text begins with that is free to; its digits become the number of the request when it is sent."""
FRESH, USED, ALTERED, NOW = "@fresh@", "@used@", "@altered@", "@now@"
"""Stand for a prediction id without an outcome, one with an outcome, one with another digit, and the instant of sending."""

_RAW = (
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "3.5e38", "1e-400", "-0", "0x10", "01", "+1", ".5", "1.", "tru", "'a'", "",
    "9" * 400, "9" * 5_000, "-" + "9" * 40, "[" * 150 + "]" * 150, "[" * 3_000 + "]" * 3_000, '{"a":' * 3_000 + "1" + "}" * 3_000,
    r'"\ud800"', r'"\u0000"', r'"\x41"', '"\t"', '"' + "x" * 65 + '"', '"' + "x" * 3_000 + '"', '"\u2028\x85"', "{}", "[]",
    "[[]]", "[null]",
)  # fmt: skip
"""What stands in a body as it is here: no JSON, or JSON that few programs write."""
_EXTREME = [_RAW.index(text) for text in ("1e400", "-1e400", "3.5e38", "9" * 400, "-" + "9" * 40)]
"""Numbers of JSON that the model cannot read, by their place in `_RAW`."""
_KINDS = (
    "", "text/plain", "application/jsonx", "application/json; charset=utf-16", "application/json,application/json", "multipart/form-data",
    "application/x-www-form-urlencoded", "APPLICATION/JSON", " application/json ;", ";", "application/\xffjson", "a" * 5_000,
)  # fmt: skip
_STRANGE = (
    ("Content-Encoding", "gzip"), ("Content-Encoding", "identity"), ("Accept", "text/html"), ("Expect", "100-continue"),
    ("Range", "bytes=0-1"),
    ("X-HTTP-Method-Override", "DELETE"), ("X-Forwarded-For", MARKED), ("Host", MARKED), ("Cookie", MARKED * 100), ("Referer", "\xff" * 20),
    ("traceparent", "00-" + MARKED), ("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"), ("b3", MARKED), ("X-" + "a" * 3_000, "1"),
    ("Accept-Encoding", "gzip;q=nan"), ("If-None-Match", "*"), ("Connection", "close"), ("Upgrade", "websocket"), ("User-Agent", ""),
)  # fmt: skip
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")
_PATHS = (
    "/", "//", "/predict/", "//predict", "/predict/../predict", "/./predict", "/%2e%2e/%2e%2e/etc/passwd", "/../keys.json", "/predict%00",
    "/predict%0a", "/PREDICT", "/predict;a=1", "/" + "a" * 20_000, f"/{MARKED}", "/%ff%fe", "/docs/..%2fsecret", "/predict%2f", "/*",
    "/schema.json", "/healthz", "/static_content/index.html", "/docs.json",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A request: `route` is the documented path that it reaches, None if none; `roles` what its key may."""

    method: str
    path: str
    route: str | None
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    roles: str = "all"
    is_chunked: bool = False
    changed: tuple[str, ...] = field(default=())
    """What was made wrong, or strange; a request is valid if nothing was."""

    def but(self, change: str, **changes: Any) -> Sent:
        """Return the request with a change."""
        return replace(self, changed=(*self.changed, change), **changes)


class Requests:
    """Strategies from a document.

    Args:
        document: The OpenAPI document.
        roles: Names of the keys that there are, beside "all", "none" and "wrong".
        most_bytes: That a body may have.
    """

    def __init__(self, document: Mapping[str, Any], roles: tuple[str, ...], most_bytes: int) -> None:
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]
        self._roles, self._most_bytes = roles, most_bytes
        self._operations = [(path, method, found) for path, methods in document["paths"].items() for method, found in methods.items()]
        # Most by far go where a body is read.
        posts = [operation for operation in self._operations if "requestBody" in operation[2]]
        usual = [operation for operation in posts if not operation[0].endswith("abort")]
        self.valid = st.sampled_from([*usual * 6, *posts, *self._operations]).flatmap(lambda operation: self._valid(*operation))
        changed = st.sampled_from([*usual * 6, *posts]).flatmap(lambda operation: self._changed(*operation))
        self.all = st.one_of(self.valid, changed, changed, changed, self._around())

    # --- valid ---------------------------------------------------------------------------------------------------------

    def _valid(self, path: str, method: str, operation: Schema) -> Values:
        sent = Sent(method.upper(), path, path)
        if "requestBody" not in operation:
            return st.just(sent)
        return self._body(operation).map(lambda body: self._with(sent, dumps(body).encode()))

    def _body(self, operation: Schema) -> Values:
        return self.of(operation["requestBody"]["content"]["application/json"]["schema"])

    @staticmethod
    def _with(sent: Sent, body: bytes) -> Sent:
        return replace(sent, body=body, headers=(("Content-Type", "application/json"),))

    def of(self, schema: Schema) -> Values:
        """Return what a schema allows."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            made = self.of(self._schemas[name])
            # What no schema says: days exist, hours have sixty minutes, and outcomes follow predictions.
            if name == "Flight":
                return st.builds(_on_a_day, made, st.dates(date(2013, 1, 1), date(2100, 12, 31)), st.times(), st.times())
            return _OUTCOMES if name == "Outcome" else made
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return st.one_of([self.of(one) for one in schema[word]])
        if "const" in schema or "enum" in schema:
            return st.sampled_from([schema["const"]] if "const" in schema else list(schema["enum"]))
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        return st.one_of([self._typed(kind, schema) for kind in kinds])

    def _typed(self, kind: str, schema: Schema) -> Values:
        makers: dict[str, Callable[[Schema], Values]] = {
            "object": self._object,
            "array": lambda s: st.lists(self.of(s["items"]), min_size=s.get("minItems", 0), max_size=min(s.get("maxItems", 3), 3)),
            "string": _text,
            "number": lambda s: st.floats(s.get("minimum"), s.get("maximum"), allow_nan=False, allow_infinity=False) | _integers(s),
            "integer": _integers,
            "boolean": lambda s: st.booleans(),
            "null": lambda s: st.none(),
        }
        return makers[kind](schema)

    def _object(self, schema: Schema) -> Values:
        fields = schema.get("properties")
        if fields is None:
            return st.dictionaries(st.text(max_size=5), self.of(schema["additionalProperties"]), max_size=3)
        required = {name: self.of(fields[name]) for name in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional={name: self.of(inner) for name, inner in fields.items() if name not in required})

    # --- changed -------------------------------------------------------------------------------------------------------

    def _changed(self, path: str, method: str, operation: Schema) -> Values:
        sent = Sent(method.upper(), path, path)
        body = self._body(operation)
        edited = st.builds(_edited, body, st.lists(st.tuples(_EDITS, st.integers(0, 50), _ANYTHING, _NAMES), min_size=1, max_size=2))
        values = st.one_of(edited, edited, edited, st.builds(_at, body, _INSTANTS), _ANYTHING).map(
            lambda value: self._with(sent, dumps(value).encode("utf-8")).but("value")
        )
        good = body.map(lambda value: self._with(sent, dumps(value).encode()))
        broken = st.builds(_broken, good, st.sampled_from(_BREAKS), st.integers(0, 500))
        headed = st.builds(
            lambda one, kinds: one.but("content type", headers=tuple(("Content-Type", kind) for kind in kinds)),
            good,
            st.lists(st.sampled_from(_KINDS), max_size=2),
        )
        strange = st.builds(
            lambda one, more: one.but("header", headers=(*one.headers, *more)),
            good,
            st.lists(st.sampled_from(_STRANGE), min_size=1, max_size=3),
        )
        keyed = st.builds(lambda one, roles: one.but("key", roles=roles), good, st.sampled_from(("none", "wrong", "altered", *self._roles)))
        large = st.builds(
            lambda one, more, chunked: one.but("size", body=one.body + b" " * more, is_chunked=chunked),
            good,
            st.sampled_from((1, self._most_bytes, 3 * self._most_bytes)),
            st.booleans(),
        )
        return st.one_of(values, values, values, values, broken, broken, headed, strange, keyed, large)

    def _around(self) -> Values:
        """Return requests whose method or path is another, or written in another way."""
        paths = [path for path, _, _ in self._operations]
        elsewhere = st.builds(
            lambda method, path, body: Sent(method, path, None, body).but("path"),
            st.sampled_from(_METHODS), st.sampled_from(_PATHS), st.sampled_from((None, b"{}", MARKED.encode())),
        )  # fmt: skip
        others = st.builds(
            lambda method, path, body: Sent(method, path, path, body).but("method"),
            st.sampled_from(_METHODS), st.sampled_from(paths), st.sampled_from((None, b"{}")),
        )  # fmt: skip
        written = st.builds(
            lambda one, at, query: replace(one, path=f"{one.path[:at]}{_escaped(one.path[at:])}?{query}"),
            self.valid, st.integers(1, 20), st.sampled_from(("", "a=1&a=2", f"key={MARKED}", "%ff=%00", "?" * 500)),
        )  # fmt: skip
        return st.one_of(elsewhere, others, written)


def _on_a_day(flight: dict[str, Any], day: date, leaves: time, arrives: time) -> dict[str, Any]:
    """Return a flight whose day and times are some that exist; its hour, if it gives one, is theirs."""
    hour = datetime.combine(day, leaves.replace(minute=0, second=0, microsecond=0), ZoneInfo(LOCAL_ZONE)).astimezone(UTC)
    times = {"sched_dep_time": leaves.hour * 100 + leaves.minute, "sched_arr_time": arrives.hour * 100 + arrives.minute}
    given = {"time_hour": f"{hour:%Y-%m-%dT%H:%M:%SZ}"} if flight.get("time_hour") else {}
    return flight | {"year": day.year, "month": day.month, "day": day.day} | times | given


def _at(body: dict[str, Any], instant: str) -> dict[str, Any]:
    """Return a body whose flights have another hour."""
    return {name: [entry | {"time_hour": instant} for entry in entries] for name, entries in body.items()} if "flights" in body else body


def _text(schema: Schema) -> Values:
    if schema.get("format") == "date-time":
        return _INSTANTS
    pattern, most = schema.get("pattern", ""), schema.get("maxLength", 64)
    if pattern.startswith("^"):
        return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
    marked = st.text(_CHARACTERS, max_size=max(0, min(most - len(MARKED), 8))).map(MARKED.__add__)
    return marked if pattern or schema.get("minLength") else marked | st.text(_CHARACTERS, max_size=most)


def _integers(schema: Schema) -> Values:
    low, high = schema.get("minimum"), schema.get("maximum")
    return st.integers(None if low is None else int(low), None if high is None else int(high))


_CHARACTERS = st.characters(codec="utf-8")
_INSTANTS = st.builds(
    lambda at, zone: at.isoformat() + zone, st.datetimes(), st.sampled_from(("Z", "+00:00", "-05:00", "+14:00", "-12:00"))
)
_OUTCOMES = st.fixed_dictionaries({"prediction_id": st.just(FRESH), "outcome": st.booleans()}, optional={"known_at": st.just(NOW)})
_NAMES = st.sampled_from(
    ("rows", "flights", "outcomes", "features", "flight_id", "carrier", "", "__proto__", MARKED, MARKED * 300, "\udcff")
)
_SCALARS = st.one_of(
    st.integers(0, len(_RAW) - 1).map(lambda i: f"@raw:{i}@"),
    st.sampled_from((FRESH, USED, ALTERED, NOW, MARKED, f"{MARKED}\x00", f"{MARKED}\n500", "2013-07-10T10:00:00")),
    st.just("0001-01-01T00:00:00+14:00"),
    st.none(), st.booleans(), st.integers(), st.integers(-3, 2500), st.floats(), st.text(max_size=70), _INSTANTS,
)  # fmt: skip
_ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(max_size=5), inner, max_size=4), max_leaves=6
)
_EDITS = st.sampled_from(("put", "put", "put", "number", "drop", "add", "rename", "wrap", "twice", "many"))
_BREAKS = (
    "cut", "bytes", "flip", "empty", "none", "mark", "wide", "tail", "breaks", "twice", "twice huge", "compressed", "length",
    "longer", "chunked",
)  # fmt: skip


def dumps(value: Any) -> str:
    """Return JSON in which `@raw:n@` stands as it is in `_RAW`; NaN and the like are written as Python does."""
    return re.sub(r'"@raw:(\d+)@"', lambda found: _RAW[int(found[1])], json.dumps(value))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place within a value: what holds it, and its key there."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [(value, name) for name, _ in items] + [place for _, inner in items for place in _places(inner)]


def _edited(value: Any, edits: list[tuple[str, int, Any, str]]) -> Any:
    """Return a value with changes at some places."""
    value = json.loads(json.dumps(value))
    for edit, number, other, name in edits:
        places = _places(value)
        if not places:
            return other
        holder, place = places[number % len(places)]
        if edit in ("put", "many", "wrap", "twice"):
            found = holder[place]
            holder[place] = {"put": other, "many": [found] * 40, "wrap": {name: found}, "twice": [found, found]}[edit]
        elif edit == "number":
            numbers = [each for each in places if type(each[0][each[1]]) in (int, float, type(None))]
            holder, place = numbers[number // len(_EXTREME) % len(numbers)] if numbers else (holder, place)
            holder[place] = f"@raw:{_EXTREME[number % len(_EXTREME)]}@"
        elif edit == "drop":
            del holder[place]
        elif isinstance(holder, dict):
            holder[name] = other if edit == "add" else holder.pop(place)
        else:
            holder.append(other)
    return value


def _broken(sent: Sent, how: str, number: int) -> Sent:
    """Return a request whose bytes are not as they must be."""
    body = sent.body or b""
    at = number % max(1, len(body))
    bodies: dict[str, bytes | None] = {
        "cut": body[:at], "bytes": body[:at] + b"\xff\xc0\xed\xa0\x80" + body[at:],
        "flip": body[:at] + bytes([(body[at] + number) % 256]) + body[at + 1 :],
        "empty": b"", "none": None, "mark": b"\xef\xbb\xbf" + body, "wide": body.decode().encode("utf-16"), "tail": body + MARKED.encode(),
        "breaks": body.replace(b", ", b",\r\n\t"), "twice": body[:-1] + b"," + body[1:],
        # The first of two is in no answer, but in the body.
        "twice huge": b'{"rows":' + _RAW[number % len(_RAW)].encode() + b"," + body[1:],
    }  # fmt: skip
    if how == "compressed":
        return sent.but(how, headers=(*sent.headers, ("Content-Encoding", "br")))
    if how == "chunked":
        return replace(sent, is_chunked=True)
    if how in ("length", "longer"):
        said = "abc" if how == "length" else "9" * (9 if number % 2 else 25)
        return sent.but(how, headers=(*sent.headers, ("Content-Length", said), ("Connection", "close")))
    return sent.but(how, body=bodies[how])


def _escaped(text: str) -> str:
    return "".join(character if character == "/" else f"%{ord(character):02x}" for character in text)
