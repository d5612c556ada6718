"""Reads all that is on record in an installation: the lake, the newest dossier, the report of the tests, searches, a backtest."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from tasks import provenance
from tasks.artifacts.backtest import Backtest
from tasks.artifacts.dossier import Dossier
from tasks.artifacts.readiness import Inventory, ReadinessRules, SearchFacts, VersionFacts
from tasks.artifacts.search import Search
from tasks.errors import BundleError
from tasks.lake import audit, nights, proofs, tables, upkeep, usage
from tasks.model import bundle
from tasks.model.fetch import fetch
from tasks.readiness import report
from tasks.readiness.installation import Installation, Terms

log = logging.getLogger(__name__)

DOCUMENTED = "docs/searches"
"""Where searches are kept with the code, relative to the root of the project."""

_RUNS = 50  # of each task: what was is forgotten, as in the tasks' own accounts


def gather(lake: str, home: Path, inventory: Inventory, terms: Terms, rules: ReadinessRules, now: datetime) -> Installation:
    """Read an installation.

    Args:
        lake: Folder or URI of the lake.
        home: Folder of what is local: reports, searches, a backtest; in a pod there is none.
        inventory: What the registry holds.
        terms: What the code of today declares.
        rules: How old evidence may be.
        now: The machine's clock (UTC).

    Raises:
        LakeError: If a table is damaged.
        StorageError: If the report of the tests is none.
    """
    trail_report, trail = audit.examine(lake, {int(number): digest for number, digest in inventory.anchors.items()})
    kept = usage.newest(lake, _RUNS, usage.tasks(lake))
    return Installation(
        now=now,
        rules=rules,
        terms=terms,
        inventory=inventory,
        newest=None if inventory.newest is None else dossier(inventory.newest),
        trail=trail,
        trail_report=trail_report,
        usage={task: [used for used in kept if used.task == task] for task in {used.task for used in kept}},
        nights=nights.read(lake),
        proofs=proofs.read(lake),
        tests=report.read(home / report.FILE),
        backtest=_backtest(home / "backtest" / "backtest.json"),
        searches=_searches(home / "searches", provenance.ROOT / DOCUMENTED),
        columns=_columns(lake),
    )


def dossier(version: VersionFacts) -> Dossier | None:
    """Return the dossier of a version, None if it is not there, is not the one that was registered, or is of another form."""
    if not version.dossier_uri:
        return None
    try:
        folder = fetch(version.dossier_uri)
        bundle.verify(folder)
        text = (folder / "dossier.json").read_bytes()
        if _sum(text) != version.dossier_digest:
            log.warning("the dossier of version %d is another than the one that was registered", version.version)
            return None
        return Dossier.model_validate_json(text)
    except (BundleError, OSError, ValidationError) as error:
        log.warning("the dossier of version %d cannot be read: %s", version.version, str(error).split("\n")[0])
        return None


def _sum(text: bytes) -> str:
    import hashlib

    return hashlib.sha256(text).hexdigest()


def _backtest(path: Path) -> tuple[Backtest, datetime] | None:
    if not path.is_file():
        return None
    try:
        return Backtest.model_validate_json(path.read_bytes()), datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except ValidationError as error:
        log.warning("%s is of another form, and is left out: %s", path, str(error).split("\n")[0])
        return None


def _searches(made_here: Path, documented: Path) -> list[SearchFacts]:
    """Return the searches that were kept as files: here, and with the code, where a commit tells their day."""
    files = [(path, datetime.fromtimestamp(path.stat().st_mtime, UTC)) for path in sorted(made_here.glob("*.json"))]
    files += [(path, at) for path in sorted(documented.glob("*.json")) if (at := provenance.committed_at(str(path))) is not None]
    found = []
    for path, at in files:
        try:
            search = Search.model_validate_json(path.read_bytes())
        except ValidationError as error:
            log.warning("%s is of another form, and is left out: %s", path, str(error).split("\n")[0])
            continue
        if search.best is not None:
            where = str(path.relative_to(provenance.ROOT)) if path.is_relative_to(provenance.ROOT) else str(path)
            found.append(SearchFacts.of(search, where, at))
    return found


def _columns(lake: str) -> Mapping[str, Sequence[str]]:
    found = {name: tables.schema(f"{lake}/{name}") for name in upkeep.table_names(lake)}
    return {name: schema.names() for name, schema in found.items() if schema is not None}
