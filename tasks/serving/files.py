"""Small files that several processes share: replaced in one step that outlives a loss of power, under a lock of the kernel."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, content: bytes, mode: int) -> None:
    """Put a file in the place of what stands there; a reader sees the one or the other, never a half.

    Only the holder of a lock (`locked`) may call this: what a killed one left behind is written over.

    Args:
        path: The file; its folder must be there.
        content: All of it.
        mode: Its permissions, less those of the process's umask.

    Raises:
        OSError: If it cannot be written. The old file stands then, or the new one where the folder alone could not be synced.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a machine that loses power may come back with an empty file ...
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # ... or with the old one
    finally:
        os.close(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, which is made, with its folder, if it is not there; the kernel frees it if the holder dies.

    Args:
        path: The lock file. It holds nothing, and stays.

    Raises:
        OSError: If it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
