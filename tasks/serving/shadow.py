"""The shadow: another model scores what was answered, off the path of the request. It may drop; it never makes anyone wait."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.serving.revisions import Live, Loaded

log = logging.getLogger(__name__)

_CLOSE_SECONDS = 5.0  # a request of the most rows takes a fraction of one


@dataclass(frozen=True)
class Job:
    """What another model is to score.

    Attributes:
        live: The revision by which it was answered.
        rows: As the model read them.
        prediction_ids: One a row.
        probabilities: As answered, shape (n,).
        other: The model that scores them too.
    """

    live: Live
    rows: list[Mapping[str, Any]]
    prediction_ids: list[str]
    probabilities: npt.NDArray[np.floating[Any]]
    other: Loaded


class Shadow:
    """A queue of bounded rows, and one thread that works it off.

    Args:
        most: Rows that may wait: the memory that a slow shadow can take. A job of more is taken only if nothing waits.
        score: Scores a job. What it raises is counted and told by its name, and the next job follows.

    Attributes:
        dropped: Jobs that were not taken, or were still waiting at the end.
        failed: Jobs that could not be scored.
    """

    def __init__(self, most: int, score: Callable[[Job], None]) -> None:
        self.dropped = self.failed = 0
        self._most, self._score = most, score
        self._waiting: deque[Job] = deque()
        self._rows = 0  # that wait
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, job: Job) -> bool:
        """Take a job if there is room for it; never wait.

        Returns:
            False if it was dropped.
        """
        with self._changed:  # held for a moment only: never while a job is scored
            if self._is_closed or (self._waiting and self._rows + _size(job) > self._most):
                self.dropped += 1
                return False
            self._waiting.append(job)
            self._rows += _size(job)
            self._changed.notify()
            return True

    def close(self) -> None:
        """End the thread after the job that it is at; what waits is dropped."""
        with self._changed:
            self._is_closed = True
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._rows = 0
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._score(job)
            except Exception as error:  # a shadow's failure is not the service's
                self.failed += 1
                # Its message may hold values of the input, which no log may hold.
                log.warning("a shadow could not score %d rows: %s", len(job.rows), type(error).__name__)
            del job  # what waits for the next one must not keep a model of yesterday

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            job = self._waiting.popleft()
            self._rows -= _size(job)
            return job


def _size(job: Job) -> int:
    return max(len(job.rows), 1)  # one without rows takes memory too
