"""One worker: what it answers with, and the thread that looks after it: pointer, keys, state, log, guard."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from tasks.artifacts.serving import ServiceRules
from tasks.errors import EvergreenError
from tasks.serving import identifiers, routing
from tasks.serving.answers import Answers, Features, Parts
from tasks.serving.guard import Guard
from tasks.serving.identifiers import Identifiers
from tasks.serving.journal import Journal
from tasks.serving.keys import Keys
from tasks.serving.limits import RateLimiter
from tasks.serving.metrics import Metrics
from tasks.serving.outcomes import Outcomes
from tasks.serving.predictor import Predictor
from tasks.serving.revisions import Revisions
from tasks.serving.shadow import Shadow
from tasks.serving.state import Reader

log = logging.getLogger(__name__)

_GUARD = "the guard"
_LATE = 20  # looks that may be missed: less than a second each, more when a machine is busy


class Worker:
    """Everything that one worker process has.

    Args:
        folder: The serving folder, shared by all workers.
        packaged: The package that came with the service: what answers if there is no pointer.
        rules: Limits.
        make: From the tables of the online state to what makes features of what clients ask about.
        workers: How many there are beside this one, itself included: their guards share one chance of a false alarm.

    Raises:
        BundleError: If neither the pointer, nor an earlier revision, nor the service's own package can be served.
        ServingError: If the folder cannot be used.
    """

    def __init__(self, folder: Path, packaged: Path, rules: ServiceRules, make: Callable[[Any], Features], workers: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._rules = folder, rules
        self._events = Journal(folder / "events", rules.segment_bytes, rules.segment_seconds)
        self._metrics = Metrics()
        self._revisions = Revisions(folder, packaged, self._refused)
        self._state: Reader[Features] = Reader(folder, make)
        self.keys = Keys(folder / "keys.json")
        self.limiter = RateLimiter(rules.requests_per_second, rules.burst)
        self.parts = Parts(
            rules=rules,
            revisions=self._revisions,
            identifiers=Identifiers(identifiers.secret(folder / "secret")),
            journal=Journal(folder / "log", rules.segment_bytes, rules.segment_seconds),
            outcomes=Outcomes(folder / "outcomes.db"),
            metrics=self._metrics,
            guard=Guard(rules.guard, workers),
            shadow=Shadow(rules.shadow_rows, lambda job: self.answers.score_beside(job)),
            state=self._current_state,
        )
        self.answers = Answers(self.parts)
        self._begin_revision()
        self._stop, self._looked_at = threading.Event(), time.monotonic()
        # Of the state apart: to load a large one, and pandera for the first, takes seconds, in which nobody could send a canary back.
        loops = {"worker": self._look_after, "state": self._look_after_state}
        self._threads = [threading.Thread(target=loop, name=f"evergreen-{name}", daemon=True) for name, loop in loops.items()]
        for thread in self._threads:
            thread.start()

    def is_looked_after(self) -> bool:
        """Return whether pointer and keys are followed: not if the thread that does so is stuck or gone."""
        return time.monotonic() - self._looked_at < max(_LATE * self._rules.poll_seconds, _LATE)

    @property
    def revision(self) -> int:
        """The revision that answers."""
        return self._revisions.live.revision

    @property
    def champion(self) -> Predictor:
        """The champion's model."""
        return self._revisions.live.champion.predictor

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.champion.name

    @property
    def version(self) -> str:
        """What is served, for a reader: the version, or the beginning of the package's sum."""
        champion = self._revisions.live.champion
        return champion.digest[:12] if champion.version is None else str(champion.version)

    def routing(self) -> bytes:
        """Return what this worker serves, what the pointer says, and what is wrong with keys or state, as JSON."""
        live, pointer, problems = self._revisions.live, None, [self.keys.problem, self._state.problem]
        try:
            pointer = routing.read(self._folder)
        except EvergreenError as error:
            problems.append(str(error))
        arms = {"champion": live.champion, "canary": live.canary, "shadow": live.shadow}
        served = {name: {"version": arm.version, "package": arm.digest} for name, arm in arms.items() if arm is not None}
        told = {"served": served, "pointer": pointer, "problems": list(filter(None, problems))}
        return to_json({"revision": live.revision, "share": live.share, **told})

    def abort(self, by: str, reason: str) -> bytes | None:
        """Send canary and shadow of the present revision back; return the new pointer as JSON, or None if there were none."""
        changed = routing.abort(self._folder, self._revisions.live.revision, by, reason, datetime.now(UTC))
        if changed is None:
            return None
        self._record("admin", revision=changed.revision, by=by, act="abort", reason=reason)
        self._metrics.rolled_back("person")
        return to_json(changed)

    def close(self) -> None:
        """End the thread, the shadow and the files."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self.parts.shadow.close()
        self.parts.journal.close()
        self.parts.outcomes.close()
        self._events.close()

    def _current_state(self) -> tuple[datetime, Features] | None:
        current = self._state.current
        return None if current is None else (current[0].as_of, current[1])

    def _look_after(self) -> None:
        """Look at everything, again and again."""
        self._used, self._written = time.process_time(), 0
        steps = (self._follow_pointer, self.keys.refresh, self._guard, self.parts.journal.roll, self._events.roll, self._account)
        while not self._stop.wait(self._rules.poll_seconds):
            for step in steps:
                _try(step)
            self._looked_at = time.monotonic()

    def _look_after_state(self) -> None:
        _try(self._follow_state)
        while not self._stop.wait(self._rules.poll_seconds):
            _try(self._follow_state)

    def _account(self) -> None:
        used, written = time.process_time(), self.parts.journal.bytes_written
        self._metrics.cpu(used - self._used)
        self._metrics.log_bytes(written - self._written)
        self._used, self._written = used, written

    def _follow_pointer(self) -> None:
        if self._revisions.poll():
            self._begin_revision()

    def _begin_revision(self) -> None:
        live = self._revisions.live
        self.parts.guard.start(live.revision)
        self._metrics.revision(live.revision)
        log.info("revision %d: version %s answers", live.revision, live.champion.version or live.champion.digest[:12])

    def _follow_state(self) -> None:
        if self._state.poll() and self._state.current is not None:
            self._metrics.state_as_of(self._state.current[0].as_of)

    def _guard(self) -> None:
        live = self._revisions.live
        reason = self.parts.guard.look() if live.canary is not None else None
        if reason is None:
            return
        changed = routing.abort(self._folder, live.revision, _GUARD, reason, datetime.now(UTC))
        if changed is not None:  # another worker may have been faster
            self._record("rolled back", revision=changed.revision, reason=reason)
            self._metrics.rolled_back("guard")
            log.warning("the canary was sent back: %s", reason)

    def _refused(self, revision: int, reason: str) -> None:
        self._record("refused", revision=revision, reason=reason)
        self._metrics.refused_revision()

    def _record(self, kind: str, **facts: Any) -> None:
        try:
            self._events.write(to_json({"kind": kind, "at": datetime.now(UTC), **facts}))
        except (OSError, EvergreenError) as error:
            log.error("an event could not be recorded: %s", type(error).__name__)


def _try(step: Callable[[], Any]) -> None:
    """Do a step; a fault in one must end neither the others nor the thread, and polars' own is no Exception."""
    try:
        step()
    except BaseException as error:
        log.error("%s: %s", step.__name__, type(error).__name__)
