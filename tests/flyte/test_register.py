"""`make register`, told to a FlyteAdmin on loopback: what a cluster is given for a domain, read from the requests themselves."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from typing import Any

import pytest

import images
from launchplans.domains import STAGING
from tests.flyte.admin import Registered, flyte_admin
from tests.flyte.entities import ROOT, TASKS, WORKFLOWS
from tests.flyte.test_interfaces import ON_GPU, image_of

pytestmark = pytest.mark.flyte

OURS = {
    "s3://example-evergreen-staging": "s3://ours",
    "https://mlflow.staging.example.com": "https://mlflow.ours.internal",
    "registry.example.com/evergreen": "registry.ours.internal/evergreen",
}
"""What a person puts in place of the example's values."""
FANNED = re.compile(r"map_(\w+)_[0-9a-f]{32}-arraynode")


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """What the cluster of staging has been told, after the one edit that a stranger makes."""
    root = tmp_path_factory.mktemp("register") / "project"
    for folder in ("tasks", "workflows", "launchplans", "images"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.lock", "Makefile", ".flyteignore", ".gitignore"):
        shutil.copyfile(ROOT / name, root / name)
    edited = root / "launchplans" / "domains.py"
    text = edited.read_text()
    for example, ours in OURS.items():
        text = text.replace(example, ours)
    edited.write_text(text)
    person = ("-c", "user.name=Ada Example", "-c", "user.email=ada@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*person, "commit", "--quiet", "--message", "Ours"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, timeout=60)
    with flyte_admin() as cluster:
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root.parent),
            "FLYTE_PLATFORM_URL": cluster.address,
            "FLYTE_PLATFORM_INSECURE": "true",
        }
        # The environment that runs the tests, whatever its age.
        command = ["make", "register", "DOMAIN=staging", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed"]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return cluster


def containers(registered: Registered) -> dict[str, Any]:
    return {name: request.spec.template for name, request in registered.tasks.items()}


def named(task: str) -> str:
    """Return the task of a fan-out, by the name that it has alone."""
    return FANNED.sub(r"\1", task)


def test_all_of_it_under_one_version(registered: Registered) -> None:
    assert {named(name) for name in registered.tasks} == set(TASKS)
    assert set(registered.workflows) == set(WORKFLOWS)
    ids = [request.id for kind in (registered.tasks, registered.workflows, registered.plans) for request in kind.values()]
    ((project, domain, version),) = {(each.project, each.domain, each.version) for each in ids}
    assert (project, domain) == ("evergreen", "staging")
    assert re.fullmatch("[0-9a-f]{12}", version), "the commit"


def test_the_plans_are_the_domains_and_none_is_activated(registered: Registered) -> None:
    ours = {name for name in registered.plans if name.startswith("evergreen-")}
    assert ours == {*(name for name in ours if name.endswith("-staging")), "evergreen-retrain-on-trigger"}
    assert len(ours) == 8
    assert registered.activated == []
    for name in ours:
        spec = registered.plans[name].spec
        assert spec.raw_output_data_config.output_location_prefix == "s3://ours/outputs"
        told = [list(note.email.recipients_email) for note in spec.entity_metadata.notifications]
        assert told == ([] if name == "evergreen-retrain-on-trigger" else [list(STAGING.emails)])


def test_the_code_travels_to_the_clusters_storage(registered: Registered) -> None:
    ((path, content),) = registered.uploads.items()
    assert path.startswith("/evergreen/staging/")
    with tarfile.open(fileobj=io.BytesIO(content)) as code:
        names = set(code.getnames())
    assert {"tasks/ingestion/days.py", "workflows/retrain.py", "launchplans/staging.py", "images/cpu.lock"} <= names
    for template in containers(registered).values():
        assert f"s3://uploads{path}" in template.container.args


def test_pods_find_their_lake_and_registry(registered: Registered) -> None:
    wanted = {
        "EVERGREEN_LAKE": "s3://ours/lake",
        "EVERGREEN_ARTIFACTS": "s3://ours/mlflow",
        "MLFLOW_TRACKING_URI": "https://mlflow.ours.internal",
        "AWS_REGION": "eu-central-1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    for name, template in containers(registered).items():
        variables = {pair.key: pair.value for pair in template.container.env}
        assert variables.items() >= wanted.items(), name
        commit, version = variables["EVERGREEN_COMMIT"], registered.tasks[name].id.version
        assert len(commit) == 40 and commit.startswith(version), "for the lineage of models"


def test_images_come_from_the_domains_registry(registered: Registered) -> None:
    for name, template in containers(registered).items():
        assert template.container.image == images.at(image_of(named(name)), "registry.ours.internal/evergreen").image_name(), name


def test_a_gpu_is_of_the_domains_kind(registered: Registered) -> None:
    asked = {named(name): template.extended_resources.gpu_accelerator.device for name, template in containers(registered).items()}
    assert {name for name, device in asked.items() if device} == ON_GPU
    assert {asked[name] for name in ON_GPU} == {"nvidia-tesla-t4"}


def test_pods_begin_with_the_template_of_their_kind(registered: Registered) -> None:
    for name, template in containers(registered).items():
        assert template.metadata.pod_template_name == f"evergreen-{'gpu' if named(name) in ON_GPU else 'cpu'}", name


def test_secrets_are_named_and_given_to_who_needs_them(registered: Registered) -> None:
    for name, template in containers(registered).items():
        given = {secret.env_var: (secret.group, secret.key) for secret in template.security_context.secrets}
        needs = name.startswith("tasks.registry.")
        wanted = {
            "MLFLOW_TRACKING_USERNAME": ("evergreen-mlflow", "username"),
            "MLFLOW_TRACKING_PASSWORD": ("evergreen-mlflow", "password"),
        }
        assert given == (wanted if needs else {}), name
        assert not set(given) & {pair.key for pair in template.container.env}


def test_what_may_be_taken_away_is_checkpointed_or_short(registered: Registered) -> None:
    short = {"tasks.training.task.score_start"}  # one LightGBM: an attempt more costs less than its states would
    for name, template in containers(registered).items():
        assert template.metadata.interruptible == (named(name) in ON_GPU | short), name
        if template.metadata.interruptible:
            assert template.metadata.retries.retries >= 1
            assert "{{.prevCheckpointPrefix}}" in template.container.args


def test_the_approval_is_a_gate_that_ends(registered: Registered) -> None:
    workflow = registered.workflows["workflows.promote.review"].spec.template
    (gate,) = [node for node in workflow.nodes if node.HasField("gate_node")]
    assert gate.gate_node.approve.signal_id == "approval"
    assert 0 < gate.metadata.timeout.seconds <= 7 * 24 * 3_600
    (after,) = [node for node in workflow.nodes if node.task_node.reference_id.name == "tasks.registry.task.record_approval"]
    assert gate.id in after.upstream_node_ids
