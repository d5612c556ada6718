"""The ML Test Score as a Deck, a page, a table on the terminal, and the rubric as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.artifacts.readiness import Cadence, Combine, Item, ItemScore, MLTestScore, Proof, Section
from tasks.reporting import page, text
from tasks.reporting.page import facts, fragment, heading, lead, paragraph, table

if TYPE_CHECKING:
    from rich.console import Group

PAPER = (
    "E. Breck, S. Cai, E. Nielsen, M. Salib and D. Sculley, “The ML Test Score: A Rubric for ML Production Readiness and Technical Debt "
    "Reduction”, IEEE International Conference on Big Data, 2017"
)
_METHOD = (
    "Half a point for what was done and is documented, a full one for what is done again by itself. A section is the sum over its seven "
    "tests, the score is the least of the sections. No point without evidence that is found in this installation."
)
_TITLES = {
    Section.DATA: "Features and data",
    Section.MODEL: "Model development",
    Section.INFRASTRUCTURE: "Infrastructure",
    Section.MONITORING: "Monitoring",
}
_POINTS = {0.0: "0", 0.5: "½", 1.0: "1"}
_COMBINED = {
    Combine.ALL: "The weakest counts.",
    Combine.EITHER: "Half a point for either alone, the weaker counts where both are there.",
    Combine.PRACTISED: "Half a point for either alone, both make as much as the first gives.",
}
_RUNS = {
    Cadence.TESTS: "with each change",
    Cadence.RETRAIN: "with each retraining",
    Cadence.NIGHT: "each night",
    Cadence.NOW: "at each score",
    Cadence.HAND: "by hand",
}
_HISTORY = 20  # scores that are shown


def sentence(record: MLTestScore) -> str:
    """Say the score and what the paper says of it."""
    sections = text.listed(f"{part.section} {part.points:g}" for part in record.sections)
    return f"ML Test Score {record.final:g} of 7, the least of {sections}: {record.reading}."


def section(record: MLTestScore, history: Sequence[Proof] = ()) -> str:
    """Show the score, its sections, each test with its evidence or what is missing, and earlier scores.

    Args:
        record: The score.
        history: Earlier scores on record, the oldest first.
    """
    sums = [(_TITLES[part.section], f"{part.points:g}", "7") for part in record.sections]
    parts = [
        lead("", sentence(record)),
        paragraph(_METHOD),
        table(["Section", "Points", "Of"], sums),
        facts([("At", text.instant(record.at)), ("Code", record.code_commit)]),
    ]
    if commands := _earn(record):
        parts += [heading("What would earn more"), page.bullets(commands)]
    for part in record.sections:
        parts.append(heading(f"{_TITLES[part.section]}: {part.points:g} of 7"))
        parts += [_item(scored) for scored in record.items if scored.item.section is part.section]
    if history:
        rows = [(text.instant(proof.at), proof.subject, proof.told) for proof in reversed(history[-_HISTORY:])]
        parts += [heading("Scores before"), table(["At", "Code", "Score"], rows)]
    return fragment(*parts, paragraph(PAPER))


def document(record: MLTestScore, history: Sequence[Proof] = ()) -> str:
    """Return the score as a whole page, which needs no network."""
    return page.page("ML Test Score", section(record, history))


def closing(record: MLTestScore) -> Group:
    """Return what a terminal shows: each test with its evidence or what is missing, what would earn more, and the score."""
    from rich.console import Group, RenderableType
    from rich.padding import Padding
    from rich.text import Text

    lines: list[RenderableType] = []
    for part in record.sections:
        lines.append(Text(f"\n{_TITLES[part.section]}: {part.points:g} of 7", style="bold"))
        for scored in (s for s in record.items if s.item.section is part.section):
            lines.append(Text(f"  {_POINTS[scored.points]}  {scored.item.number}. {scored.item.title}"))
            lines += [Padding(Text(f"{found.at:%Y-%m-%d}  {found.what}", style="dim"), (0, 0, 0, 8)) for found in scored.found]
            lines += [Padding(Text(f"missing: {missing}"), (0, 0, 0, 8)) for missing in scored.missing]
    if commands := _earn(record):
        lines += [Text("\nWhat would earn more", style="bold"), *(Text(f"  {command}") for command in commands)]
    return Group(*lines, Text(f"\n{sentence(record)}", style="bold"))


def rubric(items: Sequence[Item]) -> str:
    """Return the rubric as Markdown: of each test what proves it here, what earns that, and what gives half a point and a full one."""
    headers = ("", "test", "what proves it here, and what earns that", "half a point", "a full point")
    lines = []
    for part in Section:
        lines += [f"## {_TITLES[part]}", "", f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}"]
        for item in (item for item in items if item.section is part):
            cells = (str(item.number), item.title, _needs(item), item.half, item.full)
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        lines.append("")
    return "\n".join(lines)


def _earn(record: MLTestScore) -> list[str]:
    """Return the commands that would earn more, each once, in the order of the tests."""
    return list(dict.fromkeys(command for scored in record.items for command in scored.earn))


def _needs(item: Item) -> str:
    told = [f"{need.what} ({need.where}; {_RUNS[need.cadence]}): {_commands(need.earn)}" for need in item.needs]
    return "<br>".join(told if len(told) == 1 else [*told, _COMBINED[item.combine]])


def _commands(earn: str) -> str:
    """Return what earns a point with its commands as such; what a person does between them stays words."""
    return "; ".join(f"`{step}`" if step.startswith("make ") else step for step in earn.split("; "))


def _cell(said: str) -> str:
    return said.replace("|", "\\|").replace("*", "\\*")


def _item(scored: ItemScore) -> str:
    found = [f"{_POINTS[f.points]}: {f.what} ({f.where}, {text.instant(f.at)})" for f in scored.found]
    missing = [f"Missing: {told}" for told in scored.missing]
    earn = [f"Run: {command}" for command in scored.earn]
    title = f"{_POINTS[scored.points]} · {scored.item.number}. {scored.item.title}"
    return f"<h3>{page.escape(title)}</h3>{page.bullets([*found, *missing, *earn])}"
