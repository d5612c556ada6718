"""API keys: who may ask for what. The file holds the sha256 sums of their secrets, never a secret.

A token is `evg_<id>_<secret>`; its secret has 256 random bits, so that a plain sum is enough: there is nothing to guess that a slow
one would protect. Any number of processes may change the file: each holds a lock (flock) meanwhile, and replaces the file in one
step, so that a reader sees it before or after, never between. What is not here: the audit trail (`access.py` writes it).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from tasks.artifacts.serving import Key, Keyring, Role
from tasks.errors import ServingError, StorageError
from tasks.serving import files

FILE = "keys.json"

_TOKEN = re.compile(r"evg_([0-9a-f]{8})_([0-9a-f]{64})", re.ASCII)
_NAME_LENGTH = 100  # characters: it is shown in tables
_NOBODY = "0" * 64  # compared with where there is no such key, so that it takes the same time
_MEND = "bring the file back from a backup; or remove it, and add all keys anew"

Before = Callable[[list[Key]], None]
"""Called with the keys that are about to change, the newest first, before the file does; if it raises, nothing changes."""


class Keys:
    """The keys as a server knows them: read from the file, and again when it changes.

    Args:
        path: The file; there may be none yet.
    """

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        """Why the newest file could not be used, None if it is."""
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, Key] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the file again if it changed. One that is gone or broken changes nothing but `problem`."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if seen == self._seen:
                return
            ring = _parsed(self._path)
        except FileNotFoundError:
            self._seen, self.problem = None, f"{self._path.name} must hold keys; there is no such file"
        except (OSError, ServingError) as error:
            self.problem = f"{self._path.name} cannot be used, the keys before it still are: {error}"
        else:
            self._keys = {key.id: key for key in ring.keys}
            self._seen, self.problem = seen, None

    def find(self, token: str, now: datetime) -> Key | None:
        """Return the key of a token; None if there is none, or it is revoked or expired at `now`."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        key = self._keys.get(parts[1])
        is_same = hmac.compare_digest(_sum(parts[2]), key.digest if key else _NOBODY)
        return key if key is not None and is_same and is_valid(key, now) else None


def is_valid(key: Key, now: datetime) -> bool:
    """Return whether a key may be used at an instant."""
    return (key.revoked_at is None or now < key.revoked_at) and (key.expires_at is None or now < key.expires_at)


def read(path: Path) -> Keyring:
    """Return all keys; of no file, none.

    Raises:
        ServingError: If the file is broken.
        StorageError: If it cannot be read.
    """
    try:
        return _parsed(path)
    except FileNotFoundError:
        return Keyring()
    except OSError as error:
        raise StorageError(f"{path} must be readable", f"{error}", "mend the permissions") from error


def create(
    path: Path, name: str, roles: Sequence[Role], now: datetime, expires_at: datetime | None = None, before: Before | None = None
) -> tuple[Key, str]:
    """Add a key.

    Args:
        path: The file; made if there is none.
        name: Who uses it: 1 to 100 printable characters.
        roles: What it may be used for, at least one.
        now: The instant.
        expires_at: When it ends; None for never.
        before: Called with the new key before it is written.

    Returns:
        The key and its token, which nobody can tell a second time.

    Raises:
        ServingError: If an argument is not as it must be, or the file is broken.
        StorageError: If the file cannot be written.
    """
    wrong = []
    if not (name.strip() and len(name) <= _NAME_LENGTH and name.isprintable()):
        wrong.append(f"a name of {len(name)} characters")
    if not roles:
        wrong.append("no role")
    if expires_at is not None and expires_at <= now:
        wrong.append(f"an end that is over ({expires_at:%Y-%m-%d %H:%M})")
    if wrong:
        raise ServingError(
            f"a key must have a name of 1 to {_NAME_LENGTH} printable characters, a role, and an end to come or none",
            ", ".join(wrong),
            "give these anew",
        )
    with _changing(path) as ring:
        key, token = _made(ring, name.strip(), roles, now, expires_at)
        _replace(path, ring, [key], before)
    return key, token


def revoke(path: Path, id: str, now: datetime, before: Before | None = None) -> Key:
    """End a key at once. One that is revoked already stays as it is, and `before` is not called.

    Raises:
        ServingError: If there is no such key, or the file is broken.
        StorageError: If the file cannot be written.
    """
    with _changing(path) as ring:
        key = _of(ring, id)
        if key.revoked_at is None:
            key = key.model_copy(update={"revoked_at": now})
            _replace(path, ring, [key], before)
    return key


def rotate(path: Path, id: str, now: datetime, overlap: timedelta, before: Before | None = None) -> tuple[Key, str]:
    """Put a new key in the place of one that is valid: same name, same roles, same length of life.

    Args:
        path: The file.
        id: The old key's.
        now: The instant.
        overlap: How long the old one is still valid, at most.
        before: Called with the new and the old key as they will be, before they are written.

    Returns:
        The new key and its token.

    Raises:
        ServingError: If there is no such key, it is not valid any more, the overlap is negative, or the file is broken.
        StorageError: If the file cannot be written.
    """
    if overlap < timedelta(0):
        raise ServingError("the overlap must not be negative", f"{overlap}", "give 0 to end the old key at once")
    with _changing(path) as ring:
        old = _of(ring, id)
        if not is_valid(old, now):
            raise ServingError("a key to rotate must be valid", f"{id}, which is revoked or expired", "add a new one")
        life = None if old.expires_at is None else old.expires_at - old.created_at
        new, token = _made(ring, old.name, old.roles, now, None if life is None else now + life)
        end = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
        _replace(path, ring, [new, old.model_copy(update={"expires_at": end})], before)
    return new, token


def _made(ring: Keyring, name: str, roles: Sequence[Role], now: datetime, expires_at: datetime | None) -> tuple[Key, str]:
    taken = {key.id for key in ring.keys}
    while (id := secrets.token_hex(4)) in taken:
        pass
    secret = secrets.token_hex(32)
    roles = [role for role in Role if role in roles]
    return Key(id=id, name=name, roles=roles, digest=_sum(secret), created_at=now, expires_at=expires_at), f"evg_{id}_{secret}"


def _of(ring: Keyring, id: str) -> Key:
    for key in ring.keys:
        if key.id == id:
            return key
    raise ServingError("a key must be named by its id", f"{id[:20]!r}, which none has", "see `python -m tasks.serving.access list`")


def _sum(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _parsed(path: Path) -> Keyring:
    text = path.read_bytes()
    try:
        ring = Keyring.model_validate_json(text)
    except ValidationError as error:  # its text would show values of the file
        raise ServingError(f"{path} must be a JSON object of keys", f"{error.error_count()} places that are not", _MEND) from None
    ids = [key.id for key in ring.keys]
    if len(ids) != len(set(ids)):
        raise ServingError(f"the keys of {path} must have ids of their own", "one that stands there twice", _MEND)
    return ring


@contextmanager
def _changing(path: Path) -> Iterator[Keyring]:
    """Give the keys as they are while no other process can change them."""
    try:
        with files.locked(path.with_suffix(".lock")):
            yield read(path)
    except OSError as error:
        raise StorageError(f"{path} must be writable", f"{error}", "free space or mend permissions, then try again") from error


def _replace(path: Path, ring: Keyring, changed: list[Key], before: Before | None) -> None:
    """Write the file anew, with keys that are new or stand in the place of those of the same id."""
    if before is not None:
        before(changed)
    kept = {key.id: key for key in [*ring.keys, *reversed(changed)]}
    files.replace(path, Keyring(keys=list(kept.values())).model_dump_json(indent=1).encode() + b"\n", 0o600)
