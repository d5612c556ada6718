"""Types of task edges with the hash of their content: equal content hits the cache wherever it came from.

Also the folders that cross edges: model bundles, and scratch space to make them in.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from flytekit import HashMethod, current_context
from flytekit.core.context_manager import FlyteContextManager
from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.data import DataSnapshot, TableDay
from tasks.artifacts.training import VARIES, TrainedModel


def _snapshot_hash(snapshot: DataSnapshot) -> str:
    return snapshot.content_hash


def _day_hash(day: TableDay) -> str:
    return f"{day.day} {day.rows} {day.content_hash}"


def _model_hash(model: TrainedModel) -> str:
    return hashlib.sha256(model.model_dump_json(exclude=set(VARIES)).encode()).hexdigest()


def _models_hash(models: list[TrainedModel]) -> str:
    return " ".join(map(_model_hash, models))


def _manifest_hash(folder: FlyteDirectory) -> str:
    return hashlib.sha256((Path(folder.path) / "manifest.json").read_bytes()).hexdigest()


Snapshot = Annotated[DataSnapshot, HashMethod(_snapshot_hash)]
"""A snapshot that a task returns."""

Day = Annotated[TableDay, HashMethod(_day_hash)]
"""A day of a table that a task returns: by its rows, wherever they lie."""

Model = Annotated[TrainedModel, HashMethod(_model_hash)]
"""What is known of one trained model, as a task returns it."""

Models = Annotated[list[TrainedModel], HashMethod(_models_hash)]
"""The same of several."""

Bundle = Annotated[FlyteDirectory, HashMethod(_manifest_hash)]
"""A folder sealed by a manifest, as a task returns it."""


def scratch(name: str) -> Path:
    """Return a path, not yet there, for a folder that a task makes and returns.

    flytekit uploads a returned folder where outputs go to an object store, and leaves it where it is otherwise: then
    it has to be made among the outputs, not in the task's temporary directory.
    """
    access = FlyteContextManager.current_context().file_access
    if access.is_remote(access.raw_output_prefix):
        return Path(current_context().working_directory) / name
    return Path(access.get_random_remote_path(name))


def local_path(folder: FlyteDirectory) -> Path:
    """Return the folder on this machine, fetched if it lies elsewhere."""
    return Path(folder.download())
