"""A source and a lake-to-be on object storage: a real S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
def bucket(small_source: str) -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    try:
        client = boto3.client("s3")
        client.create_bucket(Bucket="flights")
        for path in Path(small_source).iterdir():
            client.upload_file(str(path), "flights", f"raw/{path.name}")
        yield "s3://flights/raw"
    finally:
        server.stop()
        patch.undo()


def test_reads_what_the_folder_holds(bucket: str, small_source: str) -> None:
    for table in (FLIGHTS, WEATHER):
        assert source.read(bucket, table).equals(source.read(small_source, table))


def test_a_missing_file_is_named(bucket: str) -> None:
    with pytest.raises(SourceError, match=r"s3://flights/raw/nowhere must hold flights\.csv"):
        source.read(f"{bucket}/nowhere", FLIGHTS)
