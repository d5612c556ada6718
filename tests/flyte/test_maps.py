"""Map tasks in local runs: each element from the cache if it is there, what all share handed on as it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest
from flytekit import map_task, workflow

from tasks import local
from tasks.execution import LIGHT, stage
from tasks.frames import LazyFrame
from tests.flyte.test_local import home  # noqa: F401 - a fixture

pytestmark = [pytest.mark.flyte, pytest.mark.usefixtures("home")]

RAN: list[int] = []


class Numbers(pa.DataFrameModel):
    n: int


@stage(resources=LIGHT)
def numbers(upto: int) -> LazyFrame[Numbers]:
    """Return numbers.

    Args:
        upto: How many.
    """
    return pl.LazyFrame({"n": range(upto)})


@stage(resources=LIGHT)
def total_over(numbers: LazyFrame[Numbers], divisor: int) -> float:
    """Return the sum of numbers over a divisor.

    Args:
        numbers: What is summed.
        divisor: What it is divided by.
    """
    RAN.append(divisor)
    return float(numbers.sum().collect().item() / divisor)


@workflow
def divided(upto: int, divisors: list[int]) -> list[float]:
    """Divide a sum by several numbers.

    Args:
        upto: How many are summed.
        divisors: What it is divided by.
    """
    return map_task(partial(total_over, numbers=numbers(upto=upto)))(divisor=divisors)


def ran() -> list[int]:
    found = RAN.copy()
    RAN.clear()
    return found


def test_only_new_elements_run() -> None:
    assert divided(upto=5, divisors=[1, 2]) == [10.0, 5.0]
    assert ran() == [1, 2]
    assert divided(upto=5, divisors=[4, 2, 1]) == [2.5, 5.0, 10.0]
    assert ran() == [4], "the others come from the cache, in their places"


def test_what_was_done_before_a_failure_is_kept() -> None:
    with pytest.raises(ZeroDivisionError):
        divided(upto=5, divisors=[5, 0, 2])
    assert ran() == [5, 0]
    assert divided(upto=5, divisors=[5, 2]) == [2.0, 5.0]
    assert ran() == [2]


def test_no_elements_are_no_results() -> None:
    assert divided(upto=5, divisors=[]) == []


def test_a_frame_that_all_share_is_written_once() -> None:
    divided(upto=3, divisors=[1, 3])
    assert len(list(Path(local.home(), "outputs").rglob("Numbers.parquet"))) == 1
