"""The shadow: off the request's path, bounded, and alive whatever happens in it."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from tasks.serving.predictor import Predictor
from tasks.serving.revisions import Live, Loaded
from tasks.serving.shadow import Job, Shadow
from tests.unit.serving import toy

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    home = tmp_path_factory.mktemp("packages")
    arms = []
    for number in (1, 2):
        digest = toy.package(home / str(number), float(number))
        arms.append(Loaded(number, digest, Predictor(home / str(number), digest)))
    return Live(7, arms[0], shadow=arms[1])


@pytest.fixture
def threads() -> Iterator[None]:
    """What a test starts, it ends."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before  # one of another test may end meanwhile


def job(live: Live, rows: int = 2) -> Job:
    assert live.shadow is not None
    given = [dict(toy.ROW) for _ in range(rows)]
    predictor = live.champion.predictor
    return Job(live, list(given), [f"id-{n}" for n in range(rows)], predictor.probabilities(predictor.encode(given)), live.shadow)


def wait(condition: threading.Event) -> None:
    assert condition.wait(5)


def test_another_model_scores_what_was_answered(live: Live, threads: None) -> None:
    found: list[tuple[str, float, float]] = []
    is_done = threading.Event()

    def score(job: Job) -> None:
        predictor = job.other.predictor
        scores = predictor.probabilities(predictor.encode(job.rows))
        found.extend(zip(job.prediction_ids, job.probabilities.tolist(), scores.tolist(), strict=True))
        is_done.set()

    shadow = Shadow(4, score)
    assert shadow.offer(job(live))
    wait(is_done)
    shadow.close()
    assert [name for name, _, _ in found] == ["id-0", "id-1"]
    assert all(answered < scored for _, answered, scored in found)
    assert (shadow.dropped, shadow.failed) == (0, 0)


def test_a_full_queue_drops_at_once(live: Live, threads: None) -> None:
    is_at_it, may_end = threading.Event(), threading.Event()
    scored: list[Job] = []

    def score(job: Job) -> None:
        is_at_it.set()
        wait(may_end)
        scored.append(job)

    shadow, given = Shadow(6, score), job(live)  # of two rows
    assert shadow.offer(given)
    wait(is_at_it)  # this one is no longer in the queue
    start = time.perf_counter()
    assert [shadow.offer(given) for _ in range(10_000)] == [True] * 3 + [False] * 9_997
    assert time.perf_counter() - start < 1, "an offer never waits for the shadow"
    assert shadow.dropped == 9_997
    may_end.set()
    deadline = time.monotonic() + 5
    while len(scored) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(scored) == 4
    assert shadow.offer(given), "there is room again"
    shadow.close()


@pytest.mark.parametrize(
    ("rows", "taken"),
    [
        ([60, 41, 40, 1], [True, False, True, False]),  # what fits still comes in
        ([1_000, 1], [True, False]),  # larger than the bound: alone
        ([1, 1_000, 99], [True, False, True]),  # ... and not behind another
        ([0] * 101, [True] * 100 + [False]),  # a job takes room even without rows
    ],
)
def test_what_waits_is_bounded_in_rows(live: Live, threads: None, rows: list[int], taken: list[bool]) -> None:
    is_at_it, may_end, scored = threading.Event(), threading.Event(), list[int]()

    def score(job: Job) -> None:
        is_at_it.set()
        wait(may_end)
        scored.append(len(job.rows))

    def sized(count: int) -> Job:
        given = job(live, 1)
        return Job(given.live, given.rows * count, given.prediction_ids * count, given.probabilities.repeat(count), given.other)

    shadow = Shadow(100, score)
    for _ in range(2):  # when all is worked off, there is room for as much again
        is_at_it.clear(), may_end.clear(), scored.clear()
        assert shadow.offer(sized(2))
        wait(is_at_it)
        assert [shadow.offer(sized(count)) for count in rows] == taken
        may_end.set()
        deadline = time.monotonic() + 5
        while len(scored) < 1 + sum(taken) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert scored == [2, *(count for count, is_taken in zip(rows, taken, strict=True) if is_taken)]
    shadow.close()


def test_what_goes_wrong_ends_nothing_and_tells_no_value(live: Live, threads: None, caplog: pytest.LogCaptureFixture) -> None:
    is_done = threading.Event()

    def score(job: Job) -> None:
        if len(job.rows) == 1:
            raise ValueError(f"a value of {job.rows}")
        is_done.set()

    shadow = Shadow(8, score)
    with caplog.at_level(logging.WARNING):
        assert all(shadow.offer(job(live, rows)) for rows in (1, 1, 2))
        wait(is_done)
    shadow.close()
    assert shadow.failed == 2
    assert "could not score 1 rows: ValueError" in caplog.text
    assert "JFK" not in caplog.text


def test_closed_it_takes_nothing_and_drops_what_waits(live: Live, threads: None) -> None:
    is_at_it, may_end = threading.Event(), threading.Event()
    scored: list[Job] = []

    def score(job: Job) -> None:
        is_at_it.set()
        wait(may_end)
        scored.append(job)

    shadow, given = Shadow(8, score), job(live)
    for _ in range(3):
        shadow.offer(given)
    wait(is_at_it)
    closing = threading.Thread(target=shadow.close)
    closing.start()
    deadline = time.monotonic() + 5
    while shadow.offer(given) and time.monotonic() < deadline:
        time.sleep(0.001)
    may_end.set()
    closing.join(5)
    assert len(scored) == 1, "the job that it was at"
    assert shadow.dropped >= 3
    shadow.close()  # once more is no harm


def test_its_own_thread_may_close_it(live: Live, threads: None) -> None:
    is_done = threading.Event()

    def score(job: Job) -> None:
        shadow.close()
        is_done.set()

    shadow = Shadow(8, score)
    shadow.offer(job(live))
    wait(is_done)
    shadow._thread.join(5)


def test_a_shadow_that_waits_keeps_no_model(live: Live, threads: None) -> None:
    is_done = threading.Event()
    shadow = Shadow(8, lambda job: is_done.set())
    given = job(live)
    gone = weakref.ref(given)
    shadow.offer(given)
    wait(is_done)
    del given
    deadline = time.monotonic() + 5
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)
    shadow.close()
    assert gone() is None


def test_jobs_from_many_threads_are_all_scored_or_counted(live: Live, threads: None) -> None:
    scored: list[int] = []
    shadow, given = Shadow(16, lambda job: scored.append(1)), job(live)
    taken: list[bool] = []

    def offer() -> None:
        taken.extend(shadow.offer(given) for _ in range(500))

    senders = [threading.Thread(target=offer) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    deadline = time.monotonic() + 5
    while len(scored) < sum(taken) and time.monotonic() < deadline:
        time.sleep(0.001)
    shadow.close()
    assert len(taken) == 2_000
    assert len(scored) + shadow.dropped == 2_000
    assert np.sum(taken) == len(scored)
