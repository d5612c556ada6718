"""Approval, rollback and audit as a person runs them: on a terminal, and where there is none."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.evaluation import Verdict
from tasks.lake import audit
from tasks.registry import promotion
from tasks.registry.versions import Registry
from tasks.usecase import policy
from tests.e2e.harness import PYFLYTE, ROOT, Project, Result
from tests.unit.registry.versions import judged

pytestmark = [
    pytest.mark.e2e,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class House(Project):
    """A home with a champion, version 1, and a version 2 that waits for a person."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "")
        self.lake = str(home / "lake")
        self.registry = Registry(f"sqlite:///{home / 'mlflow.db'}", policy.MODEL_NAME)

    def fill(self) -> None:
        for digest, verdict in (("a", Verdict.PROMOTE), ("b", Verdict.REVIEW)):
            given = judged(self.registry, self.home / "made", digest, verdict)
            number = self.registry.register(given).version
            promotion.record_decision(self.registry, self.lake, number, given.decision, "a task", datetime.now(UTC))
            if verdict == Verdict.PROMOTE:
                promotion.promote(self.registry, self.lake, number, "a task", datetime.now(UTC))

    @property
    def acts(self) -> list[str]:
        return [f"{row.act.value} {row.subject.split()[-1]}" for row in audit.read(self.lake)]

    @property
    def review(self) -> list[str]:
        digits = self.registry.tags()[2]["dossier_digest"][:12]
        given = ["--model_version", "2", "--by", "Ada Example", "--reason", "read and sound", "--dossier", digits]
        return [*PYFLYTE, "workflows/promote.py", "review", *given]

    def answered(self, answer: bytes) -> Result:
        """Run the review on a terminal of its own, and type an answer to the question."""
        started, (ours, theirs) = time.perf_counter(), pty.openpty()
        process = subprocess.Popen(self.review, cwd=ROOT, env=self.environment(), stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said, is_answered = b"", False
        while select.select([ours], [], [], 120)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not is_answered and b"[Y/n]" in said:
                os.write(ours, answer)
                is_answered = True
        os.close(ours)
        return Result(process.wait(timeout=60), said.decode(), time.perf_counter() - started)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Not to be changed."""
    house = House(tmp_path_factory.mktemp("waiting") / "home")
    house.fill()
    return house


@pytest.fixture
def house(waiting: House, tmp_path: Path) -> House:
    shutil.copytree(waiting.home / "lake", tmp_path / "home" / "lake")
    shutil.copyfile(waiting.home / "mlflow.db", tmp_path / "home" / "mlflow.db")
    return House(tmp_path / "home")


WAITING = ["decision 1", "promotion 1", "decision 2"]


def test_yes_on_a_terminal_approves_and_promotes(house: House) -> None:
    done = house.answered(b"y\n")
    assert done.status == 0, done.output
    before, _, _ = done.output.partition("[Approval Gate]")
    for words in ("version 2: REVIEW", "FAILS", "dossier  ", *house.registry.tags()[2]["dossier_uri"].split()):
        assert words in before, "the evidence stands before the question"
    question = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", done.output).split())
    assert "in the name of Ada Example (Enter means yes, n refuses)? [Y/n]" in question
    assert [house.registry.version_of(alias) for alias in ("champion", "previous")] == [2, 1]
    assert house.acts == [*WAITING, "approval 2", "promotion 2"]


@pytest.mark.parametrize("answer", [b"n\n", b"\x04"], ids=["no", "end of input"])
def test_anything_but_yes_on_a_terminal_changes_nothing(house: House, answer: bytes) -> None:
    done = house.answered(answer)
    assert done.status != 0, done.output
    assert "[Approval Gate]" in done.output
    assert house.registry.version_of("champion") == 1
    assert house.acts == WAITING


@pytest.mark.parametrize("given", ["closed", "nothing", "a pipe of yes"])
def test_without_a_terminal_it_refuses_and_does_not_wait(waiting: House, given: str) -> None:
    command, piped = waiting.review, "y\n" * 9 if given == "a pipe of yes" else None
    if given == "closed":
        command = ["bash", "-c", 'exec "$@" <&-', "-", *command]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=waiting.environment(),
        **({"input": piped} if piped else {"stdin": subprocess.DEVNULL}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    flat = " ".join(done.stdout.replace("│", " ").split())
    assert "a person must approve, on a terminal or in Flyte's console" in flat
    assert "Traceback" not in done.stdout
    assert "[Approval Gate]" not in done.stdout
    assert waiting.acts == WAITING


def test_promotion_without_approval_is_refused_and_a_rollback_takes_one_command(house: House) -> None:
    refused = house.ask("promote", "promote", "--model_version", "2")
    assert refused.status == 1
    assert "REVIEW without a valid approval" in " ".join(refused.output.replace("│", " ").split())
    done = house.ask("rollback", "rollback", "--to", "2")
    assert done.status == 0, done.output
    assert house.registry.version_of("champion") == 2
    last = audit.read(house.lake)[-1]
    assert last.by, "the operating system's user"
    assert last.reason == "rolled back by hand"
    sound = house.ask("audit", "audit")
    assert sound.status == 0, sound.output
    assert "audit trail of 4 rows: whole" in sound.output
    assert f"by {last.by}: rolled back by hand" in sound.output


def test_a_rollback_to_an_altered_package_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path / "home")
    house.fill()
    (Path(house.registry.version(2).source) / "file").write_text("other")
    done = house.ask("rollback", "rollback", "--to", "2", "--by", "Ada Example")
    assert done.status == 1
    assert "file is altered" in " ".join(done.output.replace("│", " ").split())
    assert house.registry.version_of("champion") == 1
    assert house.acts == WAITING


def test_a_broken_trail_ends_the_audit_with_a_failure_that_names_the_row(house: House) -> None:
    folder = Path(house.lake) / audit.AUDIT
    rows = pl.read_delta(str(folder)).with_columns(reason=pl.when(pl.col("number") == 2).then(pl.lit("good")).otherwise("reason"))
    shutil.rmtree(folder)
    rows.write_delta(str(folder))
    done = house.ask("audit", "audit")
    assert done.status == 1
    assert "BROKEN at row 2: was changed after it was written" in done.output
    assert "row 2, which was changed" in " ".join(done.output.replace("│", " ").split())
