"""Rows by their id: found, or refused with the nearest ids."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.errors import EvaluationError
from tasks.evaluation import lookup

pytestmark = pytest.mark.unit

ROWS, DAYS = 1_200, 12
FRAME = pl.DataFrame({"id": [f"2013-09-{2 + i * DAYS // ROWS:02}-K{i % 3}-{i}" for i in range(ROWS)], "value": list(range(ROWS))})


def test_a_row_is_found_by_its_id() -> None:
    wanted = FRAME["id"][700]
    assert lookup.pick(FRAME.lazy(), "id", wanted).equals(FRAME[700:701])


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        (FRAME["id"][700] + "9", FRAME["id"][700]),  # a digit too many
        ("2013-09-05-K9-333", "2013-09-05-K"),  # of that day, another kind
        ("2014-01-01-K1-5", "-K1-"),  # of no day: what reads alike
        ("", "2013-09-02-K"),  # the first ones
        ("z", "2013-09-13-K"),  # the last ones
    ],
)
def test_an_unknown_id_is_told_with_the_nearest(wanted: str, near: str) -> None:
    with pytest.raises(EvaluationError, match=r"the nearest are \S+, \S+, \S+\.") as caught:
        lookup.pick(FRAME.lazy(), "id", wanted)
    assert near in caught.value.found.split("the nearest are ")[1]


def test_of_many_ids_the_neighbours_are_told() -> None:
    """To compare a year of ids letter by letter would take half a minute."""
    many = pl.LazyFrame({"id": [f"2013-{i:05}" for i in range(lookup._COMPARED + 1)]})
    with pytest.raises(EvaluationError, match="the nearest are 2013-01998, 2013-01999, 2013-02000") as caught:
        lookup.pick(many, "id", "2014-00001")
    assert caught.value.found.startswith("'2014-00001'")


def test_without_any_row_none_is_near() -> None:
    with pytest.raises(EvaluationError, match="there is no row at all"):
        lookup.pick(FRAME.lazy().clear(), "id", "x")
