"""Bad requests with the status that each must get: what a service is sent before it is trusted.

Invalid JSON, wrong types, numbers that are none, missing or extra fields at any level, empty lists, too many rows, too large a
body, wrong content type, unknown path, no key, wrong role, outcomes that are replayed, unknown or out of order in time.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.artifacts.serving import BadRequestCheck, ServiceRules

NO_ANSWER = 0
"""In place of a status: no answer came, or none with a bounded JSON body that says what is wrong."""

_MOST_BYTES = 2_000  # of an error's body
_CHUNK = 65_536
_PATIENCE_SECONDS = 15.0  # a service that reads on has a body of 4 MB long before


@dataclass(frozen=True)
class Bad:
    """A bad request.

    Attributes:
        name: What is wrong with it.
        status: What it must be answered with.
        body: As it is sent; an iterable of bytes in chunks, of no declared length.
        method: HTTP method.
        path: Where it is sent.
        token: Its key; None for none.
        kind: Its content type.
        declares: Length that its header says, if it is another than the body's.
    """

    name: str
    status: int
    body: bytes | Sequence[bytes]
    token: str | None
    method: str = "POST"
    path: str = "/predict"
    kind: str = "application/json"
    declares: int | None = None


def send(host: str, port: int, bad: Bad) -> BadRequestCheck:
    """Send one bad request over a connection of its own, and tell how it was answered."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
    try:
        status = _answered(connection, bad)
    except (OSError, http.client.HTTPException):
        status = NO_ANSWER
    finally:
        connection.close()
    return BadRequestCheck(name=bad.name, expected_status=bad.status, status=status)


def _answered(connection: http.client.HTTPConnection, bad: Bad) -> int:
    connection.putrequest(bad.method, bad.path)
    connection.putheader("Content-Type", bad.kind)
    if bad.token is not None:
        connection.putheader("Authorization", f"Bearer {bad.token}")
    if isinstance(bad.body, bytes):
        connection.putheader("Content-Length", str(len(bad.body) if bad.declares is None else bad.declares))
    else:
        connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for piece in _pieces(bad.body):
            connection.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused before it was all told; the answer is there to be read
    response = connection.getresponse()
    return response.status if _explains(response.read(_MOST_BYTES + 1)) else NO_ANSWER


def _pieces(body: bytes | Sequence[bytes]) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    for piece in body:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


def _explains(body: bytes) -> bool:
    """Return whether a body is an error as the service promises it: bounded, with a code and a message."""
    try:
        error = json.loads(body)["error"]
        return len(body) <= _MOST_BYTES and all(isinstance(error[part], str) and error[part] for part in ("code", "message"))
    except (ValueError, KeyError, TypeError):
        return False


def table(
    row: Mapping[str, Any],
    numeric: str,
    categorical: str,
    answered: Sequence[str],
    tokens: Mapping[str, str],
    rules: ServiceRules,
    rows: str,
) -> list[Bad]:
    """Return the bad requests.

    Args:
        row: One good row of features.
        numeric: One of its numeric features.
        categorical: One of its categorical features.
        answered: Ids of three predictions: the first with an outcome already, the others without.
        tokens: Keys: `all` with every role, `feedback` with that one alone.
        rules: Limits.
        rows: The name under which a request lists what features are to be made of.
    """
    return [
        *_bodies(row, numeric, categorical, tokens["all"], rules, rows),
        *_transport(row, tokens, rules),
        *_feedback(answered, tokens["all"]),
    ]


