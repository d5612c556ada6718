"""A real MLflow on sqlite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.artifacts.evaluation import Decision, Evaluation, Verdict
from tasks.artifacts.registry import RegisteredModel
from tasks.errors import RegistryError
from tests.unit.reporting import factory

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"


def _register(uri: str, name: str, tmp_path: Path, digest: str, verdict: Verdict) -> RegisteredModel:
    from tasks.registry.runs import Judged
    from tasks.registry.versions import Registry

    registry = Registry(uri, name)
    for folder in ("package", "bento"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "file").write_text(digest)
    model = factory.model("network").model_copy(update={"bundle_digest": digest})
    incumbent = registry.incumbent(digest)
    evaluation: Evaluation = factory.evaluation().model_copy(update={"incumbent_version": incumbent.version})
    decision: Decision = factory.decision().model_copy(update={"verdict": verdict})
    baselines = [factory.model("lightgbm"), factory.model("logistic")]
    folders = tmp_path / "package", tmp_path / "bento"
    return registry.register(Judged(model, baselines, evaluation, decision, *folders, f"p-{digest}", {"owner": "x"}))


def test_promotion_moves_the_aliases(uri: str, tmp_path: Path) -> None:
    first = _register(uri, "moves", tmp_path, "a", Verdict.PROMOTE)
    assert (first.version, first.aliases) == (1, ["champion"])
    second = _register(uri, "moves", tmp_path, "b", Verdict.HOLD)
    assert (second.version, second.aliases) == (2, ["challenger"])
    third = _register(uri, "moves", tmp_path, "c", Verdict.PROMOTE)
    assert (third.version, third.aliases) == (3, ["champion"])
    from tasks.registry.versions import Registry

    registry = Registry(uri, "moves")
    assert (registry.version_of("champion"), registry.version_of("previous"), registry.version_of("challenger")) == (3, 1, 2)


def test_a_repeated_run_changes_nothing_and_meets_the_same_champion(uri: str, tmp_path: Path) -> None:
    from tasks.registry.versions import Registry

    _register(uri, "repeat", tmp_path, "a", Verdict.PROMOTE)
    _register(uri, "repeat", tmp_path, "b", Verdict.PROMOTE)
    registry = Registry(uri, "repeat")
    assert registry.incumbent("b").version == 1
    assert registry.incumbent("a").version is None
    # A person goes back to version 1; repeating the run of version 2 must not undo that.
    registry._client.set_registered_model_alias("repeat", "champion", "1")
    again = _register(uri, "repeat", tmp_path, "b", Verdict.PROMOTE)
    assert again.version == 2
    assert registry.version_of("champion") == 1


def test_a_version_leads_to_its_package_and_its_run(uri: str, tmp_path: Path) -> None:
    from tasks.registry.versions import Registry

    made = _register(uri, "leads", tmp_path, "a", Verdict.PROMOTE)
    registry = Registry(uri, "leads")
    assert (Path(registry.champion().bundle_uri) / "file").read_text() == "a"
    assert (Path(registry.bento_uri("champion")) / "file").read_text() == "a"
    run = registry._client.get_run(made.run_id)
    assert run.info.run_name == "candidate, 2013-06-03 to 2013-06-30, leads"
    assert run.data.metrics["log_loss"] == registry.champion().log_loss


def test_a_registration_that_a_kill_cut_short_goes_on_with_its_runs(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.registry.versions import Registry

    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    client = type(Registry(uri, "cut")._client)
    with monkeypatch.context() as patch:
        patch.setattr(client, "create_model_version", die)
        with pytest.raises(KilledError):
            _register(uri, "cut", tmp_path, "a", Verdict.PROMOTE)
    registry = Registry(uri, "cut")
    experiment = registry._client.get_experiment_by_name("cut").experiment_id
    before = {run.info.run_id for run in registry._client.search_runs([experiment])}
    made = _register(uri, "cut", tmp_path, "a", Verdict.PROMOTE)
    assert (made.version, made.aliases) == (1, ["champion"])
    assert {run.info.run_id for run in registry._client.search_runs([experiment])} == before
    assert made.run_id in before


def test_without_a_champion_it_says_what_to_do(uri: str) -> None:
    from tasks.registry.versions import Registry

    with pytest.raises(RegistryError, match="must have a champion"):
        Registry(uri, "nobody").champion()


def test_a_database_out_of_reach_is_told(tmp_path: Path) -> None:
    from tasks.registry.versions import Registry

    (tmp_path / "mlflow.db").write_text("this is no database, and longer than a header")
    with pytest.raises(RegistryError, match="must be in reach"):
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", "x").incumbent("a")
