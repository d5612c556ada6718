"""The generator of the reference, which stands beside the pages in `docs/hooks/` and is no part of the project's packages."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "hooks"))

import hook  # noqa: E402  # where mkdocs finds it, too
from reference import drawing, flows, graph, policy, project, prose, records, sources  # noqa: E402

sys.path.remove(str(ROOT / "docs" / "hooks"))

__all__ = ["ROOT", "drawing", "flows", "graph", "hook", "policy", "project", "prose", "records", "sources"]
