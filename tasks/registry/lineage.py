"""Where a model comes from, as tags of its version: data, code, environment."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tasks.artifacts.data import DataSnapshot

_ROOT = Path(__file__).resolve().parents[2]


def tags(snapshot: DataSnapshot, owner: str) -> dict[str, str]:
    """Return the tags: the owner; the snapshot's content, clock and versions; the code commit; the hash of the lock."""
    return {
        "owner": owner,
        "snapshot_hash": snapshot.content_hash,
        "as_of": snapshot.as_of.isoformat(),
        "source": snapshot.source,
        "tables": ", ".join(f"{table.name}@{table.version}" for table in snapshot.tables),
        "code_commit": _commit(),
        "lock_hash": _lock(),
    }


def _commit() -> str:
    """Return the commit that the code was checked out at, marked if files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _lock() -> str:
    lock = _ROOT / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "unknown"
