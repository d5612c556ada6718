"""The words of a use case: two lower-case words that no request has already."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tasks.artifacts.vocabulary import Vocabulary

pytestmark = pytest.mark.unit


def test_words_follow_the_number() -> None:
    names = Vocabulary(row="entry", rows="entries")
    assert [names.of(number) for number in (0, 1, 2)] == ["entries", "entry", "entries"]


@pytest.mark.parametrize(
    ("row", "rows", "told"),
    [
        ("order", "order", "two words"),  # an answer could not be told from a question
        ("row", "orders", "those of every service; got row"),  # the schema `Row` is that of features
        ("outcome", "outcomes", "got outcome, outcomes"),  # what /feedback takes
        ("Order", "orders", "pattern"),
        ("loan order", "loan orders", "pattern"),  # a name in JSON that clients write
        ("", "orders", "pattern"),
    ],
)
def test_words_that_cannot_be(row: str, rows: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Vocabulary(row=row, rows=rows)
