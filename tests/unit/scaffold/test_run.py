"""The command: what it prints, and that it ends with a message and a status."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.scaffold import run
from tests.unit.scaffold.test_write import orders

pytestmark = pytest.mark.unit


def test_it_says_what_it_guessed_and_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders().write_parquet(tmp_path / "orders.parquet")
    run.main(["--sample", str(tmp_path / "orders.parquet"), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert f"11 files in {tmp_path / 'out'}, from 60 rows of 2024-01-01" in said
    for words in ("placed says when a row came", "age looks like a protected attribute", "grep -rn EDIT", "make data-card retrain"):
        assert words in said


def test_a_fault_is_a_message_and_a_status(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"error: SAMPLE must be a file; .*; got no such file\. To mend: give SAMPLE"):
        run.main(["--sample", str(tmp_path / "nowhere.csv")])


def test_a_folder_of_its_own_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    orders().write_csv("orders.csv")
    run.main(["--sample", "orders.csv", "--name", "sales"])
    assert (tmp_path / ".evergreen" / "new-usecase" / "sales" / "contract.py").is_file()
