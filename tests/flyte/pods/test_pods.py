"""Workflows as pods run them, beside the local run: a process a node, its image's packages alone, storage in buckets, no cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.settings import TrainingConfig
from tests.e2e.harness import SMALL, Project, outcome
from tests.flyte.pods import versions
from tests.flyte.pods.cluster import Cluster, cluster
from tests.flyte.pods.environments import Environments
from tests.flyte.pods.literals import comparable
from tests.flyte.pods.package import Package
from tests.flyte.pods.pod import short
from tests.flyte.pods.walker import WorkflowFailed

pytestmark = [
    pytest.mark.flyte,
    # mlflow's and botocore's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AS_OF, NIGHT = datetime(2013, 4, 10, tzinfo=UTC), datetime(2013, 4, 13, 18, tzinfo=UTC)
INGEST, TRAIN = "tasks.ingestion.task.ingest", "tasks.training.task.train_network"
CONFIG = TrainingConfig.model_validate(SMALL)


class Retrained:
    """A cluster on which retrain has run, as the first of its workflows."""

    def __init__(self, made: Cluster, source: str) -> None:
        self.cluster, self.source = made, source
        made.pods.kill_at = {INGEST: "flights: "}
        self.summary = made.launch("workflows.retrain.retrain", as_of=AS_OF, source=source, config=CONFIG)["o0"]
        self.ran = list(made.pods.ran)


@pytest.fixture(scope="module")
def retrained(
    package: Package, environments: Environments, small_source: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Retrained]:
    with cluster(package, environments, tmp_path_factory.mktemp("cluster"), is_warm=True) as made:
        yield Retrained(made, made.lake.put_folder("source", Path(small_source)))


def test_a_node_is_a_pod_of_its_image_and_none_ran_twice(retrained: Retrained, package: Package) -> None:
    done = [ran for ran in retrained.ran if ran.status == 0]
    assert len({ran.task for ran in done}) == len(done) >= 20
    for ran in done:
        assert ran.image == package.tasks[ran.task].container.image
        assert (ran.disk / "root").is_dir()
    assert {ran.image.partition(":")[0] for ran in done} == {"evergreen-data", "evergreen-cpu", "evergreen-gpu"}


def test_an_instance_that_is_lost_costs_an_attempt(retrained: Retrained) -> None:
    """Killed once the flights were written, before it could say so; the next attempt goes on, to the same lake."""
    first, second = [ran for ran in retrained.ran if ran.task == INGEST]
    assert (first.attempt, first.status) == (0, -9)
    assert (second.attempt, second.status) == (1, 0)
    killed, whole = retrained.cluster.pods.logs(INGEST)[:2]
    assert re.search(r"flights: \d+ days read, [1-9]\d* written", killed)
    assert re.search(r"flights: \d+ days read, 0 written", whole), "what was written stays written"
    assert "weather: " in whole


def test_each_pod_leaves_its_deck_beside_its_outputs(retrained: Retrained) -> None:
    pods = retrained.cluster.pods
    for ran in retrained.ran:
        if ran.status == 0:
            deck = pods.bucket.get(f"metadata/{ran.execution}/{ran.path}/{ran.attempt}/deck.html")
            assert deck is not None, ran.task
            assert b"resources" in deck, ran.task


@pytest.fixture(scope="module")
def watched(retrained: Retrained) -> Retrained:
    """The same, with a champion."""
    retrained.cluster.make_champion(1)
    return retrained


def test_batch_scoring_maps_days_to_pods(watched: Retrained) -> None:
    made, before = watched.cluster, len(watched.cluster.pods.ran)
    given: dict[str, Any] = {"first_day": "2013-04-07", "last_day": "2013-04-08", "as_of": AS_OF, "source": watched.source}
    scores = made.launch("workflows.batch_scoring.batch_scoring", **given)["o0"]
    assert [score.day.first_day for score in scores] == [date(2013, 4, day) for day in (7, 8)]
    assert all(score.rows > 0 for score in scores)
    elements = [ran for ran in made.pods.ran[before:] if ran.task == "tasks.serving.task.score_day"]
    assert [ran.path.rpartition("/")[2] for ran in elements] == ["0", "1"]


def test_a_night_ends_in_the_branch_that_its_decision_asks_for(watched: Retrained) -> None:
    made, before = watched.cluster, len(watched.cluster.pods.ran)
    night = made.launch("workflows.monitor.monitor", as_of=NIGHT, source=watched.source, config=CONFIG)
    assert night["outcome"].startswith("nothing done: ")
    (report,) = night["reports"]
    assert report.night == date(2013, 4, 12)
    tasks = [short(ran.task).rpartition(".")[2] for ran in made.pods.ran[before:]]
    assert tasks[-2:] == ["asks_for", "stand_by"]
    assert not {"begin", "roll_back"} & set(tasks), "the other branches do not run"


def test_a_person_approves_what_the_gate_shows(watched: Retrained) -> None:
    made = watched.cluster
    number, dossier = versions.add(made, Verdict.REVIEW)
    given = {"model_version": number, "by": "Ada Example", "reason": "read and sound", "dossier": dossier[:12]}
    made.answers = False
    with pytest.raises(WorkflowFailed, match="nobody approved"):
        made.launch("workflows.promote.review", **given)
    assert made.tasks[-1] == "tasks.registry.task.present"
    made.answers = True
    promoted = made.launch("workflows.promote.review", **given)["o0"]
    assert f"version {number}" in made.shown[-1]
    assert (promoted.version, "champion" in promoted.aliases) == (number, True)
    assert [name.rpartition(".")[2] for name in made.tasks[-3:]] == ["present", "record_approval", "promote"]


def test_a_failure_runs_the_failure_nodes_of_the_plan_and_of_its_caller(retrained: Retrained) -> None:
    """The week calls retraining as an execution of its own; its ingest fails as the user's error: once, with its reason."""
    made, before = retrained.cluster, len(retrained.cluster.pods.ran)
    with pytest.raises(WorkflowFailed, match="nowhere"):
        made.launch("workflows.weekly.weekly", as_of=NIGHT, source="s3://evergreen/nowhere", config=CONFIG)
    ran = made.pods.ran[before:]
    assert [one.task.rpartition(".")[2] for one in ran] == ["claim", "begin", "ingest", "failed", "abandoned"]
    assert [one.status for one in ran] == [0, 0, 1, 0, 0]
    for end in ran[-2:]:  # each was told by Flyte's engine, and ends the claim by it
        assert comparable(end.outputs["o0"]).startswith("failed: "), end.task
        assert "nowhere" in comparable(end.outputs["o0"])


def test_retrain_decides_what_the_local_run_decides(retrained: Retrained, finished: Project) -> None:
    """Data, models to the last digit of their metrics, verdict and reasons; the source has another name there."""
    summary = json.loads(retrained.summary.model_dump_json())
    found = json.dumps(outcome(summary)).replace(retrained.source, finished.source)
    assert json.loads(found) == finished.first
