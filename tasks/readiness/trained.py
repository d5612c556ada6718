"""Evidence that a retraining leaves: decisions in the audit trail, the dossier of the newest version, what its tasks used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tasks.artifacts.audit import Act, AuditEntry, ChampionChange
from tasks.artifacts.backtest import PolicyKind
from tasks.artifacts.data import Severity
from tasks.artifacts.dossier import Dossier
from tasks.artifacts.evaluation import Criterion, Decision
from tasks.artifacts.usage import TaskUsage
from tasks.readiness.installation import Absent, Answer, Evidence, Installation, Look

REGISTER = "tasks.registry.task.register"
FEATURES = ("tasks.features.task.build_features", "tasks.features.task.add_features")
"""Tasks whose runs are looked for in the lake's accounts."""

_SHOWN = 5
_CLOSE = 0.01  # share by which a setting may differ from the one found: defaults are written with three digits
_NOT_CLEAN = ("unknown", "-dirty")


def runs(installation: Installation, *tasks: str) -> list[TaskUsage]:
    """Return the runs of some tasks on record, the oldest first."""
    return sorted((used for task in tasks for used in installation.usage.get(task, ())), key=lambda used: used.started)


def retrained(installation: Installation) -> tuple[datetime, int] | None:
    """Return when the newest retraining ended, and how many are on record; None if there is no version."""
    newest = installation.inventory.newest
    if newest is None:
        return None
    kept = runs(installation, REGISTER)
    at = max([newest.registered_at, *(used.started for used in kept)])
    return at, max(1, len({used.run for used in kept}))


def of_dossier(look: Callable[[Installation, Dossier], str | Absent]) -> Look:
    """Return a look at the dossier of the newest version; what it tells is as old as the newest retraining."""

    def looked(installation: Installation) -> Answer:
        done, newest = retrained(installation), installation.inventory.newest
        if done is None or newest is None:
            return Absent("no registered version")
        if installation.newest is None:
            return Absent(f"no dossier of version {newest.version} that can be read")
        told = look(installation, installation.newest)
        return told if isinstance(told, Absent) else Evidence(told, f"dossier of version {newest.version}", done[0], done[1])

    return looked


@of_dossier
def contract_held(installation: Installation, dossier: Dossier) -> str | Absent:
    """Look whether the newest data were held against the contract of now, and passed."""
    found, report = dossier.decision.contract_digest, dossier.validation
    if not report.findings:
        return Absent("the newest validation has no findings")
    if report.verdict is Severity.STOP:
        return Absent("the newest data did not pass validation", is_against=True)
    if found != installation.terms.contract_digest:
        return Absent(f"the newest data were held against another contract ({found}) than that of now")
    return f"{len(report.findings)} rules, verdict {report.verdict}; contract {found}"


@of_dossier
def features_matter(installation: Installation, dossier: Dossier) -> str | Absent:
    """Look what losing each feature costs the newest candidate, and how many are of no value."""
    effects = {effect.feature: effect.permutation for effect in dossier.explanation.features}
    if unknown := [name for name in _inputs(dossier) if name not in effects]:
        return Absent(f"the worth of {len(unknown)} features is not known: {_listed(unknown)}")
    idle = [name for name, effect in effects.items() if effect.upper <= installation.terms.no_value_log_loss]
    told = f"{len(idle)} of {len(effects)} features are of no value on {dossier.explanation.window}" + (
        f": {_listed(idle)}" if idle else ""
    )
    most = installation.rules.no_value_share
    return Absent(f"{told}; more than {most:.0%}", is_against=True) if len(idle) > most * len(effects) else told


@of_dossier
def inputs_keep_the_rules(installation: Installation, dossier: Dossier) -> str | Absent:
    """Look whether every input of the newest candidate is declared, and none is restricted."""
    inputs, terms = _inputs(dossier), installation.terms
    if stray := sorted(set(inputs) - set(terms.inputs)):
        return Absent(f"inputs that are not declared: {_listed(stray)}", is_against=True)
    if shown := sorted(set(inputs) & terms.restricted):
        return Absent(f"inputs that nobody may see: {_listed(shown)}", is_against=True)
    return f"all {len(inputs)} inputs are declared with meaning, type and range; none is restricted"


@of_dossier
def losses_are_finite(installation: Installation, dossier: Dossier) -> str | Absent:
    """Look at the losses of every epoch and fold of the newest candidate: one that is not finite ends a training, and fits no record."""
    losses = dossier.candidate.losses
    if not losses:
        return Absent("the newest candidate has no losses by epoch")
    if losses[-1] > losses[0]:
        return Absent(f"the loss rose from {losses[0]:.4f} to {losses[-1]:.4f} while it was trained", is_against=True)
    return f"{len(losses)} epochs and {len(dossier.candidate.folds)} folds with finite losses, from {losses[0]:.4f} to {losses[-1]:.4f}"


@of_dossier
def service_parity(installation: Installation, dossier: Dossier) -> str | Absent:
    """Look whether the newest candidate's service answered as the training code does."""
    service = dossier.service
    if service.largest_difference > service.tolerance or not service.golden_rows:
        return Absent(f"the service differs from the training code by {service.largest_difference:.1e}", is_against=True)
    return f"{service.golden_rows:,} rows answered as trained, to {service.largest_difference:.1e}"


