"""A pod that is taken away while it trains: the next attempt, given what Flyte kept, goes on to the same model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flyteidl.core import literals_pb2
from flytekit import FlyteContextManager
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.core.type_engine import TypeEngine
from flytekit.core.utils import load_proto_from_file, write_proto_to_file
from flytekit.models.literals import LiteralMap

from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import TrainedModel
from tasks.clock import last_labelled_day
from tasks.ingestion.days import ingest
from tasks.lake.snapshots import read_snapshot
from tasks.training.split import plan
from tasks.training.task import train_network
from tasks.usecase import features, policy, source
from tests.e2e.harness import ROOT, SMALL
from tests.feeds import bound_source

pytestmark = pytest.mark.e2e

AS_OF = datetime(2013, 4, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, small_source: str) -> Path:
    """The task's inputs as a cluster hands them over: a file of literals."""
    folder = tmp_path_factory.mktemp("inputs")
    snapshot = ingest(bound_source(small_source), str(folder / "lake"), AS_OF)
    rows = features.build(read_snapshot(snapshot, source.known_by)).collect().lazy()
    config = TrainingConfig.model_validate(SMALL)
    split = plan(rows, last_labelled_day(AS_OF, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS), config, source.LOCAL_ZONE)
    values = {"features": rows, "split": split, "config": config}
    context = FlyteContextManager.current_context()
    access = FileAccessProvider(str(folder / "scratch"), str(folder / "raw"))
    with FlyteContextManager.with_context(context.with_file_access(access)) as inner:
        literals = TypeEngine.dict_to_literal_map(inner, values, train_network.python_interface.inputs)
    write_proto_to_file(literals.to_flyte_idl(), str(folder / "inputs.pb"))
    return folder / "inputs.pb"


@pytest.fixture
def attempt(inputs: Path, tmp_path: Path) -> Callable[..., tuple[int, str, Path]]:
    """Run the task as its container does: status, log and folder of outputs; killed as soon as its log has a line."""

    def run(name: str, previous: Path | None = None, kill_at: str | None = None) -> tuple[int, str, Path]:
        folder = tmp_path / name
        command = [sys.executable, "-c", "from flytekit.bin.entrypoint import execute_task_cmd; execute_task_cmd()"]
        command += ["--inputs", str(inputs), "--output-prefix", str(folder / "outputs"), "--raw-output-data-prefix", str(folder / "raw")]
        command += ["--checkpoint-path", str(folder / "kept"), "--prev-checkpoint", str(previous or '""')]
        command += ["--resolver", "flytekit.core.python_auto_container.default_task_resolver"]
        command += ["--", "task-module", "tasks.training.task", "task-name", "train_network"]
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "FLYTE_SDK_LOGGING_LEVEL": "30"}
        log = []
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                log.append(line)
                if kill_at and kill_at in line:
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, "".join(log), folder

    return run


def model(folder: Path) -> TrainedModel:
    literals = LiteralMap.from_flyte_idl(load_proto_from_file(literals_pb2.LiteralMap, str(folder / "outputs" / "outputs.pb")))
    found = TypeEngine.to_python_value(FlyteContextManager.current_context(), literals.literals["model"], TrainedModel)
    assert isinstance(found, TrainedModel)
    return found


def test_attempts_go_on_to_the_same_model(attempt: Callable[..., tuple[int, str, Path]]) -> None:
    status, log, early = attempt("early", kill_at="to be tested on")  # before there is anything to keep
    assert status == -signal.SIGKILL, log
    status, log, second = attempt("second", previous=early / "kept", kill_at="fold 1: epoch 2 of 2")
    assert status == -signal.SIGKILL, log
    status, log, third = attempt("third", previous=second / "kept", kill_at="goes on at step")  # has made nothing of its own
    assert status == -signal.SIGKILL, log
    status, log, last = attempt("last", previous=third / "kept")
    assert status == 0, log
    assert re.search("found: .*fold 1", log), log
    status, log, undisturbed = attempt("undisturbed")
    assert status == 0, log
    assert "found" not in log
    assert model(last).bundle_digest == model(undisturbed).bundle_digest
