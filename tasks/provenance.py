"""Where the running code comes from: the commit that it was checked out at, and the lock of its environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CODE, _DECLARED = ("tasks", "workflows", "launchplans", "images", "tests"), ("pyproject.toml", "requirements.lock")
UNKNOWN = "unknown"
"""What is told where there is neither a checkout nor a lock."""


def commit() -> str:
    """Return the commit that the code was checked out at, marked if files differ from it.

    A pod has no checkout: there it is what was registered (`EVERGREEN_COMMIT`).
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("EVERGREEN_COMMIT") or UNKNOWN
    return done.stdout.strip()


def code_hash() -> str:
    """Return the sha256 sum over all code and tests, by which a report of tests is of this code or of another."""
    total = hashlib.sha256()
    files = (path for folder in _CODE for path in (ROOT / folder).rglob("*.py"))
    for path in sorted([*files, *(path for name in _DECLARED if (path := ROOT / name).is_file())]):
        total.update(f"{path.relative_to(ROOT).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def committed_at(path: str) -> datetime | None:
    """Return when a file of the checkout was changed last by a commit (UTC), None where that is not known."""
    command = ["git", "log", "-1", "--format=%cI", "--", path]
    try:
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return datetime.fromisoformat(told).astimezone(UTC) if told else None


def lock_hash() -> str:
    """Return the sha256 sum of the lock."""
    lock = ROOT / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else UNKNOWN
