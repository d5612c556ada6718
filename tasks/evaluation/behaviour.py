"""Behaviour of a trained model: what it must do under changed rows, whatever its log-loss.

After Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models with CheckList" (ACL 2020): invariances, directions and
minimum functionality, for rows of features; beside them robustness to noise and to hostile steps. What must hold is declared as
data by the use case; here it is done to rows and counted, for any model that predicts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.behaviour import (
    Behaviour,
    BehaviourKind,
    BehaviourLimit,
    BehaviourResult,
    BehaviourRules,
    Changed,
    Expectation,
    Hostile,
    Rare,
    Rebuilt,
)
from tasks.artifacts.record import Window
from tasks.errors import EvaluationError
from tasks.evaluation.importance import thin
from tasks.evidence.bootstrap import Array
from tasks.model.loss import row_log_loss
from tasks.model.preprocessing import Codes, Floats
from tasks.model.trained import NetworkModel, Predictor

log = logging.getLogger(__name__)

_NO_LIMIT = BehaviourLimit(tolerance=0, least_share=None)
_VISIBLE = 0.0005  # what three decimals show of a move
_DAY, _LABEL, _FLAGGED_FROM = "batch_day", "label", "__flagged_from"
_ROWS_AT_ONCE = 512  # of a pass with gradients: activations that a core's cache holds


@dataclass(frozen=True)
class Examined:
    """A model and the rows that it is examined on.

    Attributes:
        rows: All labelled evaluation rows.
        model: The trained model.
        thresholds: From which probability on it flags each row of the sample, shape (n,).
        key: The column by which a row is named in an example; no sensitive one.
        twins: Name of a `Rebuilt` expectation to its rows, with the same keys.
        sample: A like share of each day, of which most tests are.
        probabilities: The model's, on the sample, shape (n,).
        seed: Of the noise.
    """

    rows: pl.DataFrame
    model: Predictor
    thresholds: Array
    key: str
    twins: Mapping[str, pl.DataFrame]
    sample: pl.DataFrame
    seed: int
    probabilities: Array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", self.model.predict(self.sample))


@dataclass(frozen=True)
class _Outcome:
    """What came of one expectation, a row each, all of shape (n,): how far it goes against it, and the example's words."""

    against: Array
    passed: npt.NDArray[np.bool_]
    keys: pl.Series
    words: Sequence[tuple[float, float]]


def examine(
    rows: pl.DataFrame,
    model: Predictor,
    threshold: float | Array,
    expectations: Sequence[Expectation],
    rules: BehaviourRules,
    digest: str,
    key: str,
    twins: Mapping[str, pl.DataFrame] | None = None,
) -> Behaviour:
    """Examine a model by every expectation.

    Args:
        rows: Labelled evaluation rows: the features, `batch_day`, `label` and the key.
        model: The trained model; a `Hostile` expectation needs a network, or a blend with one.
        threshold: From which probability on it flags a row: one, or one a row of shape (n,).
        expectations: What must hold.
        rules: Rows, and the limit of each expectation; one without a limit is told and does not hold.
        digest: The digest of its bundle, for the record.
        key: The column by which a row is named; no sensitive one.
        twins: Name of each `Rebuilt` expectation to rows made again, with the same keys.

    Returns:
        A result for each expectation, in their order.

    Raises:
        EvaluationError: If there is no row, a declared feature is not there, a `Rebuilt` expectation has no rows, a `Hostile`
            one no network, or a `Rare` one no row beyond its quantile.
    """
    made = dict(twins or {})
    _require(rows, model, expectations, key, made)
    sample = thin(rows.with_columns(pl.Series(_FLAGGED_FROM, np.broadcast_to(threshold, rows.height))), rules.rows, rules.seed)
    examined = Examined(rows, model, sample.get_column(_FLAGGED_FROM).to_numpy(), key, made, sample.drop(_FLAGGED_FROM), rules.seed)
    results = [_result(test, rules.limits.get(test.name, _NO_LIMIT), examined) for test in expectations]
    log.info("%d of %d tests of behaviour hold", sum(result.holds for result in results), len(results))
    window = Window(first_day=rows.get_column(_DAY).min(), last_day=rows.get_column(_DAY).max())  # type: ignore[arg-type]
    return Behaviour(model_digest=digest, window=window, results=results)


