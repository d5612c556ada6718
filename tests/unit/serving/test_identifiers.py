"""Prediction ids: what was issued is read again, nothing else is; and the secret that signs them."""

from __future__ import annotations

import hmac
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ServingError, StorageError
from tasks.serving import identifiers
from tasks.serving.identifiers import Identifiers, Issued

pytestmark = pytest.mark.unit

PACKAGE = "0123456789ab"
AT = datetime(2013, 7, 4, 12, 30, 15, 999_999, tzinfo=UTC)
IDS = Identifiers(b"s" * 32)


@given(package=st.from_regex(r"[0-9a-f]{12}", fullmatch=True), at=st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_what_was_issued_is_read_again(package: str, at: datetime) -> None:
    made = IDS.make(package, at)
    assert re.search(identifiers.PATTERN, made)
    assert IDS.read(made) == Issued(package, at.replace(microsecond=0))


@given(st.binary(min_size=16, max_size=200))
def test_the_mac_is_an_hmac_of_sha256(secret: bytes) -> None:
    body, _, mac = Identifiers(secret).make(PACKAGE, AT).rpartition("-")
    assert mac == hmac.digest(secret, body.encode(), "sha256").hex()[:16]


def test_ids_differ_and_any_zone_is_read() -> None:
    new_york = AT.astimezone(timezone(timedelta(hours=-4)))
    made = {IDS.make(PACKAGE, new_york) for _ in range(1_000)}
    assert len(made) == 1_000
    assert {IDS.read(id) for id in made} == {Issued(PACKAGE, AT.replace(microsecond=0))}


def test_no_digit_can_be_changed() -> None:
    made = IDS.make(PACKAGE, AT)
    for place, digit in enumerate(made):
        for other in {"0", "f", "-"} - {digit}:
            assert IDS.read(made[:place] + other + made[place + 1 :]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda id: id + "\n",  # what `$` of a regular expression lets pass
        lambda id: " " + id,
        lambda id: id.upper(),
        lambda id: id[:-1],
        lambda id: id + id,
        lambda id: id.replace("0", "\uff10", 1),  # another script's zero
        lambda id: "",
    ],
)
def test_another_form_is_none(change: object) -> None:
    assert IDS.read(change(IDS.make(PACKAGE, AT))) is None  # type: ignore[operator]


@given(st.one_of(st.text(), st.from_regex(identifiers.PATTERN)))
def test_nothing_else_is_read(text: str) -> None:
    assert IDS.read(text) is None


def test_another_secret_reads_nothing() -> None:
    assert Identifiers(b"t" * 32).read(IDS.make(PACKAGE, AT)) is None


@pytest.mark.parametrize(
    ("package", "at"),
    [
        (PACKAGE + "0", AT),  # a digit too many
        ("0123456789AB", AT),
        (PACKAGE, AT.replace(tzinfo=None)),  # no zone
        (PACKAGE, datetime(1969, 12, 31, tzinfo=UTC)),
    ],
)
def test_what_gives_no_id(package: str, at: datetime) -> None:
    with pytest.raises(ValueError, match="id"):
        IDS.make(package, at)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ServingError, match="16 bytes"):
        Identifiers(b"short")


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "serving" / "secret"
    first = identifiers.secret(path)
    assert len(first) == 32
    assert identifiers.secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == ["secret", "secret.lock"]  # nothing half-made beside it


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from tasks.serving.identifiers import secret; print(secret(Path(sys.argv[1])).hex())"
    run = [sys.executable, "-c", code, str(tmp_path / "secret")]
    started = [subprocess.Popen(run, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate(timeout=30)[0] for process in started}) == 1


@pytest.mark.parametrize("text", ["", "abc", "x" * 64, "0" * 63, "0" * 66])
def test_a_broken_secret_is_refused_and_left(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    with pytest.raises(ServingError, match="64 hex digits") as told:
        identifiers.secret(path)
    assert path.read_text() == text
    assert not text or text not in str(told.value)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        identifiers.secret(tmp_path / "file" / "secret")
