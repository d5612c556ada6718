"""The registry as evidence: versions with their days and aliases, and the searches that are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.artifacts.readiness import Inventory
from tasks.artifacts.search import TrialState
from tasks.registry import inventory, runs
from tasks.registry.tracking import Tracker
from tasks.registry.versions import Registry
from tests.unit.registry.test_runs import BETTER, GOOD, search, trial
from tests.unit.registry.versions import register

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('inventory') / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str, request: pytest.FixtureRequest) -> Registry:
    """A model of the test's own."""
    return Registry(uri, request.node.name)


def taken(registry: Registry, uri: str) -> Inventory:
    return inventory.take(registry, Tracker(uri, registry.name))


def test_an_empty_registry_has_nothing(registry: Registry, uri: str) -> None:
    found = taken(registry, uri)
    assert (found.versions, found.searches, found.anchors, found.newest, found.of("champion")) == ([], [], {}, None, None)


def test_versions_tell_when_and_of_which_code(registry: Registry, uri: str, tmp_path: Path) -> None:
    for digest in ("a", "b"):
        register(registry, tmp_path, digest)
    registry.make_champion(1, None)
    found = taken(registry, uri)
    assert [(v.version, v.aliases) for v in found.versions] == [(1, ["champion"]), (2, ["challenger"])]
    assert found.newest == found.versions[1]
    assert found.of("champion") == found.versions[0]
    assert all(abs(v.registered_at - datetime.now(UTC)) < timedelta(minutes=10) for v in found.versions)
    assert all(v.dossier_digest and v.dossier_uri for v in found.versions)


def test_a_search_counts_when_it_is_over_and_its_record_is_there(registry: Registry, uri: str, caplog: pytest.LogCaptureFixture) -> None:
    tracker = Tracker(uri, registry.name)
    pruned = trial(1, TrialState.PRUNED, [0.7])
    runs.log_search(tracker, registry.name, search(0, GOOD, pruned))
    assert taken(registry, uri).searches == []  # a trial is to come
    tracked = runs.log_search(tracker, registry.name, search(2, GOOD, pruned, BETTER))
    (found,) = taken(registry, uri).searches
    assert (found.where, found.trials, found.searched) == (f"MLflow run {tracked.run_id}", 3, ["k"])
    assert found.found == BETTER.config.network
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=10)
    (Path(tracker.client.get_run(tracked.run_id).info.artifact_uri) / "search.json").unlink()
    assert taken(registry, uri).searches == []
    assert f"the search in run {tracked.run_id} cannot be read" in caplog.text
