"""The generator of the reference and of the site's navigation: comments, docstrings, records and links as pages."""

from __future__ import annotations

import logging
from typing import Literal

import pytest
from pydantic import Field

from tasks.artifacts.record import Record
from tests.conventions.reference import flows, hook, policy, prose, records, sources

pytestmark = pytest.mark.unit


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "home", "place", "made"),
    [
        ("[b](backtest.md)", "docs/a.md", "a.md", "[b](backtest.md)"),
        ("[r](../README.md)", "docs/a.md", "a.md", "[r](project/readme.md)"),
        ("[r](../../README.md#two-commands)", "docs/x/a.md", "x/a.md", "[r](../project/readme.md#two-commands)"),
        ("[b](docs/backtest.md#x)", "README.md", "project/readme.md", "[b](../backtest.md#x)"),
        ("![p](docs/images/report.png)", "README.md", "project/readme.md", "![p](../images/report.png)"),
        ("[policy](../tasks/usecase/policy.py)", "docs/a.md", "a.md", "policy (`tasks/usecase/policy.py`)"),  # the site has no code
        ("[`policy.py`](../tasks/usecase/policy.py)", "docs/a.md", "a.md", "`policy.py`"),
        ("[w](https://example.com/x.md)", "docs/a.md", "a.md", "[w](https://example.com/x.md)"),
        ("[s](#here)", "docs/a.md", "a.md", "[s](#here)"),
        ("[p](reference/policy.md#batch)", "docs/a.md", "a.md", "[p](reference/policy.md#batch)"),  # which is no file
    ],
)
def test_links_of_the_repository_lead_to_pages_of_the_site(markdown: str, home: str, place: str, made: str) -> None:
    assert hook._LINK.sub(lambda found: hook._led(found, home, place), markdown) == made


def test_a_link_that_leads_nowhere_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """By mkdocs's own log, whose warnings end a strict build."""
    with caplog.at_level(logging.WARNING, logger="mkdocs"):
        hook._LINK.sub(lambda found: hook._led(found, "docs/a.md", "a.md"), "[x](nowhere.md)")
    assert "docs/a.md: the link to nowhere.md leads nowhere" in caplog.text


def test_code_is_left_as_it_is() -> None:
    page = "a [x](y.md)\n\n```sh\n[x](y.md)\n```\n\nb\n"
    pieces = hook._pieces(page)
    assert "".join(piece for piece, _ in pieces) == page
    assert [piece for piece, is_code in pieces if is_code] == ["```sh\n[x](y.md)\n```"]


def test_a_pattern_takes_what_is_named_nowhere_else_and_stays_in_its_folder() -> None:
    nav = [{"A": ["a/one.md", "a/*.md"]}, {"B": ["b*.md"]}, {"None": ["c/*.md"]}]
    known = ["a/one.md", "a/two.md", "a/deep/three.md", "b.md", "a/b.md"]
    named: set[str] = set()
    hook._plain(nav, named)
    assert hook._expanded(nav, known, named) == [{"A": ["a/one.md", "a/b.md", "a/two.md"]}, {"B": ["b.md"]}]


def test_a_page_may_ask_for_a_diagram(caplog: pytest.LogCaptureFixture) -> None:
    drawn = hook._DIAGRAM.sub(hook._drawn, "<!-- diagram: retrain retrain --> <!-- diagram: retrain retrain with all tasks -->")
    assert drawn.count("<svg") == 2
    assert ">build_features<" in drawn
    with caplog.at_level(logging.WARNING, logger="mkdocs"):
        hook._DIAGRAM.sub(hook._drawn, "<!-- diagram: retrain nothing -->")
    assert "there is no such workflow" in caplog.text


# --- the policy -------------------------------------------------------------------------------------------------------


def test_a_comment_beside_or_above_a_value_is_its_reason() -> None:
    source = "A = f(\n    # above\n    # it\n    x=1,\n    y=2,  # beside\n    z=3,\n)\n"
    comments = policy.Comments(source)
    assert [comments.reason(line, line, True) for line in (4, 5, 6)] == ["above it", "beside", ""]


def test_what_the_policy_gives_is_told_from_what_it_leaves() -> None:
    found = {setting.path: setting for section in policy.sections() for setting in section.settings}
    given, left = found["MONITORING.drift.windows"], found["MONITORING.drift.seed"]
    assert (given.value, given.is_given, left.is_given) == ([2, 7, 14], True, False)
    assert given.reason == "a broken feed shows in two days, a season in two weeks"
    assert given.meaning == "Lengths of the current windows, in days: each ends with the newest day"
    assert given.allowed == "at least 1 of them"


# --- records, types, docstrings ---------------------------------------------------------------------------------------


class Toy(Record):
    """A toy."""

    mode: Literal["a", "b"]
    share: float | None = Field(0.5, gt=0, le=1, description="Of | all")


def test_a_record_is_a_table_of_its_fields() -> None:
    head, _, first, second = records.fields(Toy).strip().split("\n")
    assert head == "| field | type | default | limits | meaning |"
    assert first == "| `mode` | `'a' or 'b'` |  |  |  |"
    assert second == "| `share` | `float \\| None` | `0.5` | above 0, at most 1 | Of \\| all |"


@pytest.mark.parametrize(
    ("kind", "name"),
    [(int, "int"), (list[int], "list[int]"), (dict[str, Toy], "dict[str, Toy]"), (float | None, "float | None"), (type(None), "None")],
)
def test_a_type_is_written_without_modules(kind: object, name: str) -> None:
    assert prose.type_name(kind) == name


def test_a_docstring_has_its_parts() -> None:
    told = prose.Docstring(
        "Do it.\n\nMore <b> of `a<b>`.\n\nArgs:\n    x: One\n        and two.\n\nReturns:\n    All.\n\nRaises:\n    OSError: If not.\n"
    )
    assert told.first == "Do it."
    assert told.body == "Do it.\n\nMore &lt;b&gt; of `a<b>`."
    assert told.inputs == {"x": "One and two."}
    assert told.sections() == "**Arguments**\n\n- `x`: One and two.\n\n**Returns**\n\n- All.\n\n**Raises**\n\n- `OSError`: If not."


# --- errors, make, modules --------------------------------------------------------------------------------------------


def test_errors_are_listed_with_where_to_mend_them() -> None:
    page = sources.error_page()
    assert "| the data must pass validation | STOP, {len(stops)} finding" in page
    for name in ("SourceError", "ClockError", "PromotionRefused", "ServingError"):
        assert f"## {name}\n" in page


def test_a_make_target_has_its_words_and_its_variables() -> None:
    assert sources.make_targets()["help"] == "list the targets"
    assert "| `make rollback` | bring an earlier version back | `TO=1 BY=" in sources.make_page()


def test_make_targets_are_told_by_the_workflows_that_they_run() -> None:
    run = flows.targets()
    assert run["workflows/retrain.py retrain"] == "retrain"
    assert run["workflows/promote.py review"] == "approve"


def test_every_module_with_public_parts_is_listed() -> None:
    pages = sources.module_pages()
    assert "### decide\n" in pages["modules/tasks.evidence.md"]
    assert "| [tasks.clock](tasks.md#clock) |" in pages["modules/index.md"]
    assert "### _grouped" not in pages["modules/tasks.md"]  # a private one
