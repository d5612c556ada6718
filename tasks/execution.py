"""How tasks run: presets of resources, retries, timeouts, images and the cache; and where mutable state lives.

A stage's `task.py` decorates its functions with one of these presets and says nothing of Flyte beyond that.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flytekit import Cache, Deck, Resources, current_context, task
from flytekit.exceptions.user import FlyteDataNotFoundException

import images
from tasks import local
from tasks.caching import SourceVersion

P = ParamSpec("P")
R = TypeVar("R")

local.install()

log = logging.getLogger(__name__)

_ABANDONED_AFTER = 7 * 24 * 3_600  # seconds

CPU = Resources(cpu="2", mem="8Gi")
GPU = Resources(cpu="4", mem="16Gi", gpu="1")
LIGHT = Resources(cpu="1", mem="2Gi")


def stage(
    *,
    cached: bool = True,
    also: tuple[str, ...] = (),
    resources: Resources = CPU,
    image: Any = images.CPU,
    hours: float = 1.0,
    retries: int = 2,
    interruptible: bool = False,
    environment: dict[str, str] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a Flyte task of a function.

    Args:
        cached: Whether equal inputs and unchanged sources give the cached outputs. A task that reads mutable state
            (the newest day, the champion) is not cached.
        also: Modules whose code it uses without importing it; they count for the cache.
        resources: What its pod asks for, as request and limit.
        image: The image of its pod.
        hours: Its pod is ended after this long.
        retries: Further attempts after a failure that is not the user's.
        interruptible: Whether it may run on a node that can be taken away.
        environment: Further variables of its pod.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"{function.__module__}.{function.__name__}"

        @functools.wraps(function)
        def body(*args: P.args, **kwargs: P.kwargs) -> R:
            with local.measured(name):
                return function(*args, **kwargs)

        made: Callable[P, R] = task(
            cache=Cache(policies=SourceVersion(also), serialize=True) if cached else False,  # type: ignore[arg-type]
            requests=resources,
            limits=resources,
            container_image=image,
            timeout=timedelta(hours=hours),
            retries=retries,
            interruptible=interruptible,
            environment={"OMP_WAIT_POLICY": "PASSIVE", **(environment or {})},
            enable_deck=True,
            deck_fields=(),
        )(body)
        return made

    return decorate


def publish(title: str, html: str) -> None:
    """Show a section in the running task's Deck."""
    Deck(title, html)


def checkpoint_place(identity: str) -> tuple[Path, Callable[[Path], None] | None]:
    """Return the folder of a training's checkpoints, with what a killed attempt left, and what else to do with a new one.

    In a pod, Flyte hands a retry what the attempt before it saved, so that each file is handed on. Locally the folder lies
    below the home, one a training, and the next run of the same training finds it.
    """
    if not local.is_pod():
        folder = local.home() / "checkpoints"
        _forget(folder)
        return folder / identity, None
    folder = Path(current_context().working_directory) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        checkpoint = current_context().checkpoint
    except NotImplementedError:  # the platform was given no place for them
        return folder, None

    def keep(path: Path) -> None:
        try:
            checkpoint.save(path)
        except Exception as error:  # of whatever storage: a training must not end for it, and the next state tries again
            log.warning("a checkpoint could not be handed on: %s", error)

    if checkpoint.prev_exists():
        with suppress(FlyteDataNotFoundException):  # that attempt ended before its first state
            checkpoint.restore(folder)
        for path in sorted(folder.glob("*.ckpt")):
            keep(path)  # the attempt after this one is given what this one kept, and no more
    return folder, keep


def _forget(folder: Path) -> None:
    """Remove checkpoints of trainings that nobody went on with for a week."""
    for training in folder.glob("*"):
        if time.time() - training.stat().st_mtime > _ABANDONED_AFTER:
            shutil.rmtree(training, ignore_errors=True)


def lake_uri() -> str:
    """Return where the Delta tables live: `EVERGREEN_LAKE` (a path or `s3://`), or below the local home."""
    return os.environ.get("EVERGREEN_LAKE") or str(local.home() / "lake")


def tracking_uri() -> str:
    """Return where MLflow lives: `MLFLOW_TRACKING_URI`, or a sqlite file below the local home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{local.home() / 'mlflow.db'}"
