"""Environments: what the requirements ask for can be imported, and nothing that lies beside it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tasks.errors import ServingError
from tasks.serving import requirements

pytestmark = pytest.mark.unit


def install(place: Path, name: str, version: str, *files: str) -> None:
    """Install a distribution of Python files that each know their own name."""
    info = place / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file in files:
        path = place / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"NAME = {file!r}\n")
    listed = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD", "../../../bin/command", f"{name}/__pycache__/gone.pyc"]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in listed))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A site-packages with packages of one owner, of several, and single modules."""
    folder = tmp_path / "site-packages"
    install(folder, "alone", "1.2", "alone/__init__.py", "alone/deep/part.py", "alone.libs/data.py")
    install(folder, "first", "1.0", "shared/first/__init__.py", "shared/first/below/__init__.py")
    install(folder, "second", "1.0", "shared/second/__init__.py")
    install(folder, "foreign", "1.0", "shared/foreign/__init__.py", "shared/first/below/plugin.py", "foreign.py")
    install(folder, "single", "2.0", "single.py")
    (folder / "__pycache__").mkdir()
    (folder / "stray.py").write_text("NAME = 'stray'\n")
    return folder


def made(place: Path, text: str) -> Path:
    """Return the interpreter of an environment."""
    file = place.parent / "asked.lock"
    file.write_text(text)
    return requirements.environment(file, place.parent / "environment", [str(place)])


def found(python: Path, *names: str) -> dict[str, bool]:
    code = "import importlib.util, json, sys\n"
    code += "def there(name):\n    try:\n        return importlib.util.find_spec(name) is not None\n"
    code += "    except ModuleNotFoundError:\n        return False\n"
    code += "print(json.dumps({name: there(name) for name in sys.argv[1:]}))"
    done = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True, env={})
    answer: dict[str, bool] = json.loads(done.stdout)
    return answer


ALL = ("alone", "alone.deep.part", "shared.first", "shared.first.below", "shared.first.below.plugin", "shared.second", "single")
OTHERS = ("shared.foreign", "foreign", "stray", "pip", "pytest", "polars")


def test_only_what_is_asked_for_can_be_imported(place: Path) -> None:
    sums = " \\\n    --hash=sha256:0a \\\n    --hash=sha256:0b"
    python = made(place, f"alone==1.2{sums}\nfirst==1.0 --hash=sha256:0c\n# a comment\n\nsingle>=1\n")
    asked = {"alone", "alone.deep.part", "shared.first", "shared.first.below", "single"}
    assert found(python, *ALL, *OTHERS) == {name: name in asked for name in (*ALL, *OTHERS)}


def test_a_folder_of_several_owners_is_merged(place: Path) -> None:
    python = made(place, "first\nsecond\n")
    [site] = (python.parents[1] / "lib").glob("*/site-packages")
    assert not (site / "shared").is_symlink()
    assert (site / "shared" / "second").is_symlink()  # whole: nothing of others is in it
    assert not (site / "shared" / "first" / "below").is_symlink()  # another's plugin lies in it
    assert found(python, "shared.first.below", "shared.second", "shared.first.below.plugin", "shared.foreign") == {
        "shared.first.below": True,
        "shared.second": True,
        "shared.first.below.plugin": False,
        "shared.foreign": False,
    }


def test_folders_of_libraries_and_metadata_come_with_it(place: Path) -> None:
    made(place, "alone")
    [site] = (place.parent / "environment" / "lib").glob("*/site-packages")
    assert {path.name for path in site.iterdir()} == {"alone", "alone.libs", "alone-1.2.dist-info"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("absent==1.0", "absent is not installed"),
        ("alone==1.3", "alone is 1.2, not ==1.3"),
        ("alone==1.3\nabsent\nsingle", "alone is 1.2, not ==1.3; absent is not installed"),  # all at once
        ("-r other.lock", "'-r other.lock' is no requirement"),
        ("Alone==1.3", "Alone is 1.2"),  # by whichever way to write its name
    ],
)
def test_what_is_not_installed_is_named(place: Path, text: str, told: str) -> None:
    with pytest.raises(ServingError, match=r"asked\.lock asks for must be installed") as caught:
        made(place, text)
    assert told in caught.value.found
    assert not (place.parent / "environment").exists()


@pytest.mark.parametrize(("marker", "is_asked"), [('python_version < "3"', False), ('python_version >= "3"', True)])
def test_a_requirement_for_other_machines_is_not_asked_for(place: Path, marker: str, is_asked: bool) -> None:
    if not is_asked:
        assert found(made(place, f"single\nabsent; {marker}\n"), "single") == {"single": True}
        return
    with pytest.raises(ServingError, match="absent is not installed"):
        made(place, f"single\nabsent; {marker}\n")


def test_what_lies_in_two_places_is_merged(place: Path, tmp_path: Path) -> None:
    install(tmp_path / "more", "third", "1.0", "shared/third/__init__.py")
    file = tmp_path / "asked.lock"
    file.write_text("second\nthird\n")
    python = requirements.environment(file, tmp_path / "environment", [str(place), str(tmp_path / "more")])
    assert found(python, "shared.second", "shared.third") == {"shared.second": True, "shared.third": True}
