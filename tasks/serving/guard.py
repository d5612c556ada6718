"""The guard of a canary: it says when the canary is worse than the champion for certain, from what one worker has seen.

Three things are compared: failures, seconds of the model, and the distribution of probabilities of the same rows. Each is looked
at again and again, so each look has its own level: of a level A, look k is given A / (k (k + 1)), which sums to A over all looks
ever made (the union bound; the series as in Robbins, "Statistical methods related to the law of the iterated logarithm", 1970).
Both models are compared over the same requests' time, so that a busy hour is a busy hour for both. Memory is bounded.

Counted as independent: requests, and distinct rows for the distribution. A row that is asked for again (a screen that polls its
rows) counts once, as its scores say nothing new; rows of few entities say nothing of the distribution. Outcomes are compared
elsewhere, when they are known.

The level is spent by machine: the workers of one server share it, and each machine has a pointer and a guard of its own. Of m
machines one or more send a good canary back with a chance of at most m times the level, each for itself alone; who runs many
divides `level` of the rules by their number.
"""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.artifacts.serving import GuardRules
from tasks.serving.certainty import Counts, excess, median_bounds, stability

Probabilities = npt.NDArray[np.floating[Any]]

_FAILURE_BLOCKS = 40  # of `fewest_requests`: enough for a few failures in a hundred, and soon over what was long ago
_LATENCY_BLOCKS = 10  # of `fewest_requests`: a median needs no more
_SCORE_BLOCKS = 20  # of `fewest_scores`
_BINS = 10  # the index is read by deciles
_FEWEST_ENTITIES = 3 * _BINS  # rows of one are alike: polled while they drift, 20 to 22 sent 3 of 100 good canaries back, 30 sent 1 of 500
_CHECKS = 4  # failures to answer, failures to score, seconds, distribution: each has its part of the level


class Guard:
    """What one worker has seen of canary and champion. Any thread may report; one looks.

    Args:
        rules: When a canary is worse.
        workers: Over how many workers the level is shared.
    """

    def __init__(self, rules: GuardRules, workers: int = 1) -> None:
        self._rules, self._level = rules, rules.level / workers / _CHECKS
        self._lock = threading.Lock()
        self.start(0)

    def start(self, revision: int) -> None:
        """Forget everything: another revision is served."""
        rules = self._rules
        with self._lock:
            self._revision = revision
            self._found: str | None = None
            self._answered = _Failures(rules, "to answer", _Spending(self._level))
            self._scored = _Failures(rules, "to score rows of the other", _Spending(self._level))
            self._seconds: dict[int, _Seconds] = {}
            self._seconds_spending = _Spending(self._level)
            self._shift = _Shift(rules, _Spending(self._level))

    def request(self, arm: str, seconds: float, failed: bool, rows: int = 1, revision: int | None = None) -> None:
        """Report what a model was asked.

        Args:
            arm: "canary" or "champion".
            seconds: That the model took, for all these rows together; of a failure they do not count.
            failed: Whether it raised, or gave what is no probability. What is the caller's fault is no failure.
            rows: How many rows it was asked for: only requests of about as many rows are compared, as one row of ten does not
                take a tenth of their time.
            revision: That it was answered by; one that is over does not count. None for the present one.
        """
        is_canary = arm == "canary"
        with self._lock:
            if revision not in (None, self._revision):
                return
            self._answered.add(is_canary, failed)
            if not failed and math.isfinite(seconds):
                size = round(2 * math.log2(max(rows, 1)))  # half octaves: within one, sizes differ by a factor below 1.5
                if size not in self._seconds:
                    self._seconds[size] = _Seconds(self._rules)
                self._seconds[size].add(is_canary, seconds)

    def scored(
        self,
        champion: Probabilities,
        canary: Probabilities,
        revision: int | None = None,
        rows: Sequence[bytes] | None = None,
        entities: Sequence[str] | None = None,
    ) -> None:
        """Report both models' probabilities of the same rows.

        Args:
            champion: Of shape (n,); what is not finite counts as a failure.
            canary: Of shape (n,), of the same rows.
            revision: That they were answered by; one that is over does not count. None for the present one.
            rows: A short digest of each row as the models read it, of length n: equal ones count once for the distribution, as
                long as they are among the rows looked at. None if all rows are known to be distinct.
            entities: Who each row is about, of length n. None if rows are known to be independent of each other.
        """
        is_sound, is_sound_canary = np.isfinite(champion), np.isfinite(canary)
        both = np.flatnonzero(is_sound & is_sound_canary)
        keys = None if rows is None else [rows[i] for i in both.tolist()]
        about = None if entities is None else {hash(entities[i]) for i in both.tolist()}
        with self._lock:
            if revision not in (None, self._revision):
                return
            self._scored.add(False, not is_sound.all())
            self._scored.add(True, not is_sound_canary.all())
            self._shift.add(np.asarray(champion, np.float64)[both], np.asarray(canary, np.float64)[both], keys, about)

    def look(self) -> str | None:
        """Return why the canary must be sent back, None if nothing is certain. What was found once stays until the next start."""
        with self._lock:
            if self._found is not None:
                return self._found
            revision, judges = self._revision, self._due()
        for judge in judges:  # without the lock: nobody who answers a request waits for it
            reason = judge()
            if reason is not None:
                with self._lock:
                    if revision != self._revision:
                        return None
                    self._found = reason
                return reason
        return None

    def _due(self) -> list[Callable[[], str | None]]:
        """Return what is to be judged: checks that have seen a block more since the last look."""
        judges = [self._answered.due(), self._scored.due(), self._shift.due()]
        judges += [seconds.due(self._seconds_spending) for seconds in self._seconds.values()]
        return [judge for judge in judges if judge is not None]


