"""What the registry holds, as evidence: its versions, the searches that are over, and what it knows of the audit trail."""

from __future__ import annotations

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.artifacts.readiness import Inventory, SearchFacts, VersionFacts
from tasks.artifacts.search import Search
from tasks.errors import RegistryError
from tasks.registry.tracking import Tracker
from tasks.registry.versions import DOSSIER, DOSSIER_URI, Registry

log = logging.getLogger(__name__)


def take(registry: Registry, tracker: Tracker) -> Inventory:
    """Return the registry's versions and finished searches.

    Raises:
        RegistryError: If MLflow is out of reach.
    """
    versions = [
        VersionFacts(
            version=number,
            aliases=found.aliases,
            registered_at=registry.registered_at(number),
            code_commit=tags.get("code_commit", ""),
            package_digest=found.package_digest,
            dossier_uri=tags.get(DOSSIER_URI, ""),
            dossier_digest=tags.get(DOSSIER, ""),
        )
        for number, tags in sorted(registry.tags().items())
        for found in [registry.registered(number)]
    ]
    searches = [told for run in tracker.finished("search") if (told := _search(tracker, run)) is not None]
    anchors = {str(number): digest for number, digest in registry.anchors().items()}
    return Inventory(name=registry.name, versions=versions, searches=searches, anchors=anchors)


def _search(tracker: Tracker, run: Any) -> SearchFacts | None:
    """Return a finished search as evidence; None of one without a complete trial, or whose record cannot be read any more."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = tracker.reach(lambda: tracker.client.download_artifacts(run.info.run_id, "search.json", folder))
            search = Search.model_validate_json(Path(file).read_text())
    except (RegistryError, ValidationError) as error:
        log.warning("the record of the search in run %s cannot be read: %s", run.info.run_id, str(error).split("\n")[0])
        return None
    at = datetime.fromtimestamp((run.info.end_time or run.info.start_time) / 1000, UTC)
    return None if search.best is None else SearchFacts.of(search, f"MLflow run {run.info.run_id}", at)
