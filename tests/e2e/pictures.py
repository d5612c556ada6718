"""Pictures of the documentation, from a real run: `python -m tests.e2e.pictures HOME [RUN]`, which `make pictures` calls.

The home must hold a finished `make retrain`; with a `make monitor` after it there is a picture of the night too, with a
`make backtest` one of that. What a home lacks keeps its picture of before.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.e2e.browser import Browser, browser, executable

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

_WIDTH = 1280  # pixels, of a laptop
_COLOURS = 64  # enough for plots and letters; the files are a quarter as large

_RUN = {
    "report": ("index.html", 1215),
    "dossier": ("dossier.html", 1305),
    "deck-data": ("validate.html", 868),
    "deck-training": ("train_network.html", 1030),
    "deck-evaluation": ("evaluate.html", 1055),
    "deck-fairness": ("assess_fairness.html", 930),
    "deck-behaviour": ("examine_behaviour.html", 885),
    "deck-explanation": ("explain_model.html", 1035),
    "deck-decision": ("decide.html", 1185),
    "deck-service": ("validate_service.html", 625),
}
"""Picture to the page of a run, and how much of it is shown, in pixels from its top."""


def pages(home: Path, run: Path) -> Iterator[tuple[str, Path, int]]:
    """Yield each picture's name, its page and its height, of those that the home has."""
    yield from ((name, run / page, height) for name, (page, height) in _RUN.items())
    held = [found.parent for found in sorted((home / "runs").glob("*/summary.json")) if _verdict(found) == "HOLD"]
    if held:
        yield "deck-decision-held", held[-1] / "decide.html", 870
    nights = sorted((home / "monitoring").glob("[0-9]*.html"))
    if nights:
        yield "night", nights[-1], 1005
    yield "backtest", home / "backtest" / "index.html", 1858
    explained = sorted((home / "explanations").glob("*.html"))
    if explained:
        yield "explained", explained[-1], 1200


def _verdict(summary: Path) -> str:
    return str(json.loads(summary.read_text())["decision"]["verdict"])


def take(running: Browser, page: Path, height: int) -> bytes:
    """Return a picture of a page's top, in few colours."""
    shown = running.show(page, _WIDTH, height)
    picture = Image.open(io.BytesIO(shown.picture)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    written = io.BytesIO()
    picture.save(written, "png", optimize=True)
    return written.getvalue()


def main() -> None:
    """Take all pictures that a home has the pages for."""
    home = Path(sys.argv[1])
    run = home / "runs" / (sys.argv[2] if len(sys.argv) > 2 else "latest")
    found = executable()
    if found is None:
        raise SystemExit("pictures need a Chromium on the PATH")
    if not run.exists():
        raise SystemExit(f"{run} must be a finished run; it is not there. To mend: make retrain")
    with browser(found) as running:
        for name, page, height in pages(home, run):
            if page.is_file():
                target = IMAGES / f"{name}.png"
                target.write_bytes(take(running, page, height))
                print(f"{target.relative_to(IMAGES.parents[1])}  {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
