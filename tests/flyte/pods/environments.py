"""The environments of images: a virtual environment with the distributions of the image's lock, and no others, and their commands."""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path

import images
from tasks.serving import requirements
from tests.flyte.entities import ROOT

KINDS = {image.name.removeprefix("evergreen-"): image for image in vars(images).values() if isinstance(image, images.ImageSpec)}
"""Kind of work to image."""


class Environments:
    """Environments of images, each made when it is first asked for.

    Args:
        folder: Where they shall stand.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}

    def of(self, image: str) -> Path:
        """Return the folder with the interpreter and the commands of an image, by its name in a container."""
        (kind,) = [kind for kind, spec in KINDS.items() if spec.image_name() == image]
        return self.of_kind(kind)

    def of_kind(self, kind: str) -> Path:
        """Return the same by the kind of work."""
        if kind not in self._made:
            python = requirements.environment(ROOT / "images" / f"{kind}.lock", self._folder / kind)
            _install_commands(python)
            self._made[kind] = python.parent
        return self._made[kind]


def _install_commands(python: Path) -> None:
    """Write the commands of the installed distributions, as pip would."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for distribution in distributions(path=[str(python.parent.parent / "lib" / version / "site-packages")]):
        for entry in distribution.entry_points.select(group="console_scripts"):
            command = python.parent / entry.name
            first, *further = entry.attr.split(".")
            called = ".".join(["main", *further])
            call = f"import sys\nfrom {entry.module} import {first} as main\nsys.exit({called}())\n"
            command.write_text(f"#!{python}\n{call}")
            command.chmod(0o755)
