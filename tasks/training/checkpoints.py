"""Checkpoints of a training: everything that the next step needs, written whole or not at all, the last two kept.

A file starts with the digest of what follows, so that one that was cut off is known, and the one before it is taken. The
state is tensors, numbers and texts alone: reading it executes nothing.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from tasks.errors import TrainingError

log = logging.getLogger(__name__)

State = dict[str, Any]
"""Tensors, numbers, texts, None, and lists and dicts of them."""

_SLOTS = ("a.ckpt", "b.ckpt")  # written in turn: while one is written, the other is whole
_MAGIC = b"evergreen checkpoint 1\n"


def identify(*parts: str) -> str:
    """Return one name for all that a training depends on: its rows, its settings, its code."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class Checkpoints:
    """The states of the parts of one training, such as its folds, in two files that take turns."""

    def __init__(
        self,
        folder: Path,
        identity: str,
        every_seconds: float = 30.0,
        keep: Callable[[Path], None] | None = None,
        arithmetic: str = "",
    ) -> None:
        """Read what is there.

        Args:
            folder: Where the files stand; made if it is not there.
            identity: What is trained: a checkpoint of something else is refused.
            every_seconds: Least time between two states of a part that goes on; 0 keeps every one.
            keep: What else is done with a file once it is written, such as an upload.
            arithmetic: What decides on the last bits, such as the kind of device: a retry may be given another one, on which
                a state of the first is of no use.

        Raises:
            TrainingError: If the files are those of another training.
        """
        self._folder, self._identity, self._every, self._keep, self._arithmetic = folder, identity, every_seconds, keep, arithmetic
        folder.mkdir(parents=True, exist_ok=True)
        self._parts: dict[str, State] = {}
        self._turn, self._began, self._last, self._lock = 0, time.monotonic(), dict[str, float](), Lock()
        found = sorted((state for slot in _SLOTS if (state := _read(folder / slot)) is not None), key=lambda state: state["turn"])
        if found:
            newest = found[-1]
            if newest["identity"] != identity:
                raise TrainingError(
                    f"a checkpoint in {folder} must be of this training, {identity}",
                    f"that of {newest['identity']}",
                    "give no --prev-checkpoint, or remove the folder: the training starts anew",
                )
            self._turn = newest["turn"]
            if newest["arithmetic"] != arithmetic:
                log.warning("checkpoint %d is of %s, this is %s: the training starts anew", self._turn, newest["arithmetic"], arithmetic)
                return
            self._parts = newest["parts"]
            log.info("checkpoint %d found: %s", self._turn, ", ".join(self._parts))

    def part(self, name: str) -> Part:
        """Return one fit among those of the training."""
        return Part(self, name)

    def state(self, part: str) -> State | None:
        """Return the newest state of a part, None if it has not begun: a copy, as an optimiser goes on in the tensors that it is given."""
        return _copied(self._parts.get(part))

    def is_due(self, part: str) -> bool:
        """Return whether the last state of a part is old enough for another."""
        return time.monotonic() - self._last.get(part, self._began) >= self._every

    def save(self, part: str, state: State) -> None:
        """Keep the state of a part beside the newest of the others, which may be going on.

        Raises:
            TrainingError: If it cannot be written.
        """
        with self._lock:
            self._save(part, _copied(state))  # its tensors change with the next step
            self._last[part] = time.monotonic()

    def _save(self, part: str, state: State) -> None:
        self._parts[part] = state
        self._turn += 1
        path = self._folder / _SLOTS[self._turn % len(_SLOTS)]
        buffer = io.BytesIO()
        torch.save({"identity": self._identity, "arithmetic": self._arithmetic, "turn": self._turn, "parts": self._parts}, buffer)
        data = buffer.getvalue()
        written = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)  # another run of the same training may have come to its end
            with open(written, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(data).digest() + data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(written, path)
        except OSError as error:
            raise TrainingError(f"{path} must be writable", f"{error}", "free space or mend permissions, then run again") from error
        if self._keep:
            self._keep(path)


@dataclass(frozen=True)
class Part:
    """One fit among those of a training."""

    checkpoints: Checkpoints
    name: str

    @property
    def state(self) -> State | None:
        """Its newest state, None if it has not begun."""
        return self.checkpoints.state(self.name)

    def is_due(self) -> bool:
        """Return whether the last state is old enough for another."""
        return self.checkpoints.is_due(self.name)

    def save(self, state: State) -> None:
        """Keep a state of it."""
        self.checkpoints.save(self.name, state)


def _copied(state: Any) -> Any:
    """Return a state, or a part of one, with tensors of its own, on the CPU."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state


def _read(path: Path) -> State | None:
    """Return what a file holds, None if there is none or it is not whole."""
    if not path.is_file():
        return None
    found = path.read_bytes()
    start = len(_MAGIC) + hashlib.sha256().digest_size
    data = found[start:]
    if not found.startswith(_MAGIC) or found[len(_MAGIC) : start] != hashlib.sha256(data).digest():
        log.warning("%s is damaged; the checkpoint before it is taken, if there is one", path)
        return None
    state: State = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state
