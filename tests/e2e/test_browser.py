"""The dossier and the model card in a real browser: at a desk and on a phone, whole, legible, and without a network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.reporting import dossier, model_card, page
from tests.e2e import browser
from tests.e2e.browser import Browser, Shown
from tests.unit.reporting import evidence

pytestmark = pytest.mark.e2e

HEIGHT = 1500
WIDTHS = [
    1280,  # a desk
    390,  # a phone
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = browser.executable()
    if found is None:
        pytest.skip("no Chromium on the PATH")
    with browser.browser(found) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    record, folder = evidence.dossier(), tmp_path_factory.mktemp("pages")
    written = dossier.html(record)
    documents = {
        "dossier": written,
        "unfolded": written.replace("<details>", "<details open>"),  # what is folded away must fit too
        "model card": page.page("Model card", model_card.html(record)),
    }
    found = {name: folder / f"{name.replace(' ', '_')}.html" for name in documents}
    for name, place in found.items():
        place.write_text(documents[name])
    return found


def pixels(shown: Shown) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(shown.picture)).convert("RGB"))


def colours(drawn: np.ndarray) -> int:
    return len(np.unique(drawn.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["dossier", "unfolded", "model card"])
def test_a_page_fits_the_window_and_asks_for_nothing(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    shown = chromium.show(pages[name], width, HEIGHT)
    assert shown.width == width
    assert [asked for asked in shown.requests if not asked.startswith("data:")] == [pages[name].as_uri()]
    assert shown.errors == []
    drawn = pixels(shown)
    assert drawn.shape == (HEIGHT, width, 3)
    assert colours(drawn) > 100  # text has many greys, a blank page one white
    assert 0.01 < (drawn.min(axis=2) < 128).mean() < 0.3  # as dark as print is


@pytest.mark.parametrize("width", WIDTHS)
def test_the_verdict_is_seen_first(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    top = pixels(chromium.show(pages["dossier"], width, HEIGHT))[:180]
    green = (np.abs(top.astype(int) - [0xD9, 0xF0, 0xE8]).max(axis=2) < 3).sum()  # the ground of PROMOTE
    assert green > 1_000


def test_what_is_looked_for_would_be_found(chromium: Browser, tmp_path: Path) -> None:
    wide = tmp_path / "wide.html"
    wide.write_text('<!doctype html><body><div style="width:900px">x</div><img src="http://127.0.0.1:9/x.png"></body>')
    shown = chromium.show(wide, 390, 600)
    assert shown.width > 390
    assert "http://127.0.0.1:9/x.png" in shown.requests
    assert shown.errors
    assert colours(pixels(shown)) < 100
