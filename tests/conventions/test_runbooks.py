"""Runbooks: what a rule or problem names is a section that says what to do, every section is reachable, and no link is dead."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from tasks.usecase import policy

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RUNBOOK = "operations/runbook.md"
PARTS = ("Means", "Look", "Do", "Back")
HEADING = re.compile(r"^#{1,4} (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages() -> dict[str, str]:
    """Return each page of operations by its path below docs/, code blocks left out: a comment there is no heading."""
    found = sorted((DOCS / "operations").glob("*.md"))
    return {str(path.relative_to(DOCS)): re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S) for path in found}


def anchor(title: str) -> str:
    """Return the anchor that GitHub and mkdocs make of a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def sections(page: str) -> dict[str, str]:
    """Return the text below each heading by its anchor."""
    parts = HEADING.split(page)
    return {anchor(title): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def named(source: str) -> tuple[set[str], list[str]]:
    """Return the pages that a module names as `runbook=`, and the lines where they cannot be read.

    A page must be written out where it is named, or passed on from a record: so it is found by a search, and by this test.
    """
    found, unread = set(), []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        for value in (keyword.value for keyword in node.keywords if keyword.arg == "runbook"):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
            elif not (isinstance(value, ast.Attribute) and value.attr == "runbook"):
                unread.append(f"line {value.lineno}: {ast.unparse(value)}")
    return found, unread


def dead(links: set[str], page: str, known: dict[str, str]) -> list[str]:
    """Return those of some links of a page that lead nowhere."""
    wrong = []
    for link in links:
        path, _, section = link.partition("#")
        if path.startswith(("http:", "https:")):
            continue
        target = os.path.normpath(Path(page).parent / path) if path else page
        exists = target in known if section else (DOCS / target).exists()
        if not exists or (section and section not in sections(known[target])):
            wrong.append(link)
    return sorted(wrong)


@pytest.fixture(scope="module")
def of_code() -> set[str]:
    everything: set[str] = set()
    for path in sorted((ROOT / "tasks").rglob("*.py")):
        found, unread = named(path.read_text())
        assert unread == [], f"{path}: a page of the runbook must be written out"
        everything |= found
    return everything


# --- the checks themselves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "found", "unread"),
    [
        ("Problem(name='a', runbook='operations/runbook.md#volume')", {"operations/runbook.md#volume"}, 0),
        ("[E(runbook='a.md#b'), E(runbook='a.md#c')]", {"a.md#b", "a.md#c"}, 0),
        ("Evidence(runbook=problem.runbook)", set(), 0),  # passed on
        ("Evidence(runbook=f'operations/runbook.md#{name}')", set(), 1),  # a page that no search finds
        ("Evidence(runbook=PAGE)", set(), 1),
        ("Evidence(told='operations/runbook.md#volume')", set(), 0),  # another field
    ],
)
def test_pages_that_code_names_are_found(source: str, found: set[str], unread: int) -> None:
    assert (named(source)[0], len(named(source)[1])) == (found, unread)


def test_a_link_that_leads_nowhere_is_found() -> None:
    known = {RUNBOOK: "## Volume\n\ntext\n", "operations/alerts.md": "## No one's\n"}
    fine = {"#volume", "alerts.md#no-ones", "../README.md", "../../README.md", "https://example.com/#x", "alerts.md"}
    wrong = {"#volumes", "alerts.md#no-one", "nowhere.md", "nowhere.md#volume"}
    assert dead(fine | wrong, RUNBOOK, known) == sorted(wrong)


# --- the runbook ------------------------------------------------------------------------------------------------------


def test_every_page_that_code_names_is_a_section_that_says_what_to_do(of_code: set[str]) -> None:
    assert of_code, "no rule names its page"
    known = pages()
    for name in sorted(of_code):
        page, _, section = name.partition("#")
        assert section in sections(known.get(page, "")), f"{name}: there is no such section"
        missing = [part for part in PARTS if f"*{part}:*" not in sections(known[page])[section]]
        assert missing == [], f"{name} does not say {missing}"


def test_no_section_has_the_anchor_of_another() -> None:
    for page, text in pages().items():
        anchors = [anchor(title) for title in HEADING.findall(text)]
        assert sorted(anchors) == sorted(set(anchors)), page


def test_every_link_leads_somewhere() -> None:
    known = pages()
    assert {page: wrong for page, text in known.items() if (wrong := dead(set(LINK.findall(text)), page, known))} == {}


def test_every_section_is_reachable(of_code: set[str]) -> None:
    """From what a night names, or from a link of another section: a page that nobody finds helps nobody."""
    known = pages()
    text = known[RUNBOOK]
    start = text.partition("\n## ")[2].partition("\n## ")[0]  # the first section is what is read first
    reached: set[str] = set()
    waiting = {anchor(start.partition("\n")[0]), *(name.partition("#")[2] for name in of_code if name.startswith(RUNBOOK))}
    while waiting:
        reached |= waiting
        links = {link for name in waiting for link in LINK.findall(sections(text)[name])}
        waiting = {link[1:] for link in links if link.startswith("#")} - reached
    titles = HEADING.findall(text)[1:]  # without the page's own
    assert [title for title in titles if anchor(title) not in reached] == []


def test_what_it_says_of_the_policy_is_there() -> None:
    """Each value is named by its place rather than by its number, so that no page is wrong after a change."""
    wanted = {name for text in pages().values() for name in re.findall(r"`(MONITORING(?:\.\w+)+)`", text)}
    assert wanted
    for name in sorted(wanted):
        value: object = policy
        for part in name.split("."):
            assert part in type(value).model_fields if isinstance(value, BaseModel) else hasattr(value, part), name
            value = getattr(value, part)
