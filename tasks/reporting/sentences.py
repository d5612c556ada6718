"""What each record says, in one sentence of plain words: the first line of its section and its line in the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tasks.artifacts.data import DataSnapshot, Severity, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation, Verdict
from tasks.artifacts.registry import RegisteredModel
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.training import TrainedModel
from tasks.reporting import text


def snapshot(record: DataSnapshot) -> str:
    """Say what data there is, and as of when."""
    rows = sum(table.rows for table in record.tables)
    aside = sum(quarantine.rows for quarantine in record.quarantined)
    return (
        f"{text.count(rows, 'row')} in {text.count(len(record.tables), 'table')} over "
        f"{text.count(text.days_between(record.first_day, record.last_day), 'day')} ({record.first_day} to {record.last_day}), "
        f"as known at {text.instant(record.as_of)}; {text.count(aside, 'row') if aside else 'no rows'} set aside."
    )


def validation(record: ValidationReport) -> str:
    """Say whether the batch is fit to train on."""
    ranks = list(Severity)  # PASS, WARN, STOP; a rule may have a finding a day, of which the worst counts
    worst: dict[str, Severity] = {}
    for finding in record.findings:
        worst[finding.rule] = max(worst.get(finding.rule, Severity.PASS), finding.severity, key=ranks.index)
    total, found = len(worst), Counter(worst.values())
    if record.verdict == Severity.STOP:
        also = f" and {found[Severity.WARN]} more with a warning" if found[Severity.WARN] else ""
        return f"The batch is not fit to train on: {found[Severity.STOP]} of {text.count(total, 'rule')} broken{also}."
    if record.verdict == Severity.WARN:
        warned = found[Severity.WARN]
        return f"The batch is fit to train on; {warned} of {text.count(total, 'rule')} {'warns' if warned == 1 else 'warn'}."
    return f"The batch is fit to train on: it keeps all of {text.count(total, 'rule')}."


def features(rows: int, numeric: Sequence[str], categorical: Sequence[str]) -> str:
    """Say how many rows and features there are."""
    return (
        f"{text.count(rows, 'row')} with {text.count(len(numeric) + len(categorical), 'feature')}: "
        f"{text.count(len(numeric))} numeric and {text.count(len(categorical))} categorical."
    )


def training(models: Sequence[TrainedModel]) -> str:
    """Say what was trained on how much, and how it did on the folds."""
    if not models:
        return "No model was trained."
    seconds = sum(model.train_seconds for model in models)
    on = f"{text.count(models[0].training_rows, 'row')} ({models[0].split.training}) in {text.duration(seconds)}"
    folds = [f"{text.candidate(m)} {text.decimals(mean)}" for m in models if (mean := text.fold_mean(m.folds)) is not None]
    if not folds:
        return f"Trained {text.listed(text.candidate(model) for model in models)} on {on}."
    return f"Trained on {on}; mean log-loss on {text.count(len(models[0].folds), 'fold')}: {text.listed(folds)}."


def evaluation(record: Evaluation) -> str:
    """Say how the candidate does, and against which models the difference is certain."""
    days = text.count(text.days_between(record.window.first_day, record.window.last_day), "day")
    lower, higher, open_ = "lower than that of", "higher than that of", "not certainly different from that of"
    sides: dict[str, list[str]] = {lower: [], higher: [], open_: []}
    for name, gain in record.gains.items():
        sides[lower if gain.lower > 0 else higher if gain.upper < 0 else open_].append(text.model(name, record.incumbent_version))
    compared = [f"{side} {text.listed(names)}" for side, names in sides.items() if names]
    where = f"{text.count(record.rows, 'row')} of {days} ({record.window})"
    return f"On {where} the candidate's log-loss is {record.of(text.CANDIDATE).log_loss}" + (
        f": {', '.join(compared)}." if compared else "."
    )


def decision(record: Decision) -> str:
    """Say what becomes of the candidate."""
    meets = f"{sum(c.holds for c in record.criteria)} of {text.count(len(record.criteria), 'requirement')}"
    champion = "there is no champion yet" if record.incumbent_version is None else f"champion v{record.incumbent_version} stays"
    if record.verdict == Verdict.PROMOTE:
        over = "the first champion" if record.incumbent_version is None else f"the champion in place of v{record.incumbent_version}"
        return f"The candidate may become {over}: it meets {meets}."
    if record.verdict == Verdict.REVIEW:
        return f"A person must approve the candidate: it meets {meets}; until then {champion}."
    return f"The candidate is not promoted: it meets {meets}; {champion}."


def is_fit(record: ServiceCheck) -> bool:
    """Return whether the service may be used: it shows all that it must."""
    return all(requirement.holds for requirement in record.requirements)


def service(record: ServiceCheck) -> str:
    """Say whether the service does what the training code does, and how fast, and what it refuses."""
    does = "answers" if record.largest_difference <= record.tolerance else "does not answer"
    refused = sum(bad.is_refused for bad in record.refusals)
    return (
        f"The service {does} what the training code does: largest difference {record.largest_difference:.2g} on "
        f"{text.count(record.golden_rows, 'row')} (limit {record.tolerance:.2g}). It is ready in {text.duration(record.ready_seconds)}, "
        f"takes {record.p50_ms:.1f} ms for a row (99 of 100: {record.p99_ms:.1f} ms), holds {text.memory(record.memory_mb)}, and "
        f"refuses {refused} of {text.count(len(record.refusals), 'bad request')}."
    )


def registered(record: RegisteredModel) -> str:
    """Say which version the model became, and its aliases."""
    role = f"as {text.listed(record.aliases)}" if record.aliases else "without an alias"
    return f"{record.name} v{record.version} is in the registry {role}."
