"""Register a domain's workflows and plans on its cluster: `python -m launchplans.register --domain staging`, or `make register`.

The version is the commit's. Images are named by their content and are not built here: `make images DOMAIN=staging` pushes those that
the registry lacks. Nothing is activated.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks import provenance
from tasks.cluster import Pods, choose
from tasks.errors import ConfigError, EvergreenError

ROOT = Path(__file__).resolve().parent.parent
_NOWHERE = "unix:///nowhere"  # flytekit would build what it does not find, if it found a Docker daemon


def version_of(root: Path, domain: str) -> str:
    """Return the version to register: the commit's first 12 digits.

    In development what is not committed may be registered, and its content is part of the version.

    Args:
        root: A folder of a git repository.
        domain: The domain.

    Raises:
        ConfigError: If this is no repository, or something is not committed that goes to staging or production.
    """
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD").strip()
        changed = _git(root, "status", "--porcelain")
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError("the version must come from git", f"no commit in {root}", "commit the project, or give VERSION=") from error
    if not changed:
        return commit
    if domain != "development":
        first = ", ".join(line[3:] for line in changed.splitlines()[:3])
        raise ConfigError(f"what goes to {domain} must be committed", f"changes in {first}", "commit them, or register in development")
    listed = _git(root, "ls-files", "--modified", "--others", "--exclude-standard", "-z").split("\0")
    content = [path.read_bytes() for name in sorted(listed) if (path := root / name).is_file()]
    digest = hashlib.sha256(b"\0".join([changed.encode(), *content]))
    return f"{commit}-{digest.hexdigest()[:8]}"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True, timeout=60).stdout


def options(domain: str, project: str, version: str, config: str = "", dry_run: bool = False) -> list[str]:
    """Return what pyflyte is asked for.

    Args:
        domain: Name of one of `domains.DOMAINS`.
        project: Name of the project on the cluster.
        version: Of everything that is registered.
        config: File with the address of the cluster; flytekit's own search for one if empty.
        dry_run: Whether nothing is sent but what is asked of the cluster to tell.

    Raises:
        ConfigError: If there is no such domain, or it does not say all that a cluster needs.
    """
    chosen = _domain(domain)
    chosen.require_complete()
    told = chosen.variables() | {"EVERGREEN_COMMIT": provenance.commit()}
    variables = [part for name, value in told.items() for part in ("--env", f"{name}={value}")]
    return [
        *(["--config", config] if config else []),
        "register",
        *("--project", project, "--domain", domain, "--version", version),
        *("--raw-data-prefix", f"{chosen.storage}/outputs"),
        *variables,
        *("--copy", "all"),
        *(["--dry-run"] if dry_run else []),
        "workflows",
        f"launchplans/{domain}.py",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Register, or push the images, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", required=True, help="development, staging or production")
    parser.add_argument("--project", default="evergreen", help="the project on the cluster (evergreen)")
    parser.add_argument("--version", default="", help="by default the commit's")
    parser.add_argument("--config", default="", help="flytekit's file with the address of the cluster")
    parser.add_argument("--dry-run", action="store_true", help="compile everything and send nothing")
    parser.add_argument(
        "--push-images", action="store_true", help="build and push the images that the registry lacks, and register nothing"
    )
    given = parser.parse_args(arguments)
    try:
        _run(given)
    except EvergreenError as error:
        error.show()
        sys.exit(error.exit_code)


def _run(given: argparse.Namespace) -> None:
    domain = _domain(given.domain)
    domain.require_complete()
    choose(domain.pods)
    if given.push_images:
        _push(domain.pods)
        return
    asked = options(given.domain, given.project, given.version or version_of(ROOT, given.domain), given.config, given.dry_run)
    os.environ["DOCKER_HOST"] = _NOWHERE
    os.chdir(ROOT)  # the modules are named from here
    from flytekit.clis.sdk_in_container.pyflyte import main as pyflyte

    pyflyte(args=asked, prog_name="pyflyte")


def _push(pods: Pods) -> None:
    """Build and push the images of tasks, each named by its pins."""
    from flytekit.image_spec.image_spec import ImageBuildEngine

    import images

    for kind in (images.DATA, images.CPU, images.GPU):
        image = images.at(kind, pods.registry, pods.indexes)
        print(image.image_name())
        ImageBuildEngine.build(image)


def _domain(name: str):  # type: ignore[no-untyped-def]  # its module imports flytekit, which `--help` does without
    from launchplans.domains import DOMAINS

    if name not in DOMAINS:
        raise ConfigError(
            f"domain must be one of {', '.join(DOMAINS)}", repr(name), "give DOMAIN=development, or add it to launchplans/domains.py"
        )
    return DOMAINS[name]


if __name__ == "__main__":
    main()
