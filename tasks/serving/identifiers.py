"""Prediction ids that prove that this service gave them: of which package, for which instant.

`<package, 12 hex>-<at, seconds since 1970, 10 hex>-<random, 16 hex>-<mac, 16 hex>`, the mac being the first 64 bits of a
HMAC-SHA256 over the rest. So feedback for an id that was never issued is refused without a look into any log: a guess is right once
in 2**64 times. What is not here: whether an outcome was given before (`outcomes.py`).
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tasks.errors import ServingError, StorageError
from tasks.serving import files

_MAC = 16  # hex digits
_BLOCK = 64  # bytes, of SHA-256
_ISSUED = re.compile(rf"([0-9a-f]{{12}})-([0-9a-f]{{10}})-[0-9a-f]{{16}}-[0-9a-f]{{{_MAC}}}", re.ASCII)
_PACKAGE = re.compile(r"[0-9a-f]{12}", re.ASCII)
_SECRET = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LATEST = datetime.max.replace(tzinfo=UTC).timestamp()

PACKAGE_DIGITS = 12
"""Of a package's digest, in an id, an answer and the log."""

PATTERN = f"^[0-9a-f]{{12}}-[0-9a-f]{{10}}-[0-9a-f]{{16}}-[0-9a-f]{{{_MAC}}}$"
"""The form of an id, as a regular expression of JSON Schema."""


class Issued(NamedTuple):
    """What an id tells.

    Attributes:
        package: First 12 digits of the digest of the package that predicted.
        at: The instant for which it was predicted, in UTC, to the second below.
    """

    package: str
    at: datetime


class Identifiers:
    """Makes and reads ids.

    Args:
        secret: Key of the mac, at least 16 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ServingError("the secret must have at least 16 bytes", f"{len(secret)}", "let the service make one: remove the file")
        block = (secret if len(secret) <= _BLOCK else sha256(secret).digest()).ljust(_BLOCK, b"\0")
        self._inner, self._outer = sha256(bytes(b ^ 0x36 for b in block)), sha256(bytes(b ^ 0x5C for b in block))

    def make(self, package: str, at: datetime) -> str:
        """Return a new id.

        Args:
            package: First 12 digits of the digest of the package that predicted.
            at: The instant for which it predicted, with its zone, not before 1970.

        Raises:
            ValueError: If either is of another form.
        """
        if at.tzinfo is None or not _PACKAGE.fullmatch(package):
            raise ValueError(f"an id needs an instant with a zone and 12 hex digits of a package; got {at} and {package[:20]!r}")
        seconds = int(at.timestamp())
        if seconds < 0:
            raise ValueError(f"an id's instant must not lie before 1970; got {at}")
        body = f"{package}-{seconds:010x}-{os.urandom(8).hex()}"
        return f"{body}-{self._mac(body)}"

    def read(self, text: str) -> Issued | None:
        """Return what an id tells; None if it was never issued with this secret, whatever the text is."""
        found = _ISSUED.fullmatch(text)
        if found is None or not hmac.compare_digest(self._mac(text[: -_MAC - 1]), text[-_MAC:]):
            return None
        seconds = int(found[2], 16)
        return Issued(found[1], datetime.fromtimestamp(seconds, UTC)) if seconds <= _LATEST else None

    def _mac(self, body: str) -> str:
        """Return the first digits of the HMAC (RFC 2104), from sums begun once: a third of the time of `hmac.digest`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body.encode())
        outer.update(inner.digest())
        return outer.hexdigest()[:_MAC]


def secret(path: Path) -> bytes:
    """Return the secret of a file of 64 hex digits; made, for its owner's eyes only, if there is none.

    Of several processes that find none, all return the same one.

    Raises:
        ServingError: If the file holds anything else.
        StorageError: If it can be neither read nor made.
    """
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise StorageError(f"{path} must be readable, or its folder writable", f"{error}", "mend the permissions, or free space") from error
    if not _SECRET.fullmatch(text):
        raise ServingError(
            f"{path} must hold 64 hex digits",
            f"{len(text)} other characters",
            "bring it back from a backup; without one remove it, and feedback for earlier predictions is refused",
        )
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    with files.locked(path.with_suffix(".lock")):
        if not path.exists():  # else another process was faster
            files.replace(path, secrets.token_hex(32).encode() + b"\n", 0o600)