class _Spending:
    """A level, spent over looks that may go on for ever."""

    def __init__(self, level: float) -> None:
        self._level, self._looks = level, 0

    def next(self) -> float:
        self._looks += 1
        return self._level / (self._looks * (self._looks + 1))


class _Failures:
    """Failures of both, in blocks of as many requests of the canary."""

    def __init__(self, rules: GuardRules, what: str, spending: _Spending) -> None:
        self._rules, self._what, self._spending = rules, what, spending
        self._blocks: deque[Counts] = deque(maxlen=_FAILURE_BLOCKS)
        self._open = [0, 0, 0, 0]
        self._is_due = False

    def add(self, is_canary: bool, failed: bool) -> None:
        place = 0 if is_canary else 2
        self._open[place] += 1
        self._open[place + 1] += failed
        if self._open[0] >= self._rules.fewest_requests:
            self._blocks.append(Counts(*self._open))
            self._open, self._is_due = [0, 0, 0, 0], True

    def due(self) -> Callable[[], str | None] | None:
        if not self._is_due:
            return None
        self._is_due = False
        counts, level = Counts(*map(sum, zip(*self._blocks, strict=True))), self._spending.next()
        return lambda: self._judge(counts, level)

    def _judge(self, n: Counts, level: float) -> str | None:
        least, most = excess(n, level)
        if least <= most + self._rules.excess_errors:
            return None
        return (
            f"failures {self._what}: {n.canary_failed:,} of {n.canary:,} of the canary, at least {least:.1%} for certain, and "
            f"{n.champion_failed:,} of {n.champion:,} of the champion, at most {most:.1%}; allowed are {self._rules.excess_errors:.1%} more"
        )


@dataclass
class _Block:
    """Seconds of both over the same time; of the champion's, which are many, a sample."""

    canary: list[float] = field(default_factory=list)
    champion: list[float] = field(default_factory=list)
    champion_seen: int = 0


