"""The command for keys: each act is in the audit trail before it is in the file, and no secret is in either."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.artifacts.audit import Act
from tasks.artifacts.serving import Key, Role
from tasks.lake import audit
from tasks.serving import access, keys

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVERGREEN_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("EVERGREEN_SERVING", str(tmp_path / "serving"))
    return tmp_path


def ring(home: Path) -> list[Key]:
    return keys.read(home / "serving" / keys.FILE).keys


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    access.main(arguments)
    return capsys.readouterr().out.splitlines()


def added(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The token of a new key."""
    return said(capsys, "add", "--name", "airline", "--role", "predict", "--role", "feedback", *more)[-1]


def test_a_key_is_added_with_its_row_in_the_trail(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "add", "--name", "airline", "--role", "predict", "--days", "90", "--by", "Ada Example", "--reason", "a new client")
    (key,) = ring(home)
    assert (key.name, key.roles) == ("airline", [Role.PREDICT])
    assert key.expires_at == key.created_at + timedelta(days=90)
    assert len(lines) == 2
    assert "shown this once" in lines[0]
    assert keys.Keys(home / "serving" / keys.FILE).find(lines[1], datetime.now(UTC)) == key
    (row,) = audit.read(str(home / "lake"))
    assert (row.act, row.by, row.subject) == (Act.KEY, "Ada Example", f"key {key.id}")
    assert row.reason.startswith("a key for airline with predict, ends ")
    assert row.reason.endswith(": a new client")
    assert Key.model_validate_json(row.evidence) == key


def test_no_secret_is_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = added(capsys).rpartition("_")[2].encode()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if secret in path.read_bytes()] == []
    assert secret.decode() not in "".join(row.model_dump_json() for row in audit.read(str(home / "lake")))


def test_rotation_and_revocation(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "operator")
    token = added(capsys)
    (first,) = ring(home)
    new_token = said(capsys, "rotate", first.id, "--overlap-hours", "2")[-1]
    old, new = ring(home)
    known, now = keys.Keys(home / "serving" / keys.FILE), datetime.now(UTC)
    assert known.find(token, now) == old
    assert known.find(token, now + timedelta(hours=3)) is None
    assert known.find(new_token, now) == new
    assert "is revoked" in said(capsys, "revoke", new.id)[0]
    known.refresh()
    assert known.find(new_token, datetime.now(UTC)) is None
    rows = audit.read(str(home / "lake"))
    assert [row.subject for row in rows] == [f"key {id}" for id in (first.id, new.id, new.id)]
    assert {row.by for row in rows} == {"operator"}
    assert f"in place of {first.id}, which ends" in rows[1].reason
    said(capsys, "revoke", new.id)  # it is already: nothing to record
    assert len(audit.read(str(home / "lake"))) == 3
    listed = said(capsys, "list")
    assert [line.split()[:2] for line in listed] == [[old.id, "valid"], [new.id, "revoked"]]


def test_an_empty_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no keys" in said(capsys, "list")[0]


def test_without_a_trail_nothing_is_changed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added(capsys)
    before = ring(home)
    (home / "lake" / audit.AUDIT / "_delta_log" / "00000000000000000000.json").write_text("no log")
    for act in (["add", "--name", "b", "--role", "admin"], ["rotate", before[0].id], ["revoke", before[0].id]):
        with pytest.raises(SystemExit, match="error: "):
            access.main(act)
    assert ring(home) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revoke", "none"], "named by its id"),
        (["rotate", "none"], "named by its id"),
        (["add", "--name", " ", "--role", "predict"], "printable"),
        (["add", "--name", "a", "--role", "predict", "--days", "0"], "an end that is over"),
        (["add", "--name", "a", "--role", "predict", "--days", "-1"], "0 to 100000"),
        (["add", "--name", "a", "--role", "predict", "--days", "nan"], "0 to 100000"),
        (["add", "--name", "a", "--role", "predict", "--days", "1e9"], "0 to 100000"),
    ],
)
def test_what_cannot_be_is_one_line(home: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        access.main(arguments)
    text = str(ended.value.code)
    assert text.startswith("error: ")
    assert message in text
    assert "\n" not in text
    assert ring(home) == []
    assert audit.read(str(home / "lake")) == []


def test_the_command_ends_with_status_1_and_no_traceback(home: Path) -> None:
    run = [sys.executable, "-m", "tasks.serving.access", "revoke", "none"]
    ended = subprocess.run(run, env=os.environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: a key must be named by its id")
    assert "Traceback" not in ended.stderr
