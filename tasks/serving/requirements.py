"""An environment in which the distributions of a requirements file can be imported, and no others.

A real virtual environment whose site-packages holds links to what is installed here already: made in a moment and without a
network, so that a service is tried with what it will be deployed with, and not with what happens to lie beside it.
"""

from __future__ import annotations

import os
import sys
import venv
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from tasks.errors import ServingError

_SHOWN = 10  # requirements that a message names


def environment(requirements: Path, folder: Path, search: Sequence[str] | None = None) -> Path:
    """Make an environment of the distributions of a requirements file.

    Args:
        requirements: A requirement a line, every one of what is needed: what these need in turn is not looked up. Sums of files
            (`--hash`) are the installer's concern, and are passed over.
        folder: Where the environment shall stand; not yet there.
        search: Folders in which the distributions are installed; this process's own by default.

    Returns:
        Its interpreter.

    Raises:
        ServingError: Naming all distributions that are not installed, or in another version.
    """
    found = _installed(requirements, sys.path if search is None else search)
    venv.create(folder, symlinks=True, with_pip=False)
    places = list(dict.fromkeys(Path(str(distribution.locate_file(""))) for distribution in found))
    _link(_tree(found), places, _site_packages(folder))
    return folder / "bin" / "python"


def _installed(requirements: Path, search: Sequence[str]) -> list[Distribution]:
    """Return what is installed of each requirement whose marker holds here."""
    found, wrong = [], []
    for line in requirements.read_text().replace("\\\n", " ").splitlines():
        said = line.partition("#")[0].partition(" --hash=")[0].strip()
        if not said:
            continue
        try:
            wanted = Requirement(said)
        except InvalidRequirement:
            wrong.append(f"{said!r} is no requirement")
            continue
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        distribution = next(iter(distributions(name=wanted.name, path=list(search))), None)
        if distribution is None:
            wrong.append(f"{wanted.name} is not installed")
        elif not wanted.specifier.contains(distribution.version, prereleases=True):
            wrong.append(f"{wanted.name} is {distribution.version}, not {wanted.specifier}")
        elif distribution.files is None:
            wrong.append(f"{wanted.name} does not say which files are its own")
        else:
            found.append(distribution)
    if wrong:
        mend = "run `make install`, or build the image again from its lock"
        raise ServingError(f"what {requirements.name} asks for must be installed", "; ".join(wrong[:_SHOWN]), mend)
    return found


def _tree(found: Sequence[Distribution]) -> dict[str, Any]:
    """Return the files of distributions as a tree: a folder is a mapping, a file the path at which it lies."""
    tree: dict[str, Any] = {}
    for distribution in found:
        for file in distribution.files or ():
            if file.is_absolute() or ".." in file.parts:  # a command, beside the packages
                continue
            node = tree
            for part in file.parts[:-1]:
                node = node.setdefault(part, {})
            node[file.name] = Path(str(distribution.locate_file(file)))
    return tree


def _link(tree: dict[str, Any], places: Sequence[Path], target: Path) -> None:
    """Link a tree of files: a folder whole if nothing else lies in it, else folder and files one by one.

    Args:
        tree: What is wanted of the folder.
        places: Where the folder lies: more than one if distributions are installed in several places.
        target: Where it shall stand.
    """
    target.mkdir(exist_ok=True)
    for name, below in tree.items():
        if isinstance(below, Path):
            if below.exists():  # compiled files are listed, and not always kept
                (target / name).symlink_to(below)
            continue
        there = [place / name for place in places if (place / name).is_dir()]
        if len(there) == 1 and (name == "__pycache__" or _is_whole(below, there[0])):
            (target / name).symlink_to(there[0])
        else:
            _link(below, there, target / name)


def _is_whole(tree: dict[str, Any], place: Path) -> bool:
    """Return whether a folder holds nothing but what is wanted of it; compiled files are nobody's."""
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            below = tree.get(entry.name)
            if below is None or (isinstance(below, dict) and not _is_whole(below, Path(entry.path))):
                return False
    return True


def _site_packages(folder: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder / "lib" / version / "site-packages"
