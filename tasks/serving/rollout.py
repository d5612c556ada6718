"""Rollout: who answers next, step by step, each step a row of the audit trail before it is done.

The row is written while the pointer is locked: a kill between leaves a row of what was not done, and the same call does it.
What *not* to trust is checked again here: a package is copied and compared before the pointer names it, and dropped when neither
the pointer nor its history names it any more.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tasks.artifacts.audit import Act
from tasks.artifacts.serving import Arm, Deployable, Mode, Routing
from tasks.errors import ServingError, StorageError
from tasks.lake import audit
from tasks.model import bundle
from tasks.serving import routing

log = logging.getLogger(__name__)

_PARTIAL = ".partial"
_DIGEST = re.compile(r"[0-9a-f]{64}")

Record = Callable[[Routing], None]
"""Writes a row on a routing that is about to stand."""


def recorder(lake: str, name: str) -> Record:
    """Return what writes a row of the audit trail on each new routing.

    Args:
        lake: Folder or URI of the lake with the trail.
        name: The model.

    Returns:
        A function that raises LakeError if the trail is broken, and StorageError if it cannot be written.
    """

    def record(made: Routing) -> None:
        audit.append(lake, Act.ROUTING, made.by, f"{name} routing {made.revision}", made.reason, made.model_dump_json(), made.changed_at)

    return record


def advance(
    folder: Path,
    deployable: Deployable | None,
    package: Path | None,
    mode: Mode,
    share: float,
    by: str,
    reason: str,
    now: datetime,
    record: Record,
) -> Routing:
    """Take a step of a rollout. The same step again changes nothing.

    SHADOW lets any registered version score what others answer; CANARY lets it answer a share of the entities; FULL makes the
    registry's champion answer all, and ends what was tried beside it; ABORT drops canary and shadow. Packages of earlier
    revisions stay, so that a step back needs no copy; remove those that no file of `history` names to free the disk.

    Args:
        folder: The serving folder.
        deployable: The version; None for ABORT.
        package: Where its package lies; None for ABORT.
        mode: The step.
        share: Of the entities that a canary answers; other steps take none.
        by: Who answers for it.
        reason: Why.
        now: When (with its zone).
        record: Writes the row of the audit trail.

    Returns:
        The routing that stands now.

    Raises:
        ServingError: If the step cannot be taken from what stands, the model reads other categories than the champion beside it, or
            the pointer is broken.
        BundleError: If the package is altered or another one.
        StorageError: If the folder cannot be written.
        LakeError: If the audit trail is broken.
    """
    _require(deployable, mode, share, by, reason)
    if deployable is not None and package is not None and mode != Mode.ABORT:
        standing = routing.read(folder)
        _plan(standing, deployable, mode, share)  # before anything is copied
        bundle.verify(package, deployable.package_digest)
        _require_inputs(folder, standing, deployable, package, mode)
        stock(folder, package, deployable.package_digest)

    def make(standing: Routing | None) -> Routing:
        arms = _plan(standing, deployable, mode, share)
        if standing is not None and standing == standing.model_copy(update=arms):
            log.info("revision %d says so already: nothing to do", standing.revision)
            return standing
        if deployable is not None and package is not None and mode != Mode.ABORT:
            _require_inputs(folder, standing, deployable, package, mode)  # the champion may be another one by now
            _copy(folder, package, deployable.package_digest)  # nobody named it until now: another step may have dropped it
        revision = 1 if standing is None else standing.revision + 1
        made = Routing(revision=revision, by=by.strip(), reason=_told(deployable, mode, share, reason), changed_at=now, **arms)
        record(made)
        return made

    stands = routing.change(folder, make)
    log.info("revision %d stands", stands.revision)
    try:
        _drop_unnamed(folder)
    except (ServingError, StorageError) as error:  # the step is done: what could not be dropped must not say otherwise
        log.warning("packages that nobody names were left: %s", error)
    return stands


def follow(folder: Path, deployable: Deployable, package: Path, by: str, reason: str, now: datetime, record: Record) -> Routing | None:
    """Make a champion of the registry the one that answers all, if anything is served from a folder at all.

    Args:
        folder: The serving folder.
        deployable: The champion.
        package: Where its package lies.
        by: Who answers for it.
        reason: Why.
        now: When (with its zone).
        record: Writes the row of the audit trail.

    Returns:
        The routing that stands now; None if the folder has no pointer, and nothing was done.

    Raises:
        ServingError, BundleError, StorageError, LakeError: As `advance`.
    """
    if routing.read(folder) is None:
        log.info("%s has no %s: nothing is routed from there, and nothing to bring back", folder, routing.POINTER)
        return None
    return advance(folder, deployable, package, Mode.FULL, 0.0, by, reason, now, record)


def begin(folder: Path, champion: Deployable, package: Path, by: str, now: datetime, record: Record) -> str:
    """Let the registry's champion answer all when a server starts, unless a rollout is under way; return what stands, in a line.

    Args:
        folder: The serving folder.
        champion: The registry's champion.
        package: Where its package lies.
        by: Who answers for it.
        now: When (with its zone).
        record: Writes the row of the audit trail.

    Raises:
        ServingError, BundleError, StorageError, LakeError: As `advance`.
    """
    stands = routing.read(folder)
    if stands is None or (len(routing.arms(stands)) == 1 and not _went_back(folder, stands, champion)):
        stands = advance(folder, champion, package, Mode.FULL, 0.0, by, "a server starts", now, record)
    elif stands.champion.package_digest != champion.package_digest:
        log.info("version %d is the registry's champion; `make rollout VERSION=%d MODE=full` lets it answer all", *[champion.version] * 2)
    answers = [f"{name} {'the package' if arm.version is None else f'version {arm.version}'}" for name, arm in routing.arms(stands).items()]
    return f"revision {stands.revision}: {', '.join(answers)}"


def _went_back(folder: Path, stands: Routing, champion: Deployable) -> bool:
    """Return whether a version was a canary of late and is not what answers: somebody, or the guard, sent it back."""
    if stands.champion.package_digest == champion.package_digest:
        return False
    return any(before.canary and before.canary.package_digest == champion.package_digest for before in routing.earlier(folder))


def stock(folder: Path, package: Path, digest: str) -> None:
    """Copy a package into the serving folder, whole or not at all, unless it is there, unaltered.

    Args:
        folder: The serving folder.
        package: Where it lies.
        digest: Its digest.

    Raises:
        BundleError: If it is altered or another one.
        StorageError: If it cannot be written.
    """
    bundle.verify(package, digest)
    if not bundle.is_whole(routing.package(folder, digest), digest):
        with routing.locked(folder):
            _copy(folder, package, digest)


def _copy(folder: Path, package: Path, digest: str) -> None:
    """Copy a package, unless it is there; only the holder of the lock does."""
    target = routing.package(folder, digest)
    if bundle.is_whole(target, digest):  # another process was faster
        return
    partial = target.with_name(f".{digest}{_PARTIAL}")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
        shutil.copytree(package, partial)
        bundle.verify(partial, digest)
        shutil.rmtree(target, ignore_errors=True)  # what stands there is altered: workers refuse it
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("copied package %s", digest[:12])


def _drop_unnamed(folder: Path) -> None:
    """Remove packages that neither the pointer nor its history names: nobody can go back to them without a copy.

    What cannot be removed is left for the next step: this one is done.
    """
    with routing.locked(folder):
        standing = routing.read(folder)
        named = [*routing.earlier(folder), *([] if standing is None else [standing])]
        kept = {arm.package_digest for found in named for arm in routing.arms(found).values()}
        for path in (folder / routing.PACKAGES).glob("*"):
            is_partial = path.name.startswith(".") and path.name.endswith(_PARTIAL)  # of a copy that was killed
            if is_partial or (_DIGEST.fullmatch(path.name) and path.name not in kept):
                shutil.rmtree(path, ignore_errors=True)
                log.info("dropped package %s: no revision that is kept names it", path.name.lstrip(".")[:12])


def _require(deployable: Deployable | None, mode: Mode, share: float, by: str, reason: str) -> None:
    """Raise unless a step says who, why, which version and which share."""
    wrong = []
    if not by.strip() or not reason.strip():
        wrong.append((f"--by {by!r}, --reason {reason!r}", 'give --by "your name" and --reason "why"'))
    if deployable is None and mode != Mode.ABORT:
        wrong.append(("no version", "give --model_version"))
    if mode == Mode.CANARY and not 0 < share < 1:
        wrong.append((f"--share {share:g}", "give a canary a share above 0 and below 1, such as 0.1; for all there is --mode full"))
    if mode != Mode.CANARY and share != 0:
        wrong.append((f"--share {share:g}", "leave --share out: only a canary has one"))
    if wrong:
        found, mend = ("; ".join(part) for part in zip(*wrong, strict=True))
        raise ServingError(f"the step {mode.value} must say what it does, who does it and why", found, mend)


def _require_inputs(folder: Path, standing: Routing | None, deployable: Deployable, package: Path, mode: Mode) -> None:
    """Raise if a model that is tried beside the champion reads other categories: its callers send the champion's, and all of them.

    Alone it may answer: then it is what tells callers what to send. Numbers may be missing, and are no matter.

    Raises:
        ServingError: Naming what differs.
    """
    if mode == Mode.FULL or standing is None:
        return
    own, champion = (_categories(path) for path in (package, routing.package(folder, standing.champion.package_digest)))
    told = (("it reads {} besides", own - champion), ("it does not read {}", champion - own))
    found = "; ".join(text.format(", ".join(sorted(names))) for text, names in told if names)
    if found:
        expected = f"version {deployable.version} must read the champion's categories to be {mode.value}"
        mend = "train it on the champion's categories, or have it approved, tell the callers and route it with `MODE=full`"
        raise ServingError(expected, found, mend)


def _categories(package: Path) -> set[str]:
    """Return the categorical features that a package's card names."""
    try:
        return set(json.loads((package / "card.json").read_text())["categorical_features"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        found, mend = type(error).__name__, "route the champion again, which copies its package, or package the model again"
        raise ServingError(f"{package / 'card.json'} must name the categorical features", found, mend) from error


def _plan(standing: Routing | None, deployable: Deployable | None, mode: Mode, share: float) -> dict[str, Arm | float | None]:
    """Return who answers next.

    Raises:
        ServingError: Naming version, step, and what to do first.
    """
    if mode == Mode.ABORT or deployable is None:
        if standing is None:
            raise ServingError("there must be a routing to abort", "no pointer: the package of the service answers all", "nothing to do")
        return {"canary": None, "share": 0.0, "shadow": None, "champion": standing.champion}
    arm, about = Arm(version=deployable.version, package_digest=deployable.package_digest), f"version {deployable.version}"
    if mode == Mode.FULL:
        if not deployable.is_champion:
            mend = "let it be promoted first (`make approve`, or `make rollback` to an earlier champion); until then use shadow or canary"
            raise ServingError(f"{about} must be champion in the registry to answer all", "another champion, or none", mend)
        return {"canary": None, "share": 0.0, "shadow": None, "champion": arm}
    if standing is None:
        mend = "route the registry's champion first: `make rollout VERSION=its-number MODE=full`"
        raise ServingError(f"{about} must have a champion beside it as {mode.value}", "no pointer yet", mend)
    if standing.champion.package_digest == arm.package_digest:
        raise ServingError(f"{about} must be another model than the champion to be {mode.value}", "the one that answers", "choose another")
    canary, held = standing.canary, standing.share
    if mode == Mode.CANARY:
        shadow = None if _same(standing.shadow, arm) else standing.shadow
        return {"canary": arm, "share": share, "shadow": shadow, "champion": standing.champion}
    if _same(canary, arm):  # a step back
        canary, held = None, 0.0
    return {"canary": canary, "share": held, "shadow": arm, "champion": standing.champion}


def _same(held: Arm | None, arm: Arm) -> bool:
    return held is not None and held.package_digest == arm.package_digest


def _told(deployable: Deployable | None, mode: Mode, share: float, reason: str) -> str:
    """Return what the trail says of a step."""
    about = "" if mode == Mode.ABORT or deployable is None else f" of version {deployable.version}"
    return f"{mode.value}{about}{f' at {share:.4g}' if mode == Mode.CANARY else ''}: {reason.strip()}"
