"""Section on the routing: which model answers whom."""

from __future__ import annotations

from tasks.artifacts.serving import Arm, Routing
from tasks.reporting import text
from tasks.reporting.page import facts, fragment, lead, paragraph, table


def routing(name: str, record: Routing) -> str:
    """Show who answers whom since a revision, by whom and why.

    Args:
        name: The model.
        record: The routing that stands.
    """
    share = text.share(record.share)
    sentence = f"{_named(record.champion).capitalize()} of {name} answers all."
    rows = [("Champion", *_cells(record.champion), "all" if record.canary is None else f"all but {share}")]
    if record.canary is not None:
        sentence = f"{_named(record.champion).capitalize()} of {name} answers, and {_named(record.canary)} {share} of the entities."
        rows.append(("Canary", *_cells(record.canary), share))
    if record.shadow is not None:
        rows.append(("Shadow", *_cells(record.shadow), "nobody; it scores what others answer"))
    return fragment(
        lead("", sentence),
        table(["Part", "Version", "Package", "Answers"], rows),
        facts([("Revision", record.revision), ("Since", text.instant(record.changed_at)), ("By", record.by), ("Reason", record.reason)]),
        paragraph("One entity stays with one model. Workers follow within a second, once the packages are verified, loaded and warm."),
    )


def _named(arm: Arm) -> str:
    return "the package" if arm.version is None else f"version {arm.version}"


def _cells(arm: Arm) -> tuple[str, str]:
    return ("-" if arm.version is None else str(arm.version), text.short(arm.package_digest))
