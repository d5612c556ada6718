"""Add to the lock what each package's file must sum to: `python -m images.lock`, called by `make lock`.

Versions stay as they are; pip is asked which file it would install of each, and downloads none of those that tell their metadata.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
HEADER = """\
# All that the project and its tests need, with the sha256 sum of each file: `make lock` writes it, `make setup` holds pip to it.
# The files are those for CPython 3.11 on Linux (x86_64); what has one wheel for all machines has the same sum on others.
# torch has two: the package index's own build, and the one without CUDA, of the same version, which pip prefers where it finds it.
"""
_SUM = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_ELSEWHERE = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_CONSTRAINT")
_SHOWN = 800  # characters of pip's complaint


class LockError(Exception):
    """A package of the lock has no file that pip would install."""


def read(text: str) -> dict[str, set[str]]:
    """Return each requirement of a lock, as `name==version`, to its sums; none where it has no sums yet."""
    found: dict[str, set[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        said, *_ = line.partition("#")[0].split(" --hash")
        if said.strip():
            found[said.strip()] = set(_SUM.findall(line))
    return found


def entry(requirement: str, sums: Iterable[str]) -> str:
    """Return the lines of a requirement in a lock."""
    return " \\\n".join([requirement, *(f"    --hash=sha256:{digest}" for digest in sorted(sums))])


def asked(requirements: Iterable[str], pip: Path, environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return each normalised name to the address and the sum of the file that pip would install.

    Args:
        requirements: As `name==version`, each by itself: what it needs is not looked up.
        pip: An interpreter whose pip is 23.3 or later: earlier ones download every file.
        environment: pip's, in which its settings may stand.

    Raises:
        LockError: If there is none for one of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "wanted.txt", Path(folder) / "report.json"
        wanted.write_text("\n".join(requirements) + "\n")
        command = [str(pip), "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
        done = subprocess.run(
            [*command, "--report", str(report), "--requirement", str(wanted)], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            found = done.stderr.strip()[-_SHOWN:]
            raise LockError(f"pip must find a file for every pin; got: {found}\nTo mend: mend the pin, or run `make lock`")
        installs = json.loads(report.read_text())["install"]
    return {
        normal(found["metadata"]["name"]): (found["download_info"]["url"], found["download_info"]["archive_info"]["hashes"]["sha256"])
        for found in installs
    }


def summed(requirements: Iterable[str], pip: Path) -> dict[str, set[str]]:
    """Return requirements with the sums of the files that pip would install of them, here and where only the package index is at hand.

    Args:
        requirements: As `name==version`.
        pip: An interpreter with pip.
    """
    names = {normal(requirement.partition("==")[0]): requirement for requirement in requirements}
    here = asked(names.values(), pip, os.environ)
    found = {name: {digest} for name, (_, digest) in here.items()}
    local = [names[name] for name, (url, _) in here.items() if url.startswith("file:")]
    if local:
        elsewhere = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE} | {"PIP_CONFIG_FILE": os.devnull}
        for name, (_, digest) in asked(local, pip, elsewhere).items():
            found[name].add(digest)
    return {requirement: found[name] for name, requirement in names.items()}


def written(pins: Mapping[str, Iterable[str]]) -> str:
    """Return the text of a lock."""
    return HEADER + "\n".join(entry(requirement, sums) for requirement, sums in pins.items()) + "\n"


def normal(name: str) -> str:
    """Return a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def main() -> None:
    """Write `requirements.lock` anew: the same pins, with the sums of today's files."""
    pins = read(LOCK.read_text())
    with tempfile.TemporaryDirectory() as folder:
        venv.EnvBuilder(with_pip=True, upgrade_deps=True, symlinks=True).create(folder)
        LOCK.write_text(written(summed(pins, Path(folder) / "bin" / "python")))


if __name__ == "__main__":
    main()
