"""What tests of the real data share: the packaged flights, read and parsed once, and a real S3 server on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from tests.feeds import packaged


@pytest.fixture(scope="session")
def parsed() -> dict[str, pl.DataFrame]:
    """Name to typed rows with their reasons."""
    return packaged()


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Start an S3 server to which the environment points, and give a client of it.

    A process of its own: delta-rs may hold the interpreter's lock while it waits for an answer.
    """
    import boto3
    import s3fs

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ALLOW_HTTP", "true")
        s3fs.S3FileSystem.clear_instance_cache()  # one of another test knows another server
        try:
            _wait_for(port, seconds=60)
            yield boto3.client("s3")
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.terminate()
            server.wait(10)


def _wait_for(port: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
