"""What the service answers: predictions, explanations, and what becomes of outcomes. Knows nothing of HTTP but its refusals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from tasks.artifacts.serving import ClientRow, Key, ServiceRules
from tasks.errors import EvergreenError
from tasks.serving import explain, request
from tasks.serving.guard import Guard
from tasks.serving.identifiers import PACKAGE_DIGITS, Identifiers
from tasks.serving.journal import Journal
from tasks.serving.metrics import Metrics
from tasks.serving.outcomes import Outcome, Outcomes
from tasks.serving.predictor import Encoded, rounded
from tasks.serving.request import PREDICTED_AT, Accepted, Asked, Rejected
from tasks.serving.revisions import Live, Loaded, Revisions
from tasks.serving.shadow import Job, Shadow

log = logging.getLogger(__name__)

_SKEW = timedelta(minutes=1)  # that clocks of clients may be ahead


class Features(Protocol):
    """Makes features of what a client sends of what it asks about."""

    def completed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with all that follows from what was sent; raises EvergreenError if it cannot be."""

    def features_of(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the columns of `Features` that are known at the rows' prediction instants."""


@dataclass(frozen=True)
class Parts:
    """What a worker answers with. `state` gives the instant of the online state and what makes features from it, or None."""

    rules: ServiceRules
    revisions: Revisions
    identifiers: Identifiers
    journal: Journal
    outcomes: Outcomes
    metrics: Metrics
    guard: Guard
    shadow: Shadow
    state: Callable[[], tuple[datetime, Features] | None]


@dataclass(frozen=True)
class _Scored:
    """Some rows of a request (their positions), answered by one model."""

    arm: str
    by: Loaded
    positions: npt.NDArray[np.int64]
    encoded: Encoded
    probabilities: npt.NDArray[np.float64]
    flagged: npt.NDArray[np.bool_]


class Answers:
    """Answers of one worker.

    Args:
        parts: What it answers with.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._accepted: tuple[int, Accepted] | None = None

    # --- predictions ---------------------------------------------------------------------------------------------------

    def predict(self, body: bytes, key: Key) -> bytes:
        """Answer with probabilities and decisions; the answer is in the prediction log when this returns.

        Args:
            body: `{"rows": [...]}` with features, or `{"orders": [...]}` as the use case calls its rows, as JSON.
            key: Who asks.

        Raises:
            Rejected: If the body is not as it must be, or there is no online state to make features from.
            OSError: If the prediction log cannot be written.
        """
        live, rules = self.parts.revisions.live, self.parts.rules
        asked = self._asked(body, live, rules.most_rows)
        rows, now = asked.rows, datetime.now(UTC)
        scored = self._score(live, rows)
        predictions: list[dict[str, Any]] = [{} for _ in rows]
        logged: list[dict[str, Any]] = [{} for _ in rows]
        for part in scored:
            package, version = part.by.digest[:PACKAGE_DIGITS], part.by.version
            warnings = self._warnings(part, rows)
            for i, position in enumerate(part.positions.tolist()):
                at = asked.predicted_at[position] if asked.predicted_at else now
                common = {
                    "prediction_id": self.parts.identifiers.make(package, at),
                    "package": package,
                    "probability": float(part.probabilities[i]),
                    "flagged": bool(part.flagged[i]),
                }
                further = asked.warnings[position] if asked.warnings else []
                predictions[position] = {**common, "model_version": version, "warnings": warnings[i] + further}
                logged[position] = {**common, "arm": part.arm, "version": version, PREDICTED_AT: at}
        # The rows as they were read, not the body: of a field that stands there twice only the last was looked at.
        line = {"kind": "answer", "at": now, "revision": live.revision, "key": key.id, "predictions": logged, "request": {"rows": rows}}
        self.parts.journal.write(to_json(line))
        self._ask_others(live, scored, rows, [p["prediction_id"] for p in predictions])
        return to_json({"model": live.champion.predictor.name, "predictions": predictions})

    def _asked(self, body: bytes, live: Live, most: int) -> Asked:
        """Return the rows that a body asks for."""
        found, accepted = request.read(body), self._accepts(live)
        client = live.champion.predictor.client
        named = request.only(found, "rows", *([client.names.rows] if client else []))
        if "rows" in found:
            rows = request.listed(named, "rows", most)
            request.check_rows(rows, accepted)
            return Asked(rows)
        assert client is not None  # or there is no other name
        return self._from_state(request.listed(named, client.names.rows, most), client, accepted)

    def _accepts(self, live: Live) -> Accepted:
        """Return what rows may hold while a revision stands."""
        if self._accepted is None or self._accepted[0] != live.revision:
            models = [arm.predictor for arm in (live.champion, live.canary, live.shadow) if arm is not None]
            numeric = frozenset[str]().union(*(model.accepted for model in models))
            champion = live.champion.predictor
            unread, key = numeric - frozenset(champion.numeric), champion.client.key if champion.client else ""
            self._accepted = live.revision, Accepted(numeric, frozenset(champion.categorical), unread, key)
        return self._accepted[1]

    def _from_state(self, listed: list[dict[str, Any]], client: ClientRow, accepted: Accepted) -> Asked:
        """Return the features of what is listed: from the online state, but for those that the request gives itself."""
        name = client.names.rows
        entries = [request.check_fields(entry, client.fields, f"{name}[{i}]", "features") for i, entry in enumerate(listed)]
        given = [entry.pop("features", {}) for entry in entries]
        for i, features in enumerate(given):
            if not isinstance(features, dict):
                raise request.invalid(f"must be an object; got {request.kind_of(features)}", f"{name}[{i}].features")
            unknown = sorted(features.keys() - accepted.numeric - accepted.categorical)
            if unknown:
                raise request.invalid("no feature has this name", f"{name}[{i}].features.{request.shown(unknown[0])}")
            request.check_values(features, accepted, f"{name}[{i}].features")
        current = self.parts.state()
        if current is None:
            raise Rejected(503, "no state", "there is no online state yet: send rows with all features, or publish one", name)
        as_of, features = current
        made = features.features_of([_completed(features, entry, f"{name}[{i}]") for i, entry in enumerate(entries)])
        rows, instants, warnings = [], [], []
        for found, own in zip(made, given, strict=True):
            rows.append({name: value for name, value in found.items() if name in accepted.names} | own)
            instants.append(found[PREDICTED_AT])
            hours = (found[PREDICTED_AT] - as_of) / timedelta(hours=1)
            warnings.append([f"the online state is {hours:.0f} hours old"] if hours > self.parts.rules.state_stale_hours else [])
        for _ in filter(None, warnings):
            self.parts.metrics.warned("stale state")
        request.check_rows(rows, accepted)
        return Asked(rows, instants, warnings)

    def _score(self, live: Live, rows: Sequence[Mapping[str, Any]]) -> list[_Scored]:
        """Return all rows, scored: each by the model that its entity is with."""
        everything = np.arange(len(rows))
        if live.canary is None:
            return [self._by(live, live.champion, "champion", rows, everything)]
        is_canary = np.array([live.is_canary(self._entity(row)) for row in rows])
        found, left = [], everything[~is_canary]
        if is_canary.any():
            try:
                found.append(self._by(live, live.canary, "canary", rows, everything[is_canary]))
            except Rejected:
                raise
            except Exception as error:  # whatever a canary does, its callers get an answer
                log.warning("the canary failed with %s: the champion answers", type(error).__name__)
                self.parts.guard.request("canary", 0.0, True, int(is_canary.sum()), live.revision)
                left = everything
        if len(left):
            try:
                found.append(self._by(live, live.champion, "champion", rows, left))
            except Rejected:
                raise
            except Exception:
                self.parts.guard.request("champion", 0.0, True, len(left), live.revision)  # a row that fails both is not the canary's fault
                raise
        return found

    def _entity(self, row: Mapping[str, Any]) -> str:
        return "|".join(str(row.get(name)) for name in self.parts.rules.entity)

    def _by(self, live: Live, model: Loaded, arm: str, rows: Sequence[Mapping[str, Any]], positions: npt.NDArray[np.int64]) -> _Scored:
        own = rows if len(positions) == len(rows) else [rows[i] for i in positions]
        started = time.perf_counter()
        encoded = self._encoded(model, own, live)
        found = rounded(model.predictor.probabilities(encoded))
        if not np.isfinite(found).all():
            raise ArithmeticError("a probability that is none")
        flagged = model.predictor.flag(own, found)
        seconds = time.perf_counter() - started
        if live.canary is not None:
            self.parts.guard.request(arm, seconds, False, len(own), live.revision)
        self.parts.metrics.predicted(arm, found, flagged, seconds)
        return _Scored(arm, model, positions, encoded, found, flagged)

    def _encoded(self, model: Loaded, rows: Sequence[Mapping[str, Any]], live: Live) -> Encoded:
        """Return rows as arrays.

        Raises:
            Rejected: If a number is beyond what the model reads.
        """
        try:
            encoded = model.predictor.encode(rows)
        except OverflowError:
            encoded = None
        if encoded is None or np.isinf(encoded.values).any():
            for row in rows:
                request.check_values(row, self._accepts(live), "rows[]")
        assert encoded is not None
        return encoded

    def _warnings(self, part: _Scored, rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        """Return what a caller should know of each row: categories never seen, features left out."""
        warnings: list[list[str]] = [[] for _ in part.positions]
        names = part.by.predictor.categorical
        unknown = part.encoded.codes == 0
        for i, column in np.argwhere(unknown).tolist() if unknown.any() else ():
            warnings[i].append(f"{names[column]} {rows[int(part.positions[i])][names[column]]!r} was never seen in training")
            self.parts.metrics.warned("unknown category")
        absent = np.count_nonzero(np.isnan(part.encoded.values), axis=1)
        # Gusts and the like are missing on most days, so that only what is left out by half and more is worth a word.
        for i in np.flatnonzero(absent * 2 > part.encoded.values.shape[1]).tolist():
            warnings[i].append(f"{absent[i]} of {part.encoded.values.shape[1]} numeric features are missing: typical values stand in")
            self.parts.metrics.warned("missing features")
        return warnings

    # --- beside the request --------------------------------------------------------------------------------------------

    def _ask_others(self, live: Live, scored: Sequence[_Scored], rows: list[dict[str, Any]], ids: Sequence[str]) -> None:
        """Let the shadow score what was answered, and the champion what the canary answered; dropped if they are behind."""
        for part in scored:
            others = [other for other in (live.champion if part.arm == "canary" else None, live.shadow) if other is not None]
            for other in others:
                own = part.positions.tolist()
                job = Job(live, [rows[i] for i in own], [ids[i] for i in own], part.probabilities, other)
                if not self.parts.shadow.offer(job):
                    self.parts.metrics.dropped(len(own))

    def score_beside(self, job: Job) -> None:
        """Score what another model has answered, and log it; runs off the request path."""
        encoded = job.other.predictor.encode(job.rows)
        found = rounded(job.other.predictor.probabilities(encoded))
        if job.other is job.live.champion:
            entities = [self._entity(row) for row in job.rows]
            self.parts.guard.scored(found, job.probabilities, job.live.revision, encoded.digests(), entities)
        line = {
            "kind": "shadow",
            "at": datetime.now(UTC),
            "revision": job.live.revision,
            "version": job.other.version,
            "package": job.other.digest[:PACKAGE_DIGITS],
            "scores": list(zip(job.prediction_ids, found.tolist(), strict=True)),
        }
        self.parts.journal.write(to_json(line))
        self.parts.metrics.shadowed(len(job.rows))

    # --- explanations and outcomes -------------------------------------------------------------------------------------

    def explain(self, body: bytes) -> bytes:
        """Answer with what each feature adds to the probability of the typical row.

        Raises:
            Rejected: As `predict`.
        """
        live = self.parts.revisions.live
        asked = self._asked(body, live, self.parts.rules.explain_rows)
        explained = [self._explanation(live, row) for row in asked.rows]
        self.parts.metrics.explained(len(explained))
        return to_json({"model": live.champion.predictor.name, "explanations": explained})

    def _explanation(self, live: Live, row: Mapping[str, Any]) -> dict[str, Any]:
        if live.canary is not None and live.is_canary(self._entity(row)):
            try:
                return self._explained_by(live.canary, live, row)
            except Rejected:
                raise
            except Exception as error:
                log.warning("the canary failed to explain with %s: the champion does", type(error).__name__)
        return self._explained_by(live.champion, live, row)

    def _explained_by(self, model: Loaded, live: Live, row: Mapping[str, Any]) -> dict[str, Any]:
        encoded = self._encoded(model, [row], live)
        typical, added = explain.contributions(model.predictor, encoded)
        names = [*model.predictor.numeric, *model.predictor.categorical]
        return {
            "model_version": model.version,
            "package": model.digest[:PACKAGE_DIGITS],
            "probability": float(rounded(model.predictor.probabilities(encoded))[0]),
            "typical_probability": typical,
            "contributions": [
                {"feature": names[f], "value": row.get(names[f]), "contribution": float(added[f])}
                for f in np.argsort(-np.abs(added), kind="stable")
            ],
        }

    def feedback(self, body: bytes, key: Key) -> bytes:
        """Keep outcomes of predictions, all of a request or none.

        Raises:
            Rejected: If an id was never given (404), has an outcome already (409), or the times are out of order.
        """
        now = datetime.now(UTC)
        entries = request.listed(request.only(request.read(body), "outcomes"), "outcomes", self.parts.rules.most_rows)
        outcomes = [self._outcome(entry, f"outcomes[{i}]", now) for i, entry in enumerate(entries)]
        ids = [outcome.prediction_id for outcome in outcomes]
        if len(set(ids)) != len(ids):
            repeated = next(i for i, each in enumerate(ids) if each in ids[:i])
            raise Rejected(409, "replayed", "this prediction stands in the request twice", f"outcomes[{repeated}].prediction_id")
        known = self.parts.outcomes.add(outcomes, key.id, now)
        if known:
            raise Rejected(409, "replayed", "this prediction has an outcome already", f"outcomes[{ids.index(known[0])}].prediction_id")
        self.parts.metrics.outcome(len(outcomes))
        return to_json({"accepted": len(outcomes)})

    def _outcome(self, entry: dict[str, Any], where: str, now: datetime) -> Outcome:
        unknown = sorted(entry.keys() - {"prediction_id", "outcome", "known_at"})
        if unknown:
            raise request.invalid("no such field", f"{where}.{request.shown(unknown[0])}")
        name, outcome = entry.get("prediction_id"), entry.get("outcome")
        if not isinstance(name, str):
            raise request.invalid(f"must be a string; got {request.kind_of(name)}", f"{where}.prediction_id")
        if not isinstance(outcome, bool):
            raise request.invalid(f"must be true or false; got {request.kind_of(outcome)}", f"{where}.outcome")
        issued = self.parts.identifiers.read(name)
        if issued is None:
            raise Rejected(404, "unknown", "no prediction has this id", f"{where}.prediction_id")
        known_at = request.instant(entry["known_at"]) if "known_at" in entry else now
        if known_at is None:
            raise request.invalid("must be an instant with its zone, such as 2013-09-05T22:00:00Z", f"{where}.known_at")
        if not issued.at <= known_at <= now + _SKEW:
            place = f"{where}.known_at" if "known_at" in entry else where
            raise request.invalid("must be known after the instant that was predicted for, and not in the future", place)
        return Outcome(name, outcome, known_at)


def _completed(features: Features, entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return features.completed(entry)
    except EvergreenError as error:  # what must hold, without what was found
        raise request.invalid(error.expected, where) from None
