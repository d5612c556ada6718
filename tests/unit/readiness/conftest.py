"""One installation with all evidence, made once and read once; not to be changed."""

from __future__ import annotations

import pytest

from tasks.readiness.installation import Installation
from tests.unit.readiness import house


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> house.House:
    return house.furnish(tmp_path_factory.mktemp("furnished") / "home")


@pytest.fixture(scope="session")
def whole(furnished: house.House) -> Installation:
    return furnished.read()
