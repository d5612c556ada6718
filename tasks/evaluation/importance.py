"""What each feature is worth to a trained model: the increase of its log-loss when the feature is permuted.

Breiman, "Random forests", Machine Learning 45 (2001), section 10; as model reliance: Fisher, Rudin and Dominici, "All
models are wrong, but many are useful", JMLR 20 (2019), section 3. A feature's values change places among all rows and
so keep their distribution, but tell nothing of the row. Features that tell the same stand in for each other: each seems
cheap to lose while all of them together are not. So groups are permuted as one, and so are, once known, all features
of no value.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.data_value import DataValueRules, FeatureImportance, FeatureValue, GroupImportance
from tasks.artifacts.record import Interval, Window
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.model.loss import row_log_loss
from tasks.model.preprocessing import Codes, Floats, Preprocessing
from tasks.model.trained import Predictor, Probabilities

log = logging.getLogger(__name__)

Order = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 512  # activations of the network that stay in a core's cache: three times as fast as 8,192


@runtime_checkable
class Encoding(Predictor, Protocol):
    """A model that predicts encoded rows too."""

    preprocessing: Preprocessing

    def predict_encoded(self, numbers: Floats, codes: Codes) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""


def measure(
    rows: pl.DataFrame, model: Predictor, groups: Mapping[str, Sequence[str]], rules: DataValueRules, name: str, digest: str
) -> FeatureValue:
    """Measure what each feature and each group of features is worth to a model.

    Args:
        rows: Labelled evaluation rows: the features, `batch_day` and `label`.
        model: The trained model.
        groups: Group to its features; every feature is measured alone, too.
        rules: Rows, repeats, and the threshold of no value.
        name: The model's name, for the record.
        digest: The digest of its bundle, for the record.
    """
    grouped = {feature: group for group, features in groups.items() for feature in features}
    sample = thin(rows, rules.importance_rows, rules.seed)
    measured = _Permuted(sample.select(*grouped, "label"), model, Days.draw(sample.get_column("batch_day").to_numpy()), rules)
    found = []
    for feature, group in grouped.items():
        increase = measured.increase([feature])
        is_constant = sample.get_column(feature).n_unique() < 2
        found.append(
            FeatureImportance(
                feature=feature,
                group=group,
                increase_log_loss=increase,
                is_constant=is_constant,
                is_of_no_value=not is_constant and increase.upper <= rules.no_value_log_loss,
            )
        )
    by_group = [GroupImportance(group=g, features=list(f), increase_log_loss=measured.increase(f)) for g, f in groups.items()]
    idle = [f.feature for f in found if f.is_of_no_value]
    log.info("%d of %d features are of no value to %s", len(idle), len(found), name)
    return FeatureValue(
        model=name,
        model_digest=digest,
        window=Window(first_day=rows.get_column("batch_day").min(), last_day=rows.get_column("batch_day").max()),  # type: ignore[arg-type]
        rows=sample.height,
        rows_labelled=rows.height,
        days=measured.days.count,
        repeats=rules.importance_repeats,
        seed=rules.seed,
        no_value_log_loss=rules.no_value_log_loss,
        log_loss=bootstrap.mean(measured.losses, measured.days),
        features=sorted(found, key=lambda f: (-f.increase_log_loss.value, f.feature)),
        groups=sorted(by_group, key=lambda g: (-g.increase_log_loss.value, g.group)),
        no_value_together=GroupImportance(group="of no value", features=idle, increase_log_loss=measured.increase(idle)) if idle else None,
    )


def thin(rows: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """Keep a like share of the rows of every day, in their order: the interval is as wide as the days are few.

    Args:
        rows: Rows with `batch_day`.
        most: How many are kept at most, but for one of every day.
        seed: Seed of the draw.
    """
    if rows.height <= most:
        return rows
    generator = np.random.default_rng(seed)
    day = np.unique(rows.get_column("batch_day").to_numpy(), return_inverse=True)[1]
    places = [np.flatnonzero(day == d) for d in range(day.max() + 1)]
    kept = [generator.choice(p, max(1, int(len(p) * most / rows.height)), replace=False) for p in places]
    return rows[np.sort(np.concatenate(kept))]


class _Permuted:
    """Rows of which some columns change places, and what that costs a model.

    All columns are permuted by the same few orders of the rows: what differs between features is then not the orders,
    and columns permuted together keep what they tell of each other.
    """

    def __init__(self, rows: pl.DataFrame, model: Predictor, days: Days, rules: DataValueRules) -> None:
        generator = np.random.default_rng(rules.seed)
        self.rows: _Rows | _EncodedRows = _EncodedRows(rows, model) if isinstance(model, Encoding) else _Rows(rows, model)
        self.days = days
        self.labels: Array = rows.get_column("label").to_numpy().astype(np.float64)
        self.orders: list[Order] = [generator.permutation(rows.height) for _ in range(rules.importance_repeats)]
        self.losses = row_log_loss(self.labels, self.rows.predict([], self.orders[0]))

    def increase(self, columns: Sequence[str]) -> Interval:
        """Return the mean increase of the log-loss over all orders, with its interval over days."""
        permuted = [row_log_loss(self.labels, self.rows.predict(columns, order)) for order in self.orders]
        return bootstrap.mean(np.mean(permuted, axis=0) - self.losses, self.days)


class _Rows:
    """Rows of any model."""

    def __init__(self, rows: pl.DataFrame, model: Predictor) -> None:
        self.rows, self.model = rows, model

    def predict(self, columns: Sequence[str], order: Order) -> Probabilities:
        """Return the probabilities with some columns in another order of the rows, shape (n,)."""
        permuted = self.rows.with_columns(self.rows.get_column(name).gather(order) for name in columns)
        return np.concatenate([self.model.predict(part) for part in permuted.iter_slices(_ROWS_AT_ONCE)])


class _EncodedRows:
    """Rows of a model with a preprocessing, encoded once: to encode them anew for each feature took a quarter of the time."""

    def __init__(self, rows: pl.DataFrame, model: Encoding) -> None:
        self.model = model
        self.numbers, self.codes = model.preprocessing.encode(rows)
        numeric = model.preprocessing.numeric
        self.numeric = {column.name: [i] for i, column in enumerate(numeric)}
        for i, column in enumerate((c for c in numeric if c.has_indicator), start=len(numeric)):
            self.numeric[column.name].append(i)
        self.categorical = {column.name: [i] for i, column in enumerate(model.preprocessing.categorical)}

    def predict(self, columns: Sequence[str], order: Order) -> Probabilities:
        """Return the probabilities with some columns in another order of the rows, shape (n,)."""
        numbers, codes = self.numbers.copy(), self.codes.copy()
        for name in columns:  # one without spread among the training rows is no input, and has no place
            for values, places in ((numbers, self.numeric), (codes, self.categorical)):
                for place in places.get(name, []):
                    values[:, place] = values[order, place]
        cuts = range(0, len(numbers), _ROWS_AT_ONCE)
        return np.concatenate([self.model.predict_encoded(numbers[i : i + _ROWS_AT_ONCE], codes[i : i + _ROWS_AT_ONCE]) for i in cuts])
