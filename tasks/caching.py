"""Cache versions that follow the code: a task's version is a hash of what can change its result.

That is the source of its module and of every project module that it imports, however far, without comments,
docstrings and layout; and the pins, in `requirements.lock`, of the third-party packages that these modules import.
A changed helper re-runs what depends on it; a changed comment re-runs nothing. The method is static: it reads files
and imports nothing.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
from functools import cache, lru_cache
from pathlib import Path

from flytekit.core.cache import VersionParameters

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ("tasks", "workflows", "launchplans", "images")

_RUNS_IT_ONLY = frozenset({"tasks.execution", "tasks.accounts", "tasks.usage", "tasks.local", "tasks.caching", "images"})
"""Where and how a task runs, not what it gives: resources, what it used, images, progress lines, this module."""

_PINNED_AS = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "pynvml": "nvidia-ml-py",
    "cyclonedx": "cyclonedx-python-lib",
    "packageurl": "packageurl-python",
    "flytekitplugins.deck": "flytekitplugins-deck-standard",
}
"""Import names that differ from the name of their package."""

_NAMESPACES = frozenset({"flytekitplugins"})
"""Top-level names that several packages share: the second part tells which."""


class SourceVersion:
    """A flytekit cache policy: the version of a task is the hash of its sources and pins.

    Args:
        also: Further modules whose code the task uses without importing it.
    """

    def __init__(self, also: tuple[str, ...] = ()) -> None:
        self._also = also

    def get_version(self, salt: str, params: VersionParameters) -> str:
        """Return the version of a task function, as flytekit asks for it at import."""
        function = inspect.unwrap(params.func)
        return version_of(function.__module__, " ".join([salt, *(version_of(module) for module in self._also)]))


def version_of(module: str, salt: str = "") -> str:
    """Return the version of a module: a hash over its closure of project modules and their pins."""
    modules = closure(module)
    third_party = sorted({name for m in modules for name in _read(m)[2]})
    pins = _pins()
    parts = [salt, *(f"{m} {_read(m)[0]}" for m in sorted(modules)), *(pins[p] for p in map(_pin_name, third_party) if p in pins)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def code_hash(module: str) -> str:
    """Return the hash of one module's own code, without comments, docstrings and layout; empty if there is none."""
    return _read(module)[0]


def definition(declared: str, module: str) -> str:
    """Return what names a definition: the digest of what it declares, and the hash of the code of its module."""
    return f"{declared} {code_hash(module)[:16]}"


def closure(module: str) -> frozenset[str]:
    """Return the project modules that a module imports, directly or not, itself included."""
    found: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name in found or name in _RUNS_IT_ONLY or _path(name) is None:
            continue
        found.add(name)
        ahead.extend(_read(name)[1])
    return frozenset(found)


def files(*modules: str) -> list[Path]:
    """Return the files of the closures of modules, with the packages that they lie in."""
    names = {part for module in modules for found in closure(module) for part in _with_parents(found)}
    return sorted({path for name in names if (path := _path(name)) is not None})


def third_party_imports(module: str) -> frozenset[str]:
    """Return the top-level names of the third-party packages that one module imports."""
    return _read(module)[2]


@cache
def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _read(module: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """Return the hash of a module's code, the project modules and the third-party packages that it imports."""
    path = _path(module)
    if path is None:
        return "", frozenset(), frozenset()
    code: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _write(ast.parse(path.read_text(encoding="utf-8")), code, imports)
    project: set[str] = set()
    foreign: set[str] = set()
    for node in imports:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif node.module and not node.level:
            # `from package import name` may import a module or a symbol of one: both are looked up.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            if top in PROJECT:
                project.update(part for part in _with_parents(name) if _path(part) is not None)
            elif top not in sys.stdlib_module_names:
                foreign.add(".".join(name.split(".")[:2]) if top in _NAMESPACES else top)
    return hashlib.sha256("".join(code).encode()).hexdigest(), frozenset(project), frozenset(foreign)


_SAY_NOTHING = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields of nodes that follow from where a node stands, or that do nothing."""


def _write(node: ast.AST, code: list[str], imports: list[ast.Import | ast.ImportFrom]) -> None:
    """Append a node's code, without positions and texts that stand alone as docstrings do, and the imports in it.

    `ast.dump` and `ast.walk` give the same and take three times as long, of every start of every command.
    """
    kind = type(node)
    if kind is ast.Import or kind is ast.ImportFrom:
        imports.append(node)  # type: ignore[arg-type]
    code.append(kind.__name__)
    code.append("(")
    for name in kind._fields:
        if name in _SAY_NOTHING:
            continue
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            _write(value, code, imports)
        elif isinstance(value, list):
            code.append("[")
            for item in value:
                if not isinstance(item, ast.AST):
                    code.append(repr(item))
                elif type(item) is ast.Expr and type(item.value) is ast.Constant and isinstance(item.value.value, str):
                    continue
                else:
                    _write(item, code, imports)
                code.append(",")
            code.append("]")
        else:
            code.append(repr(value))
        code.append(",")
    code.append(")")


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts) + 1)]


@lru_cache(maxsize=1)
def _pins() -> dict[str, str]:
    """Return package to pin; empty where the lock is not shipped, as in a pod, whose image is the pin."""
    lock = ROOT / "requirements.lock"
    lines = lock.read_text().splitlines() if lock.is_file() else []
    return {_normal(line.split("==")[0]): line.split(" ")[0] for line in lines if "==" in line}


def _pin_name(imported: str) -> str:
    return _normal(_PINNED_AS.get(imported, imported))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