def _bodies(row: Mapping[str, Any], numeric: str, categorical: str, token: str, rules: ServiceRules, rows: str) -> list[Bad]:
    """Return bodies that are not what the model reads."""
    with_number = {**row, numeric: 12345.678}
    left_out = {name: value for name, value in row.items() if name != categorical}
    said: dict[str, Any] = {
        "a list as the body": [row],
        "a number as the body": 7,
        "null as the body": None,
        f"no rows and no {rows}": {},
        f"rows and {rows}": {"rows": [row], rows: [{}]},
        "a field more beside the rows": {"rows": [row], "nonsense": 1},
        "rows that are no list": {"rows": row},
        "no rows in the list": {"rows": []},
        f"no {rows} in the list": {rows: []},
        "a row that is no object": {"rows": [row, "row"]},
        "an empty row": {"rows": [{}]},
        "a feature that nobody knows": {"rows": [{**row, "nonsense": 1}]},
        "a category left out": {"rows": [left_out]},
        "null as a category": {"rows": [{**row, categorical: None}]},
        "a number as a category": {"rows": [{**row, categorical: 1}]},
        "a text as a number": {"rows": [{**row, numeric: "1"}]},
        "a boolean as a number": {"rows": [{**row, numeric: True}]},
        "a list as a number": {"rows": [{**row, numeric: [1.0]}]},
        "NaN": {"rows": [{**row, numeric: float("nan")}]},
        "infinity": {"rows": [{**row, numeric: float("inf")}]},
        "minus infinity": {"rows": [{**row, numeric: float("-inf")}]},
        "too many rows": {"rows": [dict.fromkeys(row)] * (rules.most_rows + 1)},
        f"a field in {rows} that nobody knows": {rows: [{"nonsense": 1}]},
        f"an empty entry of {rows}": {rows: [{}]},
    }
    whole = json.dumps({"rows": [with_number]}).encode()
    raw = {
        "an empty body": b"",
        "no JSON": b"rows=1",
        "JSON cut short": whole[:-1],
        "JSON with more after it": whole + b"}",
        "bytes that are no text": b'{"rows": "\xff\xfe"}',
        "a number beyond all": whole.replace(b"12345.678", b"1e999"),
        "lists in lists, a thousand deep": b'{"rows": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    }
    raw |= {name: json.dumps(body).encode() for name, body in said.items()}
    many = json.dumps({"rows": [row] * (rules.explain_rows + 1)}).encode()
    return [
        *(Bad(name, 400, body, token) for name, body in raw.items()),
        Bad("too many rows to explain", 400, many, token, path="/explain"),
    ]


def _transport(row: Mapping[str, Any], tokens: Mapping[str, str], rules: ServiceRules) -> list[Bad]:
    """Return requests that are refused whatever good row they hold: by their way, key, type or size."""
    good, token = json.dumps({"rows": [row]}).encode(), tokens["all"]
    pieces = [b'{"rows": [', *[b" " * _CHUNK] * (rules.most_bytes // _CHUNK + 2), b"]}"]
    return [
        Bad("a path that is none", 404, good, token, path="/nonsense"),
        Bad("a path that climbs", 404, good, token, path="/predict/../admin"),
        Bad("another method", 405, b"", token, method="GET"),
        Bad("no key", 401, good, None),
        Bad("a key that is none", 401, good, "nonsense"),
        Bad("a key that was never given", 401, good, f"{token[:-8]}00000000"),
        Bad("a key without the role", 403, good, tokens["feedback"]),
        Bad("another content type", 415, good, token, kind="text/plain"),
        Bad("too large a body, as it says", 413, b"", token, declares=rules.most_bytes + 1),
        Bad("too large a body, in chunks", 413, pieces, token),
    ]


def _feedback(answered: Sequence[str], token: str) -> list[Bad]:
    """Return outcomes that cannot be: replayed, of no prediction, out of order in time, of another form."""
    replayed, early, late = answered
    forged = early[:-1] + ("0" if early[-1] != "0" else "1")
    said: list[tuple[str, int, Any]] = [
        ("an outcome that was given before", 409, [{"prediction_id": replayed, "outcome": False}]),
        ("two outcomes of one prediction", 409, [{"prediction_id": early, "outcome": True}] * 2),
        ("the outcome of no prediction", 404, [{"prediction_id": "nonsense", "outcome": True}]),
        ("the outcome of a forged prediction", 404, [{"prediction_id": forged, "outcome": True}]),
        ("an outcome before its prediction", 400, [{"prediction_id": early, "outcome": True, "known_at": "2000-01-01T00:00:00Z"}]),
        ("an outcome of tomorrow", 400, [{"prediction_id": late, "outcome": True, "known_at": f"{_tomorrow():%FT%TZ}"}]),
        ("an instant without its zone", 400, [{"prediction_id": late, "outcome": True, "known_at": "2100-01-01T00:00:00"}]),
        ("an outcome that is no boolean", 400, [{"prediction_id": late, "outcome": 1}]),
        ("an outcome left out", 400, [{"prediction_id": late}]),
        ("a field more in an outcome", 400, [{"prediction_id": late, "outcome": True, "nonsense": 1}]),
        ("no outcomes in the list", 400, []),
    ]
    return [Bad(name, status, json.dumps({"outcomes": outcomes}).encode(), token, path="/feedback") for name, status, outcomes in said]


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)
