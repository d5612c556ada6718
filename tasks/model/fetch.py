"""Bringing a bundle to this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlparse

from tasks.errors import BundleError


def fetch(uri: str) -> Path:
    """Return a bundle's folder on this machine: where it lies, or a copy if that is elsewhere.

    Raises:
        BundleError: If nothing is there.
    """
    import fsspec

    if uri.startswith("file:") or "://" not in uri:
        folder = Path(unquote(urlparse(uri).path) if uri.startswith("file:") else uri)
    else:
        folder = Path(tempfile.mkdtemp()) / "bundle"
        filesystem, path = fsspec.core.url_to_fs(uri)
        if filesystem.exists(path):
            filesystem.get(path, str(folder), recursive=True)
    if not folder.is_dir():
        raise BundleError(f"a model bundle must lie at {uri}", "nothing there", "restore it, or roll back to a version that is there")
    return folder
