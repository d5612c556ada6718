"""What a worker serves by: the routing with its models loaded, swapped in one assignment once all of it is known to be good.

A request takes `live` once and uses that object to its end, so that it never sees two revisions. A revision that cannot be
served is refused, and the one before serves on.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts.serving import Arm, Routing
from tasks.errors import ServingError
from tasks.serving import routing
from tasks.serving.predictor import Predictor

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 10.0  # a refused revision is tried again: whoever brings its package back need not restart the service
_SHOWN = 500  # characters of what was wrong


@dataclass(frozen=True)
class Loaded:
    """A model that answers.

    Attributes:
        version: In the registry; None where the package came without one.
        digest: Of its package.
        predictor: The package, verified, loaded and warm.
    """

    version: int | None
    digest: str
    predictor: Predictor


@dataclass(frozen=True)
class Live:
    """Which model answers whom.

    Attributes:
        revision: Of the pointer; 0 where there is none.
        champion: Answers whoever the canary does not.
        canary: Answers a share of the entities, if any.
        share: That share.
        shadow: Scores what others answer, if any.
    """

    revision: int
    champion: Loaded
    canary: Loaded | None = None
    share: float = 0.0
    shadow: Loaded | None = None

    def is_canary(self, entity: str) -> bool:
        """Return whether the canary answers for an entity: always the same one for the same share, and still for a larger one.

        Args:
            entity: Its values, joined by "|".
        """
        if self.canary is None:
            return False
        drawn = int.from_bytes(hashlib.blake2b(entity.encode()).digest()[:8])
        return drawn < self.share * 2**64


class Revisions:
    """The routing of one worker, kept up to date by `poll`.

    Args:
        folder: The serving folder with the pointer and the packages.
        packaged: The package that came with the service: champion while there is no pointer.
        on_refused: Is told, once a revision, its number (0 where the pointer does not tell) and why it is not served.

    Raises:
        BundleError: If neither the pointer, nor an earlier revision, nor the service's own package can be served.
    """

    live: Live

    def __init__(self, folder: Path, packaged: Path, on_refused: Callable[[int, str], None]) -> None:
        self._folder, self._on_refused = folder, on_refused
        self._one_at_a_time = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._told: tuple[int, str] | None = None
        self._again_at: float | None = None
        if not self._take(None):
            self.live = self._earlier() or _packaged(packaged)
            log.info("serving revision %d, package %s", self.live.revision, self.live.champion.digest[:12])

    def poll(self) -> bool:
        """Look at the pointer; if it is another one, verify, load and warm what is new of it, then serve by it.

        Returns:
            Whether another revision is served from now on. Nothing is raised for a bad one.
        """
        with self._one_at_a_time:
            return self._take(self.live)

    def _take(self, live: Live | None) -> bool:
        """Serve by the pointer, if it is another one and good; return whether it is."""
        seen = _seen(self._folder / routing.POINTER)
        is_due = self._again_at is not None and time.monotonic() >= self._again_at
        if live is not None and seen == self._seen and not is_due:
            return False
        self._seen, self._again_at, revision = seen, None, 0
        try:
            wanted = routing.read(self._folder)
            if wanted is None:
                if live is not None and live.revision:
                    raise ServingError("the serving folder must stay", "no pointer and no history any more", "mount or restore it")
                return False
            revision = wanted.revision
            if live is not None and revision <= live.revision:
                if revision == live.revision and _is_same(wanted, live):
                    return False
                found = f"revision {revision} after revision {live.revision}"
                raise ServingError("the pointer must hold a later revision", found, "make the next revision with `make rollout`")
            self.live = self._loaded(wanted, live)
        except Exception as error:  # whatever is wrong with a package or a pointer must not end the service
            self._refuse(revision, error)
            return False
        self._told = None
        log.info("serving revision %d, package %s", revision, self.live.champion.digest[:12])
        return True

    def _loaded(self, wanted: Routing, live: Live | None) -> Live:
        """Return a routing with its models, of which those that are there already are not loaded again."""
        arms = (live.champion, live.canary, live.shadow) if live is not None else ()
        there = {arm.digest: arm.predictor for arm in arms if arm is not None}

        def load(arm: Arm | None) -> Loaded | None:
            if arm is None:
                return None
            digest = arm.package_digest
            if digest not in there:
                there[digest] = _ready(routing.package(self._folder, digest), digest)
            return Loaded(arm.version, digest, there[digest])

        champion = load(wanted.champion)
        assert champion is not None
        return Live(wanted.revision, champion, load(wanted.canary), wanted.share, load(wanted.shadow))

    def _earlier(self) -> Live | None:
        """Return the last revision that can be served, of a folder whose newest one cannot."""
        if self._again_at is None:  # there is no pointer, and none was refused
            return None
        for routing_before in routing.earlier(self._folder):
            try:
                return self._loaded(routing_before, None)
            except Exception as error:  # as bad as the one that was refused: go on to the one before
                log.warning("revision %d cannot be served either: %s", routing_before.revision, type(error).__name__)
        return None

    def _refuse(self, revision: int, error: Exception) -> None:
        """Tell of a revision once, and look at it again after a while."""
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        told = (revision, f"{type(error).__name__}: {error}"[:_SHOWN])
        if self._told is not None and self._told[0] == revision and (revision or self._told == told):
            return
        self._told = told
        log.error("revision %d is refused: %s", *told)
        self._on_refused(*told)


def _packaged(folder: Path) -> Live:
    predictor = _ready(folder, None)
    return Live(0, Loaded(None, predictor.digest, predictor))


def _ready(folder: Path, digest: str | None) -> Predictor:
    """Return a package loaded and warm: its sums are compared before anything of it is parsed."""
    predictor = Predictor(folder, digest)
    predictor.warm()
    return predictor


def _is_same(wanted: Routing, live: Live) -> bool:
    """Return whether a routing of the live revision is the live one, as after it was written again or brought back."""
    loaded = {"champion": live.champion, "canary": live.canary, "shadow": live.shadow}
    served = {name: (arm.version, arm.digest) for name, arm in loaded.items() if arm is not None}
    named = {name: (arm.version, arm.package_digest) for name, arm in routing.arms(wanted).items()}
    return (served, live.share) == (named, wanted.share)


def _seen(path: Path) -> tuple[int, ...] | None:
    """Return what tells one pointer file from another without reading it; None if there is none, or it is out of reach."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
