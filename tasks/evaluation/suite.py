"""The slim deepchecks suite on training against evaluation data: drift of features, and rows in both.

The full suite takes over a minute and its own report megabytes; this one takes seconds, on samples, and its
conditions become a small table.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tasks.artifacts.record import SuiteCondition
from tasks.suites import conditions, quiet

_SAMPLE = 5_000
_MIX_SAMPLE = 2_000


def run(train: pl.DataFrame, evaluation: pl.DataFrame, numeric: Sequence[str], categorical: Sequence[str]) -> list[SuiteCondition]:
    """Run the suite.

    Args:
        train: Training rows with the features and `label`.
        evaluation: Evaluation rows likewise.
        numeric: Names of the numeric features.
        categorical: Names of the categorical ones.

    Returns:
        Every condition with its outcome.
    """
    with quiet():
        from deepchecks.tabular import Dataset, Suite
        from deepchecks.tabular.checks import FeatureDrift, TrainTestSamplesMix

        columns = [*numeric, *categorical, "label"]
        offset = 0
        datasets = []
        for rows in (train, evaluation):
            sample = rows.select(columns).sample(min(rows.height, _SAMPLE), seed=2013).to_pandas()
            sample.index = range(offset, offset + len(sample))  # deepchecks wants disjoint indexes
            offset += len(sample)
            datasets.append(Dataset(sample, label="label", cat_features=list(categorical)))
        suite = Suite(
            "train against evaluation",
            FeatureDrift(n_samples=_SAMPLE).add_condition_drift_score_less_than(),
            TrainTestSamplesMix(n_samples=_MIX_SAMPLE).add_condition_duplicates_ratio_less_or_equal(),
        )
        return conditions(suite.run(*datasets, with_display=False))
