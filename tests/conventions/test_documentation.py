"""The documentation: it builds with strict links, is reachable and asks nothing of the network, and what it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.conventions.reference import ROOT, flows, graph, policy, project, sources
from tests.conventions.test_runbooks import anchor

pytestmark = pytest.mark.e2e

DOCS = ROOT / "docs"
MARKDOWN = sorted(
    {*ROOT.glob("*.md"), *(path for path in DOCS.rglob("*.md") if "hooks" not in path.parts), *(ROOT / ".github").rglob("*.md")}
)
_CODE = re.compile(r"^( *)(```+).*?^\1\2\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    place = tmp_path_factory.mktemp("site") / "site"
    command = ["make", "docs", f"SITE={place}", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return place


class Page(HTMLParser):
    """What a built page refers to, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := found.get(name))}
        if tag == "a":
            self.links += [found["href"] or ""] if "href" in found else []
        else:
            self.loaded += [value for name in ("src", "href", "srcset", "data") if (value := found.get(name))]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {str(path.relative_to(site)): Page(path) for path in site.rglob("*.html")}


def prose_of(path: Path) -> str:
    return _CODE.sub("", path.read_text())


# --- the site ---------------------------------------------------------------------------------------------------------


def test_a_page_asks_nothing_of_the_network(site: Path, pages: dict[str, Page]) -> None:
    """No script, style, font or picture from elsewhere, also not by way of a style."""
    foreign = {name: [url for url in page.loaded if re.match(r"(https?:)?//", url)] for name, page in pages.items()}
    assert {name: urls for name, urls in foreign.items() if urls} == {}
    styles = {
        str(path): re.findall(r"(?:url\(|@import )['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text()) for path in site.rglob("*.css")
    }
    assert {name: urls for name, urls in styles.items() if urls} == {}


def test_every_link_of_the_site_leads_to_a_page_and_its_section(site: Path, pages: dict[str, Page]) -> None:
    """mkdocs checks what it wrote from Markdown; this checks what came out."""
    dead = []
    for name, page in pages.items():
        if name == "404.html":
            continue  # its links are absolute: it is shown in any folder
        for link in page.links:
            path, _, section = unquote(link).partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (site / name).parent / path if path else site / name
            target = (target / "index.html" if target.is_dir() else target).resolve()
            found = pages.get(str(target.relative_to(site.resolve()))) if target.is_file() else None
            if not target.exists() or (section and found and section not in found.anchors):
                dead.append(f"{name} -> {link}")
    assert dead == []


def test_every_page_is_reachable_from_the_first(site: Path, pages: dict[str, Page]) -> None:
    reached, waiting = set(), {"index.html"}
    while waiting:
        reached |= waiting
        links = {
            (name, unquote(link).partition("#")[0]) for name in waiting for link in pages[name].links if not re.match(r"[a-z]+:", link)
        }
        found = {((site / name).parent / link).resolve() for name, link in links if link}
        inside = {str(path.relative_to(site.resolve())) for path in found if path.is_relative_to(site.resolve())}
        waiting = (inside & pages.keys()) - reached
    assert pages.keys() - reached == {"404.html"}


def test_every_decision_has_its_page_and_its_line(site: Path, pages: dict[str, Page]) -> None:
    records = [path for path in sorted((DOCS / "decisions").glob("*.md")) if path.name != "README.md"]
    numbers = [path.name[:4] for path in records]
    assert numbers == sorted(set(numbers)), "a number stands twice"
    listed = (site / "decisions" / "index.html").read_text()
    for path in records:
        assert re.match(rf"# {path.name[:4]}: \S", path.read_text()), path
        assert f'href="{path.stem}.html"' in listed, path


def test_pictures_are_small_and_used() -> None:
    pictures = sorted((DOCS / "images").glob("*"))
    sizes = {path.name: path.stat().st_size for path in pictures}
    assert {name: size for name, size in sizes.items() if size > 200_000} == {}
    assert sum(sizes.values()) < 2_000_000
    texts = "".join(path.read_text() for path in MARKDOWN)
    assert [path.name for path in pictures if f"images/{path.name}" not in texts] == []


def test_diagrams_are_in_the_pages(site: Path) -> None:
    for module, found in project.workflows().items():
        text = (site / "reference" / "workflows" / f"{module}.html").read_text()
        for name, workflow in found.items():
            for node in workflow.nodes:
                step = graph._step(node.flyte_entity, "")
                assert f"<title>Steps of {name}</title>" in text
                assert f">{step.label}<" in text or f">{step.label} for each<" in text, (name, step.label)


# --- Markdown, as a code host shows it --------------------------------------------------------------------------------


def headings(path: Path) -> set[str]:
    return {anchor(re.sub(r"[`*]", "", title)) for title in re.findall(r"^#{1,6} (.+)$", prose_of(path), re.M)}


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_file_leads_somewhere(path: Path) -> None:
    """Those to the generated reference are checked in the site."""
    dead = []
    for link in _LINK.findall(prose_of(path)):
        target, _, section = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        if re.match(r"[a-z]+:", link) or (found.is_relative_to(DOCS / "reference") and not found.exists()):
            continue
        if not found.exists() or (section and found.suffix == ".md" and section not in headings(found)):
            dead.append(link)
    assert dead == []


def test_files_that_a_page_names_are_there() -> None:
    """In backticks, from the root of the project; `...` and what a run makes are left out."""
    named = re.compile(r"`((?:tasks|workflows|launchplans|images|tests|docs)/[\w./-]+|\.github/[\w./-]+)`")
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in MARKDOWN
        if path.name != "CHANGELOG.md" and "decisions" not in path.parts
        for name in named.findall(prose_of(path))
        if not (ROOT / name).exists()
    ]
    assert wrong == []


