"""Drawing: the same arguments are drawn once, others anew, and what was drawn long ago is forgotten."""

from __future__ import annotations

import pytest

from tasks.reporting import drawing
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit


def test_the_same_record_is_drawn_once() -> None:
    drawn: list[float] = []

    @drawing.once
    def draw(interval: object, factor: float = 1.0) -> str:
        drawn.append(factor)
        return f"{interval} {factor}"

    first, other = factory.interval(0.5), factory.interval(0.5000001)  # alike when printed
    assert draw(first) == draw(factory.interval(0.5))
    assert drawn == [1.0]
    draw(other)
    draw(first, factor=2.0)
    assert drawn == [1.0, 1.0, 2.0]


def test_what_was_drawn_long_ago_is_forgotten() -> None:
    drawn: list[int] = []

    @drawing.once
    def draw(number: int) -> str:
        drawn.append(number)
        return str(number)

    for number in [*range(100), 99, 0]:
        draw(number)
    assert drawn == [*range(100), 0]
