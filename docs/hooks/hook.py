"""What mkdocs calls while it builds the site: pages made from code, a navigation by pattern, and links that leave `docs/`."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files
from reference import drawing, flows, graph, policy, project, prose, records, sources

log = logging.getLogger("mkdocs.plugins.evergreen")

ROOT = Path(__file__).resolve().parents[2]

PROJECT_PAGES = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/reporting.md",
    "CHANGELOG.md": "project/changelog.md",
    "LICENSE": "project/licence.md",
}
"""Files at the root of the project, and where the site has them."""

_BAR = {"lower": "at most", "higher": "at least"}

_DIAGRAM = re.compile(r"<!-- diagram: (\w+) (\w+)( with all tasks)? -->")
"""Where a page wants a workflow drawn: its module and its name."""

_FENCE = re.compile(r"^( *)(```+|~~~+)", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]\n]*(?:\n[^\]\n]+)?)\]\(([^)\s]+)\)")


def generated() -> dict[str, str]:
    """Return the pages of the reference, by their place in the site."""
    made = records.pages() | flows.workflow_pages() | flows.task_pages() | sources.module_pages()
    made |= {
        "launch-plans.md": flows.plan_page(),
        "policy.md": policy.page(),
        "errors.md": sources.error_page(),
        "make.md": sources.make_page(),
    }
    return {f"reference/{name}": page for name, page in made.items()}


def decisions() -> str:
    """Return the list of all decision records, by their titles."""
    rows = []
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        number, _, name = title.partition(" ")
        rows.append(f"| [{number.rstrip('.:')}]({path.name}) | {name} |")
    return "\n".join(["| number | decision |", "|---|---|", *rows])


def figures() -> str:
    """Return the kept figures of all benchmarks that have a bar to keep to."""
    parts = []
    for path in sorted((ROOT / "tests" / "benchmarks" / "results").glob("*.json")):
        found = json.loads(path.read_text())
        rows = [figure for figure in found["figures"] if figure.get("bar") is not None]
        if rows:
            commit = f", code `{found['commit']}`" if found.get("commit") else ""
            parts += [
                f"## {path.stem.capitalize()}\n\n{found['machine']}{commit}.\n",
                "| figure | value | bar | holds |\n|---|---|---|---|",
            ]
            parts += [
                f"| {prose.line(one['name'].strip())} | {one['value']:,.4g} {one['unit']} | {_BAR[one['better']]} {one['bar']:,.4g} | "
                f"{'yes' if one['holds'] else '**no**'} |"
                for one in rows
            ]
            parts.append("")
    return "\n".join(parts)


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that no file holds, and name every page in the navigation."""
    for place, page in generated().items():
        files.append(File.generated(config, place, content=page))
    for name, place in PROJECT_PAGES.items():
        if (ROOT / name).is_file():
            text = (ROOT / name).read_text()
            files.append(File.generated(config, place, content=text if name.endswith(".md") else f"# Licence\n\n```text\n{text}\n```\n"))
    known = [file.src_uri for file in files.documentation_pages()]
    named: set[str] = set()
    _plain(config["nav"], named)
    config["nav"] = _expanded(config["nav"], known, named)
    return files


def _plain(part: Any, named: set[str]) -> None:
    """Collect the pages that the navigation names outright."""
    if isinstance(part, str):
        named.add(part)
    else:
        for inner in part.values() if isinstance(part, dict) else part:
            _plain(inner, named)


def _expanded(part: Any, known: list[str], named: set[str]) -> Any:
    """Return the navigation with each pattern replaced by the pages it matches that are not named elsewhere."""
    if isinstance(part, dict):
        return {title: _expanded(inner, known, named) for title, inner in part.items()}
    if isinstance(part, list):
        found = []
        for inner in part:
            if isinstance(inner, str) and "*" in inner:
                new = sorted(
                    page for page in known if PurePosixPath(page).match(inner) and page.count("/") == inner.count("/") and page not in named
                )
                named.update(new)
                found += new
            else:
                found.append(_expanded(inner, known, named))
        return [one for one in found if not (isinstance(one, dict) and list(one.values()) == [[]])]
    return part


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Let links of the repository lead to pages of the site; what the site has not is named without a link."""
    place = page.file.src_uri
    home = {site: name for name, site in PROJECT_PAGES.items()}.get(place, f"docs/{place}")
    if place == "decisions/README.md":
        markdown += f"\n{decisions()}\n"
    markdown = _DIAGRAM.sub(_drawn, markdown)
    if place == "benchmarks.md":
        markdown += f"\n{figures()}\n"
    if place.startswith("reference/") and not (ROOT / home).exists():
        return markdown
    return "".join(piece if is_code else _LINK.sub(lambda found: _led(found, home, place), piece) for piece, is_code in _pieces(markdown))


def _drawn(found: re.Match[str]) -> str:
    module, name, expanded = found.groups()
    workflow = project.workflows().get(module, {}).get(name)
    if workflow is None:
        log.warning("a diagram is asked for of %s in workflows/%s.py: there is no such workflow", name, module)
        return ""
    return drawing.draw(graph.of(workflow, expanded=bool(expanded)), f"Steps of {name}") + f"\n\n*{flows.LEGEND}*\n"


def _pieces(markdown: str) -> list[tuple[str, bool]]:
    """Return a text in pieces, each with whether it is a block of code."""
    pieces, start, fence = [], 0, ""
    for found in _FENCE.finditer(markdown):
        if not fence:
            pieces.append((markdown[start : found.start()], False))
            start, fence = found.start(), found.group(2)
        elif found.group(2).startswith(fence):
            pieces.append((markdown[start : found.end()], True))
            start, fence = found.end(), ""
    return [*pieces, (markdown[start:], bool(fence))]


def _led(found: re.Match[str], home: str, place: str) -> str:
    picture, text, target = found.groups()
    path, _, section = target.partition("#")
    if re.match(r"[a-z]+:", target) or not path:
        return found.group(0)
    whole = os.path.normpath(Path(home).parent / path)
    if whole in PROJECT_PAGES:
        whole = f"docs/{PROJECT_PAGES[whole]}"
    elif not (ROOT / whole).exists() and not whole.startswith("docs/reference/"):
        log.warning("%s: the link to %s leads nowhere", home, target)
        return text
    if not whole.startswith("docs/") or (ROOT / whole).is_dir() or not whole.endswith((".md", ".png", ".svg")):
        return text if text.startswith("`") else f"{text} (`{whole}`)" if text != whole else f"`{whole}`"
    inside = os.path.relpath(whole.removeprefix("docs/"), Path(place).parent)
    return f"{picture}[{text}]({inside}{f'#{section}' if section else ''})"
