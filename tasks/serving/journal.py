"""The journal: append-only segments of checksummed JSON lines, for the prediction log and the service's own events.

A line is handed to the kernel by one `os.write` before `write` returns, so that a process that is killed loses no line that it had
written: what is acknowledged after `write` is in the file. It outlives the process, not the machine: nothing waits for the disk.

A segment that is being written is named `.open` and locked (flock) by its writer; closed, it is named `.jsonl`. The kernel frees
the lock with the process, in whatever way it ends, so that a lock tells a living writer from one that is gone even where process
ids are used again or a reader is in another container.

What is not here: what the lines hold.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

OPEN, CLOSED = ".open", ".jsonl"

_MODE = 0o640  # requests are nobody's business; a collector may be another user of the same group
_SUM = 8  # hex digits of a line's crc32, before a space


class Segment(NamedTuple):
    """What a segment holds.

    Attributes:
        lines: The JSON objects whose sums fit, in the order written.
        torn: 1 if the last line has no end: its writer was killed, or its disk full, before `write` returned.
        damaged: Lines whose sum does not fit, or that are no JSON object.
    """

    lines: list[dict[str, Any]]
    torn: int
    damaged: int


class Journal:
    """Writes lines; of any number of threads of one process. Each process has its own, into the same folder.

    Args:
        folder: Of the segments; made with the first line.
        most_bytes: A segment is closed before it would be larger than this (a single longer line has one of its own).
        most_seconds: `roll` closes a segment that is older than this.
    """

    def __init__(self, folder: Path, most_bytes: int, most_seconds: float) -> None:
        self.bytes_written = 0
        """By this object, through all segments."""
        self._folder, self._most_bytes, self._most_seconds = folder, most_bytes, most_seconds
        self._lock = threading.Lock()
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._opened = 0.0

    def write(self, payload: bytes) -> None:
        """Append one line; when this returns, it survives the process.

        Args:
            payload: A JSON object in UTF-8, on one line.

        Raises:
            OSError: If the line could not be written whole (such as: no space is left). Nothing of it is in the segment then.
            ValueError: If the payload has a line break.
        """
        if b"\n" in payload:
            raise ValueError("the payload must be one line; got several")
        line = b"%08x %b\n" % (crc32(payload), payload)
        with self._lock:
            if self._file is not None and self._size + len(line) > self._most_bytes:
                self._finish()
            file = self._begin() if self._file is None else self._file
            written = 0
            try:
                written = os.write(file, line)
                if written < len(line):
                    raise OSError(errno.ENOSPC, "only a part of the line could be written", str(self._path))
            except OSError:
                self._take_back(file, written)
                raise
            self._size += written
            self.bytes_written += written

    def roll(self) -> None:
        """Close the segment if it is old; the next line begins another one."""
        with self._lock:
            if self._file is not None and time.monotonic() - self._opened >= self._most_seconds:
                self._finish()

    def close(self) -> None:
        """Close the segment. A later `write` begins another one."""
        with self._lock:
            if self._file is not None:
                self._finish()

    def _begin(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}Z-{os.getpid()}-{secrets.token_hex(4)}"
        self._path = self._folder / f"{name}{OPEN}"
        hidden = self._folder / f".{name}"
        file = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, _MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            hidden.rename(self._path)  # only now, so that no reader ever sees an open segment without its lock
        except OSError:
            os.close(file)
            with suppress(OSError):
                hidden.unlink()
            raise
        self._file, self._size, self._opened = file, 0, time.monotonic()
        return file

    def _take_back(self, file: int, written: int) -> None:
        """Leave nothing of a line that was not written whole: the next one would be damaged by it."""
        try:
            if written:
                os.ftruncate(file, self._size)
        except OSError:
            self._finish()  # the torn line is the segment's last one

    def _finish(self) -> None:
        assert self._file is not None
        file, self._file = self._file, None
        with suppress(OSError):  # it keeps its name then, and counts as closed since its lock is gone
            if self._size:
                self._path.rename(self._path.with_suffix(CLOSED))
            else:
                self._path.unlink()
        os.close(file)


def read(path: Path) -> Segment:
    """Read a segment; one that is still being written gives the lines so far.

    Raises:
        OSError: If it cannot be read.
    """
    *whole, rest = path.read_bytes().split(b"\n")
    found = [_parsed(line) for line in whole]
    lines = [line for line in found if line is not None]
    return Segment(lines, torn=int(bool(rest)), damaged=len(found) - len(lines))


def closed(folder: Path) -> list[Path]:
    """Return the segments that nobody writes to any more, the oldest first: closed ones, and those of a process that is gone."""
    return sorted([*folder.glob(f"[!.]*{CLOSED}"), *(path for path in folder.glob(f"[!.]*{OPEN}") if _is_left(path))])


def _is_left(path: Path) -> bool:
    """Return whether the writer of an open segment is gone."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # closed or collected at this moment
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return path.exists()  # else it was closed between the two
    except BlockingIOError:
        return False
    finally:
        os.close(file)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line, None if it is damaged."""
    payload = line[_SUM + 1 :]
    if line[: _SUM + 1] != b"%08x " % crc32(payload):
        return None
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
