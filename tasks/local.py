"""Faithful local runs: outputs that last, a cache that checks them, and an account of what each task used.

On a laptop flytekit keeps its cache in the user's home and the cached outputs in a temporary directory, so that a hit
may point to nothing. Here both live below one folder, `.evergreen/`, and a hit whose outputs are gone is a miss. In a
pod nothing of this applies: Flyte keeps outputs, cache and times. Leans on `LocalTaskCache` and on
`FileAccessProvider._raw_output_prefix` of the pinned flytekit; `tests/flyte/test_local.py` holds it to that.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flytekit.core.context_manager import ExecutionState, FlyteContextManager
from flytekit.core.local_cache import LocalTaskCache
from flytekit.models.literals import Literal, LiteralMap

from tasks.errors import StorageError

log = logging.getLogger("tasks")


@dataclass
class TaskTrace:
    """What one task did in this process."""

    task: str
    cached: bool
    seconds: float
    peak_memory_mb: float

    @property
    def stage(self) -> str:
        """The stage's package: `training` for `tasks.training.task.train_network`."""
        return self.task.split(".")[1]


@dataclass
class Trace:
    """What this process did so far, in order."""

    started: float = field(default_factory=time.time)
    tasks: list[TaskTrace] = field(default_factory=list)


TRACE = Trace()


def home() -> Path:
    """Return the folder of everything local: `EVERGREEN_HOME`, or `.evergreen` below the working directory."""
    return Path(os.environ.get("EVERGREEN_HOME", ".evergreen")).absolute()


def is_pod() -> bool:
    """Return whether this process is a task's container."""
    state = FlyteContextManager.current_context().execution_state
    return state is not None and state.mode == ExecutionState.Mode.TASK_EXECUTION


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
        TRACE.tasks.append(TaskTrace(task_name, True, 0.0, 0.0))
        show_progress()
        log.info("%s: unchanged, from the cache", _short(task_name))
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


def install() -> None:
    """Put the checked cache in flytekit's place; reads and writes nothing."""
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


@contextmanager
def measured(task: str) -> Iterator[None]:
    """Tell that a task runs, and record its seconds and peak memory."""
    keep_outputs()
    show_progress()
    log.info("%s: started", _short(task))
    _reset_peak()
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    TRACE.tasks.append(TaskTrace(task, False, seconds, _peak_mb()))
    log.info("%s: done in %.1f s", _short(task), seconds)


def _short(task: str) -> str:
    """Return `training.train_network` for `tasks.training.task.train_network`."""
    return task.removeprefix("tasks.").replace(".task.", ".")


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


def _reset_peak() -> None:
    """Start a new peak of resident memory, where the kernel allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Return the peak of resident memory since the last reset, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
