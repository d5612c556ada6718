"""What plots are drawn with: a canvas in the house's style, an image tag with an alternative text, dots with whiskers.

matplotlib is imported within the functions and used through its `Figure` on the Agg canvas; pyplot keeps global state.
"""

from __future__ import annotations

import functools
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, ParamSpec

from tasks.artifacts.record import Interval
from tasks.reporting import text
from tasks.reporting.page import escape
from tasks.reporting.style import BLUE, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

_KEPT = 64  # images: those of a run, a few megabytes
_DPI = 110
_WIDTH = 8.6  # inches: 946 pixels, nearly the width of the page's column
_COLOURS = 64  # of the palette: text and four hues with their edges
_MOST_DOTS = 30
LABEL = 56  # characters of a label beside a dot
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
}


class Dot(NamedTuple):
    """One line of a dot-and-whisker plot."""

    label: str
    interval: Interval
    colour: str = BLUE


def once(draw: Callable[P, str]) -> Callable[P, str]:
    """Keep what a function drew last: a record is shown in a Deck, in the report and in the dossier, often by one process."""
    kept: OrderedDict[bytes, str] = OrderedDict()

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        key = pickle.dumps((args, kwargs))
        if key not in kept:
            kept[key] = draw(*args, **kwargs)
            if len(kept) > _KEPT:
                kept.popitem(last=False)
        return kept[key]

    return drawn


@contextmanager
def canvas(height: float, width: float = _WIDTH) -> Iterator[Figure]:
    """Give a figure in the house's style, whatever the user's own is; heights and widths in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def image(figure: Figure, alt: str) -> str:
    """Draw a figure, and return it as an image tag with an alternative text."""
    from flytekitplugins.deck.renderer import ImageRenderer
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    agg = FigureCanvasAgg(figure)
    agg.draw()
    width, height = agg.get_width_height()
    drawn = Image.frombytes("RGBA", (width, height), bytes(agg.buffer_rgba())).convert("RGB")
    small = drawn.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)  # keeps pure hues
    small.putpalette([255 if value > 250 else value for value in small.getpalette() or []])  # and white as the page's
    tag = ImageRenderer().to_html(small)
    return re.sub(r'alt="[^"]*"', lambda _: f'alt="{escape(alt)}" width="{width}" height="{height}"', tag, count=1)


def whiskers(
    dots: Sequence[Dot], title: str, axis: str, line: float | None, line_label: str, written: Callable[[float], str] = text.decimals
) -> str:
    """Draw values with intervals from top to bottom, at most 30 of them, and a vertical line."""
    if not dots:
        return ""
    shown = dots[:_MOST_DOTS]
    more = f"; {len(dots) - len(shown)} more not shown" if len(dots) > len(shown) else ""
    alt = f"{title}: {'; '.join(f'{dot.label} {dot.interval}' for dot in shown[:8])}{'; ...' if len(shown) > 8 else ''}{more}."
    places = range(len(shown))
    with canvas(0.75 + 0.25 * max(2, len(shown))) as figure:
        axes = figure.subplots()
        if line is not None:
            axes.axvline(line, color=GREY, linestyle="--", linewidth=1.1)
        for place, dot in zip(places, shown, strict=True):
            axes.plot([dot.interval.lower, dot.interval.upper], [place, place], color=dot.colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot(dot.interval.value, place, marker="o", markersize=5.5, color=dot.colour)
        axes.set_yticks(list(places), [text.clip(dot.label, LABEL) for dot in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(axis)
        axes.grid(visible=False, axis="y")
        _values(axes, shown, written)
        if line is not None and line_label:
            axes.annotate(f" {line_label}", (line, -0.6), va="bottom", ha="center", color=GREY, fontsize=8, annotation_clip=False)
        return image(figure, alt)


def _values(axes: Axes, dots: Sequence[Dot], written: Callable[[float], str]) -> None:
    """Write the values at the right edge, in line with the dots."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(dots)), [written(dot.interval.value) for dot in dots])
    right.tick_params(length=0, pad=6)
    right.spines["right"].set_visible(False)
