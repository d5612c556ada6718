"""Bundles: whole or not there, and any change to one is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
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


def _link_out(folder: Path) -> None:
    outside = folder.parent / "outside.bin"
    (folder / "weights.bin").rename(outside)  # the same bytes, elsewhere
    (folder / "weights.bin").symlink_to(outside)


def _link_within(folder: Path) -> None:
    (folder / "copy.bin").symlink_to("weights.bin")


def _link_folder(folder: Path) -> None:
    (folder / "parts").rename(folder.parent / "parts")
    (folder / "parts").symlink_to(folder.parent / "parts")


def _link_manifest(folder: Path) -> None:
    (folder / bundle.MANIFEST).rename(folder.parent / "moved.json")
    (folder / bundle.MANIFEST).symlink_to(folder.parent / "moved.json")


def _add_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


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
        (_add_dangling_link, "link is a link"),
        (_link_out, "weights.bin is a link"),  # the bytes are right, the file is not the bundle's
        (_link_within, "copy.bin is a link"),
        (_link_folder, "parts is a link"),  # of which the files would be right
        (_link_manifest, r"must hold manifest\.json; got a link"),
        (_add_pipe, "pipe is no file"),  # reading it would wait for ever
        (_remove, "weights.bin is missing"),
        (_rename, "weights.bin is missing; weights is foreign"),  # all at once
    ],
)
def test_an_altered_bundle_is_refused_by_the_name_of_the_file(made: Path, change: Callable[[Path], None], told: str) -> None:
    change(made)
    with pytest.raises(BundleError, match=told) as caught:
        bundle.verify(made)
    assert "fetch the bundle again" in caught.value.mend


@pytest.mark.parametrize("link", [_link_out, _link_within, _link_folder])
def test_what_holds_a_link_is_never_sealed(made: Path, link: Callable[[Path], None]) -> None:
    link(made)
    with pytest.raises(BundleError, match="must hold files alone"):
        bundle.seal(made)


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


def test_the_manifest_of_another_bundle_is_refused(made: Path, tmp_path: Path) -> None:
    digest = bundle.digest(made)
    bundle.write(tmp_path / "other", lambda folder: (folder / "weights.bin").write_bytes(b"other") and None)
    shutil.copytree(tmp_path / "other", made, dirs_exist_ok=True)  # manifest and files, all of them valid
    shutil.rmtree(made / "parts")
    bundle.verify(made)
    with pytest.raises(BundleError, match=f"must have the sum {digest[:12]}"):
        bundle.verify(made, digest)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_other_byte_of_the_manifest_is_refused_before_it_is_parsed(made: Path, data: st.DataObject) -> None:
    whole = (made / bundle.MANIFEST).read_bytes()
    digest = bundle.digest(made)
    where, by = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    try:
        (made / bundle.MANIFEST).write_bytes(whole[:where] + bytes([whole[where] ^ by]) + whole[where + 1 :])
        with pytest.raises(BundleError, match="must have the sum"):
            bundle.verify(made, digest)
    finally:
        (made / bundle.MANIFEST).write_bytes(whole)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_stands_in_the_manifest_ends_in_a_bundle_error(made: Path, data: bytes) -> None:
    whole = (made / bundle.MANIFEST).read_bytes()
    try:
        (made / bundle.MANIFEST).write_bytes(data)
        with pytest.raises(BundleError):
            bundle.verify(made)
    finally:
        (made / bundle.MANIFEST).write_bytes(whole)


def _name(made: Path, name: str) -> None:
    """Add a name to the manifest, with the sum of the file that it leads to, if it leads to one."""
    sums = json.loads((made / bundle.MANIFEST).read_text())
    sums[name] = hashlib.sha256(b"secret").hexdigest()
    (made / bundle.MANIFEST).write_text(json.dumps(sums))


@pytest.mark.parametrize(
    "name",
    [
        "../outside.bin",
        "parts/../../outside.bin",
        "..",
        "{tmp_path}/outside.bin",  # from the root
        "/etc/passwd",
        "./weights.bin",  # a second way to write a name
        "parts//sizes.json",
        "parts/",
        "",
        ".",
        "..\\outside.bin",  # climbs out on another system
        "weights.bin\0",
    ],
)
def test_a_name_that_leads_out_of_the_bundle_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.bin").write_bytes(b"secret")
    _name(made, name.format(tmp_path=tmp_path))
    with pytest.raises(BundleError, match="must name files below its own folder"):
        bundle.verify(made)


@given(st.text(max_size=30).filter(lambda name: name not in ("weights.bin", "parts/sizes.json")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_name_more_is_refused_whatever_it_is(made: Path, name: str) -> None:
    whole = (made / bundle.MANIFEST).read_bytes()
    try:
        _name(made, name)
        with pytest.raises(BundleError):
            bundle.verify(made)
    finally:
        (made / bundle.MANIFEST).write_bytes(whole)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_file_more_is_refused_whatever_its_name(made: Path, name: str) -> None:
    assume(name not in (".", "..", "parts", "weights.bin", bundle.MANIFEST))
    more = made / name
    more.write_bytes(b"")
    try:
        with pytest.raises(BundleError, match="is foreign"):
            bundle.verify(made)
    finally:
        more.unlink()


def test_a_wrong_digest_is_refused(made: Path) -> None:
    with pytest.raises(BundleError, match="must have the sum 000000000000"):
        bundle.verify(made, "0" * 64)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "\xff", '{"weights.bin": 7}', '{"weights.bin": "short"}', "[" * 100_000],  # the last one is deep
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
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
