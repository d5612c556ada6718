"""A model on disk: a closed set of files with a manifest of their sha256 sums; no pickle among them.

A bundle is complete when its manifest stands; it is written beside its place and moved there in one step. Reading
checks the manifest's own sum, if it is known, before the manifest is parsed; then the exact file set and every sum
before anything else is. No file may lie elsewhere: names that climb out and links are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tasks.errors import BundleError, StorageError

MANIFEST = "manifest.json"

_SUM = re.compile("[0-9a-f]{64}")
_SHOWN = 5  # files that a message names
_MEND = "fetch the bundle again from the registry, or train again"


def write(folder: Path, fill: Callable[[Path], None]) -> str:
    """Write a bundle in one step.

    Args:
        folder: Where the bundle shall stand; replaced if it is there.
        fill: Writes the files into the folder that it is given.

    Returns:
        The sha256 sum of the manifest, which names the bundle.

    Raises:
        StorageError: If a file cannot be written.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        fill(partial)
        seal(partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except OSError as error:
        raise StorageError(f"{folder} must be writable", f"{error}", "free space or mend permissions, then run again") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # whatever stopped it, nothing half-written stays
    return digest(folder)


def seal(folder: Path) -> None:
    """Write the manifest of all files below a folder.

    Raises:
        BundleError: If there is a link among them, or anything else that is no file.
    """
    found = _files(folder)
    _require_plain(folder, found)
    sums = {name: _sha256(path) for name, path in found.items()}
    (folder / MANIFEST).write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")


def digest(folder: Path) -> str:
    """Return the sha256 sum of a bundle's manifest: equal bundles, equal digest."""
    return _sha256(folder / MANIFEST)


def verify(folder: Path, expected: str | None = None) -> None:
    """Raise unless a bundle holds exactly the files of its manifest, unaltered.

    Args:
        folder: The bundle.
        expected: The digest that the manifest must have, if known; checked before the manifest is parsed.

    Raises:
        BundleError: Naming the files that are missing, altered, foreign, links, or outside the bundle.
    """
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        raise BundleError(f"{folder} must hold {MANIFEST}", "a link" if manifest.is_symlink() else "none", _MEND)
    data = manifest.read_bytes()  # once: what is parsed is what was summed
    found_sum = hashlib.sha256(data).hexdigest()
    if expected is not None and found_sum != expected:
        raise BundleError(f"the manifest of {folder} must have the sum {expected[:12]}", found_sum[:12], _MEND)
    sums, found = _sums(manifest, data), _files(folder)
    _require_plain(folder, found)
    wrong = [f"{name} is missing" for name in sorted(sums.keys() - found.keys())]
    wrong += [f"{name} is foreign" for name in sorted(found.keys() - sums.keys())]
    wrong += [f"{name} is altered" for name in sorted(sums.keys() & found.keys()) if _sha256(found[name]) != sums[name]]
    if wrong:
        raise BundleError(f"{folder} must hold the files of its manifest", "; ".join(wrong[:_SHOWN]), _MEND)


def _sums(manifest: Path, data: bytes) -> dict[str, str]:
    """Return file name to sum, once every name is seen to lie below the bundle."""
    try:
        sums = json.loads(data)
    except (ValueError, RecursionError):
        sums = None
    if not isinstance(sums, dict) or not all(isinstance(value, str) and _SUM.fullmatch(value) for value in sums.values()):
        raise BundleError(f"{manifest} must be a JSON object of sha256 sums", "something else", _MEND)
    if outside := sorted(name for name in sums if not _is_inside(name)):
        told = ", ".join(repr(name[:80]) for name in outside[:_SHOWN])
        raise BundleError(f"{manifest} must name files below its own folder", told, _MEND)
    return sums


def _is_inside(name: str) -> bool:
    """Return whether a name of the manifest is that of a file below the bundle, written in the one way there is."""
    path = PurePosixPath(name)
    return (
        "\0" not in name
        and "\\" not in name
        and path.parts != ()
        and path.as_posix() == name
        and path.root == ""
        and ".." not in path.parts
    )


def _files(folder: Path) -> dict[str, Path]:
    """Return name to path of all that is no folder, but the manifest; links are not followed."""
    found = {}
    for at, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(at, name).is_symlink()]
        for path in (Path(at, name) for name in (*names, *linked)):
            found[path.relative_to(folder).as_posix()] = path
    found.pop(MANIFEST, None)
    return dict(sorted(found.items()))


def _require_plain(folder: Path, found: dict[str, Path]) -> None:
    """Raise if a name leads elsewhere, or is a pipe or the like: neither is part of a bundle."""
    odd = [
        f"{name} is {'a link' if path.is_symlink() else 'no file'}"
        for name, path in found.items()
        if path.is_symlink() or not path.is_file()
    ]
    if odd:
        raise BundleError(f"{folder} must hold files alone", "; ".join(odd[:_SHOWN]), _MEND)


def is_whole(folder: Path, digest: str) -> bool:
    """Return whether a bundle of a digest stands there, unaltered."""
    try:
        verify(folder, digest)
    except BundleError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
