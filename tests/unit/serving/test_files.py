"""Files that several processes share: whole or not at all, by one at a time, whoever is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks.serving import files

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "mode",
    [
        0o600,  # keys: for their owner alone
        0o644,  # the pointer
    ],
)
def test_a_file_is_replaced_with_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.json"
    files.replace(path, b"old", 0o666)
    files.replace(path, b"new", mode)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_file_and_folder_are_synced_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "a.json", []
    path.write_bytes(b"old")

    def sync(file: int) -> None:
        synced.append((os.fstat(file).st_ino, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", sync)
    files.replace(path, b"new", 0o600)
    assert synced == [(path.stat().st_ino, b"old"), (tmp_path.stat().st_ino, b"new")]


def test_a_disk_that_fills_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"new", 0o600)
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_what_a_killed_process_left_is_neither_kept_nor_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    left = tmp_path / ".a.json.partial"
    left.write_bytes(b"a longer text than the next one")
    left.chmod(0o666)
    files.replace(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not left.exists()


def test_one_at_a_time(tmp_path: Path) -> None:
    """Without the lock, half of the steps of four threads would be lost."""
    path = tmp_path / "made" / "count"

    def count() -> None:
        for _ in range(10):
            with files.locked(path.with_suffix(".lock")):
                number = int(path.read_bytes()) if path.exists() else 0
                files.replace(path, b"%d" % (number + 1), 0o600)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == b"40"


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    code = f"""
import time
from pathlib import Path
from tasks.serving import files
with files.locked(Path({str(lock)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        got: list[float] = []

        def take() -> None:
            with files.locked(lock):
                got.append(time.monotonic())

        waiting = threading.Thread(target=take)
        waiting.start()
        time.sleep(0.1)
        assert got == []
        holder.send_signal(signal.SIGKILL)
        waiting.join(timeout=20)
    assert len(got) == 1


def test_it_is_freed_when_what_is_done_under_it_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), files.locked(tmp_path / "a.lock"):
        raise KeyError
    with files.locked(tmp_path / "a.lock"):
        assert (tmp_path / "a.lock").exists()
