"""What the champion depends on without holding it: packages, data contract, features' definitions, source; and whether that changed.

A change is told once, by the first night that sees it: each night compares with the one before it on record, and the first one
with what the champion was trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.artifacts.monitoring import Dependency, NightReport, Problem

_SHOWN = 12  # characters of a digest


def look(today: Mapping[str, str], trained_with: Mapping[str, str], earlier: Sequence[NightReport]) -> list[Dependency]:
    """Compare what there is today with the time before; what is not known today is left out.

    Args:
        today: Name of a dependency to its digest or name, empty where it cannot be told (a pod has no lock).
        trained_with: The same, of the champion.
        earlier: Reports of nights before this one, the oldest first.
    """
    looked = next((report for report in reversed(earlier) if report.dependencies is not None), None)
    before = dict(trained_with)
    if looked is not None and looked.dependencies is not None:
        before |= {one.name: one.now for one in looked.dependencies}
    return [Dependency(name=name, then=before.get(name, ""), now=now) for name, now in sorted(today.items()) if now]


def problems(found: Sequence[Dependency]) -> list[Problem]:
    """Return what a person should look at: all that has changed, together."""
    changed = [f"{one.name} {_short(one.then)}, now {_short(one.now)}" for one in found if one.has_changed]
    if not changed:
        return []
    told = f"dependencies changed: {'; '.join(changed)}"
    return [Problem(name="dependencies", told=told, runbook="operations/runbook.md#dependencies-changed")]


def _short(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}..."
