"""Evidence that the nights leave in the lake: what they looked at, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.artifacts.monitoring import NightReport
from tasks.lake.nights import NightRecord
from tasks.readiness.installation import Absent, Answer, Evidence, Installation, Look
from tasks.readiness.trained import runs

ADMIT = "tasks.validation.task.admit"
"""The task that lets no data pass whose validation says STOP: a night goes on after it only."""

Told = str | Absent | tuple[str, str]
"""What a night shows: in words, or that it does not, or in words with what a full point still lacks."""


def of_night(look: Callable[[Installation, NightReport], Told]) -> Look:
    """Return a look at the newest night on record."""

    def looked(installation: Installation) -> Answer:
        if not installation.nights:
            return Absent("no night on record")
        last = installation.nights[-1]
        told = look(installation, last.report)
        if isinstance(told, Absent):
            return told
        what, lacks = told if isinstance(told, tuple) else (told, "")
        return _evidence(what, last, installation.nights, lacks)

    return looked


@of_night
def dependencies_watched(installation: Installation, night: NightReport) -> Told:
    """Look whether the night compared what the model depends on with what it was the time before."""
    if night.dependencies is None:
        return Absent(f"the night of {night.night} did not look at dependencies")
    known = {one.name: one.now for one in night.dependencies}
    if not known:
        return Absent(f"the night of {night.night} knew of no dependency")
    changed = [one.name for one in night.dependencies if one.has_changed]
    return f"{', '.join(sorted(known))}: " + (f"changed and told: {', '.join(changed)}" if changed else "none has changed")


@of_night
def invariants_hold(installation: Installation, night: NightReport) -> Told:
    """Look whether the night's data passed validation, and the served inputs keep their contract."""
    if not runs(installation, ADMIT):
        return Absent("no run of the validation's gate is on record")
    served, rules = night.served, installation.terms.monitoring.served
    told = "the night's data passed validation"
    if served is None or not served.predictions:
        return told, "no served input has been looked at: nothing was predicted in the newest days"
    worst = max(served.violations.values(), default=0)
    if worst > rules.violations_share * served.predictions:
        return Absent(f"an input of {worst:,} of {served.predictions:,} predictions breaks its contract", is_against=True)
    return f"{told}; of {served.predictions:,} predictions at most {worst:,} had an input outside its contract"


@of_night
def no_skew(installation: Installation, night: NightReport) -> Told:
    """Look whether logged features were what the lake gives for the same instants."""
    served, rules = night.served, installation.terms.monitoring.served
    if served is None or not served.compared:
        return Absent("no logged prediction has been compared with the lake")
    skewed = {one.feature: one.differing for one in served.skew if one.differing > rules.skewed_share * one.rows}
    if skewed:
        return Absent(f"features differ from the lake: {', '.join(sorted(skewed))}", is_against=True)
    return f"{served.compared:,} predictions had the features that the lake gives for the same instant"


@of_night
def not_stale(installation: Installation, night: NightReport) -> Told:
    """Look at the champion's age."""
    oldest = installation.terms.monitoring.trigger.oldest_days
    told = f"the champion, version {night.champion_version}, is {night.age_days} days old by its evaluation; at {oldest} it is stale"
    return Absent(told, is_against=True) if night.age_days >= oldest else told


@of_night
def probabilities_are_finite(installation: Installation, night: NightReport) -> Told:
    """Look whether the champion gave finite probabilities on the newest rows: a loss or an expectation of others fits no record."""
    if night.quality is None and night.estimate is None:
        return Absent(f"the night of {night.night} scored no rows")
    rows = night.quality.rows if night.quality is not None else night.estimate.rows if night.estimate is not None else 0
    what = f"log-loss {night.quality.log_loss}" if night.quality is not None else "its expected log-loss"
    return f"{what} of {rows:,} rows of the newest days, all finite"


@of_night
def quality_holds(installation: Installation, night: NightReport) -> Told:
    """Look whether the champion decays on labelled days after its evaluation."""
    rules = installation.terms.monitoring.quality
    if night.quality is None:
        if night.estimate is None:
            return Absent("no labelled days after the champion's evaluation")
        return (
            f"expected log-loss {night.estimate.log_loss}, {night.estimate.reference_log_loss:.4f} at its evaluation",
            "too few labelled days after the champion's evaluation to say what came",
        )
    told = f"log-loss {night.quality.log_loss} in {night.quality.window}, {night.quality.decay} above that of its evaluation"
    return Absent(f"{told}: decay", is_against=True) if night.quality.decay.lower > rules.decay_margin else told


@of_night
def slices_hold(installation: Installation, night: NightReport) -> Told:
    """Look whether the champion's segments were held to its evaluation."""
    if night.quality is None or not (compared := [s for s in night.quality.segments if s.p_value is not None]):
        return Absent("no segment has been compared with the champion's evaluation")
    return f"{len(compared)} segments held to their log-loss at the champion's evaluation"


def online_follows_offline(installation: Installation) -> Answer:
    """Look at nights with both losses: of the answers that were given, and of the champion on the same days."""
    paired = [night for night in installation.nights if _losses(night.report) is not None]
    pairs = [losses for night in paired if (losses := _losses(night.report)) is not None]
    if not paired:
        return Absent("no night has a loss of served predictions beside the champion's offline one")
    last, least = paired[-1], installation.rules.paired_nights
    if len(pairs) < least:
        told = f"{len(pairs)} nights with both losses, the newest offline {pairs[-1][0]:.4f} and online {pairs[-1][1]:.4f}"
        return _evidence(told, last, paired, f"{len(pairs)} nights with both losses, a correlation needs {least}")
    found = _spearman([offline for offline, _ in pairs], [online for _, online in pairs])
    told = f"rank correlation {found:.2f} of online with offline log-loss over {len(pairs)} nights"
    return Absent(f"{told}: they do not go together", is_against=True) if found <= 0 else _evidence(told, last, paired)


def _evidence(told: str, last: NightRecord, nights: Sequence[NightRecord], lacks: str = "") -> Evidence:
    return Evidence(told, f"lake `nights`, {last.night}", last.recorded_at, len({night.run for night in nights}), lacks)


def _losses(report: NightReport) -> tuple[float, float] | None:
    """Return the offline and the online log-loss of a night, None where it lacks one."""
    if report.quality is None or report.served is None or report.served.log_loss is None:
        return None
    return report.quality.log_loss.value, report.served.log_loss.value


def _spearman(one: list[float], other: list[float]) -> float:
    """Return the rank correlation; 0 where one of them never changes."""
    import polars as pl

    ranked = pl.DataFrame({"one": one, "other": other}).select(pl.all().rank())
    if ranked.get_column("one").n_unique() < 2 or ranked.get_column("other").n_unique() < 2:
        return 0.0
    return float(ranked.select(pl.corr("one", "other")).item())
