"""Packages on object storage: what is registered goes to a real S3 server on loopback, and comes back whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.errors import RegistryError
from tasks.model.fetch import fetch
from tasks.registry.tracking import Entry, Tracker

pytestmark = [
    pytest.mark.data,
    # botocore's and the server's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_a_package_goes_there_and_comes_back(s3: Any, tmp_path: Path) -> None:
    s3.create_bucket(Bucket="artifacts")
    package = tmp_path / "package"
    (package / "model").mkdir(parents=True)
    (package / "card.json").write_text("{}")
    (package / "model" / "weights").write_bytes(bytes(range(256)) * 100)
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "flights", "s3://artifacts/mlflow")
    run = tracker.log(Entry("one", "a name", {}, {}, [], folders={"package": package}))
    assert run.info.artifact_uri.startswith("s3://artifacts/mlflow/flights/")
    back = fetch(f"{run.info.artifact_uri}/package")
    assert {str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()} == {
        "card.json": b"{}",
        "model/weights": bytes(range(256)) * 100,
    }


def test_artifacts_that_only_a_server_reads_are_refused(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "flights", "mlflow-artifacts:/there")
    with pytest.raises(RegistryError, match="which only its server can") as caught:
        tracker.log(Entry("one", "a name", {}, {}, []))
    assert "EVERGREEN_ARTIFACTS" in caught.value.mend
