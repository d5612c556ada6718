"""Serving: what the service reads, what it is checked by, how a model reaches it, and what becomes of its predictions."""

from __future__ import annotations

from typing import Annotated

from flytekit import HashMethod
from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.data import DataSnapshot, TableDay
from tasks.artifacts.registry import Incumbent, RegisteredModel
from tasks.artifacts.serving import BatchScores, CanaryReport, Collected, Deployable, Mode, Routing, ServiceCheck, State
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import local_path
from tasks.execution import LIGHT, lake_uri, publish, serving_folder, stage
from tasks.frames import LazyFrame, Scores, rows_hash
from tasks.usecase import policy
from tasks.usecase.features import Features

# --- data: the online state, batch scores, the prediction log ---------------------------------------------------------


@stage(cached=False, resources=LIGHT)
def publish_state(snapshot: DataSnapshot) -> State:
    """Publish what the features of single rows are made from, as known at the snapshot's clock, for the service.

    Args:
        snapshot: Validated data.
    """
    from datetime import UTC, timedelta
    from zoneinfo import ZoneInfo

    from tasks.contracts import describe, main_table, sensitive
    from tasks.lake.snapshots import read_snapshot
    from tasks.reporting import predictions
    from tasks.serving import state
    from tasks.usecase import features, source
    from tasks.usecase.contract import TABLES

    as_of = snapshot.as_of if snapshot.as_of.tzinfo else snapshot.as_of.replace(tzinfo=UTC)
    day = as_of.astimezone(ZoneInfo(source.LOCAL_ZONE)).date()
    # What was known early may be a row of the day after.
    known = read_snapshot(snapshot, source.known_by, (day - features.LOOKBACK, day + timedelta(days=1)))
    held = {}
    for table in TABLES:
        hidden, described = sensitive(table.schema), describe(table.schema)
        wanted = [name for name, column in described.items() if column.metadata["role"] != "other" and name not in hidden]
        if wanted:
            held[table.name] = known[table.name].select(wanted).sort([name for name in table.key if name in wanted]).collect()
    published = state.publish(serving_folder(), held, as_of, main_table(TABLES).name)
    publish("state", predictions.state(published, policy.NAMES))
    return published


@stage()
def score_day(day: TableDay, version: Incumbent) -> Annotated[LazyFrame[Scores], HashMethod(rows_hash)]:
    """Score all rows of a day, with and without labels, by the package of a version.

    Args:
        day: Where the day's features lie.
        version: A registered version.
    """
    from tasks.contracts import key_of
    from tasks.lake.snapshots import read_day
    from tasks.model.fetch import fetch
    from tasks.rows import require
    from tasks.serving import batch
    from tasks.serving.predictor import Predictor

    assert version.bundle_uri is not None  # `find_version` gives one that is there
    assert version.version is not None
    predictor = Predictor(fetch(version.bundle_uri), version.bundle_digest)
    key = key_of(Features)
    rows = read_day(day).select(list(Features.to_schema().columns)).sort("predicted_at", key)
    require(rows.lazy(), Features, day.uri)
    return batch.score_day(rows, predictor, version.version, key).lazy()  # type: ignore[return-value]  # the edge gives it its schema


@stage(cached=False, resources=LIGHT)
def write_day(scores: LazyFrame[Scores], version: Incumbent) -> BatchScores:
    """Write a scored day to the lake, in the place of what the same version had for it, beside others who write other days.

    Not cached, unlike the scores: it writes again what may have been removed since.

    Args:
        scores: The day.
        version: The version that scored it.
    """
    from tasks.serving import batch

    assert version.version is not None
    assert version.bundle_digest is not None
    return batch.write(lake_uri(), scores.collect(), version.version, version.bundle_digest)


@stage(cached=False, resources=LIGHT)
def conclude_scores(written: list[BatchScores]) -> list[BatchScores]:
    """Tell which days were scored.

    Args:
        written: What is in the lake of each day.
    """
    from tasks.reporting import predictions

    publish("scores", predictions.scores(written, policy.NAMES))
    return written


@stage(cached=False)
def collect(features: LazyFrame[Features]) -> Collected:
    """Bring the prediction log and the clients' outcomes into the lake, and join what came by the source.

    Args:
        features: All rows known by then, with their labels.
    """
    from datetime import timedelta

    from tasks.contracts import columns, key_of
    from tasks.reporting import predictions
    from tasks.serving import collect as collecting
    from tasks.serving.lines import Columns

    key, after = key_of(Features), timedelta(hours=policy.LABELS_COMPLETE_AFTER_HOURS)
    taken = Columns(columns(Features, "numeric"), columns(Features, "categorical"), key)
    found = collecting.collect(lake_uri(), serving_folder(), taken, features.select(key, "label", "label_known_at"), after)
    publish("predictions", predictions.collected(found.record, found.by_day.rows(), found.unknown))
    return found.record


