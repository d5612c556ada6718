"""Commands as a user runs them: a process of its own, a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts.training import VARIES

ROOT = Path(__file__).resolve().parents[2]

SMALL = {
    "network": {
        "k": 2,
        "width": 32,
        "blocks": 1,
        "dropout": 0.1,
        "embedding_width": 4,
        "bins": 16,
        "epochs": 2,
        "batch_rows": 64,
        "learning_rate": 0.003,
        "averaging_decay": 0.97,
        "outcome_weight": 1.0,
    },
    "baselines": {"lightgbm_rounds": 30, "lightgbm_leaves": 15},
    "evaluation_days": 14,
    "folds": 1,
    "fold_days": 14,
    "training_days": 28,
}
"""A training that takes seconds."""

AS_OF = "2013-04-10"
PYFLYTE = (sys.executable, "-m", "flytekit.clis.sdk_in_container.pyflyte", "run")


@dataclass(frozen=True)
class Result:
    """What a command gave."""

    status: int
    output: str
    seconds: float


class Project:
    """The project with a home and a source of its own."""

    def __init__(self, home: Path, source: str, config: dict[str, Any] | None = None, root: Path = ROOT) -> None:
        self.home, self.source, self.root = home, source, root
        home.mkdir(parents=True, exist_ok=True)
        self.config = home / "config.json"
        self.config.write_text(json.dumps(config or SMALL))
        self.options: list[str] = []  # further inputs of the workflows with a clock
        self.first: dict[str, Any] = {}
        self.output = ""

    def copied(self, home: Path, source: str) -> Project:
        """Return a project that goes on from this one's lake and registry, in a home of its own."""
        project = Project(home, source)
        shutil.copytree(self.home / "lake", home / "lake")
        shutil.copyfile(self.home / "mlflow.db", home / "mlflow.db")
        return project

    def command(self, workflow: str, as_of: str = AS_OF, source: str | None = None) -> list[str]:
        name = workflow.rpartition("/")[2]
        inputs = ["--as_of", as_of, "--source", source or self.source]
        if name not in ("ingest", "validation", "night", "load"):
            inputs += ["--config", str(self.config)]
        return [*PYFLYTE, f"workflows/{workflow}.py", name, *inputs, *self.options]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EVERGREEN", "FLYTE", "MLFLOW", "BENTOML", "PYTHONPATH"))}
        return kept | {"EVERGREEN_HOME": str(self.home), "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "100"} | more

    def run(self, workflow: str, as_of: str = AS_OF, source: str | None = None, **more: str) -> Result:
        return self._run(self.command(workflow, as_of, source), **more)

    def ask(self, file: str, workflow: str, *inputs: str) -> Result:
        """Run a workflow that has no clock and no source; `inputs` as on the command line."""
        return self._run([*PYFLYTE, f"workflows/{file}.py", workflow, *inputs])

    def _run(self, command: list[str], **more: str) -> Result:
        started = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Result(done.returncode, done.stdout, time.perf_counter() - started)

    def kill_when(self, line: str, workflow: str = "retrain", as_of: str = AS_OF, times: int = 1) -> str:
        """Run a workflow and kill it (SIGKILL) as soon as its output has a line, so many times; return its output."""
        process = subprocess.Popen(
            self.command(workflow, as_of),
            cwd=self.root,
            env=self.environment(PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        seen = []
        for text in process.stdout:
            seen.append(text)
            if sum(line in text for text in seen) == times:
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        assert process.wait(timeout=60) == -signal.SIGKILL, f"{line!r} never came:\n{''.join(seen)}"
        return "".join(seen)

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "runs" / "latest" / "summary.json").read_text())
        return found

    def cached(self) -> dict[str, tuple[int, int]]:
        """Return stage to (tasks, of these from the cache) of the latest run."""
        return {stage["stage"]: (stage["tasks"], stage["cached"]) for stage in self.summary()["stages"]}

    def outcome(self) -> dict[str, Any]:
        return outcome(self.summary())


def outcome(summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a run decided, without when and how long."""
    for model in summary["models"]:
        for name in VARIES:
            del model[name]
    snapshot = {k: v for k, v in summary["snapshot"].items() if k not in ("tables", "manifest")}  # those have URIs
    content = {table["name"]: table["content_hash"] for table in summary["snapshot"]["tables"]}
    for criterion in summary["decision"]["criteria"]:
        if criterion["name"].startswith("service "):  # how fast it was, and how much it held
            del criterion["value"], criterion["reason"]
    kept = {k: summary[k] for k in ("as_of", "validation", "models", "evaluation", "decision")}
    return kept | {"snapshot": snapshot, "content": content, "version": summary["registered"]["version"]}
