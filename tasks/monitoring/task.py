"""Monitor: the champion over the newest labelled days."""

from __future__ import annotations

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.monitoring import MonitoringReport
from tasks.artifacts.registry import ChampionState
from tasks.execution import stage
from tasks.frames import LazyFrame
from tasks.usecase.features import Features


@stage()
def watch(features: LazyFrame[Features], snapshot: DataSnapshot, champion: ChampionState) -> MonitoringReport:
    """Compare the newest labelled days with the champion's reference: drift of inputs, realised quality, age.

    Args:
        features: Features of all days known.
        snapshot: Their data; its clock says which days are labelled.
        champion: The champion.
    """
    from tasks.clock import last_labelled_day
    from tasks.contracts import columns, grouped
    from tasks.execution import publish
    from tasks.model.fetch import fetch
    from tasks.model.trained import load_network
    from tasks.monitoring import watch as watching
    from tasks.reporting import sections
    from tasks.usecase import policy, source

    groups = grouped(Features, columns(Features, "numeric"))
    model = load_network(fetch(champion.bundle_uri), champion.bundle_digest)
    last_day = last_labelled_day(snapshot.as_of, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS)
    report = watching.watch(features, last_day, champion, model, groups, policy.MONITORING)
    publish("monitoring", sections.monitoring(report, None))
    return report