@stage(cached=False, resources=LIGHT)
def judge_rollout(collected: Collected) -> CanaryReport:
    """Record in the audit trail what the service did by itself, and drop a canary that is worse than the champion by what came.

    Args:
        collected: What was collected before; the lake is read after it is there.
    """
    from datetime import UTC, datetime

    from tasks.reporting import predictions
    from tasks.serving import compare, events
    from tasks.usecase import source

    by, now = f"{__name__}.judge_rollout", datetime.now(UTC)
    try:
        events.record(lake_uri(), serving_folder() / "events", policy.MODEL_NAME)
        events.reconcile(lake_uri(), serving_folder(), policy.MODEL_NAME)
    finally:  # a canary that is worse goes back even where it cannot be told
        report = compare.judge(lake_uri(), serving_folder(), policy.MODEL_NAME, policy.SERVICE.guard, source.LOCAL_ZONE, by, now)
        publish("rollout", predictions.rollout(report))
    return report


# --- validation: the Bento as a server, before it is trusted ----------------------------------------------------------


@stage()
def validate_service(
    bento: FlyteDirectory, tag: str, network: FlyteDirectory, model: TrainedModel, features: LazyFrame[Features], split: Split
) -> ServiceCheck:
    """Start the Bento where its own requirements alone can be imported; compare it with the training code, and try its limits.

    Args:
        bento: The Bento.
        tag: Its tag.
        network: Bundle of the trained network.
        model: What is known of it.
        features: Where the golden rows come from.
        split: Names the evaluation days, from which they are taken.
    """
    import tempfile
    from pathlib import Path

    from tasks.clock import labelled_in
    from tasks.model import bundle
    from tasks.model.trained import load_network
    from tasks.reporting import sections
    from tasks.serving import probe, requirements

    folder = local_path(bento)
    bundle.verify(folder)
    trained = load_network(local_path(network), model.bundle_digest)
    known = labelled_in(features, split.evaluation.first_day, split.evaluation.last_day).collect()
    golden = known.sample(min(policy.GOLDEN_ROWS, known.height), seed=model.seed)
    read = golden.select(*model.numeric_features, *model.categorical_features)
    with tempfile.TemporaryDirectory() as scratch:
        python = requirements.environment(folder / "src" / "requirements.txt", Path(scratch) / "environment")
        check = probe.probe(folder, tag, python, read, trained.predict(golden), policy.PACKAGE_TOLERANCE, policy.SERVICE, policy.NAMES)
    publish("service", sections.service(check))
    return check


# --- rollout: who answers whom ----------------------------------------------------------------------------------------


@stage(cached=False, resources=LIGHT)
def roll_out(deployable: Deployable | None, mode: Mode, share: float, by: str, reason: str) -> Routing:
    """Take a step of a rollout: a row of the audit trail, then the pointer that the service's workers follow.

    Args:
        deployable: The version; none for an abort.
        mode: The step.
        share: Of the entities that a canary answers; 0 for other steps.
        by: Who answers for it; empty for the name of the operating system's user.
        reason: Why, for the audit trail.
    """
    import getpass
    from datetime import UTC, datetime

    from tasks.model.fetch import fetch
    from tasks.reporting import routing as section
    from tasks.serving import rollout

    package = None if deployable is None else fetch(deployable.package_uri)
    record = rollout.recorder(lake_uri(), policy.MODEL_NAME)
    folder, who, now = serving_folder(), by or getpass.getuser(), datetime.now(UTC)
    stands = rollout.advance(folder, deployable, package, mode, share, who, reason, now, record)
    publish("routing", section.routing(policy.MODEL_NAME, stands))
    return stands


@stage(cached=False, resources=LIGHT)
def follow(registered: RegisteredModel, deployable: Deployable | None, by: str, reason: str) -> RegisteredModel:
    """Let a version that was brought back in the registry answer all, if anything is routed from the serving folder.

    Args:
        registered: The version, as the registry has it now.
        deployable: The same, as it may be routed to.
        by: Who answers for it; empty for the name of the operating system's user.
        reason: Why it is brought back.
    """
    import getpass
    from datetime import UTC, datetime

    from tasks.model.fetch import fetch
    from tasks.reporting import routing as section
    from tasks.serving import rollout

    assert deployable is not None  # of a version there is one
    record = rollout.recorder(lake_uri(), policy.MODEL_NAME)
    who, package, now = by or getpass.getuser(), fetch(deployable.package_uri), datetime.now(UTC)
    stands = rollout.follow(serving_folder(), deployable, package, who, reason, now, record)
    if stands is not None:
        publish("routing", section.routing(policy.MODEL_NAME, stands))
    return registered
