"""The table of bad requests: every kind that the service promises to refuse, each with one fault, and what counts as a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.serving import refusals
from tasks.serving.refusals import Bad
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit

RULES = factory.LIMITS.model_copy(update={"most_rows": 20, "most_bytes": 100_000, "explain_rows": 3})
ROW = {"size": 1.5, "count": None, "kind": "a", "place": "b"}
IDS = ["p-0a", "p-0b", "p-0c"]
TABLE = refusals.table(ROW, "size", "kind", IDS, {"all": "evg_a_00000001", "feedback": "evg_f_00000002"}, RULES, "flights")
BY_NAME = {bad.name: bad for bad in TABLE}


def body(name: str) -> Any:
    sent = BY_NAME[name].body
    assert isinstance(sent, bytes)
    return json.loads(sent)


def test_each_has_a_name_and_is_a_refusal() -> None:
    assert len(BY_NAME) == len(TABLE)
    assert {bad.status for bad in TABLE} == {400, 401, 403, 404, 405, 409, 413, 415}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("JSON", 400),
        ("as a number", 400),  # wrong types
        ("NaN", 400),
        ("infinity", 400),
        ("left out", 400),  # missing fields
        ("nobody knows", 400),  # extra fields, in a row and in a flight
        ("a field more", 400),  # beside the rows, and in an outcome
        ("in the list", 400),  # empty lists
        ("too many rows", 400),
        ("too large a body", 413),  # declared and in chunks
        ("content type", 415),
        ("path", 404),
        ("method", 405),
        ("no key", 401),
        ("role", 403),
        ("given before", 409),  # replayed feedback
        ("of no prediction", 404),
        ("before its prediction", 400),  # times out of order
        ("of tomorrow", 400),
    ],
)
def test_every_kind_is_there(words: str, status: int) -> None:
    assert {bad.status for bad in TABLE if words in bad.name} == {status}


def test_all_but_the_fault_is_good() -> None:
    assert body("no key") == {"rows": [ROW]}
    assert body("a feature that nobody knows")["rows"] == [{**ROW, "nonsense": 1}]
    assert body("a category left out")["rows"] == [{"size": 1.5, "count": None, "place": "b"}]
    assert len(body("too many rows")["rows"]) == RULES.most_rows + 1
    assert len(body("too many rows to explain")["rows"]) == RULES.explain_rows + 1
    assert BY_NAME["a number beyond all"].body == json.dumps({"rows": [{**ROW, "size": 0}]}).replace(" 0,", " 1e999,").encode()
    assert b"NaN" in bytes(BY_NAME["NaN"].body)  # type: ignore[arg-type]


def test_what_is_too_large_is_nothing_but_too_large() -> None:
    sent = BY_NAME["too large a body, in chunks"]
    assert not isinstance(sent.body, bytes)
    whole = b"".join(sent.body)
    assert len(whole) > RULES.most_bytes
    assert json.loads(whole) == {"rows": []}
    assert BY_NAME["too large a body, as it says"].declares == RULES.most_bytes + 1


def test_a_forged_id_is_another_one() -> None:
    [forged] = body("the outcome of a forged prediction")["outcomes"]
    assert forged["prediction_id"] not in IDS
    assert len(forged["prediction_id"]) == len(IDS[1])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b'{"error": {"code": "invalid", "message": "rows must be a list", "where": "rows"}}', True),
        (b'{"error": {"code": "invalid", "message": "rows must be a list"}}', True),
        (b'{"error": {"code": "invalid", "message": ""}}', False),  # says nothing
        (b'{"error": {"message": "no code"}}', False),
        (b'{"detail": "another form"}', False),
        (b'{"error": "another form"}', False),
        (b"[]", False),
        (b"null", False),
        (b"", False),
        (b"Traceback (most recent call last)", False),
        (json.dumps({"error": {"code": "invalid", "message": "x" * 2_000}}).encode(), False),  # not bounded
    ],
)
def test_a_refusal_says_what_is_wrong_in_few_bytes(said: bytes, expected: bool) -> None:
    assert refusals._explains(said) is expected


def test_nobody_there_is_no_answer() -> None:
    found = refusals.send("127.0.0.1", 1, Bad("anything", 400, b"", None))
    assert (found.status, found.is_refused) == (refusals.NO_ANSWER, False)
