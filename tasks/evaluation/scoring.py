"""Scoring the evaluation rows with every model, the champion among them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tasks.artifacts.evaluation import MODELS
from tasks.model.trained import Probabilities, load_baselines, load_network, require_features


def score(rows: pl.DataFrame, network: Path, baselines: Path, incumbent: Path | None) -> pl.DataFrame:
    """Score rows with all models.

    Args:
        rows: Evaluation rows: features, `batch_day` and `label`.
        network: Bundle of the candidate.
        baselines: Bundle of the baselines.
        incumbent: Bundle of the champion, None without one.

    Returns:
        The columns of `ScoredRows`, in the rows' order.

    Raises:
        BundleError: If a bundle is altered, or the champion needs features that the rows lack.
    """
    scored = {name: model.predict(rows) for name, model in load_baselines(baselines).items()}
    scored["network"] = load_network(network).predict(rows)
    frame = pl.DataFrame(
        {
            "row": pl.Series(range(rows.height), dtype=pl.Int64),
            "batch_day": rows.get_column("batch_day").cast(pl.Datetime("ns")),
            "label": rows.get_column("label").cast(pl.Int64),
            **{name: scored[name] for name in MODELS},
        }
    )
    champion = pl.lit(None, dtype=pl.Float64) if incumbent is None else pl.Series(_champion(rows, incumbent), dtype=pl.Float64)
    return frame.with_columns(champion.alias("incumbent"))


def _champion(rows: pl.DataFrame, bundle: Path) -> Probabilities:
    model = load_network(bundle)
    require_features(model, rows.columns, "the champion")
    return model.predict(rows)
