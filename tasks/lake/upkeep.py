"""Upkeep: small files into larger ones, and files that nothing needs removed. What a registered model names stays.

Nothing that was part of the lake within the time to keep is removed either, so that runs under way are safe.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from tasks.artifacts.lineage import NamedData, Overdue, TableUpkeep, UpkeepReport
from tasks.errors import StorageError
from tasks.lake import ledger, tables
from tasks.lake.ledger import UNDATED
from tasks.lake.manifest import FOLDER

log = logging.getLogger(__name__)


def tidy(lake: str, named: NamedData, keep: timedelta, now: datetime) -> UpkeepReport:
    """Compact every table of a lake, and remove the files and manifests that are out of use for longer than a time.

    A version is kept by its table's name, wherever the lake lay when it was named: a lake may move.

    Args:
        lake: Folder or URI of the lake.
        named: The table versions and manifests that must stay whole.
        keep: How long files stay that the newest version no longer has, and manifests that nothing names.
        now: The clock (UTC).

    Raises:
        LakeError: If a table is damaged, or stays in conflict with another writer.
        StorageError: If files cannot be removed.
    """
    done = []
    for name in table_names(lake):
        uri = f"{lake}/{name}"
        compacted = tables.compact(uri)
        newest = tables.version_of(uri)
        # A version that this table does not have yet is one of another lake, and Delta refuses to keep it.
        kept = sorted(version for version in named.tables.get(name, []) if version <= newest)
        removed = tables.vacuum(uri, kept, keep)
        log.info("%s: %d files compacted, %d removed", name, compacted, removed)
        done.append(TableUpkeep(table=name, kept_versions=kept, files_compacted=compacted, files_removed=removed))
    removed, left = _remove_manifests(lake, set(named.manifests), now - keep)
    return UpkeepReport(keep_days=keep / timedelta(days=1), tables=done, manifests_removed=removed, manifests_kept=left)


def overdue(lake: str, retention: Mapping[tuple[str, str], int], today: date) -> list[Overdue]:
    """Return what the newest version of the lake's tables holds for longer than it should.

    Args:
        lake: Folder or URI of the lake.
        retention: Table and column to the days for which a value is kept.
        today: The day to count from; a table without days is as old as its last change.
    """
    entries = {at: entry for at, entry in ledger.read(lake).items() if entry.rows}
    held = [(name, day if day != UNDATED else entry.known_at.date()) for (name, day), entry in entries.items()]
    found = []
    for (name, column), limit in sorted(retention.items()):
        days = sorted(day for table, day in held if table == name and (today - day).days > limit)
        if days:
            found.append(Overdue(table=name, column=column, retention_days=limit, days=len(days), first_day=days[0], last_day=days[-1]))
    return found


def table_names(lake: str) -> list[str]:
    """Return the names of the lake's Delta tables."""
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(lake)
    if not filesystem.exists(root):
        return []
    folders = [entry["name"].rstrip("/") for entry in filesystem.ls(root, detail=True) if entry["type"] == "directory"]
    return sorted(folder.rpartition("/")[2] for folder in folders if filesystem.exists(f"{folder}/_delta_log"))


def _remove_manifests(lake: str, named: set[str], before: datetime) -> tuple[int, int]:
    """Remove the manifests that nothing names and that are older than an instant; return how many, and how many are left."""
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(f"{lake}/{FOLDER}")
    paths = filesystem.glob(f"{root}/*.parquet") if filesystem.exists(root) else []
    unnamed = [path for path in paths if path.rpartition("/")[2].removesuffix(".parquet") not in named]
    old = [path for path in unnamed if filesystem.modified(path) < before]
    try:
        for path in old:
            filesystem.rm_file(path)
    except OSError as error:
        raise StorageError(f"{lake}/{FOLDER} must be writable", f"{error}", "mend permissions, then run again") from error
    return len(old), len(paths) - len(old)
