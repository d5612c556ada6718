"""Fetching a bundle: a folder by path or by URI; one that is gone is told with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import BundleError
from tasks.model.fetch import fetch

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_folder_is_found(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a bundle"
    folder.mkdir()
    assert fetch(form.format(folder)) == folder


@pytest.mark.parametrize("form", ["{}", "file://{}", "memory://{}"])
def test_a_champion_whose_bundle_is_gone_is_told(tmp_path: Path, form: str) -> None:
    uri = form.format(tmp_path / "gone")
    with pytest.raises(BundleError, match="nothing there") as caught:
        fetch(uri)
    assert uri in caught.value.expected
    assert "roll back" in caught.value.mend
