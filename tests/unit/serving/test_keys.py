"""Keys: made, found, ended and put in another's place; by several processes; and what a broken file does."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.serving import Key, Role
from tasks.errors import ServingError, StorageError
from tasks.serving import keys
from tasks.serving.keys import Keys

pytestmark = pytest.mark.unit

NOW = datetime(2013, 7, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serving" / keys.FILE


def made(path: Path, **more: datetime) -> tuple[Key, str]:
    return keys.create(path, "airline", [Role.FEEDBACK, Role.PREDICT], NOW, **more)


def test_a_key_is_found_by_its_token_alone(path: Path) -> None:
    key, token = made(path)
    other, other_token = keys.create(path, "Büro Zürich", [Role.ADMIN], NOW)
    assert key.roles == [Role.PREDICT, Role.FEEDBACK]
    known = Keys(path)
    assert known.problem is None
    assert known.find(token, NOW) == key
    assert known.find(other_token, NOW) == other
    assert keys.read(path).keys == [key, other]
    mixed = f"evg_{key.id}_{other_token.rpartition('_')[2]}"
    assert known.find(mixed, NOW) is None


def test_the_file_holds_no_secret_and_is_its_owners(path: Path) -> None:
    key, token = made(path)
    secret = token.rpartition("_")[2]
    assert len(bytes.fromhex(secret)) == 32
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    keys.revoke(path, key.id, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == ["keys.json", "keys.lock"]  # nothing half-made beside it


ANY_TOKEN = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(categories=["Cs", "Nd", "Ll"])),  # surrogates, digits of other scripts
    st.from_regex(r"evg_[0-9a-f]{8}_[0-9a-f]{64}"),
    st.from_regex(r"evg_[^_]*_.*"),
)


@given(token=ANY_TOKEN)
def test_any_other_token_is_nobodys(tmp_path_factory: pytest.TempPathFactory, token: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any" / keys.FILE
    if not path.exists():
        made(path)
    assert Keys(path).find(token, NOW) is None


def test_no_change_of_a_token_is_found(path: Path) -> None:
    _, token = made(path)
    known = Keys(path)
    changed = [token[:n] + ("0" if token[n] != "0" else "1") + token[n + 1 :] for n in range(len(token))]
    changed += [token + "\n", " " + token, token.upper(), token[:-1], token + "0", ""]
    assert [known.find(other, NOW) for other in changed] == [None] * len(changed)


def test_sums_are_compared_in_constant_time_for_known_and_unknown_ids(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, token = made(path)
    known, compared = Keys(path), []

    def compare(a: str, b: str) -> bool:
        compared.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert known.find(token, NOW) == key
    assert known.find("evg_00000000_" + "0" * 64, NOW) is None
    assert compared == [(64, 64)] * 2


def test_nobody_is_found_by_the_stand_in_for_no_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    known = Keys(path)
    monkeypatch.setattr(keys, "_sum", lambda secret: "0" * 64)
    assert known.find("evg_00000000_" + "0" * 64, NOW) is None


@pytest.mark.parametrize(("after", "is_found"), [(timedelta(0), True), (HOUR - timedelta(microseconds=1), True), (HOUR, False)])
def test_a_key_ends_at_its_instant(path: Path, after: timedelta, is_found: bool) -> None:
    _, token = made(path, expires_at=NOW + HOUR)
    assert (Keys(path).find(token, NOW + after) is not None) == is_found


def test_a_revoked_key_ends_at_once(path: Path) -> None:
    key, token = made(path)
    known = Keys(path)
    revoked = keys.revoke(path, key.id, NOW + HOUR)
    assert revoked.revoked_at == NOW + HOUR
    assert known.find(token, NOW + HOUR) is not None  # it has not looked yet
    known.refresh()
    assert known.find(token, NOW + HOUR) is None
    assert keys.revoke(path, key.id, NOW + 2 * HOUR) == revoked  # the first instant counts


def test_a_rotated_key_overlaps_with_the_new_one(path: Path) -> None:
    key, token = made(path)
    new, new_token = keys.rotate(path, key.id, NOW, overlap=HOUR)
    known = Keys(path)
    assert (new.name, new.roles, new.expires_at) == (key.name, key.roles, None)
    assert new.id != key.id
    assert known.find(new_token, NOW) == new
    assert known.find(token, NOW + HOUR / 2) == key.model_copy(update={"expires_at": NOW + HOUR})
    assert known.find(token, NOW + HOUR) is None


def test_a_rotation_never_lengthens_the_old_key_and_gives_the_new_one_its_life(path: Path) -> None:
    key, _ = made(path, expires_at=NOW + 10 * HOUR)
    later = NOW + 9 * HOUR
    new, _ = keys.rotate(path, key.id, later, overlap=24 * HOUR)
    assert new.expires_at == later + 10 * HOUR
    assert keys.read(path).keys[0].expires_at == key.expires_at


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda path, id: keys.revoke(path, "none", NOW), "by its id"),
        (lambda path, id: keys.rotate(path, "none", NOW, HOUR), "by its id"),
        (lambda path, id: keys.rotate(path, id, NOW + 2 * HOUR, HOUR), "must be valid"),  # it is over
        (lambda path, id: keys.rotate(path, id, NOW, -HOUR), "negative"),
        (lambda path, id: keys.create(path, " ", [], NOW, NOW), "a name of 1 characters, no role, an end that is over"),
        (lambda path, id: keys.create(path, "a\nb", [Role.ADMIN], NOW), "a name of"),
        (lambda path, id: keys.create(path, "x" * 101, [Role.ADMIN], NOW), "a name of 101"),
    ],
)
def test_what_cannot_be_changes_nothing(path: Path, change: object, match: str) -> None:
    key, _ = made(path, expires_at=NOW + HOUR)
    before = path.read_bytes()
    with pytest.raises(ServingError, match=match):
        change(path, key.id)  # type: ignore[operator]
    assert path.read_bytes() == before


def test_what_comes_before_a_change_is_told_it_and_can_refuse(path: Path) -> None:
    told: list[list[Key]] = []

    def look(changed: list[Key]) -> None:
        told.append(changed)
        assert [key.id for key in keys.read(path).keys] != [key.id for key in changed]  # not there yet

    key, _ = keys.create(path, "a", [Role.ADMIN], NOW, before=look)
    new, _ = keys.rotate(path, key.id, NOW, HOUR, before=look)
    old = keys.read(path).keys[0]
    assert told == [[key], [new, old]]

    def refuse(changed: list[Key]) -> None:
        raise ServingError("a", "b", "c")

    before = path.read_bytes()
    for act in (
        lambda: keys.create(path, "b", [Role.ADMIN], NOW, before=refuse),
        lambda: keys.revoke(path, new.id, NOW, before=refuse),
        lambda: keys.rotate(path, new.id, NOW, HOUR, before=refuse),
    ):
        with pytest.raises(ServingError):
            act()
    assert path.read_bytes() == before


BROKEN = [
    "",
    "{",
    "[]",
    '{"keys": [{"id": "a"}]}',
    '{"keys": [], "more": 1}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_keeps_the_old_keys_and_is_told(path: Path, text: str | bytes) -> None:
    key, token = made(path)
    known, whole = Keys(path), path.read_bytes()
    broken = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(broken)
    for _ in range(2):
        known.refresh()
        assert known.find(token, NOW) == key
        assert known.problem is not None
        assert "keys.json" in known.problem
    with pytest.raises(ServingError, match=r"keys\.json"):
        made(path)
    assert path.read_bytes() == broken  # nothing is written over what a person may still mend
    path.write_bytes(whole)
    known.refresh()
    assert known.problem is None


def test_an_id_that_stands_twice_is_broken(path: Path) -> None:
    made(path)
    ring = keys.read(path)
    path.write_text(ring.model_copy(update={"keys": ring.keys * 2}).model_dump_json())
    with pytest.raises(ServingError, match="twice"):
        keys.read(path)


def test_no_file_is_no_keys_and_told_until_there_is_one(path: Path) -> None:
    known = Keys(path)
    assert known.problem is not None
    assert keys.read(path).keys == []
    key, token = made(path)
    known.refresh()
    assert (known.problem, known.find(token, NOW)) == (None, key)
    path.unlink()
    known.refresh()
    assert known.problem is not None
    assert known.find(token, NOW) == key


def test_a_file_that_did_not_change_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    known = Keys(path)
    monkeypatch.setattr(keys, "_parsed", lambda path: pytest.fail("it was read"))
    known.refresh()


def test_processes_that_change_it_at_once_lose_nothing(path: Path) -> None:
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tasks.artifacts.serving import Role
from tasks.serving import keys
for n in range(20):
    key, _ = keys.create(Path(sys.argv[1]), f"{sys.argv[2]} {n}", [Role.PREDICT], datetime.now(UTC))
    if n % 2:
        keys.revoke(Path(sys.argv[1]), key.id, datetime.now(UTC))
"""
    started = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "ab"]
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    found = {key.name: key.revoked_at is not None for key in keys.read(path).keys}
    assert found == {f"{name} {n}": bool(n % 2) for name in "ab" for n in range(20)}


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        made(tmp_path / "file" / "keys.json")


def test_a_disk_that_fills_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    before = path.read_bytes()

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space"):
        made(path)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 2
