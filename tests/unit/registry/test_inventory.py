"""The registry as evidence: versions with their days and aliases, and the searches that are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.artifacts.search import TrialState
from tasks.registry import runs
from tasks.registry.tracking import Tracker
from tasks.registry.versions import Registry
from tests.unit.readiness.house import NAME, House
from tests.unit.registry.test_runs import BETTER, GOOD, search, trial
from tests.unit.registry.versions import register

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, datetime.now(UTC))


def test_an_empty_registry_has_nothing(house: House) -> None:
    found = house.inventory()
    assert (found.versions, found.searches, found.anchors, found.newest, found.of("champion")) == ([], [], {}, None, None)


def test_versions_tell_when_and_of_which_code(house: House) -> None:
    registry = Registry(house.uri, NAME)
    for digest in ("a", "b"):
        register(registry, house.home / "made", digest)
    registry.make_champion(1, None)
    found = house.inventory()
    assert [(v.version, v.aliases) for v in found.versions] == [(1, ["champion"]), (2, ["challenger"])]
    assert found.newest == found.versions[1]
    assert found.of("champion") == found.versions[0]
    assert all(abs(v.registered_at - house.now) < timedelta(minutes=10) for v in found.versions)
    assert all(v.dossier_digest and v.dossier_uri for v in found.versions)


def test_a_search_counts_when_it_is_over_and_its_record_is_there(house: House, caplog: pytest.LogCaptureFixture) -> None:
    tracker = Tracker(house.uri, NAME)
    pruned = trial(1, TrialState.PRUNED, [0.7])
    runs.log_search(tracker, NAME, search(0, GOOD, pruned))
    assert house.inventory().searches == []  # a trial is to come
    tracked = runs.log_search(tracker, NAME, search(2, GOOD, pruned, BETTER))
    (found,) = house.inventory().searches
    assert (found.where, found.trials, found.searched) == (f"MLflow run {tracked.run_id}", 3, ["k"])
    assert found.found == BETTER.config.network
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=10)
    (Path(tracker.client.get_run(tracked.run_id).info.artifact_uri) / "search.json").unlink()
    assert house.inventory().searches == []
    assert f"the search in run {tracked.run_id} cannot be read" in caplog.text
