"""A real MLflow on sqlite: runs under an identity, whatever stopped the logging of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.errors import RegistryError
from tasks.registry.tracking import Entry, Point, Tracker

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ENTRY = Entry(
    identity="one",
    name="a name",
    tags={"purpose": "test"},
    parameters={"k": 8, "network.learning_rate": 0.003},
    points=[Point("loss", 0.5, 1), Point("loss", 0.4, 2), Point("auc", 0.7)],
    documents={"config.json": "{}"},
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"


@pytest.fixture
def tracker(uri: str, request: pytest.FixtureRequest) -> Tracker:
    """An experiment of the test's own."""
    return Tracker(uri, request.node.name)


def runs(tracker: Tracker) -> dict[str, str]:
    """Return the runs of the experiment with their status."""
    experiment = tracker.client.get_experiment_by_name(tracker.experiment)
    return {run.info.run_id: run.info.status for run in tracker.client.search_runs([experiment.experiment_id])}


def curve(tracker: Tracker, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in tracker.client.get_metric_history(run_id, name)]


def test_a_run_holds_what_it_was_given(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("weights")
    parent = tracker.log(replace(ENTRY, folders={"package": tmp_path}))
    child = tracker.log(replace(ENTRY, identity="two"), parent=parent.info.run_id)
    assert (parent.info.run_name, parent.info.status) == ("a name", "FINISHED")
    assert parent.data.params == {"k": "8", "network.learning_rate": "0.003"}
    assert parent.data.metrics == {"loss": 0.4, "auc": 0.7}
    assert curve(tracker, parent.info.run_id, "loss") == [(1, 0.5), (2, 0.4)]
    folder = Path(parent.info.artifact_uri)
    assert ((folder / "config.json").read_text(), (folder / "package" / "model").read_text()) == ("{}", "weights")
    assert folder.is_relative_to(Path(tracker.uri.removeprefix("sqlite:///")).parent)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_the_same_again_is_the_same_run(tracker: Tracker) -> None:
    first = tracker.log(ENTRY)
    again = tracker.log(ENTRY)
    assert (again.info.run_id, again.info.end_time) == (first.info.run_id, first.info.end_time)
    assert curve(tracker, first.info.run_id, "auc") == [(0, 0.7)]
    assert runs(tracker) == {first.info.run_id: "FINISHED"}


def test_nested_runs_belong_to_their_parent(tracker: Tracker) -> None:
    parents = [tracker.log(replace(ENTRY, identity=name)).info.run_id for name in ("one", "two")]
    nested = [tracker.log(replace(ENTRY, identity="nested"), parent).info.run_id for parent in (*parents, *parents)]
    assert nested[:2] == nested[2:]
    assert len(set(nested)) == 2


@pytest.fixture
def left(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose logging was killed: its numbers are there, its documents are not."""

    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(tracker.client, "log_text", die)
        with pytest.raises(KilledError):
            tracker.log(ENTRY)
    [(run_id, status)] = runs(tracker).items()
    assert status == "RUNNING"
    return run_id


def test_a_run_that_a_kill_left_is_gone_on_with(tracker: Tracker, left: str) -> None:
    run = tracker.log(ENTRY)
    assert (run.info.run_id, run.info.status) == (left, "FINISHED")
    assert (Path(run.info.artifact_uri) / "config.json").is_file()
    assert curve(tracker, left, "loss") == [(1, 0.5), (2, 0.4)]  # each point once


def test_a_run_that_a_kill_left_is_closed_where_it_comes_out_otherwise(tracker: Tracker, left: str) -> None:
    run = tracker.log(replace(ENTRY, parameters={"k": 16}))
    assert run.data.params == {"k": "16"}
    assert runs(tracker) == {left: "KILLED", run.info.run_id: "FINISHED"}


def test_a_run_that_grows_is_brought_up_to_date(tracker: Tracker) -> None:
    early = replace(ENTRY, grows=True, is_over=False, tags={"state": "running"}, points=ENTRY.points[:1])
    first = tracker.log(early)
    assert first.info.status == "RUNNING"
    last = tracker.log(replace(early, is_over=True, tags={"state": "complete"}, points=ENTRY.points))
    assert (last.info.run_id, last.info.status, last.data.tags["state"]) == (first.info.run_id, "FINISHED", "complete")
    assert curve(tracker, last.info.run_id, "loss") == [(1, 0.5), (2, 0.4)]


def test_a_run_lasts_as_long_as_what_it_is_of(tracker: Tracker) -> None:
    run = tracker.log(replace(ENTRY, seconds=154.3))
    assert run.info.end_time - run.info.start_time == 154_300


def test_more_points_than_one_request_takes(tracker: Tracker) -> None:
    run = tracker.log(replace(ENTRY, points=[Point("loss", 1 / step, step) for step in range(1, 2001)]))
    assert len(curve(tracker, run.info.run_id, "loss")) == 2000


def test_a_server_out_of_reach_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and longer than a header")
    with pytest.raises(RegistryError, match="must be in reach"):
        Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "x").log(ENTRY)


FRESH = """
import json, os, sys

class Watch:  # what the environment says when MLflow is first imported
    said = []
    def find_spec(self, name, path=None, target=None):
        if name == "mlflow":
            self.said.append(os.environ.get("MLFLOW_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Watch())
from tasks.registry.tracking import Entry, Tracker
assert "mlflow" not in sys.modules
Tracker(sys.argv[1], "x").log(Entry("one", "a name", {}, {}, []))
from mlflow.telemetry import get_telemetry_client
print(json.dumps([Watch.said, get_telemetry_client() is None]))
"""


def test_telemetry_is_off_before_mlflow_is_imported(tmp_path: Path) -> None:
    """In a process that does not look like a test or like CI, where MLflow would be silent anyway."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-W", "ignore", "-c", FRESH, f"sqlite:///{tmp_path / 'mlflow.db'}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["true"], True]
    assert "INFO" not in done.stderr
