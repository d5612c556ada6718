"""The registry: versions with their lineage, and the aliases `champion`, `challenger` and `previous`, in MLflow.

The only module that changes the registry. Everything here can be run again after a kill: a package that is already
registered is found by its digest, and aliases are set last. Who may become champion is decided in `promotion`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tasks.artifacts.audit import Act, AuditEntry, ChampionChange
from tasks.artifacts.evaluation import Decision
from tasks.artifacts.fairness import Grouping
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState, Incumbent, RegisteredModel
from tasks.artifacts.serving import Deployable, Mode
from tasks.artifacts.training import TrainedModel
from tasks.errors import PromotionRefused, RegistryError
from tasks.model import bundle
from tasks.model.fetch import fetch
from tasks.registry import evidence, runs
from tasks.registry.runs import Judged
from tasks.registry.tracking import Tracker

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
DOSSIER, DOSSIER_URI = "dossier_digest", "dossier_uri"
_CANDIDATE, _INCUMBENT, _PACKAGE = "candidate_digest", "incumbent_version", "package_digest"
_DECISION = "decision_digest"
_GROUPING, _GROUP_THRESHOLDS = "grouping", "group_thresholds"
_SETTLED = "alias_settled"
DEPENDENCIES = {"packages": "lock_hash", "contract": "contract_digest", "features": "features_digest", "source": "source"}
"""What a version depends on and does not hold, and the tag that tells it."""
_ROW = "audit_"  # and an act: number and hash of the newest row on it
_NONE = "none"


class Registry:
    """One model's versions in one MLflow.

    Args:
        uri: MLflow's tracking URI: a server, or `sqlite:///` and a path.
        name: The model's name.
        artifacts: Prefix of the storage where packages go, see `Tracker`.

    Raises:
        RegistryError: If it is out of reach.
    """

    def __init__(self, uri: str, name: str, artifacts: str | None = None) -> None:
        self.name = name
        self._tracker = Tracker(uri, name, artifacts)
        self._client, self._reach = self._tracker.client, self._tracker.reach

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias names, None if it names none."""
        found = self._by_alias(alias)
        return int(found.version) if found else None

    def incumbent(self, candidate_digest: str) -> Incumbent:
        """Return the model that a candidate has to beat.

        One that is or was champion is judged against the same champion again, so that a run repeated with nothing changed gives
        the same verdict and not a comparison of a champion with itself. Any other meets the champion of now.
        """
        seen, champion = self._by_tag(_CANDIDATE, candidate_digest), self._by_alias(CHAMPION)
        if seen is not None and self._was_champion(seen):
            recorded = seen.tags[_INCUMBENT]
            champion = None if recorded == _NONE else self.version(int(recorded))
        return _none() if champion is None else self._incumbent(champion)

    def _was_champion(self, version: Any) -> bool:
        """Return whether a version is or was champion: by an act, or (from before there was a trail) by an alias."""
        by_act = any(f"{_ROW}{act.value}" in version.tags for act in (Act.PROMOTION, Act.ROLLBACK))
        return by_act or int(version.version) in (self.version_of(CHAMPION), self.version_of(PREVIOUS))

    def _incumbent(self, version: Any) -> Incumbent:
        tags = version.tags
        return Incumbent(
            version=int(version.version),
            bundle_uri=f"{version.source}",
            bundle_digest=tags[_PACKAGE],
            threshold=float(tags["threshold"]),
            features_digest=tags.get("features_digest"),
            contract_digest=tags.get("contract_digest"),
            grouping=Grouping.model_validate_json(tags[_GROUPING]) if _GROUPING in tags else None,
            group_thresholds=json.loads(tags.get(_GROUP_THRESHOLDS, "{}")),
        )

    def champion(self) -> ChampionState:
        """Return the champion with the window and log-loss of its evaluation, and the version that was champion before it.

        There is none before if that was deleted, or is the champion itself (an alias moved by hand), or if the champion was brought
        back: what it replaced then was taken away for a reason, which a smaller loss does not undo.

        Raises:
            RegistryError: If there is no champion.
        """
        version = self._by_alias(CHAMPION)
        if version is None:
            mend = "run `make retrain`: a decision of PROMOTE makes one, one of REVIEW after `make approve`"
            raise RegistryError(f"{self.name} must have a champion", "none", mend)
        tags, before = version.tags, self._by_alias(PREVIOUS)
        if before is not None and (before.version == version.version or _was_brought_back(version.tags)):
            before = None
        return ChampionState(
            version=int(version.version),
            bundle_uri=version.source,
            bundle_digest=tags[_PACKAGE],
            evaluation=Window(first_day=tags["evaluation_first_day"], last_day=tags["evaluation_last_day"]),
            log_loss=float(tags["evaluation_log_loss"]),
            newest_candidate_day=max(v.tags["evaluation_last_day"] for v in self._versions()),
            threshold=float(tags["threshold"]),
            previous_version=None if before is None else int(before.version),
            previous_uri="" if before is None else f"{before.source}",
            previous_digest="" if before is None else before.tags[_PACKAGE],
            dependencies={name: tags[tag] for name, tag in DEPENDENCIES.items() if tag in tags},
        )

    def register(self, judged: Judged) -> RegisteredModel:
        """Register a package, once, as `challenger`; judged anew, its version says what it was judged by last.

        Args:
            judged: The candidate with its package and the verdict on it.
        """
        model = judged.model
        self._reach(lambda: self._ensure_model())
        version = self._by_tag(_CANDIDATE, model.bundle_digest)
        if version is None or version.tags[_PACKAGE] != judged.package_digest:
            run = runs.log_candidate(self._tracker, self.name, judged)
            made = {"source": f"{run.info.artifact_uri}/package", "run_id": run.info.run_id}
            tags = _of_model(judged) | _of_judgement(judged, run)
            version = self._reach(lambda: self._client.create_model_version(self.name, **made, tags=tags))
        elif any(version.tags.get(key) != digest for key, digest in _sums(judged).items()):
            run = runs.log_candidate(self._tracker, self.name, judged)
            self._tag(int(version.version), _of_judgement(judged, run))
        number = int(version.version)
        if _SETTLED not in version.tags:
            # Once only: a repeated run must not undo what came after it.
            self._reach(lambda: self._client.set_registered_model_alias(self.name, CHALLENGER, str(number)))
            self._tag(number, {_SETTLED: "true"})
        registered = self.registered(number)
        log.info("version %d of %s: %s", number, self.name, ", ".join(registered.aliases) or "no alias")
        return registered

    def deployed(self, number: int) -> Incumbent:
        """Return a version's package and threshold, with those of groups.

        Args:
            number: The version, or 0 for the champion.

        Raises:
            RegistryError: If there is no such version.
        """
        wanted = number or self.version_of(CHAMPION)
        if wanted is None:
            raise RegistryError(f"{self.name} must have a champion", "none", "run `make retrain`; a decision of PROMOTE makes one")
        return self._incumbent(self.version(wanted))

    def deployable(
        self,
        number: int,
        mode: Mode,
        trail: evidence.Trail,
        at: datetime | None = None,
        share: float = 1.0,
        unapproved_share: float = 0.0,
    ) -> Deployable:
        """Return a version as a step of a rollout may have it.

        It counts as champion if alias and trail agree, so that an alias moved by hand serves nobody.

        Args:
            number: The version.
            mode: The step.
            trail: All rows of the audit trail.
            at: When an approval must hold (with its zone); None for now.
            share: Of the entities that it is to answer as canary; all, if it is not told.
            unapproved_share: That a canary judged REVIEW may answer without an approval; 0 for none.

        Raises:
            PromotionRefused: If a version is to answer as canary without a decision on it, or without an approval that its
                decision asks for, or although it was held back.
            RegistryError: If there is no such version.
        """
        version = self.version(number)
        last = evidence.newest(trail, None, *evidence.MOVES)
        by_trail = number if last is None else ChampionChange.model_validate_json(last.evidence).version
        is_champion = number == by_trail == self.version_of(CHAMPION)
        if mode == Mode.CANARY and not is_champion:  # what may answer all may answer a share
            self._require_tried(version, trail, at or datetime.now(UTC), is_small=share <= unapproved_share)
        digest = version.tags[_PACKAGE]
        return Deployable(version=number, package_uri=f"{version.source}", package_digest=digest, is_champion=is_champion)

    def _require_tried(self, version: Any, trail: evidence.Trail, at: datetime, is_small: bool) -> None:
        """Raise unless a version may be a canary; of a small share it needs no approval."""
        number, tags = int(version.version), version.tags
        faults, lacks_approval = evidence.untried(trail, self.name, number, tags[_CANDIDATE], tags.get(DOSSIER, ""), at)
        if faults and not (is_small and lacks_approval):
            found, mend = ("; ".join(dict.fromkeys(part)) for part in zip(*faults, strict=True))
            about = evidence.subject(self.name, number)
            raise PromotionRefused(f"{about} must be fit to answer as canary", found, f"{mend}; as shadow it may score")

    def registered(self, number: int) -> RegisteredModel:
        """Return a version with its aliases as they are.

        Raises:
            RegistryError: If there is no such version.
        """
        version = self.version(number)
        aliases = [alias for alias in (CHAMPION, CHALLENGER, PREVIOUS) if self.version_of(alias) == number]
        return RegisteredModel(
            name=self.name,
            version=number,
            aliases=aliases,
            package_digest=version.tags[_PACKAGE],
            run_id=version.run_id,
            dossier_digest=version.tags.get(DOSSIER, ""),
        )

    def version(self, number: int) -> Any:
        """Return MLflow's version of a number, with `tags`, `source` and `run_id`.

        Raises:
            RegistryError: If there is no such version.
        """
        found = self._find(number)
        if found is None:
            listed = ", ".join(map(str, sorted(self.tags()))) or "none; run `make retrain`"
            mend = f"choose one of the versions there are: {listed}"
            raise RegistryError(f"{self.name} must have version {number}", "none of that number", mend)
        return found

    def registered_at(self, number: int) -> datetime:
        """Return when a version was registered (UTC). Raises RegistryError if there is no such version."""
        return datetime.fromtimestamp(self.version(number).creation_timestamp / 1000, UTC)

    def make_champion(self, number: int, before: int | None) -> None:
        """Let a version be champion, and the one before it `previous`, unless it was deleted; done again it changes nothing.

        Args:
            number: The version.
            before: The champion until now, or None.
        """
        if before is not None and self._find(before) is not None:
            self._reach(lambda: self._client.set_registered_model_alias(self.name, PREVIOUS, str(before)))
        if self.version_of(CHALLENGER) == number:
            self._reach(lambda: self._client.delete_registered_model_alias(self.name, CHALLENGER))
        self._reach(lambda: self._client.set_registered_model_alias(self.name, CHAMPION, str(number)))
        log.info("version %d of %s: champion%s", number, self.name, "" if before is None else f", version {before}: previous")

    def anchor(self, number: int, row: AuditEntry) -> None:
        """Keep a row's number and hash with the version that it is about: the act is done, and the row must stay."""
        self._tag(number, {f"{_ROW}{row.act.value}": f"{row.number} {row.hash}"})

    def is_pending(self, number: int, row: AuditEntry) -> bool:
        """Return whether the act of a row is still to be done: neither it nor a later one of its kind is kept with its version."""
        version = self._find(number)
        if version is None:  # it was deleted: nothing is left to do with it
            return False
        kept = version.tags.get(f"{_ROW}{row.act.value}")
        return kept is None or int(kept.split()[0]) < row.number

    def anchors(self) -> dict[int, str]:
        """Return number and hash of each row of the trail that versions keep."""
        kept = (text.split() for tags in self.tags().values() for key, text in tags.items() if key.startswith(_ROW))
        return {int(number): digest for number, digest in kept}

    def tags(self) -> dict[int, dict[str, str]]:
        """Return the tags of every version."""
        return {int(version.version): dict(version.tags) for version in self._versions()}

    def bento_uri(self, alias: str) -> str:
        """Return where the Bento of an aliased version lies.

        Raises:
            RegistryError: If the alias names no version.
        """
        version = self._by_alias(alias)
        if version is None:
            raise RegistryError(f"{self.name} must have a {alias}", "no version of that alias", "run `make retrain`")
        return self._bento(version)

    def bento_of(self, number: int) -> str:
        """Return where the Bento of a version lies.

        Raises:
            RegistryError: If there is no such version.
        """
        return self._bento(self.version(number))

    def require_whole(self, number: int) -> str:
        """Return the digest of a version's package, once it and the Bento are known to be there, unaltered.

        Raises:
            RegistryError: If there is no such version.
            BundleError: If one of them is gone or altered.
        """
        version = self.version(number)
        digest: str = version.tags[_PACKAGE]
        bundle.verify(fetch(version.source), digest)
        bundle.verify(fetch(self._bento(version)))
        return digest

    def _bento(self, version: Any) -> str:
        return f"{self._reach(lambda: self._client.get_run(version.run_id)).info.artifact_uri}/bento"

    def _tag(self, number: int, tags: dict[str, str]) -> None:
        for key, text in tags.items():
            self._reach(partial(self._client.set_model_version_tag, self.name, str(number), key, text))

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(self.name)
        except MlflowException:
            self._client.create_registered_model(self.name)

    def _by_alias(self, alias: str) -> Any | None:
        return self._look(lambda: self._client.get_model_version_by_alias(self.name, alias))

    def _find(self, number: int) -> Any | None:
        return self._look(lambda: self._client.get_model_version(self.name, str(number)))

    def _look(self, call: Callable[[], Any]) -> Any | None:
        """Return what MLflow finds, or None."""
        from mlflow.exceptions import MlflowException

        def look() -> Any | None:
            try:
                return call()
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

        return self._reach(look)

    def _versions(self) -> list[Any]:
        return self._reach(lambda: list(self._client.search_model_versions(f"name = '{self.name}'")))

    def _by_tag(self, key: str, value: str) -> Any | None:
        found = self._reach(lambda: self._client.search_model_versions(f"name = '{self.name}' and tags.{key} = '{value}'"))
        return max(found, key=lambda version: int(version.version), default=None)


