"""The service under requests made from its own OpenAPI document: nothing breaks it, and nothing of them is where it must not be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.benchmarks import fuzz
from tests.benchmarks.fuzz import Fuzzed
from tests.fuzzing import Sent

pytestmark = pytest.mark.e2e

EXAMPLES = 150
# Not shrunk: a failure is told with its whole request, and each step of shrinking would be a request that changes the service.
QUIET = settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with fuzz.served(tmp_path_factory.mktemp("fuzz")) as served:
        yield served


def holds(fuzzed: Fuzzed) -> None:
    """Require that every answer is as the document says."""

    @QUIET
    @given(fuzz.requests(fuzzed).all)
    def each(sent: Sent) -> None:
        assert not fuzzed.send(sent)

    each()


def test_every_answer_is_as_documented_without_a_state(fuzzed: Fuzzed) -> None:
    holds(fuzzed)


def test_every_answer_is_as_documented_with_a_state(fuzzed: Fuzzed) -> None:
    fuzzed.publish_state()
    holds(fuzzed)


def test_nothing_of_a_request_is_where_it_must_not_be(fuzzed: Fuzzed) -> None:
    if fuzzed.statuses.total() < 2 * EXAMPLES:  # asked for alone
        fuzz.fuzz(fuzzed, 2 * EXAMPLES, 1)
    fuzzed.finish()
    assert [text for kind in ("leak", "trace", "lost") for text in fuzzed.faults[kind]] == []
    assert min(fuzzed.accepted[path] for path in ("/predict", "/explain", "/feedback")) > 0, fuzzed.accepted
    assert {200, 400, 401, 404, 503} <= fuzzed.statuses.keys()
