"""A real S3 server on loopback, in a process of its own: delta-rs may hold the interpreter's lock while it waits for an answer."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HOST = "127.0.0.1"
_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20130101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""The server wants reading signed, and looks no further."""


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Start a server, and give the environment variables by which clients find it."""
    with socket.create_server((_HOST, 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", _HOST, "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, seconds=60)
        yield {
            "AWS_ENDPOINT_URL": f"http://{_HOST}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        server.terminate()
        server.wait(10)


@dataclass(frozen=True)
class Bucket:
    """A bucket of such a server, by plain HTTP.

    Args:
        endpoint: The server.
        name: The bucket's name.
    """

    endpoint: str
    name: str

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    def create(self) -> Bucket:
        self._ask("PUT", "")
        return self

    def put(self, key: str, content: bytes) -> str:
        """Write an object, and return its URI."""
        self._ask("PUT", key, content)
        return f"{self.uri}/{key}"

    def put_folder(self, key: str, folder: Path) -> str:
        """Write the files of a folder, and return their common URI."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder)}", path.read_bytes())
        return f"{self.uri}/{key}"

    def get(self, key: str) -> bytes | None:
        """Return an object, None if it is not there."""
        try:
            return self._ask("GET", key)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _ask(self, method: str, key: str, content: bytes | None = None) -> bytes:
        headers = {"Authorization": _SIGNED, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.endpoint}/{self.name}/{key}", data=content, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: bytes = answer.read()
        return found


def _wait_for(port: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((_HOST, port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