def make_commands() -> list[tuple[str, str, set[str]]]:
    """Return (file, target, variables) of each make command that a file names."""
    found = []
    command = re.compile(r"^\W*make ([a-z][a-z-]+)((?: [A-Z_]+=(?:\"[^\"]*\"|[^\s`]*))*)", re.M)
    for path in MARKDOWN:
        if path.name == "CHANGELOG.md":
            continue
        text = path.read_text()
        code = [block.group() for block in _CODE.finditer(text)] + re.findall(r"`([^`\n]+)`", _CODE.sub("", text))
        for target, given in (one for part in code for one in command.findall(part)):
            found.append((str(path.relative_to(ROOT)), target, set(re.findall(r"([A-Z_]+)=", given))))
    return found


def test_every_make_command_that_a_page_names_is_one() -> None:
    targets, makefile = sources.make_targets(), (ROOT / "Makefile").read_text()
    known = set(re.findall(r"\$\((?:if |or |value )?\$?\(?(?:value )?([A-Z_]+)", makefile))
    commands = make_commands()
    assert len(commands) > 50
    assert [(file, f"make {target}") for file, target, _ in commands if target not in targets] == []
    assert [(file, target, variables - known) for file, target, variables in commands if variables - known] == []


# --- what must be documented ------------------------------------------------------------------------------------------


def test_every_setting_of_the_policy_has_a_meaning_and_a_reason() -> None:
    """A meaning by the description of its field in tasks/artifacts/, or below the name; a reason beside it, above it, or of its section."""
    nameless, groundless = [], []
    for section in policy.sections():
        for setting in section.settings:
            if not (setting.meaning or (setting.path == section.name and section.about)):
                nameless.append(setting.path)
            is_number = isinstance(setting.value, int | float) and not isinstance(setting.value, bool)
            if setting.is_given and is_number and not (setting.reason or section.has_own_words):
                groundless.append(setting.path)
    assert nameless == []
    assert groundless == []


def test_every_setting_of_the_policy_is_in_the_site(site: Path) -> None:
    text = (site / "reference" / "policy.html").read_text()
    for section in policy.sections():
        assert f'id="{section.name.lower()}"' in text
        for setting in section.settings:
            below = setting.path.removeprefix(section.name).removeprefix(".")
            assert not below or f"<code>{below}</code>" in text, setting.path


def test_every_input_of_a_workflow_is_described_and_shown(site: Path) -> None:
    run = flows.targets()
    for module, found in project.workflows().items():
        text = (site / "reference" / "workflows" / f"{module}.html").read_text()
        for name, workflow in found.items():
            described = flows.Docstring(flows._function(workflow).__doc__)
            assert described.first, name
            for given in workflow.python_interface.inputs:
                assert described.inputs.get(given), f"{name} does not say what `{given}` is, under Args"
                assert f"<code>{given}</code>" in text
    assert len(run) >= 20, "the Makefile's commands are not read any more"


def test_every_make_target_says_what_it_does(site: Path) -> None:
    text = (site / "reference" / "make.html").read_text()
    targets = sources.make_targets()
    assert [name for name, told in targets.items() if not told] == []
    assert [name for name in targets if f"<code>make {name}</code>" not in text] == []


def test_environment_variables_are_those_that_the_code_reads() -> None:
    read = set()
    for path in [
        *(p for package in ("tasks", "workflows", "launchplans", "images") for p in (ROOT / package).rglob("*.py")),
        ROOT / "Makefile",
    ]:
        read |= set(re.findall(r"\bEVERGREEN_[A-Z_]+\b", path.read_text()))
    documented = set(re.findall(r"^\| `(EVERGREEN_[A-Z_]+)`", (DOCS / "reference" / "environment.md").read_text(), re.M))
    assert documented == read


def test_every_launch_plan_and_task_is_in_the_site(site: Path) -> None:
    plans = (site / "reference" / "launch-plans.html").read_text()
    assert [name for name in project.launch_plans() if f"<code>{name}</code>" not in plans] == []
    listed = (site / "reference" / "tasks" / "index.html").read_text()
    missing = [
        f"{stage}.{name}" for stage, found in project.tasks().items() for name in found if f'href="{stage}.html#{name}"' not in listed
    ]
    assert missing == []


# --- the continuous integration ---------------------------------------------------------------------------------------

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_integration_calls_make_targets_and_nothing_else(path: Path) -> None:
    parsed, targets = yaml.safe_load(path.read_text()), sources.make_targets()
    assert parsed["permissions"] == {"contents": "read"}
    for job in parsed["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "run" in step:
                assert re.fullmatch(r"make ([a-z-]+)", step["run"]), step["run"]
                assert step["run"].removeprefix("make ") in targets
            else:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]), step["uses"]


def test_the_integration_runs_all_that_a_person_is_asked_to() -> None:
    run = {
        step["run"]
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job["steps"]
        if "run" in step
    }
    assert run == {"make setup", "make check", "make test", "make docs"}


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name)
def test_a_form_of_an_issue_is_one(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= form.keys()
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields)
    assert all(part["attributes"]["label"] for part in fields)
