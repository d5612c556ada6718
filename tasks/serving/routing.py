"""The pointer: which model answers whom, in one file that is only ever replaced.

A reader needs no lock: it sees the old pointer or the new one. Who changes it holds a lock, so that nobody's change is lost.
What is *not* here: what a revision means for a worker (`revisions`), and who may be routed to (`rollout`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from tasks.artifacts.serving import Arm, Routing
from tasks.errors import ServingError, StorageError
from tasks.serving import files

log = logging.getLogger(__name__)

POINTER, LOCK, HISTORY, PACKAGES = "routing.json", "routing.lock", "history", "packages"
"""Names in the serving folder."""

_KEPT = 10  # newest revisions: a worker that starts while the newest one is bad goes back to the last good one
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read(folder: Path) -> Routing | None:
    """Return the routing that the pointer holds, None if there never was one.

    Args:
        folder: The serving folder.

    Raises:
        ServingError: If the file holds something else, or is gone while its history is there.
        StorageError: If it cannot be read.
    """
    found = _parsed(folder / POINTER)
    if found is None and any((folder / HISTORY).glob("*.json")):
        found = _parsed(folder / POINTER)  # the very first one may have come between: it is written before its history
        if found is not None:
            return found
        raise ServingError(f"{folder / POINTER} must be there, as {folder / HISTORY} is", "no file", _mend(folder))
    return found


def change(folder: Path, make: Callable[[Routing | None], Routing]) -> Routing:
    """Replace the pointer by what follows from it; of several at once, one after the other.

    Args:
        folder: The serving folder; made if it is not there.
        make: From the routing that stands (or None) to the next one, of the next revision. If it returns what stands, nothing
            is changed. What it raises ends the change, and the pointer stays.

    Returns:
        The routing that stands now.

    Raises:
        ServingError: If the pointer is broken: it is never overwritten unread; or the next one is not a routing's next.
        StorageError: If it cannot be written.
    """
    with locked(folder):
        now = read(folder)
        wanted = make(now)
        if now is not None and wanted == now:
            return now
        _require_next(now, wanted)
        _replace(folder / POINTER, wanted)
        _keep(folder, wanted)
        return wanted


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a serving folder, which is made if it is not there; the kernel frees it if the holder dies.

    Raises:
        StorageError: If something cannot be written, then or while it is held.
    """
    try:
        with files.locked(folder / LOCK):
            yield
    except OSError as error:
        raise StorageError(f"{folder} must be writable", f"{error}", "free space or mend permissions, then run again") from error


def abort(folder: Path, revision: int, by: str, reason: str, now: datetime) -> Routing | None:
    """Drop canary and shadow, so that the champion answers all, if a revision still stands.

    Args:
        folder: The serving folder.
        revision: The revision that was found bad: a later one is somebody's newer decision.
        by: Who or what acts.
        reason: Why.
        now: When (with its zone).

    Returns:
        The new routing; None if another revision stands, or there is no canary and no shadow to drop.

    Raises:
        ServingError: If the pointer is broken.
        StorageError: If it cannot be written.
    """
    standing = read(folder)  # most callers find here that it is done, and need no lock
    if not _is_trial(standing, revision):
        return None
    made: list[Routing] = []

    def make(routing: Routing | None) -> Routing:
        if routing is None or not _is_trial(routing, revision):
            raise _Passed
        made.append(Routing(revision=revision + 1, champion=routing.champion, by=by, reason=reason, changed_at=now))
        return made[-1]

    with suppress(_Passed):
        return change(folder, make)
    return None


def earlier(folder: Path) -> list[Routing]:
    """Return the newest routings that were made, the newest first, as far as they can be read."""
    found = []
    for path in (folder / HISTORY).glob("*.json"):
        with suppress(ServingError, StorageError):
            if (routing := _parsed(path)) is not None:
                found.append(routing)
    return sorted(found, key=lambda routing: routing.revision, reverse=True)


def package(folder: Path, digest: str) -> Path:
    """Return where the package of a digest lies in a serving folder."""
    return folder / PACKAGES / digest


def arms(routing: Routing) -> dict[str, Arm]:
    """Return the models of a routing by what they do."""
    named = {"champion": routing.champion, "canary": routing.canary, "shadow": routing.shadow}
    return {name: arm for name, arm in named.items() if arm is not None}


class _Passed(Exception):
    """Another revision stands by now."""


def _is_trial(routing: Routing | None, revision: int) -> bool:
    return routing is not None and routing.revision == revision and (routing.canary or routing.shadow) is not None


def _parsed(path: Path) -> Routing | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} must be readable", f"{error}", "mend its permissions") from error
    mend = _mend(path.parent)
    try:
        routing = Routing.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        found = f"{first['msg']}{f' at {place}' if place else ''}"
        raise ServingError(f"{path} must hold a routing", found, mend) from error
    faults = _faults(routing)
    if faults:
        raise ServingError(f"{path} must hold a routing", "; ".join(faults), mend)
    return routing


def _mend(folder: Path) -> str:
    return f"copy the newest file of {folder / HISTORY} over {POINTER}, or remove both to serve the package that came with the service"


def _faults(routing: Routing) -> list[str]:
    """Return what is wrong with a routing as a whole."""
    # A digest names a folder.
    faults = [f"a {name} whose digest is no sha256 sum" for name, arm in arms(routing).items() if not _DIGEST.fullmatch(arm.package_digest)]
    if routing.share > 0 and routing.canary is None:
        faults.append(f"a share of {routing.share:g} for no canary")
    return faults


def _require_next(now: Routing | None, wanted: Routing) -> None:
    expected = 1 if now is None else now.revision + 1
    faults = _faults(wanted)
    if wanted.revision != expected:
        faults.append(f"revision {wanted.revision}")
    if faults:
        raise ServingError(f"the next routing must be sound, and have revision {expected}", "; ".join(faults), "make it from what stands")


def _keep(folder: Path, routing: Routing) -> None:
    """Keep a revision beside the last ones. The pointer stands already: a full disk must not say otherwise."""
    history = folder / HISTORY
    try:
        history.mkdir(exist_ok=True)
        _replace(history / f"{routing.revision:08d}.json", routing)
        for path in sorted(history.glob("*.json"))[:-_KEPT]:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("revision %d stands, but could not be kept in %s: %s", routing.revision, history, error)


def _replace(path: Path, routing: Routing) -> None:
    files.replace(path, routing.model_dump_json(indent=1).encode() + b"\n", 0o644)