def _of_model(judged: Judged) -> dict[str, str]:
    """Return the tags that say what a version is."""
    model, evaluation = judged.model, judged.evaluation
    return {
        **judged.lineage,
        _CANDIDATE: model.bundle_digest,
        _PACKAGE: judged.package_digest,
        "features_hash": model.features_hash,
        "threshold": repr(model.threshold),
        **_groups(model),
        "seed": str(model.seed),
        "evaluation_first_day": str(evaluation.window.first_day),
        "evaluation_last_day": str(evaluation.window.last_day),
        "evaluation_log_loss": repr(evaluation.of(model.name).log_loss.value),
    }


def _of_judgement(judged: Judged, run: Any) -> dict[str, str]:
    """Return the tags that say what it was judged by; the sums come last, as a kill may come between."""
    incumbent = judged.evaluation.incumbent_version
    return {
        _INCUMBENT: _NONE if incumbent is None else str(incumbent),
        "verdict": judged.decision.verdict.value,
        "features_digest": judged.decision.features_digest,
        "contract_digest": judged.decision.contract_digest,
        DOSSIER_URI: f"{run.info.artifact_uri}/dossier",
        **_sums(judged),
    }


def _sums(judged: Judged) -> dict[str, str]:
    """Return the tags that tell one judgement from another."""
    return {DOSSIER: judged.dossier_digest, _DECISION: _digest(judged.decision)}


def _groups(model: TrainedModel) -> dict[str, str]:
    if model.grouping is None:
        return {}
    return {_GROUPING: model.grouping.model_dump_json(), _GROUP_THRESHOLDS: json.dumps(model.group_thresholds, sort_keys=True)}


def _digest(decision: Decision) -> str:
    return hashlib.sha256(decision.model_dump_json().encode()).hexdigest()


def _was_brought_back(tags: Mapping[str, str]) -> bool:
    """Return whether the newest act on a version was a rollback to it."""
    rows = {act: int(tags[f"{_ROW}{act.value}"].split()[0]) for act in (Act.PROMOTION, Act.ROLLBACK) if f"{_ROW}{act.value}" in tags}
    return max(rows, key=rows.__getitem__, default=Act.PROMOTION) is Act.ROLLBACK


def _none() -> Incumbent:
    return Incumbent(version=None, bundle_uri=None, bundle_digest=None, threshold=None)
