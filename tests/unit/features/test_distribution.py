"""Distributions, kept and compared: what did not change is never called changed, what did is named."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kstwobign

from tasks.features.distribution import LEVEL, Summary, compare, summarise

pytestmark = pytest.mark.unit

ROWS = 20_000


def frame(seed: int = 0, shift: float = 0.0, share: float = 0.3, nulls: float = 0.1, rows: int = ROWS) -> pl.DataFrame:
    """Return a normal feature `x`, a lattice one `n` and a category `c`."""
    random = np.random.default_rng(seed)
    x = pl.Series(random.normal(shift, 1.0, rows)).set(pl.Series(random.random(rows) < nulls), None)
    return pl.DataFrame({"x": x, "n": random.poisson(3.0, rows), "c": np.where(random.random(rows) < share, "a", "b")})


def kept(**more: float) -> Summary:
    return summarise(frame(**more), ["x", "n"], ["c"])  # type: ignore[arg-type]


values = st.lists(st.none() | st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200)


@given(values)
def test_a_frame_is_like_itself_in_any_order(xs: list[float | None]) -> None:
    one = pl.DataFrame({"x": xs, "c": [str(x) for x in xs]}, schema={"x": pl.Float32, "c": pl.String})
    golden = summarise(one, ["x"], ["c"])
    assert compare(golden, one.reverse(), level=1 - 1e-9) == []


@given(values)
def test_every_value_lies_below_the_last_edge(xs: list[float | None]) -> None:
    (found,) = summarise(pl.DataFrame({"x": xs}, schema={"x": pl.Float32}), ["x"], []).numeric
    assert list(found.edges) == sorted(found.edges)
    assert list(found.until) == sorted(found.until)
    assert (found.until[-1] if found.until else 0) + found.nulls == len(xs)


def test_a_summary_survives_its_file() -> None:
    golden = kept()
    assert Summary.model_validate_json(golden.model_dump_json()) == golden
    assert len(golden.numeric[0].edges) <= 40
    assert golden.categorical[0].counts.keys() == {"a", "b"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"shift": 0.05}, {("x", "kolmogorov-smirnov")}),
        ({"shift": 0.005}, set()),  # below what so many rows can tell
        ({"share": 0.32}, {("c", "chi-squared of categories")}),
        ({"nulls": 0.115}, {("x", "chi-squared of nulls")}),
        ({"nulls": 1.0}, {("x", "chi-squared of nulls")}),  # no value left to compare
        ({}, set()),
    ],
)
def test_what_changed_is_named(change: dict[str, float], expected: set[tuple[str, str]]) -> None:
    found = compare(kept(), frame(**change))  # type: ignore[arg-type]
    assert {(c.feature, c.test) for c in found} == expected
    assert all(c.statistic > c.critical for c in found)


def test_a_category_that_is_new_and_one_that_is_gone() -> None:
    other = frame().with_columns(c=pl.col("c").replace({"a": None, "b": "z"}))
    (found,) = compare(kept(), other)
    assert found.statistic > ROWS
    assert str(found).startswith("c: chi-squared of categories 4e+04, critical value ")


def test_other_rows_of_the_same_distribution_keep_the_level() -> None:
    golden = kept()
    called = [bool(compare(golden, frame(seed), level=0.2)) for seed in range(1, 101)]
    assert sum(called) <= 32  # a binomial of 0.2 exceeds it once in a thousand; ties and edges only lower it


def test_the_critical_values_are_those_of_the_textbook() -> None:
    golden, other = kept(), frame(shift=1.0, share=0.9, rows=5_000)
    found = {(c.feature, c.test): c for c in compare(golden, other)}
    each = LEVEL / 5  # two tests a numeric feature, one a category
    n, m = (f.get_column("x").drop_nulls().len() for f in (frame(), other))
    ks = found["x", "kolmogorov-smirnov"]
    assert ks.critical == pytest.approx(kstwobign.isf(each) * np.sqrt((n + m) / (n * m)), rel=1e-3)
    table = [[f.get_column("c").eq(c).sum() for c in "ab"] for f in (frame(), other)]
    assert found["c", "chi-squared of categories"].statistic == pytest.approx(chi2_contingency(table, correction=False).statistic)