def features_are_cheap(installation: Installation) -> Answer:
    """Look what making all features took at most: no single one takes more."""
    kept = [used for used in runs(installation, *FEATURES) if not used.cached]
    if not kept:
        return Absent("no run of the tasks that make features")
    # The dearest run of those on record: the newest may have had nothing to make.
    dearest, most = max(kept, key=lambda used: used.seconds), installation.rules.feature_seconds
    told = f"all of them took at most {dearest.seconds:.1f} s, at a cost of {dearest.cost:.4f}, in {len(kept)} runs"
    if dearest.seconds > most:
        return Absent(f"{told}; more than {most:g} s", is_against=True)
    return Evidence(told, "lake `usage`", kept[-1].started, len({used.run for used in kept}))


def judged(wanted: Callable[[Criterion], bool], what: str) -> Look:
    """Return a look for criteria of the gate: the newest decision has them, and the champion met them or was approved by a person."""

    def look(installation: Installation) -> Answer:
        done, newest = retrained(installation), _newest_decision(installation)
        champion = installation.inventory.of("champion")
        if done is None or newest is None:
            return Absent("no decision in the audit trail")
        row, decision = newest
        if not (found := [c for c in decision.criteria if wanted(c)]):
            return Absent(f"the newest decision says nothing of {what}")
        if champion is None:
            return Absent(f"{what} was judged, but there is no champion")
        of_champion = decision_on(installation, champion.version)
        if of_champion is None:
            return Absent(f"no decision on the champion, version {champion.version}")
        failed = [c.reason for c in of_champion.criteria if wanted(c) and not c.holds]
        if failed and not _is_approved(installation, champion.version):
            return Absent(f"the champion, version {champion.version}: {failed[0]}", is_against=True)
        held = [c for c in found if c.holds]
        told = (
            f"{what}: {len(held)} of {len(found)} criteria hold for {row.subject}, {decision.verdict}; such as: {(held or found)[0].reason}"
        )
        is_judged = any(wanted(c) for c in of_champion.criteria)
        lacks = "" if is_judged else f"the decision on the champion, version {champion.version}, says nothing of {what}"
        return Evidence(told, f"lake `audit`, row {row.number}", max(row.at, done[0]), done[1], lacks)

    return look


def slices_judged(installation: Installation) -> Answer:
    """Look whether segments were measured, and held to the champion's; a first model has none to be held to."""
    newest, done = installation.newest, retrained(installation)
    if newest is None or done is None or not (segments := newest.evaluation.segments):
        return Absent("no segment of a candidate has been measured")
    answer = judged(lambda c: c.name.startswith("segment "), "segments")(installation)
    if isinstance(answer, Evidence) or answer.is_against:
        return answer
    told = f"{len(segments)} segments measured, {len(newest.evaluation.weak_segments.confirmed)} found weak by search"
    return Evidence(told, "dossier of the newest version", *done, lacks="no segment was held to a champion's: the newest decision had none")


def groups_judged(installation: Installation) -> Answer:
    """Look whether differences between the groups of every sensitive attribute were measured and judged."""
    newest = installation.newest
    if newest is not None and newest.fairness.not_measured:
        return Absent(f"not measured: {_listed(sorted(newest.fairness.not_measured))}")
    for attribute in installation.terms.attributes:
        answer = judged(lambda c, a=attribute: c.name.endswith(f" of {a}"), f"differences by {attribute}")(installation)  # type: ignore[misc]
        if isinstance(answer, Absent):
            return answer
    if not installation.terms.attributes:
        return Absent("no sensitive attribute has limits")
    return judged(lambda c: any(c.name.endswith(f" of {a}") for a in installation.terms.attributes), "differences between groups")(
        installation
    )


def specification(installation: Installation) -> Answer:
    """Look whether the champion is of a commit without stray changes, and whether a person approved it."""
    champion, done = installation.inventory.of("champion"), retrained(installation)
    if champion is None or done is None:
        return Absent("there is no champion")
    commit = champion.code_commit
    if not commit or any(mark in commit for mark in _NOT_CLEAN):
        return Absent(f"version {champion.version} is of code that is in no commit ({commit or 'not told'})", is_against=True)
    told = f"version {champion.version} is of commit {commit[:12]}"
    lacks = "" if _is_approved(installation, champion.version) else f"no person has approved version {champion.version}: the gate alone has"
    return Evidence(told, "registry, tag `code_commit`; lake `audit`", champion.registered_at, lacks=lacks)


def settings_searched(installation: Installation) -> Answer:
    """Look for a search whose findings are the settings that the newest candidate was trained with."""
    found = sorted([*installation.inventory.searches, *installation.searches], key=lambda search: search.at)
    if not found:
        return Absent("no search of settings")
    if installation.newest is None:
        return Absent("no dossier whose settings could be compared with a search")
    used = installation.newest.candidate.config.network
    for search in reversed(found):
        other = [name for name in search.searched if not _close(getattr(used, name), getattr(search.found, name))]
        if not other:
            return Evidence(f"{search.trials} trials of {len(search.searched)} settings found what is used", search.where, search.at)
    return Absent(f"the newest candidate has other settings than any search found: {_listed(other)}")


