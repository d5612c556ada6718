"""What tests of the real data share: the packaged flights, read and parsed once, and a real S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from tests.feeds import packaged
from tests.storage import s3_server


@pytest.fixture(scope="session")
def parsed() -> dict[str, pl.DataFrame]:
    """Name to typed rows with their reasons."""
    return packaged()


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Start an S3 server to which the environment points, and give a client of it."""
    import boto3
    import s3fs

    with s3_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()  # one of another test knows another server
        try:
            yield boto3.client("s3")
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
