"""How tasks run: presets of resources, retries, timeouts, images and the cache; and where mutable state lives.

A stage's `task.py` decorates its functions with one of these presets and says nothing of Flyte beyond that.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flytekit import Cache, Deck, ImageSpec, Resources, Secret, current_context, task
from flytekit.exceptions.user import FlyteDataNotFoundException

import images
from tasks import accounts, cluster, local
from tasks.artifacts.settings import Processes
from tasks.artifacts.usage import Request, SizingRules
from tasks.caching import SourceVersion
from tasks.usage import Meter, quantity

P = ParamSpec("P")
R = TypeVar("R")

local.install()

log = logging.getLogger(__name__)

_ABANDONED_AFTER = 7 * 24 * 3_600  # seconds

CPU = Resources(cpu="2", mem="8Gi")
GPU = Resources(cpu="4", mem="16Gi", gpu="1")
LIGHT = Resources(cpu="1", mem="2Gi")
ONE = Processes(nodes=1, per_node=1)

SIZING = SizingRules(
    runs=50,  # seven weeks of nights: what grew since counts, what was is forgotten
    shortest_seconds=1.0,  # what is shorter is imports and waiting
    memory_margin=0.3,  # a batch grows by a fifth in a high season, and a pod over its limit is ended; one short of cores is slower
    cpu_step=0.5,  # half a core is the least that is worth a change
    memory_step_mb=512,  # half a GiB is what node sizes tell apart
)
"""What each task's Deck suggests to ask for, from what its runs used."""


def stage(
    *,
    cached: bool = True,
    also: tuple[str, ...] = (),
    resources: Resources = CPU,
    image: ImageSpec | None = None,
    hours: float = 1.0,
    retries: int = 2,
    interruptible: bool = False,
    environment: dict[str, str] | None = None,
    processes: Processes = ONE,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a Flyte task of a function.

    Args:
        cached: Whether equal inputs and unchanged sources give the cached outputs. A task that reads mutable state
            (the newest day, the champion) is not cached.
        also: Modules whose code it uses without importing it; they count for the cache.
        resources: What its pod asks for, as request and limit.
        image: The image of its pod; None for that of its stage.
        hours: Its pod is ended after this long.
        retries: Further attempts after a failure that is not the user's.
        interruptible: Whether it may run on a node that can be taken away.
        environment: Further variables of its pod.
        processes: How many processes run it together, with a GPU each if it asks for any; the first one's result counts.
    """

    asked_for = replace(resources, gpu=str(processes.per_node)) if resources.gpu else resources
    pods = cluster.chosen()

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"{function.__module__}.{function.__name__}"
        nodes = processes.nodes
        asked = Request(
            cpu=quantity(asked_for.cpu) * nodes, mem_mb=quantity(asked_for.mem) / 2**20 * nodes, gpu=int(quantity(asked_for.gpu)) * nodes
        )

        @functools.wraps(function)
        def body(*args: P.args, **kwargs: P.kwargs) -> R:
            local.begin(name)
            meter = Meter()
            result = function(*args, **kwargs)
            if os.environ.get("RANK", "0") == "0":  # of several processes the first gives account, for all of them as they do the same
                used = meter.read(name, local.run(), asked)
                summed = {kind: getattr(used, kind) * processes.count for kind in ("cpu_seconds", "peak_host_mb", "device_seconds")}
                publish("resources", accounts.settle(used.model_copy(update=summed), lake_uri(), SIZING))
            return result

        made: Callable[P, R] = task(
            cache=Cache(policies=SourceVersion(also), serialize=True) if cached else False,  # type: ignore[arg-type]
            task_config=_elastic(processes),
            shared_memory=processes.per_node > 1 or None,  # by which the GPUs of a node talk
            requests=asked_for,
            limits=asked_for,
            container_image=images.at(image or _image_of(function.__module__), pods.registry, pods.indexes),
            accelerator=_accelerator(pods.accelerator) if resources.gpu else None,
            secret_requests=[_secret(each) for each in pods.secrets_of(name)],
            pod_template_name=pods.template(name, "gpu" if resources.gpu else "cpu"),
            timeout=timedelta(hours=hours),
            retries=retries,
            interruptible=interruptible,
            environment={"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(math.ceil(quantity(asked_for.cpu))), **(environment or {})},
            enable_deck=True,
            deck_fields=(),
        )(body)
        return made

    return decorate


def _image_of(module: str) -> ImageSpec:
    """Return the image of a stage's tasks, by the name of its module."""
    return images.DATA if images.WITHOUT_TORCH & set(module.split(".")[:-1]) else images.CPU


def _elastic(processes: Processes) -> Any:
    """Return the plugin's word for several processes; None for one, which needs neither torchrun nor the operator."""
    if processes.count == 1:
        return None
    from flytekitplugins.kfpytorch import Elastic  # slow to import, for a setting that few change

    return Elastic(nnodes=processes.nodes, nproc_per_node=processes.per_node, increase_shared_mem=False)  # `shared_memory` has its place


def _accelerator(name: str) -> Any:
    """Return flytekit's word for a GPU by its short name; None for any GPU."""
    from flytekit.extras import accelerators

    return getattr(accelerators, name) if name else None


def _secret(secret: cluster.SecretVariable) -> Secret:
    return Secret(group=secret.group, key=secret.key, env_var=secret.variable, mount_requirement=Secret.MountType.ENV_VAR)


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


def serving_folder() -> Path:
    """Return where the service's pointer, packages, keys and log lie: `EVERGREEN_SERVING`, or below the local home."""
    return Path(os.environ.get("EVERGREEN_SERVING") or local.home() / "serving").absolute()


def tracking_uri() -> str:
    """Return where MLflow lives: `MLFLOW_TRACKING_URI`, or a sqlite file below the local home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{local.home() / 'mlflow.db'}"


def artifacts_uri() -> str | None:
    """Return where MLflow's artifacts go: `EVERGREEN_ARTIFACTS` (a path or `s3://`), or where MLflow puts them."""
    return os.environ.get("EVERGREEN_ARTIFACTS") or None
