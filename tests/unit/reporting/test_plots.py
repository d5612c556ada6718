from __future__ import annotations

import base64
import io
from collections.abc import Callable
from datetime import date

import pytest
from PIL import Image

from tasks.artifacts.evaluation import PairedGain, SegmentMetrics
from tasks.reporting import plots
from tests.unit.reporting import factory, nights
from tests.unit.reporting.documents import HOSTILE, Tags

pytestmark = pytest.mark.unit

QUALITY = nights.quality(date(2013, 10, 11))
PLOTS: dict[str, Callable[[], str]] = {
    "rows_by_day": lambda: plots.rows_by_day(factory.validation().rows_by_day),
    "models": lambda: plots.models(factory.evaluation().metrics, 2),
    "calibration": lambda: plots.calibration(factory.evaluation().calibration),
    "segments": lambda: plots.segments(factory.segments()),
    "many segments": lambda: plots.segments(factory.segments(500)),
    "segment_gains": lambda: plots.segment_gains(factory.segments()),
    "quality": lambda: plots.quality(QUALITY.by_day, QUALITY.reference_log_loss, QUALITY.log_loss),
    "losses": lambda: plots.losses([0.5, 0.4, 0.35]),
}


def picture(tag: str) -> tuple[Image.Image, int, dict[str, str | None]]:
    ((_, attributes),) = Tags(tag).tags
    data = base64.b64decode(str(attributes["src"]).removeprefix("data:image/png;base64,"))
    return Image.open(io.BytesIO(data)), len(data), attributes


@pytest.mark.parametrize("name", PLOTS)
def test_is_a_small_image_with_an_alternative_text(name: str) -> None:
    image, size, attributes = picture(PLOTS[name]())
    assert size < 60_000
    assert (str(image.width), str(image.height)) == (attributes["width"], attributes["height"])
    assert attributes["alt"] != "Rendered Image"
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)  # as the page
    assert len(set(image.convert("RGB").get_flattened_data())) > 3  # something is drawn


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_record_gives_the_same_bytes(name: str) -> None:
    assert PLOTS[name]() == PLOTS[name]()


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("rows_by_day", ["471 on 2013-02-08", "181 days with rows"]),
        ("models", ["network 0.5123 [0.4711, 0.5576]", "champion v2 0.5231"]),
        ("calibration", ["10 bins of 26,125 rows", "68.0% was predicted", "76.6% came"]),
        ("segments", ["worst first"]),
        ("segment_gains", ["-0.0600 [-0.0840, -0.0336]"]),
        ("quality", ["reference days 0.4912", "0.5312 [0.4982, 0.5675]"]),
        ("losses", ["3 epochs: from 0.5000 to 0.3500"]),
    ],
)
def test_alternative_text_says_what_the_plot_says(name: str, facts: list[str]) -> None:
    alt = str(picture(PLOTS[name]())[2]["alt"])
    assert all(fact in alt for fact in facts), alt


def test_segments_are_sorted_worst_first_without_the_overall_row() -> None:
    found = factory.segments()
    alt = str(picture(plots.segments(found))[2]["alt"])
    worst = sorted((s for s in found if s.segment != "all"), key=lambda s: -s.log_loss.value)
    assert [alt.index(s.segment) for s in worst[:8]] == sorted(alt.index(s.segment) for s in worst[:8])
    assert "all rows" not in alt


def test_a_segment_that_is_worse_for_certain_stands_out() -> None:
    worse, better = (
        [s.model_copy(update={"paired": PairedGain(gain=factory.interval(gain, 0.01), worse_p_value=1.0)}) for s in factory.segments()[:2]]
        for gain in (-0.05, 0.05)
    )
    vermilion = (0xD5, 0x5E, 0x00)
    assert [vermilion in picture(plots.segment_gains(s))[0].convert("RGB").get_flattened_data() for s in (worse, better)] == [True, False]


@pytest.mark.parametrize("name", [HOSTILE, "$x$ costs $5", r"\frac{$", "a" * 500])
def test_odd_names_are_drawn_as_text(name: str) -> None:
    segment: SegmentMetrics = factory.segments()[1].model_copy(update={"segment": name})
    tag = plots.segments([segment])
    assert "<script" not in tag
    assert picture(tag)[1] < 60_000


def test_nothing_to_draw_gives_nothing() -> None:
    assert plots.rows_by_day({}) == ""
    assert plots.models([]) == ""
    assert plots.calibration([]) == ""
    assert plots.segments([]) == ""
    assert plots.segments(factory.segments()[:1]) == ""  # only the overall row
    assert plots.segment_gains(factory.segments(with_champion=False)) == ""
    assert plots.quality([], 0.5, factory.interval(0.5)) == ""
    assert plots.losses([0.5]) == ""


def test_leaves_the_state_of_matplotlib_as_it_was() -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 33}):
        PLOTS["models"]()
        assert matplotlib.rcParams["font.size"] == 33
