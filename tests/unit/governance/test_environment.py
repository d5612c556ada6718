"""The bill of materials: what is installed, its licences, and the same file for the same packages."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.dossier import Component
from tasks.governance import environment

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]


def installed(folder: Path, name: str, *lines: str, number: str = "1.0") -> None:
    """Put a package's metadata where imports look for it."""
    info = folder / f"{name}-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("\n".join([f"Metadata-Version: 2.4\nName: {name}\nVersion: {number}", *lines]) + "\n\nWords.\n")


def project(folder: Path, pins: str = "", dependencies: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "requirements.lock").write_text(pins)
    (folder / "pyproject.toml").write_text(f"[project]\ndependencies = [{dependencies}]\n")
    return folder


def test_of_the_lock_what_is_installed_is_listed(tmp_path: Path) -> None:
    pins = f"pydantic=={version('pydantic')}\nPolars=={version('polars')} --hash=sha256:ab\nnot-installed-here==1.0\n# a comment\n"
    found = environment.components(project(tmp_path, pins, '"pydantic[email]>=2,<3"'))
    assert [(c.name, c.version, c.is_direct) for c in found] == [
        ("polars", version("polars"), False),
        ("pydantic", version("pydantic"), True),
    ]


def test_what_the_use_case_asks_for_is_direct(tmp_path: Path) -> None:
    root = project(tmp_path, f"pydantic=={version('pydantic')}\npolars=={version('polars')}\n")
    (root / "tasks" / "usecase").mkdir(parents=True)
    (root / "tasks" / "usecase" / "requirements.txt").write_text("# its own\npolars>=1  # reads the data\n")
    assert [(c.name, c.is_direct) for c in environment.components(root)] == [("polars", True), ("pydantic", False)]


def test_without_a_lock_all_that_is_installed_is_listed_and_nothing_is_direct(tmp_path: Path) -> None:
    found = environment.components(tmp_path)
    assert {"pydantic", "polars", "torch"} <= {c.name for c in found}
    assert not any(c.is_direct for c in found)


def test_the_project_s_own_environment() -> None:
    found = environment.components(ROOT)
    names = [environment.normal(c.name) for c in found]
    assert names == sorted(set(names))
    assert {"torch", "polars", "flytekit"} <= {c.name for c in found if c.is_direct}
    assert sum(c.licence == environment.UNKNOWN for c in found) <= 0.02 * len(found)
    assert all(0 < len(c.licence) <= 120 and "\n" not in c.licence for c in found)


def test_another_version_than_the_lock_s_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (found,) = environment.components(project(tmp_path, "pydantic==0.0.1\n"))
    assert found.version == version("pydantic")
    assert f"pydantic {version('pydantic')} is installed, where the lock has 0.0.1" in caplog.text


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: ignored"], "MIT OR Apache-2.0"),
        (["License: MIT"], "MIT"),
        (["License: apache-2.0"], "Apache-2.0"),  # an identifier in other letters
        (["License: Apache License, Version 2.0"], "Apache-2.0"),
        (["License: BSD 3-Clause License", "        ", "        Copyright (c) 2001, some words"], "BSD-3-Clause"),  # the whole text
        (["License: MPL-2.0 AND MIT"], "MPL-2.0 AND MIT"),
        (["License: License :: OSI Approved :: MIT License"], "MIT"),
        (["License: UNKNOWN", "Classifier: License :: OSI Approved :: ISC License (ISCL)"], "ISC"),
        (["License: Copyright 2018 Somebody, Inc.  All rights reserved.", "Classifier: License :: OSI Approved :: BSD License"], "BSD"),
        (
            [
                "License: Dual License",
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: Apache Software License",
            ],
            "Apache-2.0; MIT",  # it is not said whether one may choose
        ),
        (["Classifier: License :: Other/Proprietary License"], "Other/Proprietary License"),
        (["License: Our own terms"], "Our own terms"),
        (["Classifier: License :: OSI Approved"], "unknown"),  # approved, and not which
        ([f"License: {'words ' * 40}"], "unknown"),
        ([], "unknown"),
    ],
)
def test_a_licence_is_told_by_its_spdx_identifier_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], expected: str
) -> None:
    installed(tmp_path / "site", "toy-package", *lines)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (found,) = environment.components(project(tmp_path / "code", "toy_package==1.0\n"))
    assert found == Component(name="toy-package", version="1.0", licence=expected, is_direct=False)


def test_the_first_of_a_name_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, number in (("second", "2.0"), ("first", "1.0")):
        installed(tmp_path / place, "toy", number=number)
        monkeypatch.syspath_prepend(tmp_path / place)
    (found,) = environment.components(project(tmp_path / "code", "toy==1.0\n"))
    assert found.version == "1.0"


VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def require_valid(bill: str) -> None:
    assert VALIDATOR.validate_str(bill) is None


def test_the_bill_of_the_environment_is_valid_and_says_the_same() -> None:
    found = environment.components(ROOT)
    bill = environment.bom(found, "flights", "d" * 64)
    require_valid(bill)
    read = Bom.from_json(json.loads(bill))  # type: ignore[attr-defined]  # made by its decorator
    assert {(part.name, part.version) for part in read.components} == {(c.name, c.version) for c in found}
    assert read.metadata.component.name == "flights"
    (direct,) = [d for d in json.loads(bill)["dependencies"] if d["ref"].startswith("flights@")]
    assert len(direct["dependsOn"]) == sum(c.is_direct for c in found)


def test_the_same_packages_give_the_same_bytes_and_others_another_serial_number() -> None:
    one = [Component(name="a", version="1", licence="MIT", is_direct=True)]
    other = [one[0].model_copy(update={"version": "2"})]
    bill = environment.bom(one, "m", "1")
    assert environment.bom(one, "m", "1") == bill
    assert "timestamp" not in bill
    serials = {json.loads(environment.bom(*given))["serialNumber"] for given in ((one, "m", "1"), (other, "m", "1"), (one, "m", "2"))}
    assert len(serials) == 3


@settings(max_examples=30, deadline=None)  # the schema takes its time
@given(
    st.lists(
        st.builds(
            Component,
            name=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True),
            version=st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True),
            licence=st.sampled_from(["MIT", "MIT OR Apache-2.0", "Apache-2.0; BSD", "unknown", 'Our "own" <terms>']),
            is_direct=st.booleans(),
        ),
        max_size=6,
        unique_by=lambda c: environment.normal(c.name),
    )
)
def test_any_packages_make_a_valid_bill(listed: list[Component]) -> None:
    bill = environment.bom(listed, "model", "1")
    require_valid(bill)
    read = json.loads(bill).get("components", [])
    assert sorted(part["name"] for part in read) == sorted(c.name for c in listed)
    assert {part["name"]: part["properties"][0]["value"] == "true" for part in read} == {c.name: c.is_direct for c in listed}