def _require(
    rows: pl.DataFrame, model: Predictor, expectations: Sequence[Expectation], key: str, twins: Mapping[str, pl.DataFrame]
) -> None:
    """Raise if what is asked for cannot be examined on these rows; all reasons at once."""
    wrong = [] if rows.height else ["no row"]
    needed = dict.fromkeys([_DAY, _LABEL, key, *(name for test in expectations for name in test.columns)])
    absent = [name for name in needed if name not in rows.columns]
    if absent:
        wrong.append(f"no column {', '.join(absent[:10])}{f' and {len(absent) - 10} more' if len(absent) > 10 else ''}")
    for test in expectations:
        if isinstance(test, Rebuilt) and (test.name not in twins or not twins[test.name].height):
            wrong.append(f"no rows made again for {test.name!r}")
        if isinstance(test, Hostile) and not isinstance(model, NetworkModel):
            wrong.append(f"a {type(model).__name__}, which has no gradient, for {test.name!r}")
    if wrong:
        mend = "declare expectations in tasks/usecase/behaviour.py of features that the rows have, or mend the rows"
        raise EvaluationError("rows for tests of behaviour must have what the tests look at", "; ".join(wrong), mend)


def _result(test: Expectation, limit: BehaviourLimit, examined: Examined) -> BehaviourResult:
    match test:
        case Rebuilt():
            found = _rebuilt(test, limit.tolerance, examined)
        case Changed():
            found = _changed(test, limit.tolerance, examined)
        case Hostile():
            found = _hostile(test, limit.tolerance, examined)
        case Rare():
            found = _rare(test, limit.tolerance, examined)
        case _:
            raise EvaluationError("an expectation must be of a known kind", type(test).__name__, "use one of tasks/artifacts/behaviour.py")
    worst = int(np.argmax(found.against))
    before, after = found.words[worst]
    said = f"{found.keys[worst]}: " + (
        f"log-loss {after:.3f} where guessing has {before:.3f}"
        if test.kind == BehaviourKind.MINIMUM
        else f"{before:.3f} became {after:.3f}"
    )
    return BehaviourResult(
        name=test.name,
        kind=test.kind,
        meaning=test.meaning.replace("{tolerance}", f"{limit.tolerance:g}"),
        rows=len(found.against),
        passed=int(found.passed.sum()),
        least_share=limit.least_share,
        largest=float(max(found.against[worst], 0.0)),
        example=said if found.against[worst] > _VISIBLE else "",
    )


def _compared(kind: BehaviourKind, tolerance: float, keys: pl.Series, before: Array, after: Array) -> _Outcome:
    """Compare probabilities before and after a change; one that is none any more goes all the way against it."""
    is_probability = _is_probability(after)
    shown = np.where(np.isfinite(after), after, -1.0)  # a record holds finite numbers, and -1 is seen to be no probability
    moved = before - shown if kind == BehaviourKind.DIRECTION else np.abs(shown - before)
    against = np.where(is_probability, moved, 1.0)
    return _Outcome(against, is_probability & (against <= tolerance), keys, np.column_stack([before, shown]).tolist())


def _is_probability(values: Array) -> npt.NDArray[np.bool_]:
    return np.isfinite(values) & (values >= 0) & (values <= 1)


def _rebuilt(test: Rebuilt, tolerance: float, examined: Examined) -> _Outcome:
    """Compare all rows of the days that were made again with their twins; a row without one fails."""
    twins = examined.twins[test.name]
    rows = examined.rows.filter(pl.col(_DAY).is_in(twins.get_column(_DAY).unique().implode()))
    if not rows.height:
        raise EvaluationError(
            f"rows made again for {test.name!r} must be of evaluation days", "other days", "build the features of those days"
        )
    names = pl.DataFrame({examined.key: twins.get_column(examined.key), "again": examined.model.predict(twins)})
    again = rows.select(examined.key).join(names, on=examined.key, how="left", maintain_order="left").get_column("again")
    after = again.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return _compared(test.kind, tolerance, rows.get_column(examined.key), examined.model.predict(rows), after)


def _changed(test: Changed, tolerance: float, examined: Examined) -> _Outcome:
    sample = examined.sample
    generator = np.random.default_rng(examined.seed)

    def noise(name: str) -> pl.Series:
        deviation = sample.get_column(name).cast(pl.Float64).std()
        spread = test.noise * (deviation if isinstance(deviation, float) else 0.0)  # null for a column of one value or none
        return pl.Series(name, spread * generator.standard_normal(sample.height))

    made = [
        *((pl.col(name) + by).clip(upper_bound=test.at_most.get(name, np.inf)).alias(name) for name, by in test.add.items()),
        *(pl.lit(None).alias(name) for name in test.missing),
        *(pl.lit(value).alias(name) for name, value in test.values.items()),
        *((pl.col(name) + noise(name)).alias(name) for name in test.noisy),
    ]
    after = examined.model.predict(sample.with_columns(made).cast({name: sample.schema[name] for name in test.columns}))
    return _compared(test.kind, tolerance, sample.get_column(examined.key), examined.probabilities, after)


