"""Time and memory of `retrain` by stage, first with nothing cached and then again: `make bench NAME=spine`.

Runs in a home of its own. `--quick` takes the flights before 1 June.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.report import Figure, publish


def _run(home: Path, arguments: list[str]) -> tuple[float, float, dict[str, Any]]:
    """Return seconds, peak memory in GB of the whole process tree, and the summary."""
    command = [sys.executable, "-m", "flytekit.clis.sdk_in_container.pyflyte", "run", *arguments]
    started, peak = time.perf_counter(), 0
    process = psutil.Popen(command, env=os.environ | {"EVERGREEN_HOME": str(home)})
    while process.poll() is None:
        tree = [process, *process.children(recursive=True)] if process.is_running() else []
        total = 0
        for member in tree:
            try:
                total += member.memory_info().rss
            except psutil.Error:
                continue
        peak = max(peak, total)
        time.sleep(0.1)
    if process.returncode:
        sys.exit(f"retrain ended with status {process.returncode}")
    summary: dict[str, Any] = json.loads((home / "runs" / "latest" / "summary.json").read_text())
    return time.perf_counter() - started, peak / 1e9, summary


def main() -> None:
    """Run both, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the flights before 1 June only")
    quick = parser.parse_args().quick
    inputs = ["workflows/retrain.py", "retrain", *(["--as_of", "2013-06-01"] if quick else [])]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        seconds, peak, first = _run(home, inputs)
        again, _, second = _run(home, inputs)
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "flytekit.clis.sdk_in_container.pyflyte", "run", "workflows/retrain.py", "retrain", "--help"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    answered = time.perf_counter() - started
    losses = {m["model"]: m["log_loss"]["value"] for m in first["evaluation"]["metrics"]}
    missed = sum(s["tasks"] - s["cached"] for s in second["stages"] if s["stage"] not in ("ingestion", "registry", "validation"))
    publish(
        "spine",
        [
            Figure("retrain, nothing cached", seconds, "s", 300),
            Figure("peak memory of the process tree", peak, "GB", 6),
            *(Figure(f"  {s['stage']}", s["seconds"], "s", 30 if s["stage"] == "evaluation" else None) for s in first["stages"]),
            *(Figure(f"  {s['stage']}, peak", s["peak_memory_mb"] / 1e3, "GB") for s in first["stages"]),
            Figure("retrain again, nothing changed", again, "s", 20),
            Figure("cacheable tasks that ran again", missed, "tasks", 0),
            Figure("retrain --help", answered, "s", 4),
            Figure("log-loss, network / LightGBM", losses["network"] / losses["lightgbm"], "ratio", 1.02),
            Figure("log-loss, network / logistic regression", losses["network"] / losses["logistic"], "ratio", 1.0),
        ],
    )


if __name__ == "__main__":
    main()
