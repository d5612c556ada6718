"""The project's own bill of materials: whole, valid, and of licences that may be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom

from tasks import provenance
from tasks.artifacts.dossier import Component
from tasks.governance import environment, project
from tests.unit.governance.test_environment import require_valid

pytestmark = pytest.mark.unit


def package(name: str, licence: str) -> Component:
    return Component(name=name, version="1.0", licence=licence, is_direct=False)


def test_the_bill_is_valid_and_has_every_pin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "below" / "sbom.json"
    assert project.main(["--out", str(out)]) == 0
    require_valid(out.read_text())
    read = Bom.from_json(json.loads(out.read_text()))  # type: ignore[attr-defined]  # made by its decorator
    pins = environment.pins(provenance.ROOT / "requirements.lock")
    assert {environment.normal(part.name): part.version.partition("+")[0] for part in read.components} == pins
    assert (read.metadata.component.name, read.metadata.component.type) == ("evergreen", "application")
    assert all(part.licenses for part in read.components)
    assert f"{len(pins)} packages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("licence", "is_refused"),
    [
        ("MIT", False),
        ("LGPL-3.0-or-later", False),  # asks for its own source alone
        ("MPL-2.0 AND MIT", False),
        ("GPL-2.0-only OR MIT", False),  # one may choose
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-or-later", True),
        ("MIT AND GPL-2.0-only", True),  # both hold
        ("GPL-2.0-only OR AGPL-3.0-only", True),
        ("SSPL-1.0", True),
        ("BUSL-1.1", True),
        ("CC-BY-NC-4.0", True),
        ("Other/Proprietary License", True),
        ("GNU General Public License v3 (GPLv3)", True),  # as a classifier writes it
        ("unknown", True),
    ],
)
def test_a_licence_that_forbids_what_is_done_with_it_is_refused(licence: str, is_refused: bool) -> None:
    found = project.faults([package("toy", licence)], ["toy"])
    assert [line.split(" ")[0] for line in found] == (["toy"] if is_refused else [])


def test_an_exemption_is_for_one_package_and_only_while_it_is_needed() -> None:
    assert project.faults([package("deepchecks", "AGPL-3.0-or-later")], []) == []
    (line,) = project.faults([package("deepchecks", "MIT")], [])
    assert "needs not be" in line


def test_what_is_not_installed_is_told() -> None:
    (line,) = project.faults([package("toy_package", "MIT")], ["toy-package", "absent"])
    assert line.startswith("absent must be installed")


def test_a_fault_ends_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(project, "EXEMPT", {})
    assert project.main([]) == 1
    assert "deepchecks must be free to use; got AGPL-3.0-or-later" in capsys.readouterr().out


def test_what_was_looked_up_is_of_the_lock_and_still_not_said_by_the_metadata() -> None:
    said = {component.name.lower(): component.licence for component in environment.components(provenance.ROOT)}
    assert {name: said[name] for name in project.LOOKED_UP if name in said} == {
        name: said[name] for name in project.LOOKED_UP if said.get(name) in {environment.UNKNOWN, "LICENSE"}
    }
