"""The form of a benchmark's result: figures with their bars, as a table and as JSON below `.evergreen/bench/`."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One figure; `bar` is None where it has none."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    better: Literal["lower", "higher"] = "lower"

    @property
    def holds(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value <= self.bar if self.better == "lower" else self.value >= self.bar


def publish(name: str, figures: list[Figure]) -> None:
    """Write `.evergreen/bench/<name>.json` and print the same."""
    from os import cpu_count

    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}"
    record = {"machine": machine, "commit": commit, "figures": [asdict(f) | {"holds": f.holds} for f in figures]}
    path = Path(".evergreen/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    table = Table("figure", "value", "unit", "bar", "holds", title=f"{name}: {machine}, {commit}")
    for f in figures:
        bar = "" if f.bar is None else f"{'at most' if f.better == 'lower' else 'at least'} {f.bar:g}"
        table.add_row(f.name, f"{f.value:,.4g}", f.unit, bar, {True: "yes", False: "NO", None: ""}[f.holds])
    Console().print(table)
    Console().print(f"written to {path}")
