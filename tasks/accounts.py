"""A task's account: what it used is priced, kept in the lake and shown beside what its runs before it used.

An account that cannot be kept is told and no more: no task fails for it.
"""

from __future__ import annotations

import logging
import os

from pydantic import ValidationError

from tasks import local
from tasks.artifacts.usage import Prices, SizingRules, TaskUsage

log = logging.getLogger(__name__)


def prices() -> Prices:
    """Return the price list: that of the domain (`EVERGREEN_PRICES`, as JSON), or the policy's."""
    from tasks.usecase import policy

    given = os.environ.get("EVERGREEN_PRICES")
    try:
        return Prices.model_validate_json(given) if given else policy.PRICES
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the text'}: {one['msg']}" for one in error.errors()[:5])
        log.warning("EVERGREEN_PRICES must be a price list as JSON; got %s. The policy's prices count instead", wrong)
        return policy.PRICES


def settle(used: TaskUsage, lake: str, rules: SizingRules) -> str:
    """Keep what a task used, and return the section of its Deck on it.

    Args:
        used: What was measured.
        lake: Folder or URI of the lake.
        rules: How what it should ask for follows from what its runs used.
    """
    from tasks.reporting import usage as section
    from tasks.usage import advise

    listed = prices()
    used = used.model_copy(update={"cost": listed.of(used.asked, used.seconds, used.energy_joules)})
    local.finish(used)
    return section.task(used, advise([*_kept(used, lake, rules.runs - 1), used], rules), listed)


def of_run(lake: str, rules: SizingRules) -> tuple[list[TaskUsage], list[TaskUsage]]:
    """Return what the tasks of this execution used so far, and the newest runs of the same tasks.

    On a laptop all of them ran in this process; in a pod each had its own, and what they kept tells.

    Args:
        lake: Folder or URI of the lake.
        rules: How many runs count.
    """
    used = list(local.TRACE.tasks)
    try:
        from tasks.lake import usage

        used = usage.of_run(lake, local.run()) if local.is_pod() else used
        return used, usage.newest(lake, rules.runs, sorted({u.task for u in used}))
    except Exception as error:  # of whatever storage
        log.warning("what earlier runs used could not be read from %s/usage: %s", lake, error)
        return used, []


def _kept(used: TaskUsage, lake: str, runs: int) -> list[TaskUsage]:
    """Return the runs before this one, and keep this one beside them."""
    from tasks.lake import usage

    before: list[TaskUsage] = []
    try:
        before = usage.newest(lake, runs, [used.task])
    except Exception as error:  # of whatever storage: the task's result is worth more
        log.warning("what earlier runs of %s used could not be read from %s/usage: %s", used.task, lake, error)
    try:
        usage.add(lake, used)
    except Exception as error:
        log.warning("what %s used could not be kept in %s/usage: %s", used.task, lake, error)
    return before
