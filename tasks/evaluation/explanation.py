"""Why a model predicts what it does: which features matter to it at all, and what each did to one prediction.

Two methods that need not agree stand side by side: what it costs to permute a feature (`importance.py`), and integrated
gradients: what a feature adds to the logit on the straight way from a typical row to this one (Sundararajan, Taly and Yan,
"Axiomatic attribution for deep networks", ICML 2017; by captum). A category goes that way in its embedding; the indicator of a
null counts to its feature. Gradients are the network's: of a blend, its network is explained, and what the trees add is told as
the remainder.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from torch.nn.functional import logsigmoid

from tasks.artifacts.data_value import DataValueRules, FeatureValue
from tasks.artifacts.explanation import Contribution, FeatureEffect, GlobalExplanation, LocalExplanation
from tasks.artifacts.record import Interval
from tasks.errors import EvaluationError
from tasks.evaluation import importance
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.model.network import Network
from tasks.model.preprocessing import Codes, Floats, Preprocessing
from tasks.model.trained import NetworkModel

log = logging.getLogger(__name__)

_ROWS_PERMUTED = 800  # 60 permutations of these take the network three seconds on two cores, and leave 30 rows a day
_ROWS_ATTRIBUTED = 400  # intervals over days are wide as days differ, not as rows are few
_STEPS = 12  # of the way to a row: sixteen times as many change no feature's mean size by a hundredth of a logit
_LOCAL_STEPS, _MOST_LOCAL_STEPS = 128, 2_048  # for one row, doubled until the error is below `_ERROR`
_ERROR = 0.01  # logits: a quarter of a percentage point at most
_PASS = 512  # rows of one pass with gradients: activations that a core's cache holds
_REASONS = 5  # sentences: more are a table's work
_CLIP = 1e-7  # a logit of 0 or 1 is none
_LEAST = 0.02  # logits of a reason: half a percentage point at most


@dataclass(frozen=True)
class Typical:
    """The row that others are compared with: the medians of training rows, the most frequent categories, and nothing missing.

    Attributes:
        frame: The row itself.
        numbers: Its encoded numbers, shape (1, width).
        codes: Its encoded categories, shape (1, categories).
    """

    frame: pl.DataFrame
    numbers: Floats
    codes: Codes


def typical(preprocessing: Preprocessing, rows: pl.LazyFrame | pl.DataFrame) -> Typical:
    """Return the typical row: medians as the preprocessing has them, categories as they are most frequent in the rows.

    Args:
        preprocessing: Fitted on the training rows.
        rows: Rows whose categories are counted; of equally many the first by name.
    """
    names = [column.name for column in preprocessing.categorical]
    # Not by `value_counts().struct.unnest()`, which counts anew for each field, in another order.
    counts = [rows.lazy().select(name).drop_nulls().group_by(name).len("count") for name in names]
    most = [found.sort("count", name, descending=[True, False]).head(1) for name, found in zip(names, counts, strict=True)]
    kinds = {name: frame.to_series().to_list() for name, frame in zip(names, pl.collect_all(most), strict=True)}
    frame = pl.DataFrame({**{c.name: [c.fill] for c in preprocessing.numeric}, **{name: found or [None] for name, found in kinds.items()}})
    return Typical(frame, *preprocessing.encode(frame.cast(dict.fromkeys(names, pl.String))))


def attributions(model: NetworkModel, numbers: Floats, codes: Codes, start: Typical, steps: int) -> Array:
    """Return each feature's integrated gradient on the way from the typical row to each row.

    Args:
        model: The network, or a blend, of which it is the network's.
        numbers: Encoded numbers, shape (n, width).
        codes: Encoded categories, shape (n, categories).
        start: The typical row.
        steps: Points of the way, in the middle of as many equal parts.

    Returns:
        Logits by row and feature, shape (n, features), in the order of `Preprocessing.columns`.
    """
    network = model.network.eval()
    method = IntegratedGradients(_Logit(network))
    baseline = _embedded(network, start.numbers, start.codes)
    at_once = max(1, _PASS // steps)
    found = []
    for first in range(0, len(numbers), at_once):
        part = slice(first, first + at_once)
        inputs = _embedded(network, numbers[part], codes[part])
        spans = tuple(each.expand_as(to) for each, to in zip(baseline, inputs, strict=True))
        of_inputs = method.attribute(inputs, spans, n_steps=steps, method="riemann_middle")
        found.append(np.hstack([of_inputs[0].numpy(), *(each.sum(1, keepdim=True).numpy() for each in of_inputs[1:])]))
    return _by_feature(np.concatenate(found).astype(np.float64), model.preprocessing)


class _Logit:
    """The logit of the network's probability, from numbers and the embeddings of categories."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def __call__(self, numbers: Tensor, *embedded: Tensor) -> Tensor:
        """Return logits, shape (n,): of the mean of the members' probabilities, at the network's temperature."""
        network = self.network
        inputs = torch.cat([network.numeric(numbers).flatten(1), *embedded], dim=1)
        members = network.output(network.backbone(network.ensemble(inputs))).squeeze(-1)
        # log(mean) - log(1 - mean) without rounding a mean near 1 to it.
        logit = torch.logsumexp(logsigmoid(members), 1) - torch.logsumexp(logsigmoid(-members), 1)
        return logit / network.temperature


