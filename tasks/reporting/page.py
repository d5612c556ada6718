"""HTML by small parts: escaped text, badges, tables, figures, and whole pages that need no network.

What a page says is in `sections.py`. Every text that comes from a record passes through `escape` or a table's own
escaping. A fragment carries its style, as a Deck's page has none of ours; a page keeps one copy of it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from tasks.reporting import text
from tasks.reporting.style import STYLE

_MARKS = {
    "good": ("✓", ("PASS", "PROMOTE", "NONE")),
    "care": ("!", ("WARN", "REVIEW", "ALERT")),
    "bad": ("✗", ("STOP", "HOLD", "FAIL", "ROLL BACK")),
    "info": ("→", ("CHALLENGE",)),
}
_TONES = {verdict: (tone, sign) for tone, (sign, verdicts) in _MARKS.items() for verdict in verdicts}
_MOST_CHARACTERS = 400  # of a cell
_STYLES = re.compile(r"<style>.*?</style>", re.DOTALL)
_LONG = 34  # characters: a digest rather than a name or a number
_DAY = re.compile(r"<td>(\d{4}-\d\d-\d\d(?: to \d{4}-\d\d-\d\d)?)</td>")
_NUMBER = re.compile(r"[<+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?( ?(%|s|min|h|MB)( \d+ (s|min))?)?( \[[^\]]*\])?")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
MOST_ROWS = 200
"""Of a table: more is a file's work, and a page stays below half a megabyte."""
NOTHING = "-"
"""What a table shows where there is no value."""


class Entry(NamedTuple):
    """One page of a report, as its index lists it."""

    file: str
    label: str
    fact: str


def escape(value: object) -> str:
    """Return a text that is safe between tags and within a quoted attribute."""
    return html.escape(str(value), quote=True)


def mark(verdict: str) -> str:
    """Return a verdict in plain text with its sign, so that it does not rest on colour."""
    _, sign = _TONES.get(verdict, ("", ""))
    return f"{sign} {verdict}".strip()


def badge(verdict: str) -> str:
    """Return a verdict as a small coloured label; one that is not known is grey."""
    tone, _ = _TONES.get(verdict, ("plain", ""))
    return f'<span class="badge {tone}">{escape(mark(verdict))}</span>'


def lead(verdict: str, sentence: str) -> str:
    """Return the first line of a section: the verdict, then what it means in a sentence."""
    return f'<p class="lead">{badge(verdict)} {escape(sentence)}</p>' if verdict else f'<p class="lead">{escape(sentence)}</p>'


def heading(title: str) -> str:
    """Return the heading of a part of a section."""
    return f"<h2>{escape(title)}</h2>"


def paragraph(said: str) -> str:
    """Return a paragraph of explanation."""
    return f'<p class="note">{escape(said)}</p>'


def words(said: str) -> str:
    """Return a paragraph of what is said itself, rather than of how it is to be read."""
    return f"<p>{escape(said)}</p>"


def bullets(items: Sequence[str]) -> str:
    """Return a list of texts, none for an empty one."""
    return f"<ul>{''.join(f'<li>{escape(text.clip(item, _MOST_CHARACTERS))}</li>' for item in items[:MOST_ROWS])}</ul>" if items else ""


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """Return a grid of labels with their values; a long value has a line of its own."""
    cells = []
    for label, value in pairs:
        shown = text.clip(str(value), _MOST_CHARACTERS)
        width = ' class="long"' if len(shown) > _LONG else ""
        cells.append(f"<div{width}><dt>{escape(label)}</dt><dd>{escape(shown)}</dd></div>")
    return f'<dl class="facts">{"".join(cells)}</dl>'


def figure(image: str, caption: str) -> str:
    """Return an image of `plots.py` with its caption; nothing without an image."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{image}</figure>" if image else ""


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table by `TableRenderer`, escaped, with columns of numbers aligned to the right.

    Args:
        headers: One title a column.
        rows: Cells as they shall be shown; None is shown as a dash.

    Returns:
        HTML of at most 200 rows of at most 400 characters a cell, and a line that says how many were left out.
    """
    import pandas as pd
    from flytekitplugins.deck.renderer import TableRenderer

    cells = [[NOTHING if c is None else text.clip(str(c), _MOST_CHARACTERS) for c in row] for row in rows[:MOST_ROWS]]
    # By number, and titled afterwards: two columns may have one title.
    frame = pd.DataFrame(cells, columns=range(len(headers)), dtype=str)
    with pd.option_context("display.max_colwidth", None, "display.html.border", 0):
        body = TableRenderer().to_html(frame, header_labels=list(headers))
    for verdict, (tone, _) in _TONES.items():
        body = body.replace(f"<td>{mark(verdict)}</td>", f'<td class="{tone}">{mark(verdict)}</td>')
    body = _DAY.sub(r'<td class="day">\1</td>', body)
    right = " ".join(f"r{n}" for n in range(1, len(headers) + 1) if _is_numeric([row[n - 1] for row in cells]))
    left_out = len(rows) - len(cells)
    more = paragraph(f"{text.count(left_out, 'more row')} not shown.") if left_out else ""
    return f'<div class="table {right}" tabindex="0" role="region" aria-label="{escape(headers[0])} and more">{body}</div>{more}'


def _is_numeric(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if cell != NOTHING]
    return bool(known) and all(_NUMBER.fullmatch(cell) for cell in known)


def folded(summary: str, body: str) -> str:
    """Return what is shown on demand, below a line that says what it is."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def fragment(*parts: str) -> str:
    """Return the parts as one fragment that carries its style."""
    return f'<div class="evergreen">{STYLE}{"".join(parts)}</div>'


def page(title: str, body: str, links: Sequence[Entry] = ()) -> str:
    """Return a whole document that needs no network, which its content policy also enforces.

    Args:
        title: Plain text.
        body: HTML of `sections.py` or of this module, verdict first.
        links: Other pages in the same folder, shown above the title.
    """
    anchors = " ".join(_anchor(link) for link in links)
    nav = f'<nav aria-label="Pages">{anchors}</nav>' if links else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n{STYLE}\n</head>\n"
        f'<body class="evergreen-page">\n<main class="evergreen">\n{nav}<h1>{escape(title)}</h1>\n'
        f"{_once(body.replace(STYLE, ''))}\n</main>\n</body>\n</html>\n"
    )


def _once(body: str) -> str:
    """Return a body in which each further style stands once: the renderer of tables gives one with every table."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        is_new = found[0] not in seen
        seen.add(found[0])
        return found[0] if is_new else ""

    return _STYLES.sub(kept, body)


def index(title: str, entries: Sequence[Entry], body: str = "") -> str:
    """Return a document that links its sibling files, each with what it says, below the body."""
    items = "".join(f"<li>{_anchor(entry)}<span>{escape(entry.fact)}</span></li>" for entry in entries)
    return page(title, f'{body}{heading("Pages")}<ul class="pages">{items}</ul>')


def _anchor(entry: Entry) -> str:
    return f'<a href="{escape(quote(entry.file))}">{escape(entry.label)}</a>'
