"""What is registered as what: the version from git, and what pyflyte is asked for."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from launchplans import domains, register
from launchplans.domains import Domain
from tasks import provenance
from tasks.cluster import Pods
from tasks.errors import ConfigError

pytestmark = pytest.mark.unit


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("a = 1\n")
    for command in (["init", "--quiet"], ["add", "."], ["-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    return root


@pytest.mark.parametrize("domain", ["development", "staging", "production"])
def test_the_version_is_the_commit(repository: Path, domain: str) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True).stdout
    assert register.version_of(repository, domain) == head[:12]


def test_what_is_not_committed_goes_to_development_alone_and_by_its_content(repository: Path) -> None:
    clean = register.version_of(repository, "development")
    (repository / "a.py").write_text("a = 2\n")
    changed = register.version_of(repository, "development")
    (repository / "b.py").write_text("b = 1\n")
    more = register.version_of(repository, "development")
    (repository / "b.py").write_text("b = 2\n")
    other = register.version_of(repository, "development")
    assert len({clean, changed, more, other}) == 4
    assert all(re.fullmatch(rf"{clean}-[0-9a-f]{{8}}", version) for version in (changed, more, other))
    with pytest.raises(ConfigError, match=r"what goes to production must be committed; got changes in a.py, b.py"):
        register.version_of(repository, "production")


def test_without_git_a_version_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the version must come from git") as caught:
        register.version_of(tmp_path, "production")
    assert "VERSION=" in caught.value.mend


def test_what_pyflyte_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Domain("staging", storage="s3://ours", tracking="http://mlflow", pods=Pods(registry="r"), environment={"A": "b"})
    monkeypatch.setitem(domains.DOMAINS, "staging", ours)
    asked = register.options("staging", "evergreen", "1a2b", config="flyte.yaml", dry_run=True)
    assert asked[:3] == ["--config", "flyte.yaml", "register"]
    assert asked[-3:] == ["--dry-run", "workflows", "launchplans/staging.py"]
    given = dict(pairwise(asked))
    assert (given["--project"], given["--domain"], given["--version"]) == ("evergreen", "staging", "1a2b")
    assert given["--raw-data-prefix"] == "s3://ours/outputs"
    assert {asked[i + 1] for i, part in enumerate(asked) if part == "--env"} == {
        "EVERGREEN_LAKE=s3://ours/lake",
        "EVERGREEN_ARTIFACTS=s3://ours/mlflow",
        "MLFLOW_TRACKING_URI=http://mlflow",
        "A=b",
        f"EVERGREEN_COMMIT={provenance.commit()}",
    }
    assert "--activate-launchplans" not in asked, "a person activates"


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        ("prod", "domain must be one of development, staging, production; got 'prod'"),
        ("production", "the example's storage"),  # as it ships
    ],
)
def test_a_domain_that_cannot_be_registered_is_told_in_one_line(domain: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        register.main(["--domain", domain])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ") and told in line and "launchplans/domains.py" in line
