"""Weak segments: where a model's loss is above what it expects itself, searched on some days and confirmed on others.

A high loss alone says that outcomes are uncertain there, which the model may know and say. What counts is the excess: the
loss of a row less the entropy of its probability, which is 0 on average wherever probabilities are right. deepchecks grows
small trees on it over pairs of features; a leaf of a tree is a hint and no more, as trees find something in noise too. So
each is looked at again on later days, by an interval over days and a p-value adjusted for all that were found.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from tasks.artifacts.evaluation import Bound, WeakSegment, WeakSegments
from tasks.artifacts.record import Window
from tasks.artifacts.settings import SegmentRules
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.model.loss import row_log_loss
from tasks.suites import quiet

log = logging.getLogger(__name__)

_CLIP = 1e-6
_SEED = 2013


def excess(labels: Array, probabilities: Array) -> tuple[Array, Array]:
    """Return the log-loss that a model expects of each row, and the loss above it; shape of each (n,)."""
    p = np.clip(probabilities, _CLIP, 1 - _CLIP)
    expected = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    return expected, row_log_loss(labels, probabilities) - expected


def find(
    rows: pl.DataFrame,
    probabilities: Array,
    numeric: Sequence[str],
    categorical: Sequence[str],
    importances: Mapping[str, float],
    rules: SegmentRules,
) -> WeakSegments:
    """Search the first half of the days, and look at what was found again on the second.

    Args:
        rows: n evaluation rows with the features, `batch_day` and `label`.
        probabilities: The candidate's, shape (n,).
        numeric: Names of the numeric features.
        categorical: Names of the categorical ones.
        importances: Feature to how much it matters; the search takes the dearest.
        rules: Rows, features, sizes and level.
    """
    days = rows.get_column("batch_day")
    first, last = days.min(), days.max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    middle = first + timedelta(days=(last - first).days // 2)
    labels = rows.get_column("label").to_numpy().astype(np.float64)
    expected, above = excess(labels, probabilities)
    earlier = (days <= middle).to_numpy()
    is_enough = min(days.filter(earlier).n_unique(), days.filter(~earlier).n_unique()) >= rules.fewest_days
    hints = _search(rows.filter(earlier), above[earlier], numeric, categorical, importances, rules) if is_enough else []
    later = rows.filter(~earlier)
    drawn = Days.draw(later.get_column("batch_day").to_numpy())
    masks = [later.select(_predicate(bounds).fill_null(False)).to_series().to_numpy() for bounds in hints]
    large = [mask.sum() >= rules.fewest_rows and drawn.of(mask).seen >= rules.fewest_days for mask in masks]
    kept = [(bounds, mask) for bounds, mask, is_large in zip(hints, masks, large, strict=True) if is_large]
    losses, expected, above = (values[~earlier] for values in (row_log_loss(labels, probabilities), expected, above))
    p_values = bootstrap.adjusted_p_values(above, drawn, [mask for _, mask in kept])
    found = [
        WeakSegment(
            segment=" and ".join(map(_told, bounds)),
            bounds=bounds,
            rows=int(mask.sum()),
            days=len(np.unique(drawn.index[mask])),
            log_loss=bootstrap.mean(losses, drawn, mask),
            expected_log_loss=float(expected[mask].mean()),
            excess=bootstrap.mean(above, drawn, mask),
            p_value=p,
            is_confirmed=p <= rules.level,
        )
        for (bounds, mask), p in zip(kept, p_values, strict=True)
    ]
    log.info("weak segments: %d found before %s, %d confirmed after", len(found), middle, sum(f.is_confirmed for f in found))
    return WeakSegments(
        searched=Window(first_day=first, last_day=middle),
        confirmed_on=Window(first_day=middle + timedelta(days=1), last_day=last),
        level=rules.level,
        found=sorted(found, key=lambda f: (f.p_value, -f.excess.value)),
    )


def _search(
    rows: pl.DataFrame,
    above: Array,
    numeric: Sequence[str],
    categorical: Sequence[str],
    importances: Mapping[str, float],
    rules: SegmentRules,
) -> list[list[Bound]]:
    with quiet():
        import pandas as pd
        from deepchecks.core.errors import DeepchecksProcessError
        from deepchecks.tabular import Dataset
        from deepchecks.tabular.checks import WeakSegmentsPerformance

        chosen = sorted({*numeric, *categorical}, key=lambda name: (-importances.get(name, 0.0), name))[: rules.search_features]
        generator = np.random.default_rng(_SEED)
        kept = np.sort(generator.choice(rows.height, min(rows.height, rules.search_rows), replace=False))
        spread = float(above[kept].std()) or 1.0  # its trees split where a fixed share of a variance of 1 is explained
        frame = rows[kept].select(*chosen, "label").to_pandas()
        check = WeakSegmentsPerformance(
            n_top_features=len(chosen),
            segment_minimum_size_ratio=rules.smallest_share,
            categorical_aggregation_threshold=0.0,  # a merged "Other" would be no predicate
            score_per_sample=pd.Series(-above[kept] / spread),
            n_samples=len(kept),
            random_state=_SEED,
        )
        dataset = Dataset(frame, label="label", cat_features=[name for name in chosen if name in set(categorical)])
        ranked = pd.Series({name: float(len(chosen) - place) for place, name in enumerate(chosen)})
        try:
            result = check.run(
                dataset, y_proba=np.zeros((len(kept), 2)) + 0.5, y_pred=frame["label"], feature_importance=ranked, with_display=False
            )
        except DeepchecksProcessError:  # no tree found a leaf
            return []
    listed: list[dict[str, Any]] = result.value["weak_segments_list"].to_dict("records")
    hints = [_bounds(found) for found in listed if -_score(found) * spread > rules.least_excess]
    unique: dict[str, list[Bound]] = {str([b.model_dump() for b in bounds]): bounds for bounds in hints if bounds}
    return list(unique.values())[: rules.most_found]


def _score(found: Mapping[str, Any]) -> float:
    return float(found["Average Score Per Sample"])


def _bounds(found: Mapping[str, Any]) -> list[Bound]:
    bounds = []
    for which in ("Feature1", "Feature2"):
        feature, limits = found[which], found[f"{which} Range"]
        if not feature:
            continue
        if isinstance(limits, list):
            bounds.append(Bound(feature=feature, values=sorted(map(str, limits))))
        else:
            above, upto = (float(limit) if np.isfinite(limit) else None for limit in limits)
            bounds.append(Bound(feature=feature, above=above, upto=upto))
    return bounds


def _predicate(bounds: Sequence[Bound]) -> pl.Expr:
    parts = []
    for bound in bounds:
        value = pl.col(bound.feature)
        if bound.values:
            parts.append(value.is_in(bound.values))
        if bound.above is not None:
            parts.append(value > bound.above)
        if bound.upto is not None:
            parts.append(value <= bound.upto)
    return pl.all_horizontal(parts)


def _told(bound: Bound) -> str:
    if bound.values:
        return f"{bound.feature} is {', '.join(bound.values)}"
    if bound.above is None:
        return f"{bound.feature} at most {bound.upto:.4g}"
    return f"{bound.feature} above {bound.above:.4g}" + ("" if bound.upto is None else f" and at most {bound.upto:.4g}")
