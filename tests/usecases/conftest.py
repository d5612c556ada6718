"""Tests of a use case run where it is the one in place: elsewhere `tasks.usecase` is another."""

from __future__ import annotations

from pathlib import Path

from tasks.usecase import policy

_IN_PLACE = Path(policy.__file__).read_bytes()

collect_ignore = [
    folder.name
    for folder in Path(__file__).parent.iterdir()
    if folder.is_dir() and (folder / "usecase" / "policy.py").is_file() and (folder / "usecase" / "policy.py").read_bytes() != _IN_PLACE
]