def _hostile(test: Hostile, tolerance: float, examined: Examined) -> _Outcome:
    """Take the fast gradient sign step (Goodfellow et al., "Explaining and harnessing adversarial examples", ICLR 2015, section 4).

    The step is taken on the encoded numbers, within the range of the training rows; what was null and the indicators of nulls stay.
    Of a blend the gradient is the network's. A decision that turns with a smaller move than the tolerance is rounding, and passes.
    """
    model, sample = examined.model, examined.sample
    assert isinstance(model, NetworkModel)  # `_require` saw to it
    numbers, codes = model.preprocessing.encode(sample)
    fitted = model.preprocessing.numeric
    signs = _signs(model, numbers, codes, sample.get_column(_LABEL).to_numpy())[:, : len(fitted)]
    is_null = sample.select(pl.col(c.name).fill_nan(None).is_null() for c in fitted).to_numpy()
    lower, upper = (np.array([(getattr(c, end) - c.mean) / c.scale for c in fitted], np.float32) for end in ("lower", "upper"))
    stepped = numbers.copy()
    moved = np.clip(numbers[:, : len(fitted)] + np.float32(test.step) * signs, lower, upper)
    stepped[:, : len(fitted)] = np.where(is_null, numbers[:, : len(fitted)], moved)
    before, after = examined.probabilities, model.predict_encoded(stepped, codes)
    compared = _compared(test.kind, tolerance, sample.get_column(examined.key), before, after)
    turned = (before >= examined.thresholds) != (after >= examined.thresholds)
    return _Outcome(np.where(turned, compared.against, 0.0), ~turned | compared.passed, compared.keys, compared.words)


def _signs(model: NetworkModel, numbers: Floats, codes: Codes, labels: npt.NDArray[np.int8]) -> Floats:
    """Return the sign of the gradient of each row's log-loss by its numeric inputs, shape (n, width)."""
    import torch

    from tasks.model.network import Probability

    network = Probability(model.network).eval()
    found = []
    for start in range(0, len(numbers), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        inputs = torch.from_numpy(numbers[part]).requires_grad_()
        wanted = torch.from_numpy(labels[part].astype(np.float32))
        loss = torch.nn.functional.binary_cross_entropy(network(inputs, torch.from_numpy(codes[part])), wanted, reduction="sum")
        found.append(torch.autograd.grad(loss, inputs)[0].sign().numpy())
    return np.concatenate(found)


def _rare(test: Rare, tolerance: float, examined: Examined) -> _Outcome:
    """Compare the log-loss on the rare rows with that of guessing the share of positives among all rows, day by day.

    Rows of one day share their weather, so that a day passes or fails with all of its rare rows. The guess knows the share of
    these very days, which no model does.
    """
    rows = examined.rows
    beyond = [pl.col(name) > rows.get_column(name).fill_nan(None).quantile(test.quantile) for name in test.extreme]
    rare = rows.filter(pl.any_horizontal(beyond).fill_null(False))
    if not rare.height:
        found = f"none of {rows.height} rows beyond the {test.quantile:.0%} quantile of {', '.join(test.extreme)}"
        raise EvaluationError(f"evaluation rows for {test.name!r} must hold rare ones", found, "choose another feature, or more days")
    labels = rare.get_column(_LABEL).to_numpy()
    prior = rows.get_column(_LABEL).cast(pl.Float64).to_numpy().mean()
    predicted = examined.model.predict(rare)
    predicted = np.where(_is_probability(predicted), predicted, 1 - labels)  # what is none is as wrong as can be
    losses = pl.DataFrame({_DAY: rare.get_column(_DAY), "model": row_log_loss(labels, predicted), "guess": row_log_loss(labels, prior)})
    by_day = losses.select(_DAY, pl.col("model", "guess").mean().over(_DAY))
    against = (by_day.get_column("model") - by_day.get_column("guess")).to_numpy()
    words = by_day.select("guess", "model").rows()
    return _Outcome(against, against <= tolerance, rare.get_column(_DAY).cast(pl.String), words)
