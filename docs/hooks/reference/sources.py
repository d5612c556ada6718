"""Pages made from sources alone, without importing them: modules with their functions, errors, make targets."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from reference import project
from reference.prose import Docstring, code, line, table

PACKAGES = ("tasks", "launchplans", "images")


def module_pages() -> dict[str, str]:
    """Return a page a package with the public functions and classes of its modules, and their index."""
    made, rows = {}, []
    for package in _packages():
        name = ".".join(package.relative_to(project.ROOT).parts)
        parts = [f"# Modules: {name}\n"]
        for path in sorted(package.glob("*.py")):
            tree = ast.parse(path.read_text())
            written = ast.get_docstring(tree)
            if not written:
                continue
            module = path.stem if path.stem != "__init__" else name.rpartition(".")[2]
            parts.append(f"## {module}\n\n`{path.relative_to(project.ROOT)}`\n\n{Docstring(written).body}\n")
            parts += [_described(node, "") for node in tree.body]
            public = [node.name for node in tree.body if _is_public(node)]
            rows.append((f"[{name}.{module}]({name}.md#{module})", Docstring(written).first, ", ".join(map(code, public))))
        made[f"modules/{name}.md"] = "\n".join(part for part in parts if part)
    intro = (
        "# Modules\n\nEvery module with its duty and what it offers to others. Tasks stand under [tasks](../tasks/index.md), records under "
        "[records](../records/index.md).\n\n"
    )
    made["modules/index.md"] = intro + table(("module", "duty", "offers"), rows)
    return made


def _packages() -> list[Path]:
    """Return the folders of code, without those that have pages of their own."""
    found = [project.ROOT / name for name in PACKAGES]
    found += [
        path for path in sorted((project.ROOT / "tasks").iterdir()) if path.is_dir() and path.name not in ("artifacts", "__pycache__")
    ]
    return found


def _is_public(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")


def _described(node: ast.stmt, owner: str) -> str:
    """Return what a public function or class says of itself; its public methods too."""
    if not _is_public(node):
        return ""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if any("stage" in ast.unparse(decorator) for decorator in node.decorator_list) and not owner:
        return ""  # a task, which has its place
    told = Docstring(ast.get_docstring(node))
    title = f"{owner}{node.name}"
    parts = [f"#### {title}\n" if owner else f"### {title}\n"]
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        parts += [f"```python\nclass {node.name}{f'({bases})' if bases else ''}\n```\n", told.body + "\n", told.sections() + "\n"]
        parts += [_described(inner, f"{title}.") for inner in node.body if ast.get_docstring(inner)] if _methods(node) else []
    else:
        result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        parts += [f"```python\n{_signature(node)}{result}\n```\n", told.body + "\n", told.sections() + "\n"]
    return "\n".join(part for part in parts if part.strip())


def _methods(node: ast.ClassDef) -> bool:
    node.body = [inner for inner in node.body if _is_public(inner)]
    return bool(node.body)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    whole = f"{node.name}({ast.unparse(node.args)})"
    if len(whole) < 100:
        return whole
    several = re.sub(r", (?=[*\w]+(?::|=|,|$))", ",\n    ", ast.unparse(node.args))
    return f"{node.name}(\n    {several},\n)"


# --- errors -----------------------------------------------------------------------------------------------------------


def error_page() -> str:
    """Return the page of errors: each class, and every message that the code has of it, with where to mend it."""
    kinds = {
        node.name: Docstring(ast.get_docstring(node))
        for node in ast.parse((project.ROOT / "tasks" / "errors.py").read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    found: dict[str, list[tuple[str, str, str, str]]] = {name: [] for name in kinds}
    for path in sorted((project.ROOT / "tasks").rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = {n.targets[0].id: n.value for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)}
        plain = {name: value for name, value in constants.items() if isinstance(value, ast.Constant | ast.JoinedStr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                parts = {k.arg: k.value for k in node.keywords}
                given = dict(zip(("expected", "found", "mend"), node.args, strict=False)) | parts
                if len(given) == 3:
                    texts = [line(_template(given[part], plain)) for part in ("expected", "found", "mend")]
                    found[node.func.id].append((texts[0], texts[1], texts[2], code(path.relative_to(project.ROOT))))
    page = [
        "# Errors\n\nAn error that a user can mend says what must hold, what was there instead, and where to mend it: "
        "`X must be ...; got Y. To mend: ...`. `pyflyte run` shows that message alone and exits with status 1. These are the "
        "messages of the code; `{...}` stands for a value. Anything else that escapes is a defect.\n"
    ]
    for name, told in kinds.items():
        rows = sorted(set(found[name]))
        page.append(f"## {name}\n\n{told.first}\n")
        if rows:
            page.append(table(("must hold", "got", "to mend", "in"), rows))
    return "\n".join(page)


def _template(node: ast.expr, constants: dict[str, ast.expr]) -> str:
    """Return the text of an expression; `{...}` for what only a run knows."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(_template(part, constants) for part in node.values)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name) if name in constants:
            return _template(constants[name], {})
        case ast.FormattedValue():
            return "{" + ast.unparse(node.value) + "}"
        case ast.BinOp(op=ast.Add()):
            return _template(node.left, constants) + _template(node.right, constants)
        case _:
            return "{" + ast.unparse(node) + "}"


# --- make -------------------------------------------------------------------------------------------------------------


def make_targets() -> dict[str, str]:
    """Return every target of the Makefile that a user may name, with what its comment says."""
    found = {}
    for written in (project.ROOT / "Makefile").read_text().splitlines():
        if named := re.match(r"([\w-]+):(?:.*?##\s*(.*))?", written):
            found[named.group(1)] = (named.group(2) or "").strip()
    return found


def make_page() -> str:
    """Return the page of make targets."""
    rows = []
    for name, told in make_targets().items():
        about, _, variables = told.partition(";")
        has_variables = "=" in variables
        rows.append((f"`make {name}`", line(about if has_variables else told), code(variables.strip()) if has_variables else ""))
    intro = (
        "# Make targets\n\nEverything that a user or the continuous integration runs. Variables are given after the target: "
        "`make retrain AS_OF=2013-11-01`. A variable with nothing behind `=` may be left out or given.\n\n"
    )
    return intro + table(("target", "does", "variables"), rows)
