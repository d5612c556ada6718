"""The registry: versions with their lineage, and the aliases `champion`, `challenger` and `previous`, in MLflow.

The only module that changes the registry. Everything here can be run again after a kill: a package that is already
registered is found by its digest, and aliases are set last.
"""

from __future__ import annotations

import logging
from typing import Any

from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState, Incumbent, RegisteredModel
from tasks.errors import RegistryError
from tasks.registry import runs
from tasks.registry.runs import Judged
from tasks.registry.tracking import Tracker

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
_CANDIDATE, _INCUMBENT, _PACKAGE = "candidate_digest", "incumbent_version", "package_digest"
_SETTLED = "alias_settled"
_NONE = "none"


class Registry:
    """One model's versions in one MLflow.

    Args:
        uri: MLflow's tracking URI: a server, or `sqlite:///` and a path.
        name: The model's name.

    Raises:
        RegistryError: If it is out of reach.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.name = name
        self._tracker = Tracker(uri, name)
        self._client, self._reach = self._tracker.client, self._tracker.reach

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias names, None if it names none."""
        found = self._by_alias(alias)
        return int(found.version) if found else None

    def incumbent(self, candidate_digest: str) -> Incumbent:
        """Return the model that a candidate has to beat.

        A candidate that was judged before is judged against the same champion again, so that a run repeated with
        nothing changed gives the same verdict and not a comparison of a champion with itself.
        """
        seen = self._by_tag(_CANDIDATE, candidate_digest)
        if seen is not None:
            recorded = seen.tags[_INCUMBENT]
            return _none() if recorded == _NONE else self._incumbent(self._version(int(recorded)))
        champion = self._by_alias(CHAMPION)
        return _none() if champion is None else self._incumbent(champion)

    def _incumbent(self, version: Any) -> Incumbent:
        return Incumbent(
            version=int(version.version),
            bundle_uri=f"{version.source}",
            bundle_digest=version.tags[_PACKAGE],
            threshold=float(version.tags["threshold"]),
        )

    def champion(self) -> ChampionState:
        """Return the champion with the window and log-loss of its evaluation.

        Raises:
            RegistryError: If there is none.
        """
        version = self._by_alias(CHAMPION)
        if version is None:
            raise RegistryError(f"{self.name} must have a champion", "none", "run `make retrain`; a decision of PROMOTE makes one")
        tags = version.tags
        return ChampionState(
            version=int(version.version),
            bundle_uri=version.source,
            bundle_digest=tags[_PACKAGE],
            evaluation=Window(first_day=tags["evaluation_first_day"], last_day=tags["evaluation_last_day"]),
            log_loss=float(tags["evaluation_log_loss"]),
            newest_candidate_day=max(v.tags["evaluation_last_day"] for v in self._versions()),
        )

    def register(self, judged: Judged) -> RegisteredModel:
        """Register a package, and set its alias by the decision, once: `champion` on PROMOTE, else `challenger`.

        Args:
            judged: The candidate with its package and the verdict on it.
        """
        model, evaluation, decision = judged.model, judged.evaluation, judged.decision
        self._reach(lambda: self._ensure_model())
        version = self._by_tag(_CANDIDATE, model.bundle_digest)
        if version is None or version.tags[_PACKAGE] != judged.package_digest:
            run = runs.log_candidate(self._tracker, self.name, judged)
            tags = {
                **judged.lineage,
                _CANDIDATE: model.bundle_digest,
                _PACKAGE: judged.package_digest,
                _INCUMBENT: _NONE if evaluation.incumbent_version is None else str(evaluation.incumbent_version),
                "features_hash": model.features_hash,
                "threshold": repr(model.threshold),
                "seed": str(model.seed),
                "evaluation_first_day": str(evaluation.window.first_day),
                "evaluation_last_day": str(evaluation.window.last_day),
                "evaluation_log_loss": repr(evaluation.of(model.name).log_loss.value),
                "verdict": decision.verdict.value,
            }
            source = f"{run.info.artifact_uri}/package"
            version = self._client.create_model_version(self.name, source=source, run_id=run.info.run_id, tags=tags)
        number = int(version.version)
        if _SETTLED not in version.tags:
            # Once only: a repeated run must not undo what came after it, a rollback by a person among it.
            self._set_alias(number, decision.verdict)
            self._client.set_model_version_tag(self.name, str(number), _SETTLED, "true")
        aliases = [a for a in (CHAMPION, CHALLENGER, PREVIOUS) if self.version_of(a) == number]
        log.info("version %d of %s: %s", number, self.name, ", ".join(aliases) or "no alias")
        return RegisteredModel(name=self.name, version=number, aliases=aliases, package_digest=judged.package_digest, run_id=version.run_id)

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
        return f"{self._client.get_run(version.run_id).info.artifact_uri}/bento"

    def _set_alias(self, number: int, verdict: Verdict) -> None:
        if verdict != Verdict.PROMOTE:
            self._client.set_registered_model_alias(self.name, CHALLENGER, str(number))
            return
        champion = self.version_of(CHAMPION)
        if champion is not None and champion != number:
            self._client.set_registered_model_alias(self.name, PREVIOUS, str(champion))
        self._client.set_registered_model_alias(self.name, CHAMPION, str(number))

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(self.name)
        except MlflowException:
            self._client.create_registered_model(self.name)

    def _by_alias(self, alias: str) -> Any | None:
        from mlflow.exceptions import MlflowException

        def look() -> Any | None:
            try:
                return self._client.get_model_version_by_alias(self.name, alias)
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

    def _version(self, number: int) -> Any:
        return self._reach(lambda: self._client.get_model_version(self.name, str(number)))


def _none() -> Incumbent:
    return Incumbent(version=None, bundle_uri=None, bundle_digest=None, threshold=None)
