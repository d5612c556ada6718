"""A page as a headless browser shows it: `python -m tests.e2e.browser page.html picture.png [width] [height]` takes a picture.

Chromium is driven over its DevTools protocol by two pipes, which needs no package and opens no port.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 60  # for an answer, the first of which waits for the browser to start; beyond it hangs


class Shown(NamedTuple):
    """What a browser made of a page."""

    picture: bytes
    """PNG of the window."""
    width: int
    """Pixels that the page takes; more than the window's is a page that scrolls sideways."""
    requests: list[str]
    """All addresses that it asked for, the page's own first."""
    errors: list[str]
    """What the console says."""


def executable() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Browser:
    """A running Chromium with one tab."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._rest = 0, b""
        self._events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Network", "Page", "Log", "Runtime"):
            self._ask(f"{domain}.enable")

    _session = ""

    def show(self, page: Path, width: int, height: int) -> Shown:
        """Show a page in a window of that size, in pixels."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self._events.clear()
        self._ask("Page.navigate", url=page.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._read())
        script = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        taken = int(self._ask("Runtime.evaluate", expression=script)["result"]["value"])
        picture = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        sent = [e["params"]["request"]["url"] for e in self._events if e["method"] == "Network.requestWillBeSent"]
        errors = [e["params"]["entry"]["text"] for e in self._events if e["method"] == "Log.entryAdded"]
        return Shown(picture, taken, sent, errors)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        found: dict[str, Any] = answer["result"]
        return found

    def _read(self) -> dict[str, Any]:
        """Return the next message of the browser."""
        while b"\0" not in self._rest:
            if not select.select([self._answers], [], [], _SECONDS)[0]:
                raise RuntimeError(f"the browser has not answered for {_SECONDS} seconds")
            more = os.read(self._answers, 1 << 20)
            if not more:
                raise RuntimeError("the browser has ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it."""
    from_us, to_us = os.pipe(), os.pipe()
    # Its pipes must be the descriptors 3 and 4, which a shell gives it.
    pipes = f"3<&{from_us[0]} 4>&{to_us[1]}"
    flags = "--headless --disable-gpu --no-sandbox --hide-scrollbars --no-first-run --disable-background-networking --remote-debugging-pipe"
    with tempfile.TemporaryDirectory() as profile:
        line = f'exec "$0" {flags} --user-data-dir="$1" {pipes}'
        process = subprocess.Popen(["bash", "-c", line, path, profile], pass_fds=(from_us[0], to_us[1]), stderr=subprocess.DEVNULL)
        os.close(from_us[0])
        os.close(to_us[1])
        try:
            yield Browser(from_us[1], to_us[0])
        finally:
            os.close(from_us[1])  # Chromium ends when nobody can give it commands any more
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(to_us[0])


def main() -> None:
    """Take a picture of a page."""
    page, picture, *size = sys.argv[1:]
    width, height = map(int, size or ("1280", "1500"))
    found = executable()
    if found is None:
        raise SystemExit(f"a picture needs one of {', '.join(_NAMES)} on the PATH")
    with browser(found) as running:
        Path(picture).write_bytes(running.show(Path(page), width, height).picture)


if __name__ == "__main__":
    main()
