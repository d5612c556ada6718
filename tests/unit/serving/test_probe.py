"""The probe, against small real servers of another make: what it measures, what it refuses, and that nothing of it is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest

from tasks.artifacts.serving import ServiceCheck
from tasks.errors import PackagingError
from tasks.serving import probe, requirements
from tests.unit.reporting import factory
from tests.unit.serving import toy

pytestmark = pytest.mark.unit

SERVER = '''
"""In BentoML's place: a server that answers whatever it is sent, and nothing else."""
import json, os, pathlib, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ["PYTHONPATH"] + "/mode"
MODE = pathlib.Path(MODE).read_text()
if MODE == "dies":
    sys.exit("no such model")
if MODE == "hangs":
    time.sleep(600)
if MODE == "family":  # a worker in a session of its own, that hears no signal of the group
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); held = bytearray(50_000_000); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
KEYS = json.loads((pathlib.Path(os.environ["EVERGREEN_SERVING"]) / "keys.json").read_text())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {"status": "ready"})

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > 100_000:
            return self.answer(413, {"error": {"code": "size", "message": "too large"}})
        body = self.rfile.read(length)
        if MODE == "fails":
            return self.answer(500, {"error": {"code": "internal", "message": "the service failed"}})
        if self.path == "/feedback":
            return self.answer(200, {"accepted": 1})
        try:
            rows = json.loads(body)["rows"]
            found = [0.25 + row["size"] / 1000 + (MODE == "differs" and i == 7) * 0.001 for i, row in enumerate(rows)]
        except Exception:
            return self.answer(400, {"error": {"code": "invalid", "message": "not as it must be"}})
        self.answer(200, {"predictions": [{"prediction_id": f"id-{i}", "probability": round(p, 6)} for i, p in enumerate(found)]})

    def answer(self, status, said):
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


assert len(KEYS["keys"]) >= 2
port = int(sys.argv[sys.argv.index("--port") + 1])
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''

RULES = factory.LIMITS.model_copy(update={"most_rows": 20, "most_bytes": 100_000, "burst": 60, "ready_seconds": 10.0})
GOLDEN = pl.DataFrame({"size": [float(i) for i in range(50)], "kind": ["a"] * 50})
EXPECTED = np.array([0.25 + i / 1000 for i in range(50)])


def bento(folder: Path, mode: str = "good", module: str = "import json\n") -> Path:
    source = folder / "bento" / "src"
    (source / "bentoml").mkdir(parents=True)
    (source / "tasks").mkdir()
    (source / "bentoml" / "__init__.py").write_text("")
    (source / "bentoml" / "__main__.py").write_text(SERVER)
    (source / "tasks" / "__init__.py").write_text("")
    (source / "tasks" / "module.py").write_text(module)
    (source / "mode").write_text(mode)
    return folder / "bento"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that can import the standard library alone."""
    folder = tmp_path_factory.mktemp("environment")
    (folder / "none.lock").write_text("")
    return requirements.environment(folder / "none.lock", folder / "environment")


def probed(folder: Path, python: Path, expected: Any = EXPECTED, rules: dict[str, Any] | None = None, **made: Any) -> ServiceCheck:
    asked = RULES.model_copy(update=rules or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        try:
            return probe.probe(bento(folder, **made), "evergreen:v1", python, GOLDEN, expected, 1e-5, asked, toy.NAMES)
        finally:
            assert servers(folder) == [], "the probe must leave nothing behind"


def servers(folder: Path) -> list[int]:
    """Return the processes that serve from somewhere below a folder."""
    found = []
    for running in psutil.process_iter():
        try:
            if running.environ().get("EVERGREEN_SERVING", "").startswith(str(folder)):
                found.append(running.pid)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, python: Path) -> ServiceCheck:
    return probed(tmp_path_factory.mktemp("good"), python, expected=EXPECTED + 4e-7, mode="family")


def test_a_server_is_measured(found: ServiceCheck) -> None:
    assert (found.bento_tag, found.golden_rows, found.tolerance, found.packages) == ("evergreen:v1", 50, 1e-5, 0)
    assert found.largest_difference == pytest.approx(4e-7)  # what the sixth digit rounds away counts in
    assert 0 < found.ready_seconds < 10
    assert 0 < found.p50_ms <= found.p99_ms < 5_000
    assert found.rows_per_second > 20
    assert found.memory_mb > 50  # the worker's, which holds as much; not the server's beside it
    assert found.limits == RULES


def test_bad_requests_are_sent_and_told_by_name(found: ServiceCheck) -> None:
    by_name = {bad.name: bad for bad in found.refusals}
    assert len(by_name) == len(found.refusals) >= 50
    assert by_name["no JSON"].is_refused
    assert by_name["a list as the body"].is_refused
    assert by_name["too large a body, as it says"].is_refused
    assert (by_name["no key"].expected_status, by_name["no key"].status) == (401, 0)  # this server asks nobody who they are
    assert not by_name["another method"].is_refused
    assert [r.name for r in found.requirements if not r.holds] == ["service refuses"]


def test_a_difference_in_one_row_of_a_full_request_is_found(tmp_path: Path, python: Path) -> None:
    assert probed(tmp_path, python, mode="differs").largest_difference == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("dies", "it ended with 1: no such model"),  # the end of its log
        ("fails", "must answer a good request to /predict; got 500"),
    ],
)
def test_a_server_that_does_not_serve_is_an_error(tmp_path: Path, python: Path, mode: str, told: str) -> None:
    with pytest.raises(PackagingError, match=told):
        probed(tmp_path, python, mode=mode)


def test_a_server_that_hangs_is_not_waited_for(tmp_path: Path, python: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(PackagingError, match="must be ready within 1 s"):
        probed(tmp_path, python, mode="hangs", rules={"ready_seconds": 0.15})
    assert time.perf_counter() - started < 10


def test_a_module_that_lacks_what_it_imports_is_told_by_name(tmp_path: Path, python: Path) -> None:
    with pytest.raises(PackagingError, match=r"tasks\.module: No module named 'polars'"):
        probed(tmp_path, python, module="import polars\n")


def test_an_environment_with_torch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="must serve without torch"):
        probed(tmp_path, Path(sys.executable))


def test_a_probe_that_is_killed_leaves_no_server(tmp_path: Path, python: Path) -> None:
    folder = bento(tmp_path, "good")
    code = f"""
        import os, signal
        from pathlib import Path
        from tasks.serving import probe
        from tests.unit.serving.test_probe import RULES
        here = Path({str(tmp_path)!r}) / "scratch"
        here.mkdir()
        tokens = [probe._token(here, probe._ALL) for _ in range(2)]
        with probe._server(Path({str(folder)!r}), "evergreen:v1", Path({str(python)!r}), here, RULES) as server:
            print(server.process.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid, waited = int(done.stdout), time.perf_counter()
    while servers(tmp_path) and time.perf_counter() - waited < 10:
        time.sleep(0.02)
    assert servers(tmp_path) == []
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
