"""Evaluate: every model on the same rows, and the candidate by segment, by group, under odd inputs, and explained."""

from __future__ import annotations

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.compression import Compression
from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.data_value import FeatureValue, HistoryScores, LearningCurve
from tasks.artifacts.evaluation import Evaluation
from tasks.artifacts.explanation import GlobalExplanation, LocalExplanation
from tasks.artifacts.fairness import Fairness, Mitigation
from tasks.artifacts.registry import Incumbent
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import local_path
from tasks.execution import LIGHT, publish, stage
from tasks.frames import LazyFrame, Scored
from tasks.usecase.features import Features


@stage()
def score(features: LazyFrame[Features], split: Split, network: FlyteDirectory, baselines: FlyteDirectory, incumbent: Incumbent) -> Scored:
    """Score the evaluation rows with the candidate, the baselines and the champion.

    Args:
        features: Rows with their label, where known.
        split: Names the evaluation days.
        network: Bundle of the candidate.
        baselines: Bundle of the baselines.
        incumbent: The champion, or none.
    """
    from tasks.evaluation import scoring
    from tasks.model.bundle import verify
    from tasks.model.fetch import fetch

    rows = _evaluation_rows(features, split)
    champion = None
    if incumbent.bundle_uri is not None:
        champion = fetch(incumbent.bundle_uri)
        verify(champion, incumbent.bundle_digest)
    return scoring.score(rows, local_path(network), local_path(baselines), champion).to_pandas()


@stage()
def explain_model(features: LazyFrame[Features], split: Split, network: FlyteDirectory, candidate: TrainedModel) -> GlobalExplanation:
    """Say which features matter to the candidate: by permuting them, and by integrated gradients.

    Args:
        features: Rows with their label, where known.
        split: Names the evaluation days.
        network: Bundle of the candidate.
        candidate: What is known of it.
    """
    from tasks.evaluation import explanation
    from tasks.model.trained import load_network
    from tasks.reporting import explanation as section
    from tasks.usecase import policy

    model = load_network(local_path(network), candidate.bundle_digest)
    rows = _evaluation_rows(features, split)
    groups, digest = _groups(candidate), candidate.bundle_digest
    found = explanation.explain(rows, model, _meanings(), groups, policy.DATA_VALUE, candidate.name, digest)
    publish("explanation", section.explanation(found))
    return found


@stage()
def evaluate(
    scored: Scored,
    features: LazyFrame[Features],
    split: Split,
    candidate: TrainedModel,
    baselines: list[TrainedModel],
    incumbent: Incumbent,
    explanation: GlobalExplanation,
) -> Evaluation:
    """Compare all models with intervals over days, overall and by segment; search weak segments; run the deepchecks suite.

    Args:
        scored: Probabilities of every model on the evaluation rows.
        features: The features, for the segments and the suite.
        split: Names the evaluation days.
        candidate: The trained network.
        baselines: LightGBM, logistic regression and the prior.
        incumbent: The champion, or none.
        explanation: Which features matter to the candidate: weak segments are searched by these.
    """
    import polars as pl

    from tasks.clock import labelled_before
    from tasks.evaluation import metrics, suite, weak_segments
    from tasks.evidence import slices
    from tasks.reporting import judgement
    from tasks.usecase import policy, segments, source

    rows = _evaluation_rows(features, split)
    train = labelled_before(features, split.evaluation.first_day, source.LOCAL_ZONE).collect()
    slices.require_matched(segments.SEGMENTS, rows, train)
    numeric, categorical = candidate.numeric_features, candidate.categorical_features
    conditions = suite.run(train, rows, numeric, categorical)
    probabilities = pl.from_pandas(scored)
    metrics.require_aligned(probabilities, rows)
    matters = {effect.feature: effect.attribution.value for effect in explanation.features}
    predicted = probabilities.get_column(metrics.CANDIDATE).to_numpy()
    weak = weak_segments.find(rows, predicted, numeric, categorical, matters, policy.SEGMENT_RULES)
    thresholds = {model.name: model.threshold for model in (candidate, *baselines)}
    by_row = {metrics.CANDIDATE: _thresholds(rows, candidate)}
    if incumbent.threshold is not None:
        thresholds[metrics.INCUMBENT] = incumbent.threshold
        by_row[metrics.INCUMBENT] = _thresholds(rows, incumbent)
    evaluation = metrics.evaluate(
        probabilities,
        slices.masks(rows, slices.declared(rows, segments.SEGMENTS, segments.BY_VALUE)),
        thresholds,
        policy.COSTS,
        policy.SEGMENT_RULES,
        split.evaluation,
        candidate.bundle_digest,
        incumbent.version,
        conditions,
        weak,
        by_row,
    )
    publish("evaluation", judgement.evaluation(evaluation))
    return evaluation


