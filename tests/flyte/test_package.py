"""`make package`, read back from its protobufs: what a cluster would be told, made offline."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin.launch_plan_pb2 import LaunchPlan
from flyteidl.admin.task_pb2 import TaskSpec
from flyteidl.admin.workflow_pb2 import WorkflowSpec
from flyteidl.core.execution_pb2 import WorkflowExecution
from flyteidl.core.tasks_pb2 import Resources

from launchplans import development, production, staging, triggered
from tasks.usecase.policy import ALERT_EMAILS
from tests.flyte.entities import LAUNCH_PLANS, ROOT, TASKS, WORKFLOWS, faults
from tests.flyte.test_interfaces import ON_GPU, UNCACHED, image_of
from workflows.defaults import SOURCE

pytestmark = pytest.mark.flyte

KINDS = {"1": TaskSpec, "2": WorkflowSpec, "3": LaunchPlan}
"""By the last character of a file's name, as flytekit writes them."""

ON_FAILURE = {WorkflowExecution.FAILED, WorkflowExecution.TIMED_OUT, WorkflowExecution.ABORTED}
PODS_CODE = ("tasks/", "workflows/", "launchplans/", "images/")


class Package:
    """What a package holds, by kind and name, and the names of the files of its code."""

    def __init__(self, path: Path) -> None:
        found: dict[type, dict[str, Any]] = {kind: {} for kind in KINDS.values()}
        self.code: set[str] = set()
        with tarfile.open(path) as tar:
            for name in tar.getnames():
                held = tar.extractfile(name)
                assert held is not None
                content = held.read()
                if name.endswith(".pb"):
                    kind = KINDS[name.removesuffix(".pb")[-1]]
                    entity = kind.FromString(content)
                    found[kind][(entity.id if kind is LaunchPlan else entity.template.id).name] = entity
                else:
                    with tarfile.open(fileobj=io.BytesIO(content)) as code:
                        self.code |= set(code.getnames())
        self.tasks, self.workflows, self.plans = found[TaskSpec], found[WorkflowSpec], found[LaunchPlan]
        fanned = {re.sub(r"map_(\w+)_[0-9a-f]{32}-arraynode", r"\1", name): name for name in self.tasks if name.endswith("-arraynode")}
        self.maps = {name: self.tasks.pop(spec) for name, spec in fanned.items()}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    path = tmp_path_factory.mktemp("package") / "below" / "flyte-package.tgz"
    # The environment that runs the tests, whatever its age; a proxy that refuses stands for a missing network.
    command = ["make", "package", f"PACKAGE={path}", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed"]
    nowhere = "http://127.0.0.1:9"
    offline = {"https_proxy": nowhere, "http_proxy": nowhere, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(path.parent.parent)}
    done = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return Package(path)


def test_everything_is_in_it(package: Package) -> None:
    assert set(package.tasks) == set(TASKS)
    assert set(package.workflows) == set(WORKFLOWS)
    assert set(package.plans) == set(LAUNCH_PLANS) | set(WORKFLOWS)  # each workflow has a default plan of its name


def test_a_fan_out_runs_as_its_task_does(package: Package) -> None:
    assert set(package.maps) == {
        *("tasks.training.task.score_fold", "tasks.training.task.score_start"),
        *("tasks.ingestion.task.ingest_block", "tasks.validation.task.profile_block", "tasks.features.task.build_block"),
        *("tasks.serving.task.score_day", "tasks.serving.task.write_day"),
    }
    for name, fanned in package.maps.items():
        alone = package.tasks[name].template
        assert fanned.template.container.resources == alone.container.resources
        assert fanned.template.container.image == alone.container.image
        assert "pyflyte-map-execute" in fanned.template.container.args
        assert (fanned.template.metadata.discoverable, fanned.template.metadata.discovery_version) == (
            name not in UNCACHED,
            alone.metadata.discovery_version,
        )


def test_types_are_closed(package: Package) -> None:
    found = {name: faults(spec.template.interface) for name, spec in (package.tasks | package.workflows).items()}
    assert {name: fault for name, fault in found.items() if fault} == {}


def test_the_code_is_in_it_whole(package: Package) -> None:
    """Tasks import their plain modules in their bodies: a package of the loaded modules alone would fail in a pod."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    wanted = {name for name in listed.stdout.split() if name.startswith(PODS_CODE) and (ROOT / name).is_file()}
    assert wanted - package.code == set()
    assert {name.split("/")[0] for name in package.code} & {".venv", ".evergreen", ".git", ".github", "site", "tests", "docs"} == set(), (
        "see .flyteignore"
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


def resources(entries: Any) -> dict[str, str]:
    return {Resources.ResourceName.Name(entry.name): entry.value for entry in entries}


def test_resources(package: Package) -> None:
    for spec in package.tasks.values():
        asked = resources(spec.template.container.resources.requests)
        assert asked == resources(spec.template.container.resources.limits)
        assert {"CPU", "MEMORY"} <= asked.keys()
    assert {name for name, spec in package.tasks.items() if "GPU" in resources(spec.template.container.resources.requests)} == ON_GPU
    for name in ON_GPU:
        assert resources(package.tasks[name].template.container.resources.requests) == {"CPU": "4", "MEMORY": "16Gi", "GPU": "1"}


def test_retries_timeouts_and_decks(package: Package) -> None:
    for name, spec in package.tasks.items():
        metadata = spec.template.metadata
        assert metadata.retries.retries >= 1, name
        assert metadata.timeout.seconds >= 3600, name
        assert metadata.generates_deck.value, name
    assert all(package.tasks[name].template.metadata.interruptible for name in ON_GPU)


def test_cache_versions(package: Package) -> None:
    """Those of the package are those of this process: a version depends on sources and pins, on nothing of a process."""
    for name, spec in package.tasks.items():
        metadata = spec.template.metadata
        assert metadata.discoverable == metadata.cache_serializable == (name not in UNCACHED)
        assert metadata.discovery_version == TASKS[name].metadata.cache_version
    cached = {name: spec.template.metadata.discovery_version for name, spec in package.tasks.items() if name not in UNCACHED}
    versions = {(name.rsplit(".", 1)[0], version) for name, version in cached.items()}
    assert all(version for _, version in versions)
    assert len({version for _, version in versions}) == len(versions) == len({module for module, _ in versions})


def test_images_are_named_by_their_pins(package: Package) -> None:
    for name, spec in package.tasks.items():
        assert spec.template.container.image == image_of(name).image_name()
        assert spec.template.container.args[0] == "pyflyte-fast-execute", "the code travels beside the image"


# --- workflows --------------------------------------------------------------------------------------------------------


def test_the_monitors_branch_holds_the_launch_plan(package: Package) -> None:
    (branch,) = [node for node in package.workflows["workflows.monitor.monitor"].template.nodes if node.HasField("branch_node")]
    choice = branch.branch_node.if_else
    compared = choice.case.condition.comparison
    assert compared.right_value.primitive.boolean
    (asked,) = [b.binding.promise for b in branch.inputs if b.var == compared.left_value.var]
    nodes = {node.id: node for node in package.workflows["workflows.monitor.monitor"].template.nodes}
    assert nodes[asked.node_id].task_node.reference_id.name == "tasks.retraining.task.asks_for"
    assert choice.case.then_node.workflow_node.launchplan_ref.name == "evergreen-retrain-on-trigger"
    assert {binding.var for binding in choice.case.then_node.inputs} == {"as_of", "source", "config", "lease"}
    (back,) = choice.other
    assert back.then_node.workflow_node.sub_workflow_ref.name == "workflows.step_back.step_back"
    assert choice.else_node.task_node.reference_id.name == "tasks.retraining.task.stand_by"


def test_retrain_composes_the_single_workflows(package: Package) -> None:
    inside = {sub.id.name.split(".")[1] for sub in package.workflows["workflows.retrain.retrain"].sub_workflows}
    assert inside == {"ingest", "validation", "training", "evaluation", "packaging", "promote"}


# --- launch plans -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cron", "workflow", "free"),
    [
        ("evergreen-nightly-monitor", r"0 1[89] \* \* \*", "workflows.monitor.monitor", {"config"}),  # every day, after the next
        ("evergreen-nightly-collect", r"0 17 \* \* \*", "workflows.collect.collect", set()),  # labels are complete
        ("evergreen-hourly-state", r"\d+ \* \* \* \*", "workflows.serving_state.serving_state", set()),  # every hour
        ("evergreen-weekly-challenger", r"0 \d+ \* \* \d", "workflows.weekly.weekly", {"config"}),  # one day of the week
    ],
)
def test_schedules(package: Package, name: str, cron: str, workflow: str, free: set[str]) -> None:
    spec = package.plans[name].spec
    schedule = spec.entity_metadata.schedule
    assert re.fullmatch(cron, schedule.cron_schedule.schedule)
    assert schedule.kickoff_time_input_arg == "as_of"
    assert "as_of" in package.workflows[workflow].template.interface.inputs.variables
    assert spec.workflow_id.name == workflow
    assert {key: value.scalar.primitive.string_value for key, value in spec.fixed_inputs.literals.items()} == {"source": SOURCE}
    assert set(spec.default_inputs.parameters) == {"as_of"} | free
    (notification,) = spec.entity_metadata.notifications
    assert list(notification.email.recipients_email) == list(ALERT_EMAILS)
    assert set(notification.phases) == ON_FAILURE


def test_only_the_scheduled_plans_have_a_schedule(package: Package) -> None:
    scheduled_plans = {name for name, plan in package.plans.items() if plan.spec.entity_metadata.HasField("schedule")}
    names = ("evergreen-nightly-monitor", "evergreen-nightly-collect", "evergreen-hourly-state", "evergreen-weekly-challenger")
    assert scheduled_plans == {f"{name}{domain}" for name in names for domain in ("", "-staging", "-development")}


def test_what_is_launched_by_hand_or_by_the_monitor(package: Package) -> None:
    manual_plan, trigger = package.plans["evergreen-manual-retrain"].spec, package.plans["evergreen-retrain-on-trigger"].spec
    assert manual_plan.workflow_id.name == "workflows.retrain.retrain"
    assert manual_plan.default_inputs.parameters["source"].default.scalar.primitive.string_value == SOURCE
    assert not manual_plan.fixed_inputs.literals
    assert trigger.workflow_id.name == "workflows.challenge.challenge"
    required = {name for name, parameter in trigger.default_inputs.parameters.items() if parameter.required}
    assert required == {"as_of", "source", "config"}, "who calls it gives every input; without a lease it takes one"


def test_every_plan_is_one_of_a_domain_or_called() -> None:
    """Whether one starts by itself is not in the protobufs: the client that registers acts on it."""
    held = {name: plan for module in (production, staging, development) for name, plan in vars(module).items() if not name.startswith("_")}
    assert len(LAUNCH_PLANS) == 3 * 7 + 1
    assert triggered.drift_triggered_retrain in LAUNCH_PLANS.values()
    assert {plan.name for name, plan in held.items() if hasattr(plan, "should_auto_activate")} < set(LAUNCH_PLANS)
    assert not any(plan.should_auto_activate for plan in LAUNCH_PLANS.values())
