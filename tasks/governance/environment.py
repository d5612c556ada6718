"""The environment that made a model, as a bill of materials: every package with its version and its licence.

What is listed is what is installed. The lock says which of it belongs to the project; where there is no lock, as in a pod
whose image is the pin, all that is installed does.
"""

from __future__ import annotations

import logging
import re
import tomllib
import uuid
import warnings
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component as Part
from cyclonedx.model.component import ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id, is_expression
from packageurl import PackageURL

from tasks.artifacts.dossier import Component

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
"""The licence of a package whose metadata name none."""

_MOST_CHARACTERS = 60  # of a licence's name: more is the licence's text, which some put into the field of its name
_NAMES = {
    # How packages write it, in lower case and without punctuation, to its SPDX identifier.
    "mit": "MIT",
    "apache 2 0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache version 2 0": "Apache-2.0",
    "apache v2 0": "Apache-2.0",
    "apache": "Apache-2.0",  # the older ones are those of the last century
    "bsd 3 clause": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3": "BSD-3-Clause",
    "bsd 2 clause": "BSD-2-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "isc": "ISC",
    "psfl": "PSF-2.0",
    "cc0": "CC0-1.0",  # there is one version
}
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",  # with how many clauses is not told
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_NO_NAME = {"", "unknown", "none", "dual license", "osi approved"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # at the start of a requirement
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/evergreen")


def components(root: Path) -> list[Component]:
    """Return the packages of the environment, by name.

    Args:
        root: The project's folder. Of `requirements.lock`, if it is there, come the packages that count: of those, what is
            installed, in the version that is installed. Of `pyproject.toml` and the use case's `requirements.txt`, if
            they are there, comes which are direct.
    """
    locked, direct = pins(root / "requirements.lock"), _direct(root)
    found: dict[str, Component] = {}
    for distribution in distributions():
        name = normal(distribution.name or "")
        # The first of a name is the one that is imported; an empty name is a folder that a broken removal left behind.
        if not name or name in found or (locked and name not in locked):
            continue
        if locked and locked[name] != distribution.version.partition("+")[0]:  # a build for one kind of machine is the same version
            log.warning("%s %s is installed, where the lock has %s", distribution.name, distribution.version, locked[name])
        found[name] = Component(
            name=distribution.name, version=distribution.version, licence=_licence(distribution), is_direct=name in direct
        )
    return [found[name] for name in sorted(found)]


def bom(components: Sequence[Component], name: str, version: str, is_model: bool = True) -> str:
    """Return a bill of materials as CycloneDX 1.6 JSON (ECMA-424), the same for the same packages.

    Args:
        components: The packages.
        name: Of the model that they made, or of the program that they are parts of.
        version: Of the model: its digest.
        is_model: Whether it is a model.
    """
    kind = ComponentType.MACHINE_LEARNING_MODEL if is_model else ComponentType.APPLICATION
    model = Part(name=name, version=version, type=kind, bom_ref=f"{name}@{version}")
    parts = {component.name: _part(component) for component in components}
    content = sha256("\n".join([name, version, *(c.model_dump_json() for c in components)]).encode()).hexdigest()
    bill = Bom(
        components=parts.values(),
        # By its content: a serial number by chance would make two bills of one environment differ.
        serial_number=uuid.uuid5(_NAMESPACE, content),
        metadata=BomMetaData(component=model),
    )
    bill.register_dependency(model, [parts[c.name] for c in components if c.is_direct] or parts.values())
    bill.metadata.timestamp = None  # type: ignore[assignment]  # a bill of the same packages is the same tomorrow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that what a package needs is not listed: which are direct is all that is known
        return JsonV1Dot6(bill).output_as_string(indent=1)


def _part(component: Component) -> Part:
    licences = [LicenseFactory().make_from_string(component.licence)] if component.licence != UNKNOWN else []
    return Part(
        name=component.name,
        version=component.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{normal(component.name)}@{component.version}",
        licenses=licences,
        purl=PackageURL(type="pypi", name=normal(component.name), version=component.version),
        properties=[Property(name="evergreen:direct", value=str(component.is_direct).lower())],
    )


def _licence(distribution: Distribution) -> str:
    """Return the SPDX expression that a package gives or that its words stand for, else its words, shortened."""
    metadata = distribution.metadata
    expression, *_ = metadata.get_all("License-Expression") or [""]
    if expression:
        return expression
    told, *_ = metadata.get_all("License") or [""]
    words = told.strip().partition("\n")[0].strip().removeprefix("License :: OSI Approved :: ")
    spdx = _spdx(words)
    if spdx:
        return spdx
    named = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or [] if line.startswith("License :: ")]
    known = {_CLASSIFIERS.get(name, name) for name in named if name.lower() not in _NO_NAME}
    if known:
        return "; ".join(sorted(known))  # of several it is not said whether all hold or one of them
    return words if words.lower() not in _NO_NAME and len(words) <= _MOST_CHARACTERS else UNKNOWN


def _spdx(words: str) -> str | None:
    """Return the identifier that the words are or stand for."""
    if not words or len(words) > _MOST_CHARACTERS:
        return None
    plain = " ".join(part for part in re.split(r"[^a-z0-9]+", words.lower()) if part not in {"", "license", "licence", "the", "software"})
    return _NAMES.get(plain) or fixup_id(words) or (words if is_expression(words) else None)


def pins(lock: Path) -> dict[str, str]:
    """Return normalised name to version of the lock; none where there is no lock."""
    lines = lock.read_text().splitlines() if lock.is_file() else []
    pairs = (line.split(" ")[0].split("==") for line in lines if "==" in line)
    return {normal(pair[0]): pair[1] for pair in pairs}


def _direct(root: Path) -> set[str]:
    project, own = root / "pyproject.toml", root / "tasks" / "usecase" / "requirements.txt"
    listed: list[str] = tomllib.loads(project.read_text()).get("project", {}).get("dependencies", []) if project.is_file() else []
    listed += own.read_text().splitlines() if own.is_file() else []
    return {normal(name[0]) for line in listed if (name := _NAME.match(line))}


def normal(name: str) -> str:
    """Return a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