def staleness_known(installation: Installation) -> Answer:
    """Look for a backtest that tells what an old model costs, and for the nightly comparison with an older one."""
    nights = [night for night in installation.nights if night.report.quality is not None]
    with_older = [night for night in nights if night.report.quality is not None and night.report.quality.over_previous is not None]
    if with_older:
        last = with_older[-1]
        quality = last.report.quality
        assert quality is not None
        told = f"log-loss {quality.over_previous} above that of version {quality.previous_version}, the older one, on the same rows"
        return Evidence(told, f"lake `nights`, {last.night}", last.recorded_at, len({night.run for night in with_older}))
    lacks = "no night compares the champion with an older version yet: that needs a second champion and a night after it"
    if installation.backtest is not None:
        backtest, at = installation.backtest
        fixed = {p.name: p.log_loss.value for p in backtest.policies if p.kind is PolicyKind.FIXED}
        told = f"log-loss by age of the model on {backtest.window}: " + ", ".join(f"{name} {loss:.4f}" for name, loss in fixed.items())
        return Evidence(told, "backtest/backtest.json", at, lacks=lacks)
    if nights:
        last = nights[-1]
        assert last.report.quality is not None
        told = f"{last.report.age_days} days after its evaluation the log-loss is {last.report.quality.decay} above it"
        return Evidence(told, f"lake `nights`, {last.night}", last.recorded_at, lacks=lacks)
    return Absent("no backtest, and no night with labels after the champion's evaluation")


def gate_guards(installation: Installation) -> Answer:
    """Look whether the trail is whole, and the champion rests on a decision in it."""
    report, champion, done = installation.trail_report, installation.inventory.of("champion"), retrained(installation)
    if not report.is_whole:
        return Absent(f"the audit trail is broken at row {report.broken_at}: it {report.problem}", is_against=True)
    if champion is None or done is None:
        return Absent("there is no champion")
    moved = _changes(installation, champion.version)
    if not moved:
        return Absent(f"version {champion.version} became champion past the audit trail", is_against=True)
    row, change = moved[-1]
    if row.act is Act.PROMOTION and change.decision is None:
        return Absent(f"the promotion of version {champion.version} names no decision", is_against=True)
    by = f"the decision of row {change.decision}" if change.decision is not None else "a rollback"
    return Evidence(f"version {champion.version} is champion by {by}; the trail of {report.rows} rows is whole", "lake `audit`", *done)


def performance_holds(installation: Installation) -> Answer:
    """Look whether a task took far longer the last time than ever before."""
    rules = installation.rules
    slow, compared, at = [], 0, datetime.min
    for task, kept in installation.usage.items():
        done = [used for used in kept if not used.cached and used.seconds >= rules.fewest_seconds]
        if len(done) < rules.repeats:
            continue
        compared += 1
        before = max(used.seconds for used in done[:-1])
        at = done[-1].started if compared == 1 else max(at, done[-1].started)
        if done[-1].seconds > rules.slowdown * before:
            slow.append(f"{task.removeprefix('tasks.')} {done[-1].seconds:.1f} s, before at most {before:.1f} s")
    if not compared:
        return Absent(f"no task has {rules.repeats} runs of {rules.fewest_seconds:g} s on record to compare")
    if slow:
        return Absent(f"slower than {rules.slowdown:g} times its slowest run: {_listed(slow)}", is_against=True)
    told = f"the newest runs of {compared} tasks took at most {rules.slowdown:g} times as long as their slowest before"
    return Evidence(told, "lake `usage`", at)


def decision_on(installation: Installation, version: int) -> Decision | None:
    """Return the newest decision on a version, None if there is none."""
    about = f"{installation.inventory.name} version {version}"
    rows = [row for row in installation.trail if row.act is Act.DECISION and row.subject == about]
    return Decision.model_validate_json(rows[-1].evidence) if rows else None


def _newest_decision(installation: Installation) -> tuple[AuditEntry, Decision] | None:
    rows = [row for row in installation.trail if row.act is Act.DECISION]
    return (rows[-1], Decision.model_validate_json(rows[-1].evidence)) if rows else None


def _changes(installation: Installation, version: int) -> list[tuple[AuditEntry, ChampionChange]]:
    """Return the acts that made a version champion, the oldest first."""
    acts = (Act.PROMOTION, Act.ROLLBACK)
    moves = [(row, ChampionChange.model_validate_json(row.evidence)) for row in installation.trail if row.act in acts]
    return [move for move in moves if move[1].version == version]


def _is_approved(installation: Installation, version: int) -> bool:
    return any(change.approval is not None for _, change in _changes(installation, version))


def _inputs(dossier: Dossier) -> list[str]:
    return [*dossier.candidate.numeric_features, *dossier.candidate.categorical_features]


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _CLOSE * max(abs(one), abs(other))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
