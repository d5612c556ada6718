"""The scripts inside the Kubernetes manifests of `images/deploy`, run as they are, in folders of their own."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conventions import manifests
from tests.conventions.manifests import containers, named

pytestmark = pytest.mark.unit

BASE = manifests.render(Path(__file__).resolve().parents[2] / "images" / "deploy" / "kubernetes" / "base")


def _script(workload: str, kind: str, container: str, root: Path) -> list[str]:
    """Return a container's command with its folders below `root`."""
    doc = named(BASE, kind, workload)
    (found,) = [c for c in containers(doc) if c["name"] == container]
    return [part.replace("/etc/evergreen", f"{root}/etc").replace("/var/lib/evergreen", f"{root}/lib") for part in found["command"]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for folder in ("etc", "lib/shared", "lib/serving"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc" / "keys.json").write_text('{"keys": []}')
    (tmp_path / "etc" / "secret").write_text("ab" * 32)
    return tmp_path


def _prepare(place: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "POD_NAME": "evergreen-1", "EVERGREEN_SERVING": f"{place}/lib/serving"}
    command = _script("evergreen", "Deployment", "prepare", place)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_the_folder_of_the_service_is_laid_out(place: Path) -> None:
    for _ in range(2):  # also where it is laid out already
        done = _prepare(place)
        assert (done.returncode, done.stderr) == (0, "")
    serving, shared = place / "lib" / "serving", place / "lib" / "shared"
    assert sorted(path.name for path in serving.iterdir()) == ["events", "keys.json", "log", "secret", "state", "state.json"]
    assert stat.S_IMODE((serving / "secret").stat().st_mode) == 0o600
    (serving / "log" / "segment").touch()
    assert (shared / "pods" / "evergreen-1" / "log" / "segment").exists()  # where it outlives the pod
    assert not (serving / "state.json").exists()  # nobody has published one
    (shared / "state.json").write_text("{}")
    (shared / "state").mkdir()
    assert (serving / "state.json").read_text() == "{}"
    assert (serving / "state").is_dir()
    (place / "etc" / "new").write_text("changed")
    (place / "etc" / "new").replace(place / "etc" / "keys.json")  # as a Secret changes
    assert (serving / "keys.json").read_text() == "changed"


@pytest.mark.parametrize("name", ["keys.json", "secret"])
@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("")], ids=["missing", "empty"])
def test_a_pod_without_keys_does_not_start(place: Path, name: str, change: Callable[[Path], object]) -> None:
    change(place / "etc" / name)
    done = _prepare(place)
    assert (done.returncode, f"must hold {name}" in done.stderr) == (1, True)


def test_both_workloads_are_laid_out_by_one_script(place: Path) -> None:
    assert _script("evergreen-feedback", "StatefulSet", "prepare", place) == _script("evergreen", "Deployment", "prepare", place)


def test_outcomes_are_copied_whole_while_they_are_written(place: Path) -> None:
    source, copied = place / "lib" / "serving" / "outcomes.db", place / "lib" / "shared" / "pods" / "feedback-0" / "outcomes.db"
    copied.parent.mkdir(parents=True)
    database = sqlite3.connect(source, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE outcomes (id TEXT)")
    environment = {"PATH": os.environ["PATH"], "POD_NAME": "feedback-0", "EVERGREEN_SERVING": str(source.parent), "COPY_SECONDS": "0.02"}
    command = [sys.executable, *_script("evergreen-feedback", "StatefulSet", "copy", place)[1:]]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 20
        while not copied.exists() and time.monotonic() < until:
            database.execute("INSERT INTO outcomes VALUES ('one')")
            time.sleep(0.01)
        database.execute("INSERT INTO outcomes VALUES ('last')")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert (process.wait(timeout=20), process.stderr.read()) == (0, "")
    assert sorted(path.name for path in copied.parent.iterdir()) == ["outcomes.db"]  # no log beside it, nothing half
    copy_of = sqlite3.connect(copied)
    assert copy_of.execute("SELECT * FROM outcomes").fetchall() == database.execute("SELECT * FROM outcomes").fetchall()
    copy_of.close()
    database.close()
