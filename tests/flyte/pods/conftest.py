"""What the walks share: the package, the environments of the images, and a cluster with a lake of its own."""

from __future__ import annotations

import pytest

from tests.flyte.pods import package as packages
from tests.flyte.pods.environments import Environments
from tests.flyte.pods.package import Package


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return packages.make(tmp_path_factory.mktemp("package"))
