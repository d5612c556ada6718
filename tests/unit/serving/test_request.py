"""Requests read strictly: what is refused, with which place, and never with a value that was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.serving import RequestField
from tasks.serving import request
from tasks.serving.request import Accepted, Rejected

pytestmark = pytest.mark.unit

ACCEPTED = Accepted(frozenset({"distance", "wind"}), frozenset({"carrier"}), key="flight_id")
GOOD = {"distance": 1.5, "wind": None, "carrier": "B6"}
SECRET = "Mrs Example"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@pytest.mark.parametrize(
    "body",
    [
        b"",  # nothing
        b"{",  # cut off
        b'{"rows": [NaN]}',  # not JSON, though Python's own reader takes it
        b'{"rows": [Infinity]}',
        b'{"rows": [-Infinity]}',
        b"\xff\xfe{}",  # not UTF-8
        b'{"a": "\\ud800"}',  # half a character
        b"[" * 100_000,  # deeper than any stack
        b"[]",  # JSON, and no object
        b"3",
        b"null",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        request.read(body)
    assert caught.value.status == 400


def refusal(call: Callable[[], Any]) -> Rejected | None:
    try:
        call()
    except Rejected as error:
        return error
    return None


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    refused = refusal(lambda: request.read(json.dumps(value).encode()))
    assert (refused is None) <= isinstance(value, dict)
    assert refused is None or (refused.status == 400 and len(refused.message) < 300)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "exactly one of rows, flights; got 0"),
        ({"rows": [], "flights": []}, "exactly one of rows, flights; got 2"),
        ({"rows": [], "debug": True}, "no such field"),
    ],
)
def test_a_body_has_one_field_of_those_it_may_have(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        request.only(body, "rows", "flights")


@pytest.mark.parametrize(
    ("found", "words", "where"),
    [
        (None, "must be a list; got null", "rows"),
        ({}, "must be a list; got an object", "rows"),
        ([], "1 to 3 entries; got 0", "rows"),
        ([{}] * 4, "1 to 3 entries; got 4", "rows"),
        ([{}, "x"], "must be an object; got a string", "rows[1]"),
    ],
)
def test_a_list_has_objects_and_a_length(found: Any, words: str, where: str) -> None:
    with pytest.raises(Rejected) as caught:
        request.listed(found, "rows", 3)
    assert words in caught.value.message
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("row", "words", "where"),
    [
        (GOOD | {SECRET: 1}, "no feature has this name", f"rows[1].{SECRET}"),
        ({"distance": 1}, "must be a string of at most 64 characters; got nothing", "rows[1].carrier"),
        (GOOD | {"carrier": None}, "got null", "rows[1].carrier"),
        (GOOD | {"carrier": 3}, "got a number", "rows[1].carrier"),
        (GOOD | {"carrier": "x" * 65}, "at most 64", "rows[1].carrier"),
        (GOOD | {"distance": "1"}, "must be a finite number or null; got a string", "rows[1].distance"),
        (GOOD | {"distance": True}, "got a boolean", "rows[1].distance"),
        (GOOD | {"distance": []}, "got a list", "rows[1].distance"),
        (GOOD | {"flight_id": 7}, "string", "rows[1].flight_id"),
    ],
)
def test_rows_are_refused_with_their_place(row: dict[str, Any], words: str, where: str) -> None:
    with pytest.raises(Rejected) as caught:
        request.check_rows([GOOD, row], ACCEPTED)
    assert words in caught.value.message
    assert caught.value.where == where


@pytest.mark.parametrize("number", [1e39, -1e39, float("nan"), 10**400])  # infinite, or none, where the model reads it
def test_numbers_have_bounds(number: float) -> None:
    with pytest.raises(Rejected, match="finite number"):
        request.check_values(GOOD | {"distance": number}, ACCEPTED, "rows[0]")


def test_a_number_that_no_model_reads_has_bounds_too() -> None:
    unread = Accepted(ACCEPTED.numeric, ACCEPTED.categorical, frozenset({"wind"}))
    request.check_rows([GOOD, GOOD | {"wind": 3}], unread)
    with pytest.raises(Rejected, match="finite number"):
        request.check_rows([GOOD | {"wind": 1e39}], unread)


def test_what_may_be_left_out_may() -> None:
    request.check_rows([GOOD, {"carrier": "never seen"}, GOOD | {"flight_id": "2013-09-05-B6-1-JFK", "distance": 3}], ACCEPTED)


@given(st.dictionaries(st.sampled_from(["distance", "wind", "carrier", "flight_id", "more"]), JSON | st.just(SECRET)))
def test_a_row_is_taken_or_refused_and_no_value_is_told(row: dict[str, Any]) -> None:
    refused = refusal(lambda: request.check_rows([row], ACCEPTED))
    if refused is None:
        assert isinstance(row["carrier"], str)
    else:
        assert refused.where.startswith("rows[0].")
        assert SECRET not in refused.message + refused.where


FIELDS = [
    RequestField(name="month", kind="integer", meaning="Month", minimum=1, maximum=12),
    RequestField(name="carrier", kind="string", meaning="Carrier", allowed=["B6", "UA"]),
    RequestField(name="dest", kind="string", meaning="Airport", pattern="^[A-Z]{3}$"),
    RequestField(name="time_hour", kind="instant", meaning="Hour", is_required=False),
]
FLIGHT = {"month": 9, "carrier": "B6", "dest": "BOS"}


@pytest.mark.parametrize(
    ("change", "words", "where"),
    [
        ({"month": 13}, "at most 12", "flights[0].month"),
        ({"month": 0}, "at least 1", "flights[0].month"),
        ({"month": 9.0}, "must be an integer; got a number", "flights[0].month"),
        ({"month": True}, "must be an integer; got a boolean", "flights[0].month"),
        ({"month": None}, "got null", "flights[0].month"),
        ({"carrier": "ZZ"}, "one of B6, UA", "flights[0].carrier"),
        ({"dest": "bos"}, "must match", "flights[0].dest"),
        ({"dest": "BOS\n"}, "must match", "flights[0].dest"),
        ({"time_hour": "2013-09-05T22:00:00"}, "an instant with its zone", "flights[0].time_hour"),
        ({"time_hour": 5}, "an instant", "flights[0].time_hour"),
        ({"tailnum": SECRET}, "no such field", "flights[0].tailnum"),
    ],
)
def test_fields_are_as_declared(change: dict[str, Any], words: str, where: str) -> None:
    with pytest.raises(Rejected) as caught:
        request.check_fields(FLIGHT | change, FIELDS, "flights[0]")
    assert words in caught.value.message
    assert caught.value.where == where
    assert SECRET not in caught.value.message


def test_a_missing_field_is_named_and_an_optional_one_is_not() -> None:
    found = request.check_fields(FLIGHT | {"time_hour": "2013-09-05T18:00:00-04:00"}, FIELDS, "flights[0]")
    assert found["time_hour"] == datetime(2013, 9, 5, 22, tzinfo=UTC)
    with pytest.raises(Rejected) as caught:
        request.check_fields({"month": 9, "dest": "BOS"}, FIELDS, "flights[0]")
    assert (caught.value.where, "got nothing" in caught.value.message) == ("flights[0].carrier", True)


def test_the_name_of_an_unknown_field_is_cut_and_plain() -> None:
    assert request.shown("\u202eé\n" * 60) == ("\\u202e\\xe9\n" * 60)[:40] + "..."
