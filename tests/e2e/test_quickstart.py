"""The quickstart as a reader follows it: every command of the page is run, in its order, and gives what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.harness import ROOT, Project

pytestmark = pytest.mark.e2e

PAGE = ROOT / "docs" / "quickstart.md"
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 240  # for one block; beyond it hangs


class Block(NamedTuple):
    """Commands of the page, and what it shows of their output."""

    commands: str
    is_server: bool
    shown: str


def blocks(page: str) -> list[Block]:
    """Return the blocks of commands, each with the block of output that follows it."""
    found: list[Block] = []
    for language, title, text in _BLOCK.findall(page):
        if language == "sh":
            found.append(Block(text, "second terminal" in title, ""))
        elif language in ("text", "json"):
            found[-1] = found[-1]._replace(shown=found[-1].shown + text)
    return found


def missing(shown: str, output: str) -> list[str]:
    """Return the lines of a page that its commands did not give: words must be equal, figures, sums and places may differ."""
    lost, rest = [], output
    for line in shown.splitlines():
        words = [".+?" if re.search(r"[\d─/]|\.\.\.", word) else re.escape(word) for word in line.split()]
        if not words or words == [".+?"]:
            continue
        found = re.search(r"\s*".join(words), rest)
        if found:
            rest = rest[found.end() :]
        else:
            lost.append(line)
    return lost


class Shell:
    """A terminal that stays open from block to block."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc", "-s"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, commands: str) -> tuple[int, str]:
        """Return (status, output) of a block; the first command that fails ends it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"set -eo pipefail\n{commands}\nset +e\necho; echo ===done===\n")
        self._process.stdin.flush()
        output, end = "", time.monotonic() + _SECONDS
        for line in self._process.stdout:
            if line.startswith("===done==="):
                return 0, output
            output += line
            assert time.monotonic() < end, output
        return self._process.wait(timeout=30), output

    def close(self) -> None:
        with_group(self._process)


def with_group(process: subprocess.Popen[str]) -> None:
    """End a process that was started here, and what it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as somebody who has just run `make setup` has it."""
    root = tmp_path / "evergreen"
    for folder in ("tasks", "workflows", "launchplans", "images"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(ROOT / name, root / name)
        os.utime(root / name, (0, 0))  # older than what is installed
    (root / ".venv").symlink_to(sys.prefix)
    return root


@pytest.fixture
def server() -> Iterator[list[subprocess.Popen[str]]]:
    """Servers to be ended."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        with_group(process)


def serve(command: str, folder: Path, environment: dict[str, str], log: Path, port: int) -> subprocess.Popen[str]:
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment, stdout=output, stderr=output, text=True, start_new_session=True
        )
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return process
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks the service with curl")
def test_every_command_of_the_quickstart_runs_and_gives_what_it_shows(
    checkout: Path, tmp_path: Path, server: list[subprocess.Popen[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = Project(tmp_path / "unused", "").environment(PYTHONPATH=str(checkout)) | {"HOME": str(tmp_path)}
    del environment["EVERGREEN_HOME"]  # the page's reader has none
    found, log, token = blocks(PAGE.read_text()), tmp_path / "server.log", ""
    assert sum(block.is_server for block in found) == 1
    shell = Shell(checkout, environment)
    try:
        for block in found:
            commands = block.commands.replace("127.0.0.1:3000", f"127.0.0.1:{port}").replace("evg_...", token)
            if block.is_server:
                assert commands.strip() == "make serve"
                server.append(serve(f"exec make serve PORT={port}", checkout, environment, log, port))
                output = log.read_text()
                token = re.search(r"evg_\S+", output).group()  # type: ignore[union-attr]
            else:
                status, output = shell.run(commands)
                assert status == 0, f"{commands}\n{output}"
            shown = block.shown.replace("3000", str(port))
            assert missing(shown, output) == [], f"{commands}\n{output}"
    finally:
        shell.close()


# --- the test itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "output", "lost"),
    [
        ("log-loss 0.35", "log-loss 0.41", 0),  # a figure may be another
        ("PROMOTE: v1", "HOLD: v1", 1),  # a word may not
        ("a\nb", "a\nb", 0),
        ("b\na", "a\nb", 1),  # nor the order
        ("report  /x/y", "report     /z", 0),
        ("...", "", 0),
    ],
)
def test_what_a_page_shows_is_found_or_missed(shown: str, output: str, lost: int) -> None:
    assert len(missing(shown, output)) == lost


def test_a_block_that_fails_is_told(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": os.environ["PATH"]})
    try:
        assert shell.run("X=1; echo $X") == (0, "1\n\n")
        assert shell.run("echo $X") == (0, "1\n\n")  # what a block has set stays
        status, output = shell.run("echo before; false; echo after")
        assert (status != 0, output) == (True, "before\n")
    finally:
        shell.close()


def test_every_figure_of_a_page_that_is_run_is_shown_as_text() -> None:
    """Blocks of other languages would be neither run nor compared."""
    languages = {language for language, _, _ in _BLOCK.findall(PAGE.read_text())}
    assert languages <= {"sh", "text", "json"}
