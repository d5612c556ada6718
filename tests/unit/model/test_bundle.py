"""Bundles: whole or not there, and any change to one is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import BundleError, StorageError
from tasks.model import bundle

pytestmark = pytest.mark.unit


def fill(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(bytes(range(256)))
    (folder / "parts").mkdir()
    (folder / "parts" / "sizes.json").write_text('{"k": 8}')


@pytest.fixture
def made(tmp_path: Path) -> Path:
    bundle.write(tmp_path / "model", fill)
    return tmp_path / "model"


def test_a_whole_bundle_is_accepted(made: Path) -> None:
    bundle.verify(made)
    bundle.verify(made, bundle.digest(made))


def test_equal_files_have_an_equal_digest(tmp_path: Path) -> None:
    assert bundle.write(tmp_path / "a", fill) == bundle.write(tmp_path / "b", fill) == bundle.digest(tmp_path / "a")


def test_other_files_have_another_digest(tmp_path: Path) -> None:
    def other(folder: Path) -> None:
        fill(folder)
        (folder / "weights.bin").write_bytes(b"")

    assert bundle.write(tmp_path / "a", fill) != bundle.write(tmp_path / "b", other)


# --- refused ----------------------------------------------------------------------------------------------------------


def _flip(folder: Path) -> None:
    path = folder / "weights.bin"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def _flip_below(folder: Path) -> None:
    (folder / "parts" / "sizes.json").write_text('{"k": 9}')


def _append(folder: Path) -> None:
    path = folder / "weights.bin"
    path.write_bytes(path.read_bytes() + b"\n")


def _add(folder: Path) -> None:
    (folder / "run_me.pkl").write_bytes(b"")


def _add_hidden(folder: Path) -> None:
    (folder / "parts" / ".hidden").write_bytes(b"")


def _add_manifest_below(folder: Path) -> None:
    (folder / "parts" / bundle.MANIFEST).write_text("{}")


def _add_dangling_link(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "nowhere")


def _remove(folder: Path) -> None:
    (folder / "weights.bin").unlink()


def _rename(folder: Path) -> None:
    (folder / "weights.bin").rename(folder / "weights")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_flip, "weights.bin is altered"),  # one bit
        (_flip_below, "parts/sizes.json is altered"),  # in a folder, of the same length
        (_append, "weights.bin is altered"),
        (_add, "run_me.pkl is foreign"),
        (_add_hidden, "parts/.hidden is foreign"),
        (_add_manifest_below, "parts/manifest.json is foreign"),  # only the manifest at the top is one
        (_add_dangling_link, "link is foreign"),
        (_remove, "weights.bin is missing"),
        (_rename, "weights.bin is missing; weights is foreign"),  # all at once
    ],
)
def test_an_altered_bundle_is_refused_by_the_name_of_the_file(made: Path, change: Callable[[Path], None], told: str) -> None:
    change(made)
    with pytest.raises(BundleError, match=told) as caught:
        bundle.verify(made)
    assert "fetch the bundle again" in caught.value.mend


@given(st.integers(0, 255), st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_single_byte_counts(made: Path, where: int, by: int) -> None:
    data = bytearray(range(256))
    data[where] ^= by
    (made / "weights.bin").write_bytes(data)
    with pytest.raises(BundleError, match="altered"):
        bundle.verify(made)


def test_another_manifest_is_refused_where_the_digest_is_known(made: Path) -> None:
    digest = bundle.digest(made)
    _flip(made)
    bundle.seal(made)  # a forger would seal it again
    bundle.verify(made)
    with pytest.raises(BundleError, match=f"must have the sum {digest[:12]}"):
        bundle.verify(made, digest)


def test_a_wrong_digest_is_refused(made: Path) -> None:
    with pytest.raises(BundleError, match="must have the sum 000000000000"):
        bundle.verify(made, "0" * 64)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\xff"])
def test_a_manifest_that_is_none_is_a_bundle_error(made: Path, text: str) -> None:
    (made / bundle.MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError):
        bundle.verify(made)


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_a_manifest_is_a_bundle_error(tmp_path: Path, folder: str) -> None:
    with pytest.raises(BundleError, match=r"must hold manifest\.json"):
        bundle.verify(tmp_path / folder)


# --- written whole or not at all --------------------------------------------------------------------------------------


def _raises(error: BaseException) -> Callable[[Path], None]:
    def half(folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"half")
        raise error

    return half


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No space left on device") as caught:
        bundle.write(tmp_path / "model", _raises(OSError(28, "No space left on device")))
    assert "free space" in caught.value.mend
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("I/O error"), KeyboardInterrupt(), ValueError("nan")])
def test_no_other_end_leaves_anything_half_written(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        bundle.write(tmp_path / "model", _raises(error))
    assert list(tmp_path.iterdir()) == []


def test_the_bundle_that_stands_survives_a_failed_write(made: Path) -> None:
    digest = bundle.digest(made)
    with pytest.raises(StorageError):
        bundle.write(made, _raises(OSError(28, "No space left on device")))
    bundle.verify(made, digest)
    assert [path.name for path in made.parent.iterdir()] == ["model"]


def test_a_bundle_is_replaced_whole(made: Path) -> None:
    digest = bundle.write(made, lambda folder: (folder / "other").write_text("x") and None)
    bundle.verify(made, digest)
    assert sorted(path.name for path in made.iterdir()) == ["manifest.json", "other"]


def test_what_a_killed_run_left_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle.os, "getpid", lambda: 7)
    left = tmp_path / ".model.7"
    left.mkdir()
    (left / "stray").write_text("x")
    bundle.write(tmp_path / "model", fill)
    assert not (tmp_path / "model" / "stray").exists()


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    bundle.verify(tmp_path / "a" / "b", bundle.write(tmp_path / "a" / "b", fill))
