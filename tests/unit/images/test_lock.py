"""The lock: what is written of a package's files, and what pip does with it. All with the real pip, and no network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images import lock

pytestmark = pytest.mark.unit

PIP = Path(sys.executable)


def wheel(folder: Path, name: str, version: str, text: str = "") -> str:
    """Write a wheel of one module and return its sum."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: absent==1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, all that pip can find."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "disk"))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return tmp_path / "disk"


def install(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Install what a lock pins, as `make setup` does, into a folder of its own."""
    folder.mkdir()
    (folder / "requirements.lock").write_text(text)
    command = [str(PIP), "-m", "pip", "install", "--quiet", "--no-deps", "--no-cache-dir", "--require-hashes"]
    return subprocess.run(
        [*command, "--target", str(folder / "site"), "-r", str(folder / "requirements.lock")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,8}==[0-9]\.[0-9]{1,3}", fullmatch=True),
        st.sets(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=3),
        max_size=5,
    )
)
def test_what_is_written_is_read(pins: dict[str, set[str]]) -> None:
    assert lock.read(lock.written(pins)) == pins


def test_a_lock_without_sums_and_with_markers_is_read() -> None:
    text = "# a comment\n\na==1.0\nb-c==2.0 ; python_version > '3'\nd==3.0  # why\n"
    assert lock.read(text) == {"a==1.0": set(), "b-c==2.0 ; python_version > '3'": set(), "d==3.0": set()}


def test_each_pin_gets_the_sum_of_the_file_that_pip_would_install(disk: Path) -> None:
    wheel(disk, "tiny", "1.0")
    digest, other = wheel(disk, "tiny", "1.1"), wheel(disk, "Other_One", "2.0")
    wheel(disk, "tiny", "1.2")
    found = lock.asked(["tiny==1.1", "other-one==2.0"], PIP, os.environ)
    assert {name: found for name, (_, found) in found.items()} == {"tiny": digest, "other-one": other}
    assert all(url.startswith("file:") for url, _ in found.values())


def test_where_this_machine_has_a_build_of_its_own_the_index_s_is_kept_beside_it(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = disk.parent / "simple"
    here, there = wheel(disk, "tiny", "1.1+cpu", "HERE = 1"), wheel(index / "tiny", "tiny", "1.1")
    same = wheel(index / "same", "same", "3.0")
    (index / "tiny" / "index.html").write_text('<a href="tiny-1.1-py3-none-any.whl">tiny-1.1-py3-none-any.whl</a>')
    (index / "same" / "index.html").write_text('<a href="same-3.0-py3-none-any.whl">same-3.0-py3-none-any.whl</a>')
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    found = lock.summed(["tiny==1.1", "same==3.0"], PIP)
    assert found == {"tiny==1.1": {here, there}, "same==3.0": {same}}
    text = lock.written(found)
    done = install(text, disk.parent / "with")
    assert done.returncode == 0, done.stderr
    assert (disk.parent / "with" / "site" / "tiny.py").read_text() == "HERE = 1"
    monkeypatch.delenv("PIP_FIND_LINKS")
    done = install(text, disk.parent / "without")
    assert done.returncode == 0, done.stderr
    assert (disk.parent / "without" / "site" / "tiny.py").read_text() == ""


def test_a_pin_that_is_nowhere_is_told(disk: Path) -> None:
    wheel(disk, "tiny", "1.1")
    with pytest.raises(lock.LockError, match=r"must find a file for every pin; got: .*absent==9\.9(.|\n)*make lock"):
        lock.asked(["tiny==1.1", "absent==9.9"], PIP, os.environ)


def test_pip_refuses_another_file_and_a_pin_without_a_sum(disk: Path) -> None:
    digest = wheel(disk, "tiny", "1.1")
    text = lock.written({"tiny==1.1": [digest]})
    assert install(text, disk.parent / "sound").returncode == 0
    assert (disk.parent / "sound" / "site" / "tiny.py").exists()

    wheel(disk, "tiny", "1.1", "print('another')")
    refused = install(text, disk.parent / "altered")
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (disk.parent / "altered" / "site").exists()

    digest = wheel(disk, "tiny", "1.1")
    wheel(disk, "bare", "1.0")
    refused = install(lock.written({"tiny==1.1": [digest], "bare==1.0": []}), disk.parent / "without")
    assert refused.returncode != 0
    assert "Hashes are required" in refused.stderr


def test_main_writes_the_same_pins_with_sums(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of before are forgotten: the file is another, if the index has replaced it."""
    digest = wheel(disk, "tiny", "1.1")
    path = disk.parent / "requirements.lock"
    path.write_text(lock.written({"tiny==1.1": ["0" * 64]}))
    monkeypatch.setattr(lock, "LOCK", path)
    monkeypatch.setattr(lock.venv, "EnvBuilder", lambda **_: _Ready())
    monkeypatch.setattr(lock, "_ELSEWHERE", ())  # the folder stands for the index, too
    lock.main()
    assert path.read_text() == lock.written({"tiny==1.1": [digest]})
    assert path.read_text().startswith("# All that")


class _Ready:
    """Stands for a new environment, whose pip would come from the network."""

    def create(self, folder: str) -> None:
        (Path(folder) / "bin").mkdir()
        (Path(folder) / "bin" / "python").symlink_to(PIP)
