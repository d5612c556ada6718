"""`images/deploy/flyte`: what `launchplans/domains.py` names is there, and the command of the sandbox's MLflow runs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import pytest

from launchplans.domains import DEVELOPMENT, DOMAINS, PRODUCTION, STAGING
from tests.conventions import manifests
from tests.conventions.manifests import Doc, called, named, of_kind

pytestmark = pytest.mark.unit

FLYTE = Path(__file__).resolve().parents[2] / "images" / "deploy" / "flyte"
TEMPLATES = manifests.render(FLYTE / "templates")
SANDBOX = manifests.render(FLYTE / "sandbox")
EXAMPLES = manifests.documents(FLYTE / "secret.example.yaml")


@pytest.mark.parametrize("doc", [*TEMPLATES, *SANDBOX, *EXAMPLES], ids=called)
def test_every_document_fits_its_schema(doc: Doc) -> None:
    assert manifests.schema_faults(doc) == []


def test_every_file_is_used() -> None:
    used = {FLYTE / "secret.example.yaml"}
    for path in FLYTE.rglob("kustomization.yaml"):
        used |= {path, *(path.parent / name for name in manifests.documents(path)[0]["resources"])}
    assert {path for path in FLYTE.rglob("*") if path.is_file()} == used


def test_domains_name_templates_that_are_there() -> None:
    there = {doc["metadata"]["name"] for doc in TEMPLATES}
    assert {name for domain in (STAGING, PRODUCTION) for name in domain.pods.templates.values()} == there
    assert not DEVELOPMENT.pods.templates, "the sandbox has none"


@pytest.mark.parametrize("doc", TEMPLATES, ids=called)
def test_pods_of_tasks_are_not_root(doc: Doc) -> None:
    spec = doc["template"]["spec"]
    (container,) = spec["containers"]
    assert container["name"] == "default", "by which Flyte knows whose values to take"
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "resources" not in container and "command" not in container, "each task has its own"


def test_the_sandboxes_mlflow_leads_somewhere_and_is_not_root() -> None:
    assert manifests.faults(SANDBOX, frozenset({"evergreen-storage"})) == []
    assert manifests.hardening_faults(named(SANDBOX, "Deployment", "mlflow")) == []


def test_every_secret_has_an_example_and_none_a_value() -> None:
    keys = {doc["metadata"]["name"]: set(doc["stringData"]) for doc in EXAMPLES}
    named_by_domains = {(secret.group, secret.key) for domain in DOMAINS.values() for secret in domain.pods.secrets}
    assert named_by_domains == {(name, key) for name, held in keys.items() for key in held}
    assert {value for doc in EXAMPLES for value in doc["stringData"].values()} == {""}


def test_the_sandboxes_mlflow_is_the_domains() -> None:
    address = urlparse(DEVELOPMENT.tracking)
    (service,) = of_kind(SANDBOX, "Service")
    metadata = service["metadata"]
    assert address.hostname == f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"
    assert address.port == service["spec"]["ports"][0]["port"]
    (container,) = manifests.containers(named(SANDBOX, "Deployment", "mlflow"))
    assert f"--default-artifact-root={DEVELOPMENT.variables()['EVERGREEN_ARTIFACTS']}" in container["args"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables["AWS_ENDPOINT_URL"] == DEVELOPMENT.environment["AWS_ENDPOINT_URL"]


def test_mlflow_starts_as_the_manifest_says_and_knows_its_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (container,) = manifests.containers(named(SANDBOX, "Deployment", "mlflow"))
    here = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    arguments = [here.get(each, each).replace("sqlite:////data", f"sqlite:///{tmp_path}") for each in container["args"]]
    plain = {each["name"]: each["value"] for each in container["env"] if "value" in each and not each["name"].startswith("AWS")}
    environment = {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", **plain, "HOME": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([*container["command"], *arguments], env=environment, stdout=log, stderr=log)
    try:
        ours = urlparse(DEVELOPMENT.tracking).netloc
        assert _status(port, ours, server, tmp_path / "log") == 200
        assert _status(port, "elsewhere.example.com", server, tmp_path / "log") == 403
    finally:
        server.terminate()
        server.wait(30)


def _status(port: int, host: str, server: subprocess.Popen[bytes], log: Path) -> int:
    """Return how the server answers to a name, once it answers."""
    asked = Request(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": host})
    until = time.monotonic() + 90
    while True:
        try:
            with urlopen(asked, timeout=30) as answer:
                return int(answer.status)
        except HTTPError as refused:
            with refused:
                return refused.code
        except OSError:
            assert server.poll() is None and time.monotonic() < until, re.sub(r"\s+", " ", log.read_text())[-2000:]
            time.sleep(0.2)
