"""A model on disk: a closed set of files with a manifest of their sha256 sums; no pickle among them.

A bundle is complete when its manifest stands; it is written beside its place and moved there in one step. Reading
checks the exact file set and every sum before anything is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.errors import BundleError, StorageError

MANIFEST = "manifest.json"


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
    """Write the manifest of all files below a folder."""
    sums = {path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")


def digest(folder: Path) -> str:
    """Return the sha256 sum of a bundle's manifest: equal bundles, equal digest."""
    return _sha256(folder / MANIFEST)


def verify(folder: Path, expected: str | None = None) -> None:
    """Raise unless a bundle holds exactly the files of its manifest, unaltered.

    Args:
        folder: The bundle.
        expected: The digest that the manifest must have, if known.

    Raises:
        BundleError: Naming the files that are missing, altered or foreign.
    """
    mend = "fetch the bundle again from the registry, or train again"
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} must hold {MANIFEST}", "none", mend)
    if expected is not None and digest(folder) != expected:
        raise BundleError(f"the manifest of {folder} must have the sum {expected[:12]}", digest(folder)[:12], mend)
    sums = _sums(folder, mend)
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    wrong = [f"{name} is missing" for name in sorted(sums.keys() - found.keys())]
    wrong += [f"{name} is foreign" for name in sorted(found.keys() - sums.keys())]
    wrong += [f"{name} is altered" for name in sorted(sums.keys() & found.keys()) if _sha256(found[name]) != sums[name]]
    if wrong:
        raise BundleError(f"{folder} must hold the files of its manifest", "; ".join(wrong[:5]), mend)


def _sums(folder: Path, mend: str) -> dict[str, str]:
    try:
        sums = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        sums = None
    if not isinstance(sums, dict):
        raise BundleError(f"{folder / MANIFEST} must be a JSON object of sha256 sums", "something else", mend)
    return sums


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if not p.is_dir() and p.relative_to(folder).as_posix() != MANIFEST)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