@stage()
def assess_fairness(scored: Scored, features: LazyFrame[Features], split: Split, candidate: TrainedModel) -> Fairness:
    """Measure how the candidate's decisions treat the groups of every sensitive attribute.

    Args:
        scored: Probabilities of every model on the evaluation rows.
        features: The features, for the groups.
        split: Names the evaluation days.
        candidate: The trained network, with its thresholds.
    """
    import polars as pl

    from tasks.evaluation import fairness, metrics
    from tasks.evidence.bootstrap import Days
    from tasks.reporting import fairness as section
    from tasks.usecase import policy, segments

    rows, probabilities = _evaluation_rows(features, split), pl.from_pandas(scored)
    metrics.require_aligned(probabilities, rows)
    found = fairness.measure(
        rows,
        probabilities.get_column("label").to_numpy(),
        probabilities.get_column(metrics.CANDIDATE).to_numpy(),
        _thresholds(rows, candidate),
        Days.draw(rows.get_column("batch_day").to_numpy()),
        segments.SENSITIVE,
        policy.FAIRNESS,
        policy.COSTS,
        split.evaluation,
        candidate.bundle_digest,
    )
    publish("fairness", section.fairness(found, policy.FAIRNESS))
    return found


@stage()
def examine_behaviour(
    features: LazyFrame[Features], snapshot: DataSnapshot, split: Split, network: FlyteDirectory, candidate: TrainedModel
) -> Behaviour:
    """Examine the candidate under inputs that are renamed, shifted, missing, unseen, noisy, hostile or rare.

    Args:
        features: Rows with their label, where known.
        snapshot: The raw data, for features of renamed rows.
        split: Names the evaluation days.
        network: Bundle of the candidate.
        candidate: What is known of it.
    """
    from tasks.contracts import key_of
    from tasks.evaluation import behaviour
    from tasks.lake.snapshots import read_snapshot
    from tasks.model.trained import load_network
    from tasks.reporting import behaviour as section
    from tasks.usecase import behaviour as expected
    from tasks.usecase import policy, source
    from tasks.usecase.features import LOOKBACK

    rows = _evaluation_rows(features, split)
    day = rows.get_column("batch_day").max()  # the newest one with a label
    twins = expected.renamed(read_snapshot(snapshot, source.known_by, (day - LOOKBACK, day)), (day, day))
    found = behaviour.examine(
        rows,
        load_network(local_path(network), candidate.bundle_digest),
        _thresholds(rows, candidate),
        expected.EXPECTATIONS,
        policy.BEHAVIOUR,
        candidate.bundle_digest,
        key_of(Features),
        {expected.RENAMED: twins},
    )
    publish("behaviour", section.behaviour(found))
    return found


@stage()
def value_features(features: LazyFrame[Features], split: Split, network: FlyteDirectory, candidate: TrainedModel) -> FeatureValue:
    """Measure what each feature, and each group of features, is worth to the candidate on the evaluation days.

    Args:
        features: Rows with their label, where known.
        split: Names the evaluation days.
        network: Bundle of the candidate.
        candidate: The trained network.
    """
    from tasks.evaluation import importance
    from tasks.model.trained import load_network
    from tasks.reporting import data_value
    from tasks.usecase import policy

    model = load_network(local_path(network), candidate.bundle_digest)
    rows = _evaluation_rows(features, split)
    value = importance.measure(rows, model, _groups(candidate), policy.DATA_VALUE, candidate.name, candidate.bundle_digest)
    publish("feature value", data_value.features(value))
    return value


@stage(resources=LIGHT)
def judge_history(scores: HistoryScores) -> LearningCurve:
    """Judge whether more history would help.

    Args:
        scores: LightGBM after training on growing shares of the history.
    """
    from tasks.evaluation import learning_curve
    from tasks.reporting import data_value
    from tasks.usecase import policy

    curve = learning_curve.judge(scores, policy.DATA_VALUE)
    publish("learning curve", data_value.learning_curve(curve))
    return curve