class _Seconds:
    """Seconds of both for requests of one size, in blocks of as many requests of the canary."""

    def __init__(self, rules: GuardRules) -> None:
        self._rules = rules
        self._blocks: deque[_Block] = deque(maxlen=_LATENCY_BLOCKS)
        self._open = _Block()
        self._random = random.Random(0)  # which of the champion's are kept is nobody's secret
        self._is_due = self._was_slower = False

    def add(self, is_canary: bool, seconds: float) -> None:
        block, most = self._open, self._rules.fewest_requests
        if is_canary:
            block.canary.append(seconds)
            if len(block.canary) >= most:
                self._blocks.append(block)
                self._open, self._is_due = _Block(), True
            return
        block.champion_seen += 1
        if len(block.champion) < most:
            block.champion.append(seconds)
        elif (place := self._random.randrange(block.champion_seen)) < most:  # each has the same chance to be kept
            block.champion[place] = seconds

    def due(self, spending: _Spending) -> Callable[[], str | None] | None:
        champion = [seconds for block in self._blocks for seconds in block.champion]
        if not self._is_due or len(champion) < self._rules.fewest_requests:
            return None
        self._is_due = False
        canary, level = [seconds for block in self._blocks for seconds in block.canary], spending.next()
        return lambda: self._judge(canary, champion, level)

    def _judge(self, canary: Sequence[float], champion: Sequence[float], level: float) -> str | None:
        least, most = median_bounds(canary, level / 2)[0], median_bounds(champion, level / 2)[1]
        was_slower, self._was_slower = self._was_slower, least > self._rules.latency_ratio * most
        if not (was_slower and self._was_slower):
            return None
        return (
            f"seconds of the model: the canary's median is at least {least * 1e3:.3g} ms for certain, the champion's at most "
            f"{most * 1e3:.3g} ms, at two looks in a row; allowed is {self._rules.latency_ratio:g} times as much"
        )


@dataclass
class _Scores:
    """Rows that both scored, by bin of the champion and of the canary; their keys, and who they are about (None: not told)."""

    table: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((_BINS, _BINS), np.int64))
    keys: list[bytes] = field(default_factory=list)
    entities: set[int] | None = field(default_factory=set)


class _Shift:
    """Probabilities of both of the same distinct rows, as tables of bins, in blocks of as many rows; bins are the champion's deciles.

    A row is known while its block is: what one look sees, it sees once.
    """

    def __init__(self, rules: GuardRules, spending: _Spending) -> None:
        self._rules, self._spending = rules, spending
        self._first: list[tuple[Probabilities, Probabilities]] | None = []  # until there are deciles
        self._edges: Probabilities = np.empty(0)
        self._blocks: deque[_Scores] = deque()
        self._open = _Scores()
        self._seen: dict[bytes, None] = {}  # keys of all blocks, in their order
        self._is_due = False

    def add(self, champion: Probabilities, canary: Probabilities, keys: Sequence[bytes] | None, entities: set[int] | None) -> None:
        if keys is not None:
            new = self._unseen(keys)
            champion, canary = champion[new], canary[new]
        held = self._open.entities
        self._open.entities = None if held is None or entities is None else held | entities
        if self._first is not None:
            self._first.append((champion, canary))
            if sum(len(part) for part, _ in self._first) < self._rules.fewest_scores:
                return
            champion, canary = (np.concatenate(parts) for parts in zip(*self._first, strict=True))
            self._edges, self._first = np.quantile(champion, np.arange(1, _BINS) / _BINS), None
        rows, columns = (np.searchsorted(self._edges, given) for given in (champion, canary))
        np.add.at(self._open.table, (rows, columns), 1)
        if self._open.table.sum() >= self._rules.fewest_scores:
            self._close()

    def _unseen(self, keys: Sequence[bytes]) -> list[int]:
        """Return the places of rows that are not among those counted, and take them as seen."""
        new = []
        for place, key in enumerate(keys):
            if key not in self._seen:
                self._seen[key] = None
                self._open.keys.append(key)
                new.append(place)
        return new

    def _close(self) -> None:
        self._blocks.append(self._open)
        self._open, self._is_due = _Scores(), True
        if len(self._blocks) > _SCORE_BLOCKS:
            for key in self._blocks.popleft().keys:
                del self._seen[key]

    def due(self) -> Callable[[], str | None] | None:
        if not self._is_due:
            return None
        told = [block.entities for block in self._blocks if block.entities is not None]
        if len(told) == len(self._blocks) and len(set().union(*told)) < _FEWEST_ENTITIES:
            return None
        self._is_due = False
        table, level = np.sum([block.table for block in self._blocks], axis=0), self._spending.next()
        return lambda: self._judge(table, level)

    def _judge(self, table: npt.NDArray[np.int64], level: float) -> str | None:
        index, least = stability(table, level)
        if least <= self._rules.score_shift:
            return None
        return (
            f"probabilities of the same {table.sum():,} rows: their stability index is {index:.2f}, at least {least:.2f} for certain; "
            f"allowed is {self._rules.score_shift:g}"
        )
