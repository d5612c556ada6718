"""Evaluate: every model on the same rows, and the decision on the candidate."""

from __future__ import annotations

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.compression import Compression
from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.data_value import FeatureValue, HistoryScores, LearningCurve
from tasks.artifacts.evaluation import Decision, Evaluation
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
def evaluate(
    scored: Scored,
    features: LazyFrame[Features],
    split: Split,
    candidate: TrainedModel,
    baselines: list[TrainedModel],
    incumbent: Incumbent,
) -> Evaluation:
    """Compare all models with intervals over days, overall and by segment; run the deepchecks suite.

    Args:
        scored: Probabilities of every model on the evaluation rows.
        features: The features, for the segments and the suite.
        split: Names the evaluation days.
        candidate: The trained network.
        baselines: LightGBM, logistic regression and the prior.
        incumbent: The champion, or none.
    """
    import polars as pl

    from tasks.clock import labelled_before
    from tasks.evaluation import metrics, suite
    from tasks.reporting import sections
    from tasks.usecase import policy, segments, source

    rows = _evaluation_rows(features, split)
    train = labelled_before(features, split.evaluation.first_day, source.LOCAL_ZONE).collect()
    conditions = suite.run(train, rows, candidate.numeric_features, candidate.categorical_features)
    thresholds = {model.name: model.threshold for model in (candidate, *baselines)}
    evaluation = metrics.evaluate(
        pl.from_pandas(scored),
        rows,
        segments.SEGMENTS,
        thresholds | {metrics.INCUMBENT: incumbent.threshold if incumbent.threshold is not None else candidate.threshold},
        policy.COSTS,
        split.evaluation,
        candidate.bundle_digest,
        incumbent.version,
        conditions,
    )
    publish("evaluation", sections.evaluation(evaluation))
    return evaluation


@stage(resources=LIGHT)
def decide(evaluation: Evaluation, snapshot: DataSnapshot) -> Decision:
    """Judge the candidate: PROMOTE, REVIEW or HOLD, with every threshold, value and reason.

    Args:
        evaluation: All models side by side.
        snapshot: The data that they were trained and evaluated on.
    """
    from tasks.evaluation import gate
    from tasks.reporting import sections
    from tasks.usecase import policy

    decision = gate.decide(evaluation, snapshot.content_hash, policy.PROMOTION)
    publish("decision", sections.decision(decision))
    return decision


@stage()
def value_features(features: LazyFrame[Features], split: Split, network: FlyteDirectory, candidate: TrainedModel) -> FeatureValue:
    """Measure what each feature, and each group of features, is worth to the candidate on the evaluation days.

    Args:
        features: Rows with their label, where known.
        split: Names the evaluation days.
        network: Bundle of the candidate.
        candidate: The trained network.
    """
    from tasks.contracts import describe
    from tasks.evaluation import importance
    from tasks.model.trained import load_network
    from tasks.reporting import data_value
    from tasks.usecase import policy

    described = describe(Features)
    groups: dict[str, list[str]] = {}
    for name in (*candidate.categorical_features, *candidate.numeric_features):
        groups.setdefault(described[name].metadata["group"], []).append(name)
    model = load_network(local_path(network), candidate.bundle_digest)
    rows = _evaluation_rows(features, split)
    value = importance.measure(rows, model, groups, policy.DATA_VALUE, candidate.name, candidate.bundle_digest)
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
    from tasks.reporting import compression as section
    from tasks.usecase import policy, segments

    found = compression.judge(
        _evaluation_rows(features, split),
        Packaged(local_path(original)),
        {Form.INT8: Packaged(local_path(int8)), Form.DISTILLED: Packaged(local_path(distilled))},
        segments.SEGMENTS,
        policy.COMPRESSION,
        split.evaluation,
        model.bundle_digest,
    )
    publish("compression", section.compression(found))
    return found


def _evaluation_rows(features: LazyFrame[Features], split: Split):  # type: ignore[no-untyped-def]  # a polars frame
    from tasks.clock import labelled_in

    return labelled_in(features, split.evaluation.first_day, split.evaluation.last_day).collect()
