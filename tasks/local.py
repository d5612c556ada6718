"""Faithful local runs: outputs that last, a cache that checks them, and a trace of what each task used.

On a laptop flytekit keeps its cache in the user's home and the cached outputs in a temporary directory, so that a hit
may point to nothing. Here both live below one folder, `.evergreen/`, and a hit whose outputs are gone is a miss. In a
pod nothing of this applies: Flyte keeps outputs, cache and times. Leans on `LocalTaskCache`,
`ArrayNodeMapTask` and `FileAccessProvider._raw_output_prefix` of the pinned flytekit; `tests/flyte/test_local.py` holds it to that.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flytekit import current_context
from flytekit.core.array_node_map_task import ArrayNodeMapTask
from flytekit.core.context_manager import ExecutionState, FlyteContext, FlyteContextManager
from flytekit.core.local_cache import LocalTaskCache
from flytekit.core.promise import Promise, create_task_output, translate_inputs_to_literals
from flytekit.models.literals import Literal, LiteralCollection, LiteralMap

from tasks.artifacts.usage import Request, TaskUsage, short_name
from tasks.errors import StorageError

log = logging.getLogger("tasks")


@dataclass
class Trace:
    """What this process did so far, in order."""

    started: float = field(default_factory=time.time)
    tasks: list[TaskUsage] = field(default_factory=list)

    @property
    def run(self) -> str:
        """A name of this process among all that write to the same lake."""
        return f"{datetime.fromtimestamp(self.started, UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}"


TRACE = Trace()


def home() -> Path:
    """Return the folder of everything local: `EVERGREEN_HOME`, or `.evergreen` below the working directory."""
    return Path(os.environ.get("EVERGREEN_HOME", ".evergreen")).absolute()


def is_pod() -> bool:
    """Return whether this process is a task's container."""
    state = FlyteContextManager.current_context().execution_state
    return state is not None and state.mode == ExecutionState.Mode.TASK_EXECUTION


def run() -> str:
    """Return the name of the execution that this process is part of: Flyte's in a pod, else that of the process."""
    execution = current_context().execution_id if is_pod() else None
    return (execution.name if execution else None) or TRACE.run


def keep_outputs() -> None:
    """Let the outputs of local tasks go below `home()`; does nothing in a pod."""
    if not is_pod():
        FlyteContextManager.current_context().file_access._raw_output_prefix = str(home() / "outputs")


class _CheckedCache(LocalTaskCache):
    """flytekit's local cache below `home()`, of which a hit counts only if its outputs are still there."""

    @staticmethod
    def initialize() -> None:
        from diskcache import Cache

        keep_outputs()
        with _writable_cache():
            LocalTaskCache._cache = Cache(str(home() / "cache"))
        LocalTaskCache._initialized = True

    @staticmethod
    def get(task_name: str, cache_version: str, input_literal_map: LiteralMap, cache_ignore_input_vars: Any) -> LiteralMap | None:
        keep_outputs()
        hit = _get(task_name, cache_version, input_literal_map, cache_ignore_input_vars)
        if hit is None:
            return None
        access = FlyteContextManager.current_context().file_access
        gone = [uri for uri in _uris(hit.literals.values()) if not access.exists(uri)]
        if gone:
            log.warning("%s: a cached output is gone (%s): running again", task_name.removeprefix("tasks."), gone[0])
            return None
        TRACE.tasks.append(TaskUsage(run=run(), task=task_name, started=datetime.now(UTC), asked=Request(cpu=0, mem_mb=0), cached=True))
        show_progress()
        log.info("%s: unchanged, from the cache", short_name(task_name))
        return hit

    @staticmethod
    def set(*arguments: Any, **named: Any) -> None:
        with _writable_cache():
            _set(*arguments, **named)


_get, _set = LocalTaskCache.get, LocalTaskCache.set


@contextmanager
def _writable_cache() -> Iterator[None]:
    """Say what to do when the cache cannot be written."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"{home() / 'cache'} must be writable", f"{error}", "free space or mend permissions, then run again: finished tasks are kept"
        ) from error


def _execute_map(self: ArrayNodeMapTask, ctx: FlyteContext, **kwargs: Any) -> Any:
    """Run the elements of a map task one by one, each from the cache if it is there, as a cluster does.

    flytekit's own way keeps the list of all results or none of them, and reads and writes a frame that all share anew.
    """
    given = translate_inputs_to_literals(ctx, kwargs, self.interface.inputs, self.get_input_types())
    mapped = [name for name in given if name not in self.bound_inputs]
    count = len(given[mapped[0]].collection.literals)
    results = []
    for index in range(count):
        element = {name: held.collection.literals[index] if name in mapped else held for name, held in given.items()}
        results.append(self._run_task.local_execute(ctx, **{name: Promise(name, literal) for name, literal in element.items()}).val)
    (name,) = self.interface.outputs
    return create_task_output([Promise(name, Literal(collection=LiteralCollection(results)))], self.python_interface)


def install() -> None:
    """Put the checked cache, and maps that use it, in flytekit's place; reads and writes nothing."""
    ArrayNodeMapTask.local_execute = _execute_map  # type: ignore[method-assign]
    LocalTaskCache.initialize = _CheckedCache.initialize  # type: ignore[method-assign]
    LocalTaskCache.get = _CheckedCache.get  # type: ignore[method-assign]
    LocalTaskCache.set = _CheckedCache.set  # type: ignore[method-assign]


def _uris(literals: Any) -> Iterator[str]:
    """Yield the places that literals point to."""
    for literal in literals:
        yield from _uris_of(literal)


def _uris_of(literal: Literal) -> Iterator[str]:
    if literal.collection is not None:
        yield from _uris(literal.collection.literals)
    elif literal.map is not None:
        yield from _uris(literal.map.literals.values())
    elif literal.scalar is not None:
        scalar = literal.scalar
        for part in (scalar.blob, scalar.structured_dataset, scalar.schema):
            if part is not None:
                yield part.uri
        if scalar.union is not None:
            yield from _uris_of(scalar.union.value)


def begin(task: str) -> None:
    """Tell that a task runs, and let its outputs go below `home()`."""
    keep_outputs()
    show_progress()
    log.info("%s: started", short_name(task))


def finish(used: TaskUsage) -> None:
    """Tell that a task is done, and trace what it used."""
    TRACE.tasks.append(used)
    log.info("%s: done in %.1f s", short_name(used.task), used.seconds)


def show_progress() -> None:
    """Send the project's progress lines to standard error, once."""
    if not any(isinstance(handler, _Lines) for handler in log.handlers):
        log.addHandler(_Lines(sys.stderr))
        log.setLevel(logging.INFO)
        log.propagate = False


class _Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """One line a message: seconds since the start, stage, text."""

    def format(self, record: logging.LogRecord) -> str:
        stage = record.name.removeprefix("tasks").strip(".").split(".")[0]
        return f"{time.time() - TRACE.started:6.1f}s  {stage + '  ' if stage else ''}{record.getMessage()}"
