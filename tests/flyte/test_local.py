"""Local runs: flytekit's private attributes that we lean on, outputs that last, a cache that checks them."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandera.polars as pa
import polars as pl
import pytest
from flytekit import Deck, FlyteContextManager, current_context
from flytekit.core import local_cache
from flytekit.core.context_manager import ExecutionState
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.core.local_cache import LocalTaskCache
from flytekit.types.file import FlyteFile

from tasks import accounts, execution, local
from tasks.edges import Bundle, scratch
from tasks.execution import LIGHT, stage
from tasks.frames import LazyFrame
from tasks.lake import usage

pytestmark = pytest.mark.flyte

RUNS: list[str] = []
"""What really ran, as against what the cache gave."""

Text = FlyteFile["txt"]  # type: ignore[type-arg]


class Squares(pa.DataFrameModel):
    n: int
    square: int


class Both(NamedTuple):
    """A folder and the number of its files."""

    folder: Bundle
    files: int


@stage(resources=LIGHT)
def square(upto: int) -> LazyFrame[Squares]:
    """Return squares.

    Args:
        upto: How many.
    """
    RUNS.append("square")
    return pl.LazyFrame({"n": range(upto)}).with_columns(square=pl.col("n") ** 2)


@stage(resources=LIGHT)
def folder(text: str) -> Both:
    """Return a folder.

    Args:
        text: What its file says.
    """
    RUNS.append("folder")
    made = scratch("made")
    made.mkdir(parents=True)
    (made / "manifest.json").write_text(text)
    return Both(Bundle(str(made)), 1)


@stage(resources=LIGHT)
def files(texts: list[str]) -> dict[str, list[Text]]:
    """Return files in a dict of lists.

    Args:
        texts: What they say.
    """
    RUNS.append("files")
    paths = [scratch(f"{text}.txt") for text in texts]
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return {"all": [Text(str(path)) for path in paths]}


@stage(resources=LIGHT, cached=False)
def uncached(n: int) -> int:
    """Return a number.

    Args:
        n: The number.
    """
    RUNS.append("uncached")
    return n


@stage(resources=LIGHT, cached=False)
def failing(n: int) -> int:
    """Fail.

    Args:
        n: A number.
    """
    if n:
        raise ValueError("wanted")
    return n


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, a cache and a Flyte context of the test's own."""
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(LocalTaskCache, "_initialized", False)
    monkeypatch.setattr(LocalTaskCache, "_cache", None, raising=False)
    RUNS.clear()
    traced = list(local.TRACE.tasks)
    context = FlyteContextManager.current_context()
    access = FileAccessProvider(local_sandbox_dir=str(tmp_path / "sandbox"), raw_output_prefix=str(tmp_path / "elsewhere"))
    with FlyteContextManager.with_context(context.with_file_access(access)):
        yield tmp_path / "home"
    if LocalTaskCache._cache is not None:
        LocalTaskCache._cache.close()
    local.TRACE.tasks[:] = traced


def below(path: Path) -> list[Path]:
    return [found for found in path.rglob("*") if found.is_file()] if path.is_dir() else []


# --- what we lean on --------------------------------------------------------------------------------------------------


def test_flytekit_still_has_what_local_py_leans_on(tmp_path: Path) -> None:
    """Private names of the pinned flytekit: if this fails, mend tasks/local.py before anything else."""
    source = inspect.getsource(local_cache)
    assert "LocalTaskCache._cache" in source
    assert "LocalTaskCache._initialized" in source
    assert {"_cache", "_initialized"} <= vars(LocalTaskCache).keys() | LocalTaskCache.__annotations__.keys()
    assert list(inspect.signature(local._get).parameters) == ["task_name", "cache_version", "input_literal_map", "cache_ignore_input_vars"]
    access = FileAccessProvider(local_sandbox_dir=str(tmp_path), raw_output_prefix=str(tmp_path / "first"))
    assert access._raw_output_prefix.rstrip("/") == str(tmp_path / "first")
    access._raw_output_prefix = str(tmp_path / "second")
    assert access.get_random_remote_path("x").startswith(str(tmp_path / "second")), "outputs go where the attribute says"


def test_the_checked_cache_is_in_place() -> None:
    assert LocalTaskCache.get is local._CheckedCache.get
    assert LocalTaskCache.initialize is local._CheckedCache.initialize
    assert local._get is not local._CheckedCache.get, "else a hit would ask itself for ever"
    local.install()  # a second time changes nothing
    assert local._get is not LocalTaskCache.get


# --- hits and misses --------------------------------------------------------------------------------------------------


def test_equal_inputs_run_once() -> None:
    first, second = square(upto=3), square(upto=3)
    assert RUNS == ["square"]
    assert first.collect().equals(second.collect())
    assert [(trace.task.rsplit(".", 1)[1], trace.cached) for trace in local.TRACE.tasks[-2:]] == [("square", False), ("square", True)]


def test_other_inputs_run() -> None:
    square(upto=3), square(upto=4)
    assert RUNS == ["square", "square"]


def test_a_hit_outlives_the_process_that_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    square(upto=3)
    LocalTaskCache._cache.close()
    monkeypatch.setattr(LocalTaskCache, "_initialized", False)  # as in a new process
    assert square(upto=3).collect().height == 3
    assert RUNS == ["square"]


def test_what_is_not_cached_runs_again() -> None:
    assert uncached(n=1) == uncached(n=1) == 1
    assert RUNS == ["uncached", "uncached"]


def test_a_vanished_frame_runs_again(home: Path) -> None:
    square(upto=3)
    shutil.rmtree(home / "outputs")
    assert square(upto=3).collect()["square"].to_list() == [0, 1, 4]
    assert RUNS == ["square", "square"]
    assert square(upto=3).collect().height == 3
    assert RUNS == ["square", "square"], "the new output is in the cache again"


