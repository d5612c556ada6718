"""Launch plans: what each domain has, that a plan does the same called here as on a cluster, and that retrainings take turns."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flyteidl.admin.launch_plan_pb2 import CONCURRENCY_LIMIT_BEHAVIOR_SKIP
from flyteidl.core.execution_pb2 import WorkflowExecution
from flytekit import LaunchPlan, task, workflow
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable_launch_plan

from launchplans import development, production, staging, triggered
from launchplans.domains import DEVELOPMENT, PRODUCTION, STAGING, Domain
from tasks.artifacts.monitoring import NightReport
from tasks.artifacts.settings import TrainingConfig
from tasks.errors import SourceError, TrainingError
from tasks.lake import leases, nights
from tasks.retraining import task as retraining
from tests.unit.evidence.reports import even, quality, report
from workflows.challenge import challenge
from workflows.defaults import NIGHT
from workflows.step_back import step_back
from workflows.weekly import weekly

pytestmark = pytest.mark.flyte

DOMAINS = {DEVELOPMENT: development, STAGING: staging, PRODUCTION: production}
SETTINGS = SerializationSettings(project="evergreen", domain="production", version="1", image_config=ImageConfig(Image("x", "x", "1")))
SCHEDULES = {
    "nightly_collect": "0 17 * * *",
    "nightly_monitor": "0 18 * * *",
    "weekly_challenger": "0 20 * * 1",
    "hourly_state": "30 * * * *",
}
BY_HAND = {"manual_retrain", "score_days", "fill_days"}
ON_FAILURE = {WorkflowExecution.FAILED, WorkflowExecution.TIMED_OUT, WorkflowExecution.ABORTED}

every_domain = pytest.mark.parametrize(("domain", "module"), DOMAINS.items(), ids=[domain.name for domain in DOMAINS])


def plans(module: ModuleType) -> dict[str, LaunchPlan]:
    return {name: value for name, value in vars(module).items() if isinstance(value, LaunchPlan)}


def spec(plan: LaunchPlan) -> Any:
    # Without what it runs, which `test_package.py` holds to account, and which takes its time.
    return get_serializable_launch_plan({}, SETTINGS, plan, recurse_downstream=False).spec.to_flyte_idl()


@every_domain
def test_each_domain_has_the_same_plans_under_names_of_its_own(domain: Domain, module: ModuleType) -> None:
    assert set(plans(module)) == set(SCHEDULES) | BY_HAND
    others = {plan.name for other in DOMAINS.values() if other is not module for plan in plans(other).values()}
    names = {plan.name for plan in plans(module).values()}
    assert len(names) == len(plans(module)) and not names & others
    suffix = "" if domain is PRODUCTION else f"-{domain.name}"
    assert all(name.startswith("evergreen-") and name.endswith(suffix) for name in names)


@every_domain
def test_schedules_hand_over_their_clock(domain: Domain, module: ModuleType) -> None:
    for name, plan in plans(module).items():
        made = spec(plan)
        assert made.entity_metadata.HasField("schedule") == (name in SCHEDULES)
        assert not plan.should_auto_activate, "a person activates a schedule"
        if name not in SCHEDULES:
            continue
        assert made.entity_metadata.schedule.cron_schedule.schedule == SCHEDULES[name]
        assert made.entity_metadata.schedule.kickoff_time_input_arg == "as_of"
        # What the schedule does not give has a default.
        assert all(given.HasField("default") for key, given in made.default_inputs.parameters.items() if key != "as_of")
        assert {key: value.scalar.primitive.string_value for key, value in made.fixed_inputs.literals.items()} == {"source": domain.source}


@every_domain
def test_who_is_told_and_what_is_on_the_label(domain: Domain, module: ModuleType) -> None:
    for plan in plans(module).values():
        made = spec(plan)
        labels = dict(made.labels.values)
        assert (labels["domain"], set(labels)) == (domain.name, {"domain", "owner", "purpose"})
        # Kubernetes' rule for the value of a label.
        assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?", value) for value in labels.values())
        told = [(list(note.email.recipients_email), set(note.phases)) for note in made.entity_metadata.notifications]
        assert told == ([(list(domain.emails), ON_FAILURE)] if domain.emails else [])
    assert bool(domain.emails) == (domain is not DEVELOPMENT)


@every_domain
def test_inputs_are_those_that_the_workflow_would_have_taken(domain: Domain, module: ModuleType) -> None:
    """`pyflyte run launchplans/x.py plan` overwrites a plan's inputs by the defaults of its workflow: they must not differ."""
    for plan in plans(module).values():
        defaults = plan.workflow.python_interface.default_inputs_as_kwargs
        assert plan.saved_inputs == {"source": domain.source}
        assert defaults["source"] == domain.source


def test_a_plan_called_here_runs_with_its_inputs() -> None:
    @task
    def tell(as_of: datetime, source: str) -> str:
        return f"{as_of:%Y-%m-%d} {source}"

    @workflow
    def told(as_of: datetime = NIGHT, source: str = "another") -> str:
        return tell(as_of=as_of, source=source)

    somewhere = Domain("somewhere", source="s3://flights")
    assert somewhere.plan(told, "by-the-clock", "test", cron="0 1 * * *")(as_of=NIGHT) == "2013-10-15 s3://flights"
    by_hand = somewhere.plan(told, "by-hand", "test")
    assert (by_hand(), by_hand(source="elsewhere")) == ("2013-10-15 s3://flights", "2013-10-15 elsewhere")


