"""The images as flytekit's builder would build them, and the environments of links in which the walks run their pods."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
from flytekit import ImageSpec
from flytekit.image_spec.default_builder import DefaultImageBuilder, create_docker_context

import images
from images import lock
from tests.flyte.entities import ROOT, TASKS
from tests.flyte.pods.environments import KINDS, Environments

pytestmark = pytest.mark.flyte

BUILT = {made.container_image.name.removeprefix("evergreen-"): made.container_image for made in TASKS.values()}
"""Images of tasks: flytekit builds these, BentoML's way the one of the service."""

ABSENT = {
    "data": ("torch", "lightning", "onnx", "onnxruntime", "bentoml", "lightgbm"),
    "cpu": ("mlflow",),
    "gpu": ("mlflow", "bentoml", "onnx", "deepchecks", "captum", "fairlearn"),
    "serving": ("torch", "flytekit", "mlflow", "deltalake", "pandas", "sklearn"),
}
"""What is not for an image, beside what is for no image: tools of development."""
DEVELOPMENT = ("pytest", "hypothesis", "moto", "ruff", "mypy", "importlinter", "tests", "tasks")
PRESENT = {
    "data": ("flytekit", "polars", "deltalake", "mlflow", "boto3", "deepchecks"),
    "cpu": ("flytekit", "torch", "bentoml", "deepchecks", "onnxruntime"),
    "gpu": ("flytekit", "torch", "lightning", "deltalake"),
    "serving": ("bentoml", "onnxruntime", "polars"),
}

every_kind = pytest.mark.parametrize("kind", sorted(KINDS))
every_built = pytest.mark.parametrize("kind", sorted(BUILT))


@cache
def dockerfile(kind: str) -> tuple[str, str]:
    """Return the Dockerfile and the requirements that flytekit writes for an image."""
    with tempfile.TemporaryDirectory() as folder:
        create_docker_context(BUILT[kind], Path(folder))
        return (Path(folder) / "Dockerfile").read_text(), (Path(folder) / "requirements_uv.txt").read_text()


def test_tasks_run_on_these_images() -> None:
    assert set(KINDS) == {"data", "cpu", "gpu", "serving"}
    assert set(BUILT) == set(KINDS) - {"serving"}
    stages = {name.split(".")[1] for name in TASKS}
    assert stages > images.WITHOUT_TORCH, "a stage that is none would hide a typing error"


@every_built
def test_the_builder_knows_every_field_of_it(kind: str) -> None:
    """It warns of others and leaves them out; what it refuses, `create_docker_context` raises."""
    given = {field.name for field in fields(ImageSpec) if getattr(BUILT[kind], field.name) is not None}
    assert given - DefaultImageBuilder._SUPPORTED_IMAGE_SPEC_PARAMETERS - {"pip_extra_args"} == set()
    dockerfile(kind)


def test_a_field_that_the_builder_refuses_is_found() -> None:
    with pytest.raises(ValueError, match="cuda and cudnn do not need to be specified"):
        create_docker_context(ImageSpec(name="x", cuda="12.6"), Path(tempfile.gettempdir()))


@every_built
def test_it_runs_as_an_unprivileged_user(kind: str) -> None:
    text, _ = dockerfile(kind)
    users = re.findall(r"^USER (\w+)$", text, re.MULTILINE)
    assert users[-1] == "flytekit"
    assert "useradd --create-home --shell /bin/bash flytekit" in text
    last = text.rindex("USER flytekit")
    assert not re.search(r"pip install|apt-get", text[last:]), "what is installed belongs to root"


@every_built
def test_it_installs_its_lock_and_nothing_else(kind: str) -> None:
    text, requirements = dockerfile(kind)
    assert lock.read(requirements) == lock.read((ROOT / "images" / f"{kind}.lock").read_text())
    assert all(sums for sums in lock.read(requirements).values()), "pip is held to the sum of each file"
    (installed,) = re.findall(r"uv pip install (.*)", text)
    assert installed.endswith("--requirement requirements_uv.txt")
    assert re.findall(r"apt-get install -y --no-install-recommends\s+(.*)", text) == ([] if kind == "data" else ["libgomp1"])
    assert "python=3.11" in text


def test_a_cluster_may_have_a_registry_and_package_indexes_of_its_own(tmp_path: Path) -> None:
    assert images.at(images.CPU, "") is images.CPU
    ours = images.at(images.CPU, "registry.ours.internal", ["https://packages.ours.internal/simple"])
    assert ours.image_name().startswith("registry.ours.internal/evergreen-cpu:")
    create_docker_context(ours, tmp_path)
    text = (tmp_path / "Dockerfile").read_text()
    assert "--extra-index-url https://packages.ours.internal/simple" in text
    assert "UV_INDEX_STRATEGY=unsafe-best-match" in text


# --- environments -----------------------------------------------------------------------------------------------------

LOOK = "import importlib.util as u, sys; print(*(name for name in sys.argv[1:] if u.find_spec(name)))"


@every_kind
def test_only_what_is_in_an_image_can_be_imported(kind: str, environments: Environments, tmp_path: Path) -> None:
    names = (*DEVELOPMENT, *ABSENT[kind], *PRESENT[kind])
    python = environments.of_kind(kind) / "python"
    done = subprocess.run([python, "-c", LOOK, *names], cwd=tmp_path, env={}, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) == set(PRESENT[kind])


def test_an_environment_has_the_commands_of_containers(environments: Environments, tmp_path: Path) -> None:
    programs = environments.of(images.DATA.image_name())
    commands = ("pyflyte-execute", "pyflyte-map-execute", "pyflyte-fast-execute")
    assert all((programs / command).is_file() for command in commands)
    done = subprocess.run([programs / commands[0], "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--checkpoint-path" in done.stdout
