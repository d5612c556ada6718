"""The section of the bill of materials: what a model was made with, under which licences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tasks.artifacts.dossier import Component
from tasks.reporting import page, text

_COPYLEFT = re.compile(r"\b([AL]?GPL|MPL|EUPL|CDDL|EPL)\b")
"""Licences that ask something of who passes the software on; a reader who ships the model must know of them."""


def components(record: Sequence[Component]) -> str:
    """Show the packages of an environment: how many, which licences need care, and on demand each of them."""
    if not record:
        return page.fragment(page.paragraph("The packages of the environment were not recorded."))
    licences = Counter(component.licence for component in record)
    direct = sum(component.is_direct for component in record)
    asks = [f"{c.name} ({c.licence})" for c in record if _COPYLEFT.search(c.licence)]
    rows = [(c.name, c.version, c.licence, "yes" if c.is_direct else "") for c in record]
    # As many tables as it takes: a bill that leaves out packages is none.
    tables = (rows[n : n + page.MOST_ROWS] for n in range(0, len(rows), page.MOST_ROWS))
    return page.fragment(
        page.lead("", f"{text.count(len(record), 'package')}, of which the project names {text.count(direct)} itself."),
        page.paragraph("The same list, for programs, is bom.json beside this file (CycloneDX)."),
        *([page.paragraph("These licences ask something of who passes the software on:"), page.bullets(asks)] if asks else []),
        page.folded("Licences", page.table(["Licence", "Packages"], [(name, text.count(n)) for name, n in licences.most_common()])),
        page.folded("All packages", "".join(page.table(["Package", "Version", "Licence", "Direct"], some) for some in tables)),
    )