def test_one_triggered_retraining_at_a_time() -> None:
    made = spec(triggered.drift_triggered_retrain)
    assert (made.concurrency_policy.max, made.concurrency_policy.behavior) == (1, CONCURRENCY_LIMIT_BEHAVIOR_SKIP)
    assert made.workflow_id.name == "workflows.challenge.challenge"
    required = {name for name, given in made.default_inputs.parameters.items() if given.required}
    assert required == {"as_of", "source", "config"}, "the caller gives every input; a person needs no lease"
    assert made.default_inputs.parameters["lease"].default.scalar.primitive.string_value == ""
    assert not made.entity_metadata.HasField("schedule")


# --- retrainings take turns -------------------------------------------------------------------------------------------


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path))
    monkeypatch.delenv("EVERGREEN_LAKE", raising=False)
    return f"{tmp_path}/lake"


MONDAY = datetime(2013, 10, 14, 20, tzinfo=UTC)  # 16:00 in New York: of the day before all is known
SUNDAY = MONDAY.date() - timedelta(days=1)


def test_a_retraining_that_fails_frees_its_night(lake: str, tmp_path: Path) -> None:
    for _ in range(2):  # the second is not held back by the first
        with pytest.raises(SourceError):
            challenge(as_of=MONDAY, source=str(tmp_path / "nowhere"), config=TrainingConfig())
    first, second = leases.read(lake)
    assert (first.night, second.night) == (SUNDAY, SUNDAY)
    assert first.outcome.startswith("failed: ") and "nowhere" in second.outcome
    assert first.ended_at is not None and second.ended_at is not None


def test_a_retraining_runs_under_the_claim_of_its_caller(lake: str, tmp_path: Path) -> None:
    leases.take(lake, SUNDAY, "the trigger", datetime.now(UTC), hours=1)
    with pytest.raises(SourceError):
        challenge(as_of=MONDAY, source=str(tmp_path / "nowhere"), config=TrainingConfig(), lease="the trigger")
    (lease,) = leases.read(lake)
    assert lease.outcome.startswith("failed: ")


def test_by_hand_it_waits_for_the_one_under_way(lake: str, tmp_path: Path) -> None:
    held = leases.take(lake, SUNDAY, "the trigger", datetime.now(UTC), hours=1).lease
    with pytest.raises(TrainingError, match="that of the trigger for 2013-10-13"):
        challenge(as_of=MONDAY, source=str(tmp_path / "nowhere"), config=TrainingConfig())
    assert leases.read(lake) == [held], "what another holds is not ended"


def test_the_weekly_one_stands_aside(lake: str, tmp_path: Path) -> None:
    held = leases.take(lake, SUNDAY, "the trigger", datetime.now(UTC), hours=1).lease
    missing = str(tmp_path / "nowhere")
    assert weekly(as_of=MONDAY, source=missing).startswith("nothing done: that of the trigger for 2013-10-13")
    leases.end(lake, held.holder, "version 4, HOLD", datetime.now(UTC))
    assert weekly(as_of=MONDAY, source=missing) == "nothing done: one for 2013-10-13 that has ended: version 4, HOLD"
    with pytest.raises(SourceError):  # a week later it is free to train
        weekly(as_of=MONDAY + timedelta(days=7), source=missing)
    assert leases.read(lake)[-1].outcome.startswith("failed: ")


def test_a_night_from_its_reports_to_its_branch(lake: str) -> None:
    @workflow
    def night(reports: list[NightReport]) -> tuple[bool, bool, str, str]:
        decision = retraining.trigger(reports=reports)
        wanted = retraining.asks_for(decision=decision)
        return wanted.challenge, wanted.roll_back, wanted.lease, retraining.stand_by(decision=decision)

    tonight = report(age_days=999, days_since_candidate=999)
    challenged, rolled_back, claimed, told = night(reports=[tonight])
    (lease,) = leases.read(lake)
    assert (challenged, rolled_back, claimed) == (True, False, lease.holder)
    assert told.startswith("nothing done: CHALLENGE for champion 3: ")
    (recorded,) = nights.read(lake)
    assert recorded.report == tonight, "it is the same record beyond the edges of two tasks"
    # The next night another process finds this one at work.
    leases.end(lake, lease.holder, "version 4, HOLD", datetime.now(UTC))
    other = leases.take(lake, tonight.night + timedelta(days=1), "another", datetime.now(UTC), hours=1).lease
    assert night(reports=[report(tonight.night + timedelta(days=1), age_days=999, days_since_candidate=999)])[0] is False
    assert leases.read(lake)[-1] == other


def test_a_night_that_rolls_back_names_the_version(lake: str) -> None:
    worse = report(quality=quality(over_previous=even(0.5), days=28))
    wanted = retraining.asks_for(decision=retraining.trigger(reports=[worse]))
    assert (wanted.challenge, wanted.roll_back, wanted.to, wanted.lease) == (False, True, 2, "")
    assert wanted.reason.startswith("rollback: log-loss 0.5000")
    assert leases.read(lake) == []


def test_workflows_end_in_a_line_that_a_conditional_can_return() -> None:
    assert {str(w.python_interface.outputs) for w in (challenge, weekly, step_back)} == {str({"o0": str})}
    assert challenge.on_failure is not None and challenge.on_failure.name == "tasks.retraining.task.failed"
    challenge.compile()
    assert challenge.failure_node is not None
