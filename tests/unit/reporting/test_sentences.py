from __future__ import annotations

import pytest

from tasks.artifacts.data import Severity
from tasks.artifacts.evaluation import Evaluation, Verdict
from tasks.artifacts.serving import ServiceCheck
from tasks.reporting import sentences
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit


def test_snapshot() -> None:
    assert sentences.snapshot(factory.snapshot()) == (
        "183,906 rows in 4 tables over 181 days (2013-01-01 to 2013-06-30), as known at 2013-07-01 12:00 UTC; 34 rows set aside."
    )


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (Severity.PASS, "The batch is fit to train on: it keeps all of 4 rules."),
        (Severity.WARN, "The batch is fit to train on; 1 of 4 rules warns."),
        (Severity.STOP, "The batch is not fit to train on: 1 of 4 rules broken."),
    ],
)
def test_validation(verdict: Severity, sentence: str) -> None:
    assert sentences.validation(factory.validation(verdict)) == sentence


def test_a_rule_that_warns_on_two_days_counts_once() -> None:
    report = factory.validation(Severity.WARN)
    warned = next(f for f in report.findings if f.severity == Severity.WARN)
    twice = report.model_copy(update={"findings": [*report.findings, warned.model_copy(update={"day": factory.FIRST})]})
    assert sentences.validation(twice) == sentences.validation(report)


def test_training_with_and_without_folds() -> None:
    model = factory.model("network", 0.4362)
    assert sentences.training([model]) == (
        "Trained on 134,402 rows (2013-01-01 to 2013-06-02) in 2 min 34 s; mean log-loss on 2 folds: network 0.4462."
    )
    assert sentences.training([model.model_copy(update={"folds": []})]).startswith("Trained network on 134,402 rows")
    assert sentences.training([]) == "No model was trained."


def test_evaluation_tells_certain_differences_from_open_ones() -> None:
    assert sentences.evaluation(factory.evaluation()) == (
        "On 26,123 rows of 28 days (2013-06-03 to 2013-06-30) the candidate's log-loss is 0.5123 [0.4711, 0.5576]: "
        "lower than that of logistic regression, the prior and champion v2, not certainly different from that of LightGBM."
    )
    worse: Evaluation = factory.evaluation(None).model_copy(update={"gains": {"logistic": factory.interval(-0.1, 0.01)}})
    assert sentences.evaluation(worse).endswith("higher than that of logistic regression.")


@pytest.mark.parametrize(
    ("verdict", "champion", "sentence"),
    [
        (Verdict.PROMOTE, 2, "The candidate may become the champion in place of v2: it meets 3 of 3 requirements."),
        (Verdict.PROMOTE, None, "The candidate may become the first champion: it meets 3 of 3 requirements."),
        (Verdict.REVIEW, 2, "A person must approve the candidate: it meets 2 of 3 requirements; until then champion v2 stays."),
        (Verdict.HOLD, None, "The candidate is not promoted: it meets 2 of 3 requirements; there is no champion yet."),
    ],
)
def test_decision(verdict: Verdict, champion: int | None, sentence: str) -> None:
    assert sentences.decision(factory.decision(verdict, champion)) == sentence


def test_service_says_when_it_may_not_be_used() -> None:
    assert sentences.service(factory.service()) == (
        "The service answers what the training code does: largest difference 3.1e-07 on 1,000 rows (limit 1e-05). It is ready in 1.84 s, "
        "takes 1.9 ms for a row (99 of 100: 4.7 ms), holds 194 MB, and refuses 2 of 2 bad requests."
    )
    assert "does not answer" in sentences.service(factory.service(0.1))
    assert "refuses 1 of 2" in sentences.service(factory.service(statuses=(200, 413)))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (factory.service(), True),
        (factory.service(1e-5), True),  # the limit itself
        (factory.service(1.1e-5), False),
        (factory.service(ready_seconds=10.1), False),
        (factory.service(p99_ms=100.1), False),
        (factory.service(memory_mb=400.1), False),
        (factory.service(p50_ms=1e6, rows_per_second=1.0), True),  # told, and no requirement
        (factory.service(statuses=(400, 400)), False),  # refused, for another reason
        (factory.service(statuses=(0, 413)), False),  # no answer is none that says what is wrong
        (factory.service(statuses=()), False),  # nothing was sent: nothing is known
    ],
)
def test_a_service_is_fit_if_it_keeps_every_requirement(found: ServiceCheck, expected: bool) -> None:
    assert sentences.is_fit(found) is expected


def test_registered_without_an_alias() -> None:
    assert sentences.registered(factory.registered()) == "nyc-late-flights v3 is in the registry as champion and challenger."
    assert sentences.registered(factory.registered().model_copy(update={"aliases": []})).endswith("without an alias.")