def test_a_vanished_folder_runs_again(home: Path) -> None:
    folder(text="{}")
    shutil.rmtree(home / "outputs")
    assert (Path(folder(text="{}").folder.download()) / "manifest.json").read_text() == "{}"
    assert RUNS == ["folder", "folder"]


def test_a_vanished_file_inside_a_collection_runs_again(home: Path) -> None:
    files(texts=["a", "b"])
    (gone,) = [path for path in below(home / "outputs") if path.name == "b.txt"]
    gone.unlink()
    assert [Path(file.download()).read_text() for file in files(texts=["a", "b"])["all"]] == ["a", "b"]
    assert RUNS == ["files", "files"]


def test_a_vanished_output_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(local.log, "warning", lambda text, *values: told.append(text % values))
    square(upto=3)
    shutil.rmtree(home / "outputs")
    square(upto=3)
    (line,) = told
    assert "a cached output is gone" in line
    assert "Squares.parquet" in line


def test_a_removed_home_is_made_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make clean` between two runs."""
    square(upto=3)
    LocalTaskCache._cache.close()
    shutil.rmtree(home)
    monkeypatch.setattr(LocalTaskCache, "_initialized", False)
    assert square(upto=3).collect().height == 3
    assert RUNS == ["square", "square"]


# --- what a task used -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [square, uncached], ids=["cached", "uncached"])
def test_a_deck_says_what_the_task_used_and_should_ask_for(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decks: list[Deck] = []
    monkeypatch.setattr(execution, "Deck", lambda title, html: decks.append(Deck(title, html)))
    for number in (1, 2):
        made(**dict.fromkeys(made.interface.inputs, number))
    first, second = (deck.html for deck in decks if deck.name == "resources")
    assert "It should ask for Resources(cpu=" in first
    assert "Asked for</dt><dd>Resources(cpu=&quot;1&quot;, mem=&quot;2Gi&quot;)" in first
    assert "in 1 run," in first
    assert "in 2 runs," in second, "its history is in the lake"


def test_what_the_cache_gave_is_traced_and_not_kept(home: Path) -> None:
    square(upto=3), square(upto=3)
    ran, given = local.TRACE.tasks[-2:]
    assert (ran.cached, given.cached, given.seconds, given.cost) == (False, True, 0.0, 0.0)
    assert usage.of_run(str(home / "lake"), local.run()) == [ran]
    assert ran.cost > 0


def test_an_account_that_cannot_be_kept_fails_no_task(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(accounts.log, "warning", lambda text, *values: told.append(text % values))
    home.mkdir()
    (home / "lake").write_text("in its way")
    assert uncached(n=1) == 1
    assert "could not be kept" in told[0]


def test_a_failed_task_keeps_nothing(home: Path) -> None:
    with pytest.raises(Exception, match="wanted"):
        failing(n=1)
    assert not (home / "lake").exists()


def test_a_pod_is_named_by_its_execution() -> None:
    with pod():
        assert local.run() == current_context().execution_id.name
    assert local.run() == local.TRACE.run


# --- where things lie -------------------------------------------------------------------------------------------------


def test_outputs_and_cache_lie_below_home(home: Path, tmp_path: Path) -> None:
    square(upto=3), folder(text="{}")
    assert {path.name for path in home.iterdir()} == {"cache", "lake", "outputs"}
    assert [path.name for path in below(home / "outputs")].count("manifest.json") == 1
    assert any(path.suffix == ".parquet" for path in below(home / "outputs"))
    assert (home / "cache" / "cache.db").is_file()
    assert not below(tmp_path / "elsewhere"), "nothing goes where flytekit would have put it"


def test_home_is_below_the_working_directory_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERGREEN_HOME")
    assert local.home() == tmp_path / ".evergreen"
    monkeypatch.setenv("EVERGREEN_HOME", "somewhere")
    assert local.home() == tmp_path / "somewhere"
    monkeypatch.setenv("EVERGREEN_HOME", "/absolute")
    assert local.home() == Path("/absolute")


def test_two_homes_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    square(upto=3)
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "second"))
    monkeypatch.setattr(LocalTaskCache, "_initialized", False)
    square(upto=3)
    assert RUNS == ["square", "square"]
    assert below(tmp_path / "second" / "outputs")


# --- in a pod ---------------------------------------------------------------------------------------------------------


def pod() -> Any:
    context = FlyteContextManager.current_context()
    state = context.execution_state.with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
    return FlyteContextManager.with_context(context.with_execution_state(state))


def test_a_pod_is_left_alone(home: Path, tmp_path: Path) -> None:
    with pod() as inside:
        assert local.is_pod()
        before = inside.file_access._raw_output_prefix
        local.keep_outputs()
        local.begin("tasks.training.task.toy")
        assert inside.file_access._raw_output_prefix == before
        assert str(tmp_path / "elsewhere") in before
    assert not home.exists()


def test_a_laptop_is_no_pod(home: Path) -> None:
    assert not local.is_pod()
    local.keep_outputs()
    assert FlyteContextManager.current_context().file_access._raw_output_prefix == str(home / "outputs")


def test_a_task_makes_its_folders_where_they_last(home: Path) -> None:
    """flytekit uploads a folder to an object store from wherever it is; on a laptop it leaves it there."""
    local.keep_outputs()
    first, second = scratch("network"), scratch("network")
    assert first != second
    assert first.name == "network"
    assert not first.exists()
    assert home / "outputs" in first.parents
    with pod() as inside:
        inside.file_access._raw_output_prefix = "s3://bucket/outputs"
        assert scratch("network") == Path(current_context().working_directory) / "network"
