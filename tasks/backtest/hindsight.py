"""What any policy could have reached at best, and what chance reaches: the bounds between which a policy is judged."""

from __future__ import annotations

import numpy as np

from tasks.backtest.history import Array, History, Numbers
from tasks.backtest.replay import schedule


def oracle(history: History) -> list[Numbers]:
    """Return who should have served each day, for each number of promotions from none to all, with all outcomes known.

    Dynamic programming over starts: the least loss up to a start, by the number of promotions and the model that serves. At
    a start any model that was trained by then may be promoted.

    Returns:
        For k = 0, 1, ..., starts - 1 the serving of the least loss with at most k promotions, each of shape (days,).
    """
    count = len(history.starts)
    first = [*(history.first_served(start) for start in range(count)), len(history.days)]
    running = np.concatenate([np.zeros((count, 1)), np.cumsum(history.loss, axis=1)], axis=1)
    slots = running[:, first[1:]] - running[:, first[:-1]]  # loss of each model between one start and the next
    best = np.full((count, count), np.inf)  # by promotions and model
    best[0, 0] = slots[0, 0]
    came = np.full((count, count, count), -1)  # at a start, by promotions and model: the model before, if this one was promoted there
    for slot in range(1, count):
        switched = np.full((count, count), np.inf)
        switched[1:, : slot + 1] = best.min(axis=1)[:-1, None]
        is_switch = switched < best
        came[slot, 1:] = np.where(is_switch[1:], best.argmin(axis=1)[:-1, None], -1)
        best = np.where(is_switch, switched, best) + np.where(np.arange(count) <= slot, slots[:, slot], np.inf)
    return [_followed(history, best, came, first, int(most)) for most in range(count)]


def _followed(history: History, best: Array, came: Numbers, first: list[int], most: int) -> Numbers:
    """Walk back from the least loss with at most so many promotions."""
    count = len(history.starts)
    promotions, model = np.unravel_index(int(np.argmin(best[: most + 1])), (most + 1, count))
    serving = np.zeros(len(history.days), np.int64)
    for slot in range(count - 1, -1, -1):
        serving[first[slot] : first[slot + 1]] = model
        before = came[slot, promotions, model]
        if before >= 0:
            promotions, model = promotions - 1, before
    return serving


def by_chance(history: History, promotions: int, draws: int, seed: int) -> Array:
    """Return the mean log-loss of random schedules with a number of promotions, shape (draws,); nothing is asked of a gate."""
    generator = np.random.default_rng(seed)
    count = len(history.starts)
    order = generator.random((draws, count - 1)).argsort(axis=1)
    promoted = np.concatenate([np.zeros((draws, 1), bool), order < promotions], axis=1)
    return mean_loss(history, schedule(history, promoted))


def mean_loss(history: History, serving: Numbers) -> Array:
    """Return the mean log-loss by row of the served days, shape of `serving` (..., days) to (...)."""
    days = np.arange(history.served, len(history.days))
    loss: Array = history.loss[serving[..., days], days].sum(-1) / history.rows[days].sum()
    return loss
