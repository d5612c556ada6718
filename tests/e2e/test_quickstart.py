"""The quickstart as a reader follows it: every command of the page is run, in its order, and gives what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.harness import ROOT, Project
from tests.e2e.server import Server, free_port

pytestmark = pytest.mark.e2e

PAGE = ROOT / "docs" / "quickstart.md"
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DONE = "===done==="
_SECONDS = 300  # of a block; beyond it hangs


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
        else:
            found[-1] = found[-1]._replace(shown=found[-1].shown + text)
    return found


def pattern(line: str) -> str:
    """Return what a line of the page stands for: its words as they are, any figures, sums, dates, places and rules."""
    words = []
    for word in line.split():
        if "/" in word or "─" in word or "..." in word:
            words.append(".*?")
        else:
            words.append("".join(part if i % 2 == 0 else r"[\w.:+-]+" for i, part in enumerate(_split(word))))
    return r"\s+".join(words)


def _split(word: str) -> list[str]:
    """Return a word as [text, figure, text, ...], the texts escaped."""
    parts = re.split(r"((?<!\w)[+-]?[\w.:+-]*\d[\w.:+-]*)", word)
    return [re.escape(part) if i % 2 == 0 else part for i, part in enumerate(parts)]


def missing(shown: str, output: str) -> list[str]:
    """Return the lines of a page that its commands did not give, in their order."""
    lost, rest = [], output
    for line in filter(str.strip, shown.splitlines()):
        found = re.search(pattern(line), rest)
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
        """Return (status, output) of a block; the first command that fails ends it, and the terminal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Each in braces with an input of its own: what reads the terminal would swallow the next command.
        self._process.stdin.write(f"set -e\n{{\n{commands}\n}} </dev/null\nprintf '\\n{_DONE}\\n'\n")  # output may end within a line
        self._process.stdin.flush()
        output, late = "", threading.Timer(_SECONDS, os.killpg, (self._process.pid, signal.SIGKILL))
        late.start()
        try:
            for line in self._process.stdout:
                if line.startswith(_DONE):
                    return 0, output.removesuffix("\n")
                output += line
            return self._process.wait(timeout=30), output
        finally:
            late.cancel()

    def close(self) -> None:
        """End the terminal, and what runs in it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
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
def opened() -> Iterator[ExitStack]:
    """What is to be closed in the end."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks the service with curl")
def test_every_command_of_the_quickstart_runs_and_gives_what_it_shows(checkout: Path, tmp_path: Path, opened: ExitStack) -> None:
    environment = Project(tmp_path / "unused", "").environment(PYTHONPATH=str(checkout), HOME=str(tmp_path))
    del environment["EVERGREEN_HOME"]  # the page's reader has none
    found, port, token = blocks(PAGE.read_text()), free_port(), ""
    assert [block.commands for block in found if block.is_server] == ["make serve\n"]
    shell = Shell(checkout, environment)
    opened.callback(shell.close)
    for block in found:
        if block.is_server:
            command = ["make", "serve", "PORT={port}"]
            output = opened.enter_context(Server(command, checkout, environment, tmp_path / "server.log", port)).output()
            token = re.search(r"^evg_\S+", output, re.M).group()  # type: ignore[union-attr]
        else:
            commands = block.commands.replace("127.0.0.1:3000", f"127.0.0.1:{port}").replace("evg_...", token)
            status, output = shell.run(commands)
            assert status == 0, f"{commands}\n{output}"
        assert missing(block.shown, output) == [], f"{block.commands}\n{output}"


# --- the test itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "output", "lost"),
    [
        ("log-loss 0.35 [0.1, +0.2]", "log-loss 0.41 [-0.2, +0.25]", 0),  # a figure may be another
        ("PROMOTE: v1", "HOLD: v1", 1),  # a word may not
        ("a\nb", "a\nb", 0),
        ("b\na", "a\nb", 1),  # nor the order
        ("report  /x/y", "report     /z", 0),
        ('{"id":"5f-0a","p":0.25,"flagged":true}', '{"id":"c2-11","p":0.5,"flagged":true}', 0),
        ('{"id":"5f-0a","p":0.25,"flagged":true}', '{"id":"c2-11","p":0.5,"flagged":false}', 1),
    ],
)
def test_what_a_page_shows_is_found_or_missed(shown: str, output: str, lost: int) -> None:
    assert len(missing(shown, output)) == lost


def test_a_block_that_fails_is_told(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": os.environ["PATH"]})
    try:
        assert shell.run("X=1; echo $X") == (0, "1\n")
        assert shell.run("echo $X") == (0, "1\n")  # what a block has set stays
        assert shell.run("cat") == (0, "")  # nothing can be typed
        assert shell.run("printf 'no end'") == (0, "no end")
        status, output = shell.run("echo before; false; echo after")
        assert (status != 0, output) == (True, "before\n")
    finally:
        shell.close()


def test_every_block_of_the_page_is_run_or_compared() -> None:
    languages = {language for language, _, _ in _BLOCK.findall(PAGE.read_text())}
    assert languages == {"sh", "text", "json"}
    assert PAGE.read_text().count("```") == 2 * len(_BLOCK.findall(PAGE.read_text()))
