"""The golden month: what the features of March 2013 were when someone last looked.

`python -m tests.data.golden` writes `features.json` anew. Run it after a change of a feature that is meant, look at
what `git diff` says of the changed feature (and that no other changed), and commit both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl

from tasks.usecase import features, source
from tasks.usecase.contract import FLIGHTS, WEATHER

MONTH = (date(2013, 3, 1), date(2013, 3, 31))  # the clocks go forward on the 10th
FILE = Path(__file__).parent / "features.json"


def cut(tables: Mapping[str, pl.LazyFrame], days: tuple[date, date]) -> dict[str, pl.LazyFrame]:
    """Keep the raw rows that matter for the features of some local days."""
    first, last = days[0] - features.LOOKBACK, days[1]
    kept = {t.name: tables[t.name].filter(source.day_of(t).is_between(first, last)).collect().lazy() for t in (FLIGHTS, WEATHER)}
    return {**tables, **kept}