def _embedded(network: Network, numbers: Floats, codes: Codes) -> tuple[Tensor, ...]:
    with torch.no_grad():
        categories = [embedding(torch.from_numpy(codes[:, i])) for i, embedding in enumerate(network.categorical)]
    return (torch.from_numpy(numbers), *categories)


def _by_feature(inputs: Array, preprocessing: Preprocessing) -> Array:
    """Return sums by feature, shape (n, features), of values by input: numbers, indicators of nulls, categories."""
    count, width = len(preprocessing.numeric), preprocessing.width
    indicated = [i for i, column in enumerate(preprocessing.numeric) if column.has_indicator]
    numeric = inputs[:, :count].copy()
    numeric[:, indicated] += inputs[:, count:width]
    return np.hstack([numeric, inputs[:, width:]])


def explain(
    rows: pl.DataFrame,
    model: NetworkModel,
    meanings: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    rules: DataValueRules,
    name: str,
    digest: str,
    value: FeatureValue | None = None,
) -> GlobalExplanation:
    """Say which features matter to a model on the evaluation days, by both methods.

    Args:
        rows: Labelled evaluation rows: the features, `batch_day` and `label`.
        model: The trained network, or a blend, of which the attributions are the network's.
        meanings: Feature to what it says.
        groups: Group to its features.
        rules: The seed of the sample and of the permutations; rows and repeats are this method's own, for its time.
        name: The model's name.
        digest: The digest of its bundle, for the record.
        value: What permuting its features costs, if that is measured already.

    Raises:
        EvaluationError: If there are no rows, or a feature is not among them.
    """
    absent = [feature for features in groups.values() for feature in features if feature not in rows.columns]
    if absent or not rows.height:
        found = f"no column {', '.join(absent[:10])}" if absent else "no row"
        raise EvaluationError("rows to explain a model on must hold its features", found, "give the evaluation rows of its features")
    if value is None:
        brief = rules.model_copy(update={"importance_rows": _ROWS_PERMUTED, "importance_repeats": 1})
        value = importance.measure(rows, model, groups, brief, name, digest)
    sample = importance.thin(rows, _ROWS_ATTRIBUTED, rules.seed)
    sizes = np.abs(attributions(model, *model.preprocessing.encode(sample), typical(model.preprocessing, rows), _STEPS))
    days = Days.draw(sample.get_column("batch_day").to_numpy())
    by_name = {name: bootstrap.mean(sizes[:, i], days) for i, name in enumerate(model.preprocessing.columns)}
    unused = Interval(value=0.0, lower=0.0, upper=0.0)  # a column without spread among the training rows is no input
    effects = [
        FeatureEffect(
            feature=found.feature,
            group=found.group,
            meaning=meanings.get(found.feature, found.feature),
            permutation=found.increase_log_loss,
            attribution=by_name.get(found.feature, unused),
        )
        for found in value.features
    ]
    agreement = rank_correlation([e.permutation.value for e in effects], [e.attribution.value for e in effects])
    log.info("the two methods rank the %d features of %s with a correlation of %.2f", len(effects), name, agreement)
    return GlobalExplanation(
        model_digest=digest, window=value.window, rows=value.rows, days=value.days, features=effects, rank_correlation=agreement
    )


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; 0 where one side has one value only."""
    ranks = [pl.Series(values).rank("average").to_numpy().astype(np.float64) for values in (left, right)]
    centred = [r - r.mean() for r in ranks]
    size = float(np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1])))
    return float(np.clip(centred[0] @ centred[1] / size, -1, 1)) if size > 0 else 0.0


def explain_row(
    row: pl.DataFrame,
    model: NetworkModel,
    start: Typical,
    meanings: Mapping[str, str],
    threshold: float,
    key: str,
    name: str,
    digest: str,
    masked: Collection[str] = (),
) -> LocalExplanation:
    """Say what each feature did to one prediction, on the way from the typical row to this one.

    All contributions and the remainder add up to the difference of the two probabilities' logits. Of a blend the contributions
    are its network's, so that its remainder holds what the trees add.

    Args:
        row: One row: the features, `predicted_at`, `label` (may be null) and the key; shape (1, columns).
        model: The trained network, or a blend.
        start: The typical row.
        meanings: Feature to what it says.
        threshold: From which probability on the model flags a row.
        key: The column of the row's id.
        name: The model's name, with its version.
        digest: The digest of its bundle, for the record.
        masked: Features whose values no report may show.
    """
    numbers, codes = model.preprocessing.encode(row)
    logits = _accurate(model, numbers, codes, start)
    own, usual = (float(model.predict_encoded(*at)[0]) for at in ((numbers, codes), (start.numbers, start.codes)))
    contributions = [
        Contribution(
            feature=feature,
            meaning=meanings.get(feature, feature),
            value="masked" if feature in masked else _shown(row.get_column(feature)[0]),
            typical="masked" if feature in masked else _shown(start.frame.get_column(feature)[0]),
            logits=float(value),
        )
        for feature, value in zip(model.preprocessing.columns, logits, strict=True)
    ]
    contributions.sort(key=lambda c: (-abs(c.logits), c.feature))
    predicted_at: datetime = row.get_column("predicted_at")[0]
    return LocalExplanation(
        row=row.get_column(key)[0],
        predicted_at=predicted_at,
        model=name,
        model_digest=digest,
        probability=own,
        typical_probability=usual,
        threshold=threshold,
        flagged=own >= threshold,
        label=row.get_column("label")[0],
        contributions=contributions,
        remainder=_logit(own) - _logit(usual) - sum(c.logits for c in contributions),
        words=[reason(c) for c in contributions[:_REASONS] if abs(c.logits) >= _LEAST],
    )


def reason(contribution: Contribution) -> str:
    """Return a contribution as a sentence."""
    does = "raises" if contribution.logits > 0 else "lowers"
    compared = "" if contribution.value == contribution.typical else f" (typically {contribution.typical})"  # masked, or alike when rounded
    return f"{contribution.meaning}: {contribution.value}{compared} {does} the risk"


def _accurate(model: NetworkModel, numbers: Floats, codes: Codes, start: Typical) -> Array:
    """Return the attributions of one row, shape (features,), with as many steps as their error asks for."""
    network = _Logit(model.network.eval())
    with torch.no_grad():
        to, of = (float(network(*_embedded(model.network, *at))[0]) for at in ((numbers, codes), (start.numbers, start.codes)))
    steps = _LOCAL_STEPS
    while True:
        found = attributions(model, numbers, codes, start, steps)[0]
        if abs(found.sum() - (to - of)) <= _ERROR or steps >= _MOST_LOCAL_STEPS:
            return found
        steps *= 2


def _logit(probability: float) -> float:
    inside = min(max(probability, _CLIP), 1 - _CLIP)
    return math.log(inside) - math.log1p(-inside)


def _shown(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "missing"
    if not isinstance(value, float):
        return str(value)
    shown = f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown
