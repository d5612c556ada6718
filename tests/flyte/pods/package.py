"""What `make package` makes, read back: what a cluster is told of tasks, workflows and launch plans, and the code that it runs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from flyteidl.admin.launch_plan_pb2 import LaunchPlan, LaunchPlanSpec
from flyteidl.admin.task_pb2 import TaskSpec
from flyteidl.admin.workflow_pb2 import WorkflowSpec
from flyteidl.core.tasks_pb2 import TaskTemplate

from tests.flyte.entities import ROOT

_KINDS: dict[str, Any] = {"1": TaskSpec, "2": WorkflowSpec, "3": LaunchPlan}
"""By the last character of a file's name, as flytekit writes them."""


class Package:
    """What a package holds, by name.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.tasks: dict[str, TaskTemplate] = {}
        self.workflows: dict[str, WorkflowSpec] = {}
        self.plans: dict[str, LaunchPlanSpec] = {}
        with tarfile.open(path) as tar:
            for name in tar.getnames():
                held = tar.extractfile(name)
                assert held is not None
                if name.endswith(".pb"):
                    self._keep(_KINDS[name.removesuffix(".pb")[-1]].FromString(held.read()))
                else:
                    self.code_name, self.code = name, held.read()

    def _keep(self, entity: Any) -> None:
        if isinstance(entity, TaskSpec):
            self.tasks[entity.template.id.name] = entity.template
        elif isinstance(entity, WorkflowSpec):
            self.workflows[entity.template.id.name] = entity
        else:
            self.plans[entity.id.name] = entity.spec


def make(folder: Path) -> Package:
    """Run `make package`, and read what it made."""
    path = folder / "flyte-package.tgz"
    command = ["make", "package", f"PACKAGE={path}", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return Package(path)
