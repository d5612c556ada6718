"""The slim deepchecks suite on training against evaluation data: drift of features, and rows in both.

The full suite takes over a minute and its own report megabytes; this one takes seconds, on samples, and its
conditions become a small table.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import polars as pl

from tasks.artifacts.evaluation import SuiteCondition

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
    os.environ["DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deepchecks warns of its own dependencies at import and on use
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
        result = suite.run(*datasets, with_display=False)
    found = []
    for check in result.results:
        for condition in getattr(check, "conditions_results", []):
            found.append(
                SuiteCondition(
                    check=check.get_header(),
                    condition=condition.name,
                    passed=condition.is_pass(),
                    details=condition.details[:300],
                )
            )
    for failure in result.get_not_ran_checks():
        found.append(SuiteCondition(check=failure.get_header(), condition="must run", passed=False, details=str(failure.exception)[:300]))
    return found
