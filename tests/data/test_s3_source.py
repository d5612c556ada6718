"""A source and a lake-to-be on object storage: a real S3 server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SourceError
from tasks.usecase import source
from tasks.usecase.contract import FLIGHTS, WEATHER

pytestmark = [
    pytest.mark.data,
    # botocore's and the server's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def bucket(s3: Any, small_source: str) -> str:
    s3.create_bucket(Bucket="flights")
    for path in Path(small_source).iterdir():
        s3.upload_file(str(path), "flights", f"raw/{path.name}")
    return "s3://flights/raw"


def test_reads_what_the_folder_holds(bucket: str, small_source: str) -> None:
    for table in (FLIGHTS, WEATHER):
        assert source.read(bucket, table).equals(source.read(small_source, table))


def test_a_missing_file_is_named(bucket: str) -> None:
    with pytest.raises(SourceError, match=r"s3://flights/raw/nowhere must hold flights\.csv"):
        source.read(f"{bucket}/nowhere", FLIGHTS)
