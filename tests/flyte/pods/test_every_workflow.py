"""Every workflow as pods run it, one after the other on one cluster, until every task has run: `make pods`.

The first, retrain, is run by new processes that fetch their code by `pyflyte-fast-execute`; the others by forks of a process that
has imported what every task imports (`warm.py`), which saves half of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.backtest import BacktestRules
from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.search import SearchConfig
from tasks.artifacts.serving import Mode
from tasks.artifacts.settings import TrainingConfig
from tasks.usecase import policy, source
from tasks.usecase.contract import TABLES
from tests.e2e.harness import SMALL
from tests.e2e.test_search import RULES
from tests.feeds import write_feed
from tests.flyte.entities import ROOT, TASKS, WORKFLOWS
from tests.flyte.pods import versions
from tests.flyte.pods.cluster import Cluster, cluster
from tests.flyte.pods.environments import Environments
from tests.flyte.pods.literals import comparable
from tests.flyte.pods.package import Package
from tests.flyte.pods.walker import WorkflowFailed

pytestmark = [
    pytest.mark.pods,
    # mlflow's and botocore's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AS_OF = datetime(2013, 4, 10, tzinfo=UTC)
NIGHT = datetime(2013, 4, 13, 18, tzinfo=UTC)
WEEK = datetime(2013, 4, 15, 18, tzinfo=UTC)
CONFIG = TrainingConfig.model_validate(SMALL)
FLIGHT = "2013-04-08-AA-701-JFK"
FIGURES = ROOT / ".evergreen" / "pods.json"
WALKED: set[str] = set()

INSIDE = {"workflows.challenge.challenge": "evergreen-retrain-on-trigger, launched by weekly"}
"""Workflows that are walked as part of another, by a plan of another name."""


@pytest.fixture(scope="module")
def made(
    package: Package, environments: Environments, small_source: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cluster, dict[str, Any]]]:
    with cluster(package, environments, tmp_path_factory.mktemp("cluster"), is_warm=False) as one:
        yield one, {"source": one.lake.put_folder("source", Path(small_source))}
        FIGURES.parent.mkdir(exist_ok=True)
        one.write_figures(FIGURES)


@pytest.fixture
def walk(made: tuple[Cluster, dict[str, Any]]) -> Any:
    """Launch a workflow; `as_of` stands for clock and source together."""
    one, clock = made

    def launch(name: str, **given: Any) -> Any:
        outputs = one.launch(name, **given, **(clock if "as_of" in given and "source" not in given else {}))
        WALKED.add(name)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    return launch


@pytest.fixture
def one(made: tuple[Cluster, dict[str, Any]]) -> Cluster:
    return made[0]


def test_retrain_by_new_processes(walk: Any, one: Cluster) -> None:
    summary = walk("workflows.retrain.retrain", as_of=AS_OF, config=CONFIG)
    assert summary.registered.version == 1
    one.pods.is_warm = True


@pytest.mark.parametrize("name", ["ingest", "validation", "training", "evaluation", "packaging"])
def test_what_retrain_is_made_of_is_walked_with_it(name: str, package: Package) -> None:
    inside = {sub.id.name for sub in package.workflows["workflows.retrain.retrain"].sub_workflows}
    assert f"workflows.{name}.{name}" in inside
    WALKED.add(f"workflows.{name}.{name}")


def test_the_service_is_given_a_model_and_state(walk: Any, one: Cluster) -> None:
    one.make_champion(1)
    routing = walk("workflows.rollout.rollout", mode=Mode.FULL, model_version=1, by="Ada Example")
    assert (routing.revision, routing.champion.version) == (1, 1)
    assert walk("workflows.serving_state.serving_state", as_of=AS_OF).as_of == AS_OF
    gathered = walk("workflows.collect.collect", as_of=AS_OF)
    assert gathered["collected"].predictions == 0, "there is no service that could have been asked"


def test_days_are_backfilled_and_scored(walk: Any, one: Cluster) -> None:
    one.make_champion(1)
    filled = walk("workflows.backfill.backfill", first_day="2013-04-07", last_day="2013-04-08", as_of=AS_OF)
    assert len(filled["scores"]) == 2
    assert walk("workflows.night.night", as_of=AS_OF) == filled["features"]
    (scored,) = walk("workflows.batch_scoring.batch_scoring", first_day="2013-04-08", last_day="2013-04-08", as_of=AS_OF)
    assert scored.rows == filled["scores"][1].rows


def test_a_night_stands_by(walk: Any, one: Cluster) -> None:
    night = walk("workflows.monitor.monitor", as_of=NIGHT, config=CONFIG)
    assert night["outcome"].startswith("nothing done: ")


def test_a_week_calls_a_challenger_or_stands_aside_or_fails(walk: Any, one: Cluster) -> None:
    with pytest.raises(WorkflowFailed, match="nowhere"):
        walk("workflows.weekly.weekly", as_of=WEEK, source="s3://evergreen/nowhere", config=CONFIG)
    failed, abandoned = one.pods.ran[-2:]
    assert comparable(failed.outputs["o0"]).startswith("failed: ")
    assert comparable(abandoned.outputs["o0"]).startswith("failed: ")
    assert walk("workflows.weekly.weekly", as_of=WEEK, config=CONFIG).startswith("challenger: version 2, ")
    assert walk("workflows.weekly.weekly", as_of=WEEK, config=CONFIG).startswith("nothing done: ")


def test_what_a_person_asks_for(walk: Any, one: Cluster) -> None:
    assert walk("workflows.override.override", rule="volume of flights", by="Ada Example", reason="a strike", day="2013-04-08").rule
    assert walk("workflows.lineage.trace", model_version=1, prediction_id="").version == 1
    assert walk("workflows.upkeep.upkeep", keep_days=1).manifests_kept >= 1
    card = walk("workflows.data_card.data_card", as_of=AS_OF).remote_source.removeprefix(f"{one.pods.bucket.uri}/")
    assert all(one.pods.bucket.get(f"{card}/data_card.{suffix}") for suffix in ("md", "html"))


def test_a_flight_is_explained(walk: Any) -> None:
    assert walk("workflows.explain.explain", as_of=AS_OF, row=FLIGHT, model_version=1).row == FLIGHT


def test_a_version_is_reproduced_to_the_bit(walk: Any) -> None:
    assert walk("workflows.reproduce.reproduce", model_version=1).is_identical


def test_studies_of_the_model(walk: Any) -> None:
    assert walk("workflows.data_value.data_value", as_of=AS_OF, config=CONFIG)["history"].points
    assert walk("workflows.compression.compress", as_of=AS_OF, config=CONFIG)["compression"].forms
    assert walk("workflows.mitigation.mitigation", as_of=AS_OF, config=CONFIG).attribute == "air service"


def test_a_search_tells_what_it_found(walk: Any) -> None:
    found = walk("workflows.search.search", as_of=AS_OF, config=CONFIG, rules=SearchConfig.model_validate(RULES))
    assert len(found["search"].trials) == RULES["trials"]


def test_a_backtest_compares_policies(walk: Any) -> None:
    rules: BacktestRules = policy.BACKTEST.model_copy(
        update={"start_every_days": 7, "cadences": [1, 2], "phases": 1, "random_schedules": 100}
    )
    found = walk("workflows.backtest.backtest", as_of=AS_OF + timedelta(days=9), config=CONFIG, rules=rules)
    assert found.policies


def test_promotion_approval_rollback_step_back_and_audit(walk: Any, one: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(one.pods.settings, "EVERGREEN_SERVING", str(tmp_path / "serving"))
    # Last but for the score: no service and no night could load what these versions hold.
    good, _ = versions.add(one, Verdict.PROMOTE)
    assert "champion" in walk("workflows.promote.promote", model_version=good).aliases
    held, dossier = versions.add(one, Verdict.REVIEW)
    one.answers = True
    approved = walk("workflows.promote.review", model_version=held, by="Ada Example", reason="read and sound", dossier=dossier)
    assert (approved.version, "champion" in approved.aliases) == (held, True)
    back = walk("workflows.rollback.rollback", to=good, by="Ada Example", reason="worse than before")
    assert (back.version, "champion" in back.aliases) == (good, True)
    assert f"version {held} is champion again" in walk("workflows.step_back.step_back", to=held, reason="decay")
    assert walk("workflows.audit.audit").is_whole


def test_a_lake_is_filled_in_blocks(walk: Any, one: Cluster, small_source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_feed(tmp_path / "feed", {table.name: source.read(small_source, table) for table in TABLES})
    feed = one.lake.put_folder("feed", tmp_path / "feed")
    monkeypatch.setitem(one.pods.settings, "EVERGREEN_LAKE", f"{one.lake.uri}/loaded")
    loaded = walk("workflows.load.load", as_of=AS_OF, source=feed)
    assert loaded == walk("workflows.night.night", as_of=AS_OF, source=feed), "nothing is left to do"


def test_an_installation_is_scored(walk: Any) -> None:
    assert len(walk("workflows.ml_test_score.ml_test_score").sections) == 4


def test_every_workflow_was_walked() -> None:
    """Sub-workflows within others too: a walk of retrain is one of settle."""
    assert set(WORKFLOWS) - WALKED - {"workflows.promote.settle"} == set(INSIDE)


def test_every_task_has_run_to_its_end(one: Cluster) -> None:
    assert set(TASKS) - set(one.tasks) == set()
