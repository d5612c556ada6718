"""Rows with a pattern that any model finds: the label follows one number and one category."""

from __future__ import annotations

import numpy as np
import polars as pl

from tasks.artifacts.serving import ClientRow, RequestField
from tasks.artifacts.vocabulary import Vocabulary
from tasks.model import preprocessing
from tasks.model.preprocessing import Preprocessing
from tasks.packaging.package import Papers

NUMERIC, CATEGORICAL = ["signal", "gaps", "flag"], ["kind"]
PAPERS = Papers(
    tables=[],
    features=[
        *(RequestField(name=name, kind="number", meaning="A number", is_required=False, is_nullable=True) for name in NUMERIC),
        *(RequestField(name=name, kind="string", meaning="A kind") for name in CATEGORICAL),
    ],
    request=ClientRow(
        names=Vocabulary(row="event", rows="events"), key="id", fields=[RequestField(name="kind", kind="string", meaning="A kind")]
    ),
    model_card="# Model card: toy\n",
)


def rows(count: int = 1200, seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    signal, kind = generator.normal(size=count), generator.integers(0, 3, count)
    label = generator.random(count) < 1 / (1 + np.exp(-(2 * signal + kind - 1)))
    gaps = [None if i % 10 == 0 else float(v) for i, v in enumerate(generator.normal(size=count))]
    return pl.DataFrame(
        {
            "signal": signal,
            "gaps": gaps,
            "flag": generator.integers(0, 2, count).astype(np.float64),  # two values: a single bin
            "kind": [f"k{k}" for k in kind],
            "label": label.astype(np.int8),
        }
    )


def fitted(frame: pl.DataFrame) -> Preprocessing:
    return preprocessing.fit(frame, NUMERIC, CATEGORICAL)
