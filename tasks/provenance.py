"""Where the running code comes from: the commit that it was checked out at, and the lock of its environment."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNKNOWN = "unknown"
"""What is told where there is neither a checkout nor a lock, as in a pod."""


def commit() -> str:
    """Return the commit that the code was checked out at, marked if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return done.stdout.strip()


def lock_hash() -> str:
    """Return the sha256 sum of the lock."""
    lock = ROOT / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else UNKNOWN
