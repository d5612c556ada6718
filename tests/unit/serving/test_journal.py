"""The journal: what was written is read again, whatever ends the writer; damage is counted and costs its own line alone."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.serving import journal
from tasks.serving.journal import Journal

pytestmark = pytest.mark.unit

MANY = 10**9


def written(folder: Path, values: list[dict[str, Any]]) -> Path:
    """A closed segment with these lines."""
    log = Journal(folder, MANY, MANY)
    for value in values:
        log.write(json.dumps(value).encode())
    log.close()
    return journal.closed(folder)[-1]


def numbers(path: Path) -> list[int]:
    return [line["n"] for line in journal.read(path).lines]


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


ENDLESS = """
    import sys
    from pathlib import Path
    from tasks.serving.journal import Journal
    log, n = Journal(Path(sys.argv[1]), int(sys.argv[2]), 1e9), 0
    while True:
        log.write(b'{"n":%d,"more":"%b"}' % (n, b"x" * (n % 5_000)))
        print(n, flush=True)
        n += 1
"""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    lines = [{"kind": "answer", "text": 'Zürich\n"\u2028', "n": 0.1}, {}, {"a": {"b": [None, True]}}]
    segment = written(tmp_path / "log", lines)
    assert journal.read(segment) == (lines, 0, 0)
    assert segment.stat().st_mode & 0o777 & ~0o640 == 0
    assert segment.read_bytes().splitlines()[1] == b"a3a6bf43 {}"  # crc32 of `{}`


def test_the_name_tells_when_and_who(tmp_path: Path) -> None:
    at, pid, chance = written(tmp_path, [{}]).stem.split("-")
    assert abs((datetime.strptime(at + "+0000", "%Y%m%dT%H%M%S.%fZ%z") - datetime.now().astimezone()).total_seconds()) < 60
    assert int(pid) == os.getpid()
    assert len(chance) == 8


@pytest.mark.parametrize("most_bytes", [MANY, 60_000])  # one segment; some that are closed and one that is open
@pytest.mark.parametrize("until", [1, 100, 731])
def test_a_killed_writer_loses_nothing_that_it_told(tmp_path: Path, until: int, most_bytes: int) -> None:
    with started(ENDLESS, tmp_path, most_bytes) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(until)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    segments = [journal.read(path) for path in journal.closed(tmp_path)]
    found = [line["n"] for segment in segments for line in segment.lines]
    assert len(told) >= until
    assert found == list(range(len(found)))
    assert set(told) <= set(found)
    assert len(found) - len(told) <= 1  # written and not told yet
    assert sum(segment.damaged for segment in segments) == 0
    assert sum(segment.torn for segment in segments) <= 1


def test_a_torn_last_line_is_counted_alone(tmp_path: Path) -> None:
    segment = written(tmp_path, [{"n": n} for n in range(3)])
    whole = segment.read_bytes()
    for length in range(len(whole)):
        segment.write_bytes(whole[:length])
        lines, torn, damaged = journal.read(segment)
        assert [line["n"] for line in lines] == list(range(whole[:length].count(b"\n")))
        assert (torn, damaged) == (int(not (length == 0 or whole[:length].endswith(b"\n"))), 0)


@given(data=st.data(), values=st.lists(st.dictionaries(st.text(max_size=5), st.integers()), min_size=1, max_size=8))
def test_a_flipped_bit_costs_its_own_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, values: list[dict[str, int]]
) -> None:
    lines = [{"n": n, "value": value} for n, value in enumerate(values)]
    segment = written(tmp_path_factory.mktemp("log"), lines)
    whole = bytearray(segment.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    hit = whole[:place].count(b"\n")
    is_end = whole[place] == ord("\n")
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    segment.write_bytes(whole)
    found, torn, damaged = journal.read(segment)
    lost = {hit, hit + 1} if is_end else {hit}  # without its end, a line runs into the next one
    assert found == [line for line in lines if line["n"] not in lost]
    assert (damaged >= 1, torn) == ((False, 1) if is_end and hit == len(lines) - 1 else (True, 0))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",  # no sum
        b"A3A6BF43 {}",  # a sum as we never write it
        b"a3a6bf43{}",
        b"e3c8b4a1 {}",  # another sum
        b"%08x [1]" % journal.crc32(b"[1]"),  # no object
        b"%08x {" % journal.crc32(b"{"),  # no JSON
        b'%08x {"\xff": 1}' % journal.crc32(b'{"\xff": 1}'),  # no UTF-8
    ],
)
def test_what_is_no_line_is_damaged(tmp_path: Path, line: bytes) -> None:
    segment = written(tmp_path, [{"n": 1}])
    segment.write_bytes(line + b"\n" + segment.read_bytes())
    assert journal.read(segment) == ([{"n": 1}], 0, 1)


def test_several_lines_in_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        Journal(tmp_path, MANY, MANY).write(b"{\n}")
    assert not list(tmp_path.iterdir())


def test_segments_are_closed_at_their_size(tmp_path: Path) -> None:
    log = Journal(tmp_path, 40, MANY)
    sizes = []
    for n in range(8):
        log.write(b'{"n":%d}' % n)  # 17 bytes with sum and end
        sizes.append(len(journal.closed(tmp_path)))
    assert sizes == [0, 0, 1, 1, 2, 2, 3, 3]
    log.write(b'{"n":8,"more":"' + b"x" * 100 + b'"}')  # longer than a segment: one of its own
    log.close()
    assert [numbers(path) for path in journal.closed(tmp_path)] == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
    assert log.bytes_written == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_segments_are_closed_at_their_age(tmp_path: Path) -> None:
    log = Journal(tmp_path, MANY, most_seconds=3_600)
    log.roll()  # there is none yet
    log.write(b'{"n":0}')
    log.roll()
    assert journal.closed(tmp_path) == []
    old = Journal(tmp_path, MANY, most_seconds=0)
    old.write(b'{"n":1}')
    old.roll()
    assert [numbers(path) for path in journal.closed(tmp_path)] == [[1]]
    old.write(b'{"n":2}')
    assert len(list(tmp_path.glob("*.open"))) == 2
    log.close()
    old.close()
    old.close()  # nothing to do
    assert [path.suffix for path in journal.closed(tmp_path)] == [".jsonl"] * 3


def test_a_live_writers_segment_is_not_closed(tmp_path: Path) -> None:
    with started(ENDLESS.replace("while True", "while n < 2") + "\n    input()", tmp_path, MANY) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert [process.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        assert journal.closed(tmp_path) == []
        assert numbers(next(tmp_path.glob("*.open"))) == [0, 1]  # what is there so far
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    assert [path.suffix for path in journal.closed(tmp_path)] == [".open"]


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    bounded = ENDLESS.replace("while True", "while n < 300") + "\n    log.close()"
    processes = [started(bounded, tmp_path, 100_000) for _ in range(2)]
    log = Journal(tmp_path, 10_000, MANY)

    def work(start: int) -> None:
        for n in range(start, start + 300):
            log.write(b'{"n":%d}' % n)

    threads = [threading.Thread(target=work, args=(start,)) for start in (1_000, 2_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    for process in processes:
        process.communicate(timeout=30)
    segments = [journal.read(path) for path in journal.closed(tmp_path)]
    assert sorted(line["n"] for segment in segments for line in segment.lines) == sorted(
        [*range(300)] * 2 + [*range(1_000, 1_300), *range(2_000, 2_300)]
    )
    assert sum(segment.torn + segment.damaged for segment in segments) == 0


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Files of this process can have 100 bytes: the kernel writes a part of what is more, then nothing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_reaches_the_caller_and_leaves_no_part_of_a_line(tmp_path: Path, small_disk: Any) -> None:
    log = Journal(tmp_path, MANY, MANY)
    log.write(b'{"n":0}')
    for _ in range(3):
        with pytest.raises(OSError, match="part of the line"):
            log.write(b'{"n":1,"more":"' + b"x" * 100 + b'"}')
    small_disk(MANY)
    log.write(b'{"n":2}')
    log.close()
    assert journal.read(journal.closed(tmp_path)[0]) == ([{"n": 0}, {"n": 2}], 0, 0)


def test_a_part_that_cannot_be_taken_back_ends_the_segment(tmp_path: Path, small_disk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: int, size: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "ftruncate", fail)
    log = Journal(tmp_path, MANY, MANY)
    log.write(b'{"n":0}')
    with pytest.raises(OSError, match="part of the line"):
        log.write(b'{"n":1,"more":"' + b"x" * 100 + b'"}')
    log.write(b'{"n":2}')
    log.close()
    assert [journal.read(path) for path in journal.closed(tmp_path)] == [([{"n": 0}], 1, 0), ([{"n": 2}], 0, 0)]


def test_a_folder_that_cannot_be_written_reaches_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = Journal(tmp_path / "file", MANY, MANY)
    with pytest.raises(OSError, match="file"):
        log.write(b"{}")
    log.close()
    assert journal.closed(tmp_path / "none") == []
