"""Pages on workflows, tasks and launch plans, and their diagrams."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from reference import drawing, graph, project
from reference.prose import Docstring, code, line, table, text, type_name
from reference.records import linked

LEGEND = (
    "Framed: a cached task. Dashed: a task that always runs. Double frame: a workflow or a launch plan with steps of its own. Rounded: a "
    "choice. An arrow that a longer path says already is left away."
)
_RUN = re.compile(r"pyflyte run (workflows/\w+\.py) (\w+)")


def targets() -> dict[str, str]:
    """Return which make target runs a workflow: `file.py name` to target."""
    found, target = {}, ""
    for written in (project.ROOT / "Makefile").read_text().splitlines():
        if named := re.match(r"([\w-]+):", written):
            target = named.group(1)
        if run := _RUN.search(written):
            found[f"{run.group(1)} {run.group(2)}"] = target
    return found


def _default(entity: Any, name: str) -> str:
    kind, value = entity.python_interface.inputs_with_defaults[name]
    if name not in inspect.signature(_function(entity)).parameters or value is None:
        return ""
    shown = repr(value) if isinstance(value, int | float | bool | str) else str(value)
    return code(f"the defaults of {type_name(kind)}" if hasattr(kind, "model_fields") else shown)


def _function(entity: Any) -> Any:
    return getattr(entity, "_workflow_function", None) or entity.task_function


def inputs(entity: Any, up: str) -> str:
    """Return the table of what goes into a workflow or a task."""
    told = Docstring(_function(entity).__doc__).inputs
    rows = [
        (f"`{name}`", linked(kind, up), _default(entity, name), told.get(name, "")) for name, kind in entity.python_interface.inputs.items()
    ]
    return table(("input", "type", "default", "meaning"), rows) if rows else "It has no inputs.\n"


def outputs(entity: Any, up: str) -> str:
    """Return the table of what comes out."""
    found = entity.python_interface.outputs
    if not found:
        return "It has no outputs.\n"
    return table(("output", "type"), [(f"`{name}`" if name != "o0" else "its result", linked(kind, up)) for name, kind in found.items()])


def workflow_pages() -> dict[str, str]:
    """Return a page a module of workflows, and their index."""
    made, rows, run = {}, [], targets()
    for module, found in project.workflows().items():
        source = f"workflows/{module}.py"
        head = Docstring(inspect.getmodule(_function(next(iter(found.values())))).__doc__)  # type: ignore[union-attr]
        parts = [f"# Workflow: {module}\n\n{head.body}\n\nDefined in `{source}`.\n"]
        for name, workflow in found.items():
            target = run.get(f"{source} {name}", "")
            parts.append(_workflow(name, workflow, source, target))
            by = f"[`make {target}`](../make.md)" if target else "by others"
            rows.append((f"[{name}]({module}.md#{name})", by, Docstring(_function(workflow).__doc__).first))
        made[f"workflows/{module}.md"] = "\n".join(parts)
    intro = f"# Workflows\n\nEach can be run alone: `pyflyte run workflows/<file>.py <name> --help` lists its inputs. {LEGEND}\n\n"
    made["workflows/index.md"] = intro + table(("workflow", "run by", "does"), rows)
    return made


def _workflow(name: str, workflow: Any, source: str, target: str) -> str:
    told = Docstring(_function(workflow).__doc__)
    own, whole = graph.of(workflow), graph.of(workflow, expanded=True)
    run = f"```sh\n.venv/bin/pyflyte run {source} {name} --help\n```\n"
    parts = [f"## {name}\n\n{told.body}\n", f"`make {target}` runs it.\n" if target else "", run]
    parts += [inputs(workflow, "../"), outputs(workflow, "../"), drawing.draw(own, f"Steps of {name}") + "\n"]
    if whole.nodes.keys() != own.nodes.keys():
        parts.append(f'??? note "All tasks of {name}"\n\n    {drawing.draw(whole, f"All tasks of {name}")}\n')
    if workflow.failure_node is not None:
        handler = project.short(workflow.failure_node.flyte_entity.name)
        parts.append(f"When it fails, `{handler}` runs.\n")
    return "\n".join(part for part in parts if part)


def task_pages() -> dict[str, str]:
    """Return a page a stage with its tasks, and an index of all of them."""
    made, rows = {}, []
    for stage, found in project.tasks().items():
        head = Docstring(inspect.getmodule(_function(next(iter(found.values())))).__doc__)  # type: ignore[union-attr]
        parts = [f"# Tasks: {stage}\n\n{head.body}\n\nDefined in `tasks/{stage}/task.py`.\n"]
        for name, task in found.items():
            rows.append((f"[{name}]({stage}.md#{name})", stage, *(value for _, value in _presets(task))))
            parts.append(_task(name, task))
        made[f"tasks/{stage}.md"] = "\n".join(parts)
    intro = (
        "# Tasks\n\nWhat Flyte runs, each in a pod of its own on a cluster. Memory and cores are request and limit. A retry "
        "follows a failure that is not the user's; retries and time limits count on a cluster alone.\n\n"
    )
    heads = [name for name, _ in _presets(next(iter(project.tasks()["ingestion"].values())))]
    made["tasks/index.md"] = intro + table(("task", "stage", *heads), rows)
    return made


def _presets(task: Any) -> list[tuple[str, str]]:
    asked, about = task.resources.requests, task.metadata
    hours = about.timeout.total_seconds() / 3_600 if about.timeout else 0
    image = getattr(task.container_image, "name", task.container_image)
    return [
        ("cached", "yes" if about.cache else "no"),
        ("cores", str(asked.cpu)),
        ("memory", str(asked.mem)),
        ("GPU", str(asked.gpu or "")),
        ("image", str(image)),
        ("retries", str(about.retries)),
        ("hours at most", f"{hours:g}"),
        ("interruptible", "yes" if about.interruptible else "no"),
    ]


def _task(name: str, task: Any) -> str:
    told = Docstring(_function(task).__doc__)
    presets = "; ".join(f"{key}: {value}" for key, value in _presets(task) if value)
    return "\n".join([f"## {name}\n\n{told.body}\n", f"{presets}.\n", inputs(task, "../"), outputs(task, "../")])


def plan_page() -> str:
    """Return the page of launch plans: each with its executions in every domain."""
    parts = [
        "# Launch plans\n\nWhat runs when. A schedule is in UTC, and its kick-off time is the run's `as_of`. Registering starts no "
        "schedule: a person activates it once its source is a live one.\n"
    ]
    grouped: dict[str, list[tuple[str, Any, str]]] = {}
    for name, held in project.launch_plans().items():
        for where, plan in held[:1]:
            grouped.setdefault(project.short(where), []).append((name, plan, where))
    told = _purposes()
    for variable, plans in sorted(grouped.items()):
        plan = plans[0][1]
        workflow, home = project.short(plan.workflow.name), plan.workflow.name.split(".")[1]
        when = f"`{_when(plan)}` (UTC)" if _when(plan) else "when it is launched"
        parts.append(f"## {variable}\n\n{told.get(variable, '')}\n\nRuns [{workflow}](workflows/{home}.md#{workflow}), {when}.\n")
        rows = [(f"`{name}`", *_plan(one), f"`{where}`") for name, one, where in plans]
        parts.append(table(("plan", "fixed inputs", "inputs with a default", "told of a failure", "stands in"), rows))
    return "\n".join(parts)


def _purposes() -> dict[str, str]:
    """Return what the functions and variables of launch plans say of themselves."""
    found = {}
    for module in (*project.modules("launchplans"), *project.modules("workflows")):
        tree = ast.parse(inspect.getsource(module))
        for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
            if isinstance(node, ast.FunctionDef) and module.__name__.startswith("launchplans."):
                found[node.name] = text(ast.get_docstring(node))
            elif isinstance(node, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[ast.unparse(node.targets[0])] = text(str(after.value.value))
    return found


def _when(plan: Any) -> str:
    return plan.schedule.cron_schedule.schedule if plan.schedule is not None else ""


def _plan(plan: Any) -> tuple[str, str, str]:
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.core.type_engine import TypeEngine

    context, kinds = FlyteContextManager.current_context(), plan.workflow.python_interface.inputs
    fixed = {name: TypeEngine.to_python_value(context, value, kinds[name]) for name, value in plan.fixed_inputs.literals.items()}
    free = [name for name, value in plan.parameters.parameters.items() if name not in fixed and value.default is not None]
    ways = (way for one in plan.notifications or () for way in (one.email, one.slack, one.pager_duty) if way is not None)
    mails = [address for way in ways for address in way.recipients_email]
    return (
        ", ".join(f"`{name}` = {code(value)}" for name, value in fixed.items()),
        ", ".join(f"`{name}`" for name in free),
        line(", ".join(mails)) or "nobody",
    )
