"""deepchecks, kept quiet: what it imports, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

IMPORTS = """
import json, sys
from tasks.suites import quiet
with quiet():
    import deepchecks.tabular
print(json.dumps([name for name in ("deepchecks", "nbformat", "rfc3987_syntax") if name in sys.modules]))
import nbformat  # whoever wants it later finds it
"""


def test_what_draws_in_notebooks_is_not_imported_and_can_be_later() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", IMPORTS], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == ["deepchecks"]
