"""Pieces of code: a literal says the text it was made of, and lines are as a formatter leaves them."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scaffold import code

pytestmark = pytest.mark.unit


@given(st.text())
def test_a_literal_says_its_text(text: str) -> None:
    literal = code.quoted(text)
    assert ast.literal_eval(literal) == text
    assert "\n" not in literal


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_names_are_a_tuple(texts: list[str]) -> None:
    assert ast.literal_eval(f"({code.names(texts)})") == tuple(texts)


@pytest.mark.parametrize(
    ("text", "literal"), [("a", '"a"'), ("it's", '"it\'s"'), ('said "so"', "'said \"so\"'"), ('it\'s "so"', '"it\'s \\"so\\""')]
)
def test_double_quotes_unless_single_ones_need_fewer_escapes(text: str, literal: str) -> None:
    assert code.quoted(text) == literal


def test_what_fits_is_on_a_line_and_what_does_not_is_one_part_a_line() -> None:
    assert code.call("age: int = column", ['"Age"', "ge=0"], 4) == '    age: int = column("Age", ge=0)'
    long = code.quoted("x" * 130)
    assert code.call("f", [long, "1"], 4) == f"    f(\n        {long},\n        1,\n    )"
    assert code.list_of("isin", ["a", "b"], 8) == 'isin=["a", "b"]'
    assert code.list_of("isin", ["a" * 70, "b" * 70], 8) == f'isin=[\n            "{"a" * 70}",\n            "{"b" * 70}",\n        ]'
