"""Leases: at most one retraining at a time and one a night, and none that is lost blocks the next."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import LakeError, StorageError
from tasks.lake import leases

pytestmark = pytest.mark.unit

NIGHT = date(2013, 10, 14)
NEXT = NIGHT + timedelta(days=1)
NOW = datetime(2013, 10, 15, 18, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def take(lake: Path, holder: str = "a", night: date = NIGHT, now: datetime = NOW) -> leases.Turn:
    return leases.take(str(lake), night, holder, now, hours=6)


def outcomes(lake: Path) -> list[tuple[str, str | None]]:
    return [(lease.holder, lease.outcome if lease.ended_at else None) for lease in leases.read(str(lake))]


def test_one_at_a_time(tmp_path: Path) -> None:
    assert leases.read(str(tmp_path)) == []
    lease, is_taken = take(tmp_path)
    assert is_taken
    assert (lease.night, lease.holder, lease.taken_at, lease.expires_at) == (NIGHT, "a", NOW, NOW + 6 * HOUR)
    # Whatever night the other is for, it is told who is under way.
    assert take(tmp_path, "b") == take(tmp_path, "b", NEXT) == (lease, False)
    # Asked again, the holder has what it has; but one for another night it has not.
    assert take(tmp_path, now=NOW + HOUR) == (lease, True)
    assert take(tmp_path, night=NEXT) == (lease, False)
    assert leases.read(str(tmp_path)) == [lease]


def test_a_night_has_one_challenger(tmp_path: Path) -> None:
    take(tmp_path)
    done = leases.end(str(tmp_path), "a", "version 4, HOLD", NOW + HOUR)
    assert done is not None and (done.ended_at, done.outcome) == (NOW + HOUR, "version 4, HOLD")
    assert take(tmp_path, "b", now=NOW + 2 * HOUR) == (done, False)
    assert take(tmp_path, "a", now=NOW + 2 * HOUR) == (done, False)
    assert take(tmp_path, "b", NEXT, NOW + 2 * HOUR).is_taken
    # Done again, or by one that has none, it ends nothing.
    assert leases.end(str(tmp_path), "a", "again", NOW + 3 * HOUR) is None
    assert leases.end(str(tmp_path), "c", "never had one", NOW + 3 * HOUR) is None
    assert outcomes(tmp_path) == [("a", "version 4, HOLD"), ("b", None)]


def test_after_a_failure_the_night_may_try_again(tmp_path: Path) -> None:
    take(tmp_path)
    leases.end(str(tmp_path), "a", f"{leases.FAILED}: no space left", NOW + HOUR)
    assert take(tmp_path, "b", now=NOW + 2 * HOUR).is_taken
    assert outcomes(tmp_path) == [("a", "failed: no space left"), ("b", None)]


@pytest.mark.parametrize(("hours", "is_taken"), [(5.99, False), (6.0, True)])
def test_one_that_never_ended_blocks_no_longer_than_it_may(tmp_path: Path, hours: float, is_taken: bool) -> None:
    take(tmp_path)
    assert take(tmp_path, "b", NEXT, NOW + hours * HOUR).is_taken is is_taken
    assert outcomes(tmp_path)[0] == ("a", "failed: it had expired" if is_taken else None)
    if is_taken:  # the first comes back to end what another has taken over
        assert leases.end(str(tmp_path), "a", "version 4", NOW + 7 * HOUR) is None


def _holder_elsewhere(command: str) -> str:
    """Return the holder of another process, after a command of its own."""
    code = f"from tasks.lake import leases; print(leases.here('run-9'), flush=True); {command}"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return process.stdout.strip()


def test_a_dead_process_of_this_host_blocks_nobody(tmp_path: Path) -> None:
    dead = _holder_elsewhere("")
    assert f"run-9 on {socket.gethostname()}, process " in dead
    assert take(tmp_path, dead).is_taken
    assert take(tmp_path, "b", now=NOW + HOUR).is_taken  # for the same night too: it gave no challenger
    assert outcomes(tmp_path) == [(dead, "failed: its process had gone"), ("b", None)]


@pytest.mark.parametrize(
    "holder",
    [
        leases.here("run-9"),  # this process lives
        "run-9 on another.host, process 999999999 of 17",  # of another host nothing is known
        "run-9 on Flyte",  # nor of a pod
    ],
    ids=["this process", "another host", "a pod"],
)
def test_one_that_may_live_is_waited_for(tmp_path: Path, holder: str) -> None:
    take(tmp_path, holder)
    assert take(tmp_path, "b").lease.holder == holder


def test_a_process_number_that_was_given_again_is_another_process(tmp_path: Path) -> None:
    told, _, started = leases.here("run-9").rpartition(" ")
    take(tmp_path, f"{told} {int(started) - 1}")
    assert f"process {os.getpid()} of" in told
    assert take(tmp_path, "b").is_taken


_CLAIM = """
import sys
from datetime import UTC, date, datetime
from tasks.lake import leases
print("ready", flush=True)
sys.stdin.readline()
turn = leases.take(sys.argv[1], date(2013, 10, 14), sys.argv[2], datetime(2013, 10, 15, 18, 5, tzinfo=UTC), 6)
print(turn.is_taken, turn.lease.holder, flush=True)
"""


def test_of_two_processes_exactly_one_has_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CLAIM, str(tmp_path)]
    claims = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for name in "ab"]
    for claim in claims:
        assert claim.stdout is not None and claim.stdout.readline().strip() == "ready"
    for claim in claims:
        assert claim.stdin is not None
        claim.stdin.write("go\n")
    told = [claim.communicate(timeout=60)[0].split() for claim in claims]
    assert sorted(is_taken for is_taken, _ in told) == ["False", "True"]
    (holder,) = {holder for _, holder in told}  # both name the same one
    assert [lease.holder for lease in leases.read(str(tmp_path))] == [holder]


def test_of_threads_at_once_exactly_one_has_it(tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def claim(holder: str) -> bool:
        start.wait()
        return take(tmp_path, holder).is_taken

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, "abcd")) == 1
    assert len(leases.read(str(tmp_path))) == 1


def test_a_lake_out_of_reach_is_told_and_works_again(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the lake should be")
    with pytest.raises((LakeError, StorageError), match="To mend"):
        take(tmp_path / "lake")
    (tmp_path / "lake").unlink()
    assert take(tmp_path / "lake").is_taken
