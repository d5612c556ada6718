"""How many requests a key may send: a token bucket for each key, of one worker.

Kept as the instant at which the bucket will be full again, one number a key (the generic cell rate algorithm, ITU-T I.371, annex
A). A key whose bucket is full is the same as one that was never seen, so that it can be forgotten.
"""

from __future__ import annotations

_MOST = 10_000  # keys that are remembered: a megabyte


class RateLimiter:
    """Lets `burst` requests of a key pass at once, and `per_second` on the average. For one thread.

    Args:
        per_second: Requests a second, above 0.
        burst: Requests at once, at least 1.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        if not (per_second > 0 and burst >= 1):
            raise ValueError(f"per_second must be above 0 and burst at least 1; got {per_second} and {burst}")
        self._step = 1.0 / per_second
        self._ahead = (burst - 1) * self._step
        self._allowed = (burst - 0.999) * self._step  # a thousandth of a request for what sums of floats are off
        self._full_at: dict[str, float] = {}

    def wait(self, key_id: str, now: float) -> float:
        """Take one request of a key.

        Args:
            key_id: The key.
            now: Seconds of a clock that does not go back.

        Returns:
            0.0 if it may go on; else the seconds until one may, and nothing was taken.
        """
        full_at = max(self._full_at.get(key_id, now), now)
        if full_at - now > self._allowed:
            return full_at - now - self._ahead
        if len(self._full_at) >= _MOST and key_id not in self._full_at:
            self._forget(now)
        self._full_at[key_id] = full_at + self._step
        return 0.0

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        """Forget the keys whose bucket is full, else the half that is nearest to it."""
        kept = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        if len(kept) >= _MOST:
            kept = dict(sorted(kept.items(), key=lambda item: item[1])[_MOST // 2 :])
        self._full_at = kept
