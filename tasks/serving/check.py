"""Run inside a Bento's own files, in a process of its own: predict golden rows and tell what was imported.

`python -m tasks.serving.check GOLDEN.parquet ANSWER.json`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import polars as pl


def main(golden: str, answer: str) -> None:
    """Start the service object, ask it for the golden rows, write probabilities, seconds and imports as JSON."""
    started = time.perf_counter()
    from tasks.serving.service import Evergreen

    service = Evergreen.inner()  # type: ignore[attr-defined]  # the decorator's, who ships no types
    seconds = time.perf_counter() - started
    rows = pl.read_parquet(golden).to_dicts()
    replies = [asyncio.run(service.predict(rows=rows[i : i + 500])) for i in range(0, len(rows), 500)]
    probabilities = [p["probability"] for reply in replies for p in reply["predictions"]]
    exact = service.predictor.predict(service.predictor.frame(rows)).tolist()
    facts = {"probabilities": probabilities, "exact": exact, "start_seconds": seconds, "imported_torch": "torch" in sys.modules}
    Path(answer).write_text(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
