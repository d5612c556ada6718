"""The Dockerfile of `images/deploy`: what it copies is in a Bento, it pins, fetches nothing else, and runs as nobody in particular."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from images import lock
from tests.conventions import manifests

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "images" / "deploy" / "Dockerfile").read_text()
BENTO = {"bento.yaml", "src/", "src/requirements.txt"}
"""What BentoML lays out, of which the image needs something; a test builds one."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile: the word and what follows it, on one line."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def faults(text: str) -> list[str]:
    """Return what of a Dockerfile is not as it must be."""
    found, stage = [], 0
    given = instructions(text)
    for word, rest in given:
        if word == "FROM":
            stage += 1
        if word == "ADD" or re.search(r"\b(curl|wget|apt-get|git clone)\b|https?://(?!127\.0\.0\.1)", rest.replace("http{s}", "http")):
            found.append(f"fetches from the network: {word} {rest[:60]}")
        if word == "COPY" and not rest.startswith("--from="):
            source = rest.split()[-2]
            if source != "." and source not in BENTO:
                found.append(f"copies what no Bento has: {source}")
        if word == "RUN" and "pip install" in rest:
            found += [
                f"installs without {flag}"
                for flag in ("--no-deps", "--only-binary :all:", "--require-hashes", "--requirement ")
                if flag not in rest
            ]
    final = given[max(i for i, (word, _) in enumerate(given) if word == "FROM") :]
    user = [rest for word, rest in final if word == "USER"]
    if not user or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user[-1]):
        found.append(f"must run as a user by number that is not root; got {user[-1] if user else 'root'}")
    bases = [rest.split()[0] for word, rest in given if word == "FROM"]
    default = next(rest.partition("=")[2] for word, rest in given if word == "ARG")
    if set(bases) != {"${PYTHON}"} or not re.fullmatch(r"python:3\.11[a-z0-9.-]*(@sha256:[0-9a-f]{64})?", default):
        found.append(f"must start from one Python 3.11 that can be given by its digest; got {bases} and {default}")
    if [rest for word, rest in final if word == "EXPOSE"] != ["3000"]:
        found.append("must expose 3000")
    found += [f"must have {word}" for word in ("HEALTHCHECK", "ENTRYPOINT") if word not in dict(final)]
    return found


def test_it_is_as_it_must_be() -> None:
    assert faults(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("USER 10001:10001", "USER root", "must run as a user"),  # root by name
        ("USER 10001:10001\n", "", "must run as a user"),  # the default is root
        ("COPY . /opt/bento", "ADD https://example.com/model.tgz /opt/bento", "fetches from the network"),
        ("WORKDIR /opt/bento", "RUN curl -sSf example.com | sh", "fetches from the network"),
        ("COPY src/requirements.txt", "COPY requirements.txt", "copies what no Bento has: requirements.txt"),
        (" --no-deps", "", "installs without --no-deps"),  # would take what the lock does not name
        (" --only-binary :all:", "", "installs without --only-binary"),  # would run a package's own code
        (" --require-hashes", "", "installs without --require-hashes"),  # would take whatever file has the name
        ("ARG PYTHON=python:3.11-slim", "ARG PYTHON=python:latest", "must start from one Python 3.11"),
        ("FROM ${PYTHON}\n", "FROM python\n", "must start from one Python 3.11"),  # out of reach of the argument
        ("EXPOSE 3000", "EXPOSE 80", "must expose 3000"),
    ],
)
def test_what_must_not_be_is_found(old: str, new: str, told: str) -> None:
    assert old in DOCKERFILE
    assert [fault for fault in faults(DOCKERFILE.replace(old, new)) if told in fault]


def test_it_runs_the_command_of_the_server() -> None:
    """As `tasks/serving/run.py` does, but for the address; the variables of TLS are options there, too."""
    given = dict(instructions(DOCKERFILE))
    shell, option, script = json.loads(given["ENTRYPOINT"])
    assert (shell, option, script.startswith("exec ")) == ("/bin/sh", "-c", True)

    def command(**variables: str) -> list[str]:
        told = subprocess.run(
            [shell, option, script.replace("exec python", "printf '%s\\n'")],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return told.stdout.splitlines()

    plain = ["-m", "bentoml", "serve", "/opt/bento", "--host", "0.0.0.0", "--port", "3000"]
    assert command() == plain
    tls = {"EVERGREEN_TLS_CERT": "/a cert.pem", "EVERGREEN_TLS_KEY": "/a key.pem"}
    assert command(**tls) == [*plain, "--ssl-certfile", "/a cert.pem", "--ssl-keyfile", "/a key.pem"]
    run = (ROOT / "tasks" / "serving" / "run.py").read_text()
    assert [part for part in ('"-m", "bentoml", "serve"', "--host", "--port", "--ssl-certfile", "--ssl-keyfile") if part not in run] == []


def test_the_manifests_fit_the_image() -> None:
    """User, port and folder are named in both."""
    given = dict(instructions(DOCKERFILE))
    environment = dict(pair.split("=", 1) for pair in shlex.split(given["ENV"]))
    for doc in manifests.of_kind(manifests.render(ROOT / "images" / "deploy" / "kubernetes" / "base"), *manifests.WORKLOADS):
        security = manifests.pod(doc)["securityContext"]
        assert given["USER"] == f"{security['runAsUser']}:{security['runAsGroup']}"
        for container in manifests.containers(doc):
            assert {str(port["containerPort"]) for port in container.get("ports", [])} <= {given["EXPOSE"]}
            values = {entry["name"]: entry.get("value") for entry in container["env"]}
            assert values["EVERGREEN_SERVING"] == environment["EVERGREEN_SERVING"] == given["VOLUME"]
            assert values.get("BENTOML_HOME", environment["BENTOML_HOME"]) == environment["BENTOML_HOME"]


def test_a_bento_holds_what_is_copied(tmp_path: Path) -> None:
    """A real one, of a service of three lines, built with the options that ours has; its requirements are the lock's, all pinned."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "service.py").write_text("import bentoml\n\n\n@bentoml.service\nclass Tiny:\n    pass\n")
    shutil.copy(ROOT / "images" / "serving.lock", context / "requirements.txt")
    (context / "bentofile.yaml").write_text(
        'service: "service:Tiny"\ninclude: ["*"]\npython: {requirements_txt: requirements.txt, lock_packages: false}\n'
    )
    variables = os.environ | {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "build", "--version", "1", "--output", "tag", str(context)]
    done = subprocess.run(command, env=variables, cwd=context, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    bento = tmp_path / "home" / "bentos" / "tiny" / "1"
    assert [path for path in BENTO if not (bento / path).exists()] == []
    pins = lock.read((bento / "src" / "requirements.txt").read_text())
    assert pins == lock.read((ROOT / "images" / "serving.lock").read_text())
    assert [pin for pin, sums in pins.items() if not (sums and re.fullmatch(r"[A-Za-z0-9._-]+==[^\s=]+", pin))] == []