@stage()
def judge_compression(
    features: LazyFrame[Features],
    split: Split,
    model: TrainedModel,
    original: FlyteDirectory,
    int8: FlyteDirectory,
    distilled: FlyteDirectory,
) -> Compression:
    """Measure the smaller forms of the network beside it, and refuse those that give up too much anywhere.

    Args:
        features: Rows with their label, where known.
        split: Names the evaluation days.
        model: What is known of the trained network.
        original: Its package.
        int8: Its package in int8.
        distilled: The package of the small network that learnt from it.
    """
    from tasks.artifacts.compression import Form
    from tasks.evaluation import compression
    from tasks.evaluation.packaged import Packaged
    from tasks.evidence import slices
    from tasks.reporting import compression as section
    from tasks.usecase import policy, segments

    rows = _evaluation_rows(features, split)
    found = compression.judge(
        rows,
        Packaged(local_path(original)),
        {Form.INT8: Packaged(local_path(int8)), Form.DISTILLED: Packaged(local_path(distilled))},
        slices.declared(rows, segments.SEGMENTS, segments.BY_VALUE),
        policy.COMPRESSION,
        split.evaluation,
        model.bundle_digest,
    )
    publish("compression", section.compression(found))
    return found


@stage()
def compare_mitigations(
    features: LazyFrame[Features],
    split: Split,
    attribute: str,
    network: FlyteDirectory,
    model: TrainedModel,
    reweighed: FlyteDirectory,
    reweighed_model: TrainedModel,
) -> Mitigation:
    """Compare ways to less difference between groups: none, reweighing, and thresholds by group.

    Args:
        features: Rows with their label, where known.
        split: Names the evaluation days.
        attribute: Name of the sensitive attribute.
        network: Bundle of the network as it is.
        model: What is known of it, with thresholds by group.
        reweighed: Bundle of the network that was trained on reweighed rows.
        reweighed_model: What is known of that.
    """
    from tasks.evaluation import mitigation
    from tasks.model.groups import required
    from tasks.model.trained import load_network
    from tasks.reporting import fairness
    from tasks.usecase import policy, segments

    found = mitigation.judge(
        _evaluation_rows(features, split),
        load_network(local_path(network), model.bundle_digest),
        model,
        load_network(local_path(reweighed), reweighed_model.bundle_digest),
        reweighed_model,
        required(attribute, segments.SENSITIVE),
        policy.FAIRNESS,
        policy.COSTS,
        split.evaluation,
    )
    publish("mitigation", fairness.mitigation(found))
    return found


@stage(cached=False)
def explain_row(features: LazyFrame[Features], version: Incumbent, row: str) -> LocalExplanation:
    """Say why a row got its probability from a version; print the reasons, and write them to a page.

    Args:
        features: All rows known by then.
        version: A registered version.
        row: Its key.
    """
    from rich.console import Console

    from tasks import local
    from tasks.contracts import key_of, sensitive
    from tasks.evaluation import explanation, lookup
    from tasks.model.fetch import fetch
    from tasks.model.trained import load_network, require_features
    from tasks.reporting import explanation as section
    from tasks.reporting.page import page
    from tasks.usecase import policy

    assert version.bundle_uri is not None  # `find_version` gives one that is there
    assert version.bundle_digest is not None
    key = key_of(Features)
    found_row = lookup.pick(features, key, row)
    model = load_network(fetch(version.bundle_uri), version.bundle_digest)
    require_features(model, found_row.columns, f"version {version.version}")
    found = explanation.explain_row(
        found_row,
        model,
        explanation.typical(model.preprocessing, features),
        _meanings(),
        float(_thresholds(found_row, version)[0]),
        key,
        f"{policy.MODEL_NAME} version {version.version}",
        version.bundle_digest,
        sensitive(Features),
    )
    html = section.local(found)
    if not local.is_pod():  # whose disk goes with it; there, the Deck has it
        path = local.home() / "explanations" / f"{row}-version-{version.version}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(f"Why {row}", html))
        Console().print(f"  {path}", markup=False, highlight=False, soft_wrap=True)  # the reasons are what `pyflyte run` prints
    publish("explanation", html)
    return found


def _thresholds(rows, model: TrainedModel | Incumbent):  # type: ignore[no-untyped-def]  # a polars frame; an array
    """Return from which probability a model flags each row, shape (n,)."""
    from tasks.model.groups import row_thresholds

    assert model.threshold is not None
    return row_thresholds(rows, model.threshold, model.grouping, model.group_thresholds)


def _groups(candidate: TrainedModel) -> dict[str, list[str]]:
    """Return group to the features of it that the candidate has."""
    from tasks.contracts import grouped

    return grouped(Features, (*candidate.categorical_features, *candidate.numeric_features))


def _meanings() -> dict[str, str]:
    """Return feature to what it says."""
    from tasks.contracts import describe

    return {name: column.description for name, column in describe(Features).items() if column.description}


def _evaluation_rows(features: LazyFrame[Features], split: Split):  # type: ignore[no-untyped-def]  # a polars frame
    from tasks.clock import labelled_in

    return labelled_in(features, split.evaluation.first_day, split.evaluation.last_day).collect()
