"""A real MLflow on sqlite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.audit import Act, AuditEntry
from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.fairness import Grouping
from tasks.errors import BundleError, RegistryError
from tasks.lake import audit
from tasks.registry.versions import DEPENDENCIES, Registry
from tests.unit.registry.versions import decided, judged, register
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


@pytest.fixture
def registry(uri: str, request: pytest.FixtureRequest) -> Registry:
    """A model of the test's own."""
    return Registry(uri, request.node.name[:60])


def aliases(registry: Registry) -> tuple[int | None, int | None, int | None]:
    champion, challenger, previous = map(registry.version_of, ("champion", "challenger", "previous"))
    return champion, challenger, previous


@pytest.mark.parametrize("verdict", Verdict)
def test_a_new_version_is_challenger_whatever_the_verdict(registry: Registry, tmp_path: Path, verdict: Verdict) -> None:
    assert register(registry, tmp_path, "a", verdict).aliases == ["challenger"]
    assert register(registry, tmp_path, "b", verdict).aliases == ["challenger"]
    assert aliases(registry) == (None, 2, None)


def test_a_champion_moves_the_aliases(registry: Registry, tmp_path: Path) -> None:
    for digest in "ab":
        register(registry, tmp_path, digest)
    registry.make_champion(1, None)
    assert aliases(registry) == (1, 2, None)
    for _ in range(2):  # done again it changes nothing
        registry.make_champion(2, 1)
        assert aliases(registry) == (2, None, 1)
    assert registry.registered(2).aliases == ["champion"]


def test_a_repeated_run_changes_nothing_and_meets_the_same_champion(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "a")
    registry.make_champion(1, None)
    register(registry, tmp_path, "b")
    registry.make_champion(2, 1)
    assert registry.incumbent("b").version == 1
    assert registry.incumbent("a").version is None
    # A person goes back to version 1; a newer version is challenger. Repeating the run of version 2 undoes neither.
    registry.make_champion(1, 2)
    register(registry, tmp_path, "c")
    tags = registry.tags()
    assert register(registry, tmp_path, "b").version == 2
    assert aliases(registry) == (1, 3, 2)
    assert registry.tags() == tags


def test_judged_anew_a_version_says_what_it_was_judged_by_last(registry: Registry, tmp_path: Path) -> None:
    first = judged(registry, tmp_path, "a", Verdict.HOLD)
    made = registry.register(first)
    before = registry.tags()[1]
    again = judged(registry, tmp_path, "a", Verdict.REVIEW, decided("a", Verdict.REVIEW, None))
    assert registry.register(again) == made.model_copy(update={"dossier_digest": again.dossier_digest})
    after = registry.tags()[1]
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {"verdict", "dossier_digest", "dossier_uri", "decision_digest"}
    assert (after["verdict"], after["dossier_digest"]) == ("REVIEW", again.dossier_digest)
    assert (Path(after["dossier_uri"]) / "dossier.json").read_text() == (again.dossier / "dossier.json").read_text()


def test_another_dossier_of_the_same_decision_takes_the_place_of_the_first(registry: Registry, tmp_path: Path) -> None:
    registry.register(judged(registry, tmp_path, "a", Verdict.REVIEW))
    before = registry.tags()[1]
    again = judged(registry, tmp_path, "a", Verdict.REVIEW, card="another")
    assert registry.register(again).dossier_digest == again.dossier_digest
    after = registry.tags()[1]
    assert {key for key in after if after[key] != before.get(key)} == {"dossier_digest", "dossier_uri"}
    assert (Path(after["dossier_uri"]) / "dossier.json").read_text() == (again.dossier / "dossier.json").read_text()
    registry.register(again)
    assert registry.tags()[1] == after


@pytest.mark.parametrize("key", ["dossier_uri", "dossier_digest"])
def test_a_dossier_whose_change_a_kill_cut_short_is_changed_by_the_same_call(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    registry.register(judged(registry, tmp_path, "a", Verdict.REVIEW))
    again = judged(registry, tmp_path, "a", Verdict.REVIEW, card="another")
    client = type(registry._client)
    real = client.set_model_version_tag

    def die_after(self: Any, name: str, version: str, written: str, text: str) -> None:
        real(self, name, version, written, text)
        if written == key:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, "set_model_version_tag", die_after)
        with pytest.raises(KeyboardInterrupt):
            registry.register(again)
    registry.register(again)
    tags = registry.tags()[1]
    assert tags["dossier_digest"] == again.dossier_digest
    assert (Path(tags["dossier_uri"]) / "dossier.json").read_text() == (again.dossier / "dossier.json").read_text()


@pytest.mark.parametrize("kept", [None, Act.PROMOTION, Act.ROLLBACK])
def test_only_what_was_champion_meets_its_first_incumbent_again(registry: Registry, tmp_path: Path, kept: Act | None) -> None:
    for number, digest in enumerate("abcd", start=1):
        register(registry, tmp_path, digest)
        if digest != "b":
            registry.make_champion(number, registry.version_of("champion"))
    assert aliases(registry) == (4, None, 3)
    assert [registry.incumbent(digest).version for digest in "cd"] == [1, 3], "the last one and the one before it"
    if kept is not None:  # of older ones only the rows are left
        registry.anchor(2, _row(tmp_path, kept))
    assert registry.incumbent("b").version == (4 if kept is None else 1)


def test_judged_against_another_champion_a_version_meets_that_one_again(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "a")
    registry.make_champion(1, None)
    register(registry, tmp_path, "b", Verdict.HOLD)
    register(registry, tmp_path, "c")
    registry.make_champion(3, 1)
    assert register(registry, tmp_path, "b").version == 2
    registry.make_champion(2, 3)
    assert registry.incumbent("b").version == 3


def test_a_champion_in_place_of_one_that_was_deleted_has_no_previous_one(registry: Registry, tmp_path: Path) -> None:
    for digest in "ab":
        register(registry, tmp_path, digest)
    registry._client.delete_model_version(registry.name, "2")
    registry.make_champion(1, 2)
    assert aliases(registry) == (1, None, None)


def test_a_version_leads_to_its_package_and_its_run(registry: Registry, tmp_path: Path) -> None:
    made = register(registry, tmp_path, "a")
    registry.make_champion(1, None)
    assert (Path(registry.champion().bundle_uri) / "file").read_text() == "package a"
    assert (Path(registry.bento_uri("champion")) / "file").read_text() == "bento a"
    run = registry._client.get_run(made.run_id)
    assert run.info.run_name == f"candidate, 2013-06-03 to 2013-06-30, {registry.name}"
    assert run.data.metrics["log_loss"] == registry.champion().log_loss


def test_a_champion_brings_its_threshold_and_the_version_before_it(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "a", threshold=0.21)
    registry.make_champion(1, None)
    first = registry.champion()
    assert (first.version, first.threshold, first.previous_version, first.previous_uri, first.previous_digest) == (1, 0.21, None, "", "")
    register(registry, tmp_path, "b", threshold=0.25)
    registry.make_champion(2, 1)
    second = registry.champion()
    assert (second.version, second.threshold, second.previous_version) == (2, 0.25, 1)
    assert (second.previous_uri, second.previous_digest) == (first.bundle_uri, first.bundle_digest)


def test_a_champion_brings_what_it_was_trained_with(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "a")
    registry.make_champion(1, None)
    known = registry.tags()[1]
    assert registry.champion().dependencies == {"contract": known["contract_digest"], "features": known["features_digest"]}
    registry._tag(1, {"lock_hash": "lock", "source": "feed"})
    assert registry.champion().dependencies.keys() == DEPENDENCIES.keys()


def test_a_champion_that_was_brought_back_is_held_against_none(registry: Registry, tmp_path: Path) -> None:
    """What it replaced was taken away for a reason: a night must not bring that back because its loss is smaller."""
    for name in ("a", "b"):
        register(registry, tmp_path, name)
    registry.make_champion(2, 1)
    registry._tag(2, {"audit_promotion": "4 ab"})
    assert registry.champion().previous_version == 1
    registry.make_champion(1, 2)
    registry._tag(1, {"audit_promotion": "2 cd", "audit_rollback": "5 ef"})
    assert (registry.champion().version, registry.champion().previous_version) == (1, None)
    registry._tag(1, {"audit_promotion": "6 aa"})  # promoted anew
    assert registry.champion().previous_version == 2


@pytest.mark.parametrize("gone", ["deleted", "the champion itself"])
def test_a_version_before_that_is_none_is_not_named(registry: Registry, tmp_path: Path, gone: str) -> None:
    register(registry, tmp_path, "a")
    registry.make_champion(1, None)
    register(registry, tmp_path, "b")
    registry.make_champion(2, 1)
    if gone == "deleted":
        registry._client.delete_model_version(registry.name, "1")
    else:
        registry._client.set_registered_model_alias(registry.name, "previous", "2")
    assert registry.champion().previous_version is None


def test_an_incumbent_brings_what_a_candidate_is_compared_by(registry: Registry, tmp_path: Path) -> None:
    grouping = Grouping(name="air service", column="n", cut=28, below="small", above="large")
    register(registry, tmp_path, "a", grouping=grouping, group_thresholds={"small": 0.3, "large": 0.2})
    registry.make_champion(1, None)
    found = registry.incumbent("b")
    assert (found.version, found.features_digest, found.contract_digest) == (1, factory.digest(7), factory.digest(8))
    assert (found.grouping, found.group_thresholds) == (grouping, {"small": 0.3, "large": 0.2})
    register(registry, tmp_path, "b")
    registry.make_champion(2, 1)
    plain = registry.incumbent("c")
    assert (plain.version, plain.grouping, plain.group_thresholds) == (2, None, {})


def test_a_version_from_before_they_were_kept_has_no_digests(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "a")
    registry.make_champion(1, None)
    for key in ("features_digest", "contract_digest"):
        registry._client.delete_model_version_tag(registry.name, "1", key)
    found = registry.incumbent("b")
    assert (found.features_digest, found.contract_digest, found.grouping) == (None, None, None)


@pytest.mark.parametrize("folder", ["package", "bento"])
@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "altered"])
def test_a_package_or_bento_that_is_not_whole_is_told(registry: Registry, tmp_path: Path, folder: str, is_gone: bool) -> None:
    made = register(registry, tmp_path, "a")
    assert registry.require_whole(1) == made.package_digest
    file = Path(registry.version(1).source).with_name(folder) / "file"
    if is_gone:
        file.unlink()
    else:
        file.write_text("other")
    with pytest.raises(BundleError, match="file is " + ("missing" if is_gone else "altered")):
        registry.require_whole(1)


def test_rows_are_kept_with_the_version_that_they_are_about(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "a")
    rows = [_row(tmp_path, act) for act in (Act.PROMOTION, Act.ROLLBACK, Act.ROLLBACK)]
    assert registry.anchors() == {}
    assert registry.is_pending(1, rows[0])
    registry.anchor(1, rows[0])
    registry.anchor(1, rows[2])
    assert [registry.is_pending(1, row) for row in rows] == [False, False, False], "a later act of its kind has been done"
    assert registry.anchors() == {row.number: row.hash for row in (rows[0], rows[2])}
    assert not registry.is_pending(7, rows[0]), "with a version that was deleted there is nothing to do"


def _row(lake: Path, act: Act) -> AuditEntry:
    from datetime import UTC, datetime

    return audit.append(str(lake), act, "me", "version 1", "why", "{}", datetime(2013, 10, 1, tzinfo=UTC))


def test_a_registration_that_a_kill_cut_short_goes_on_with_its_runs(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    given = judged(registry, tmp_path, "a", Verdict.PROMOTE)
    for call in ("create_model_version", "set_registered_model_alias"):
        with monkeypatch.context() as patch:
            patch.setattr(type(registry._client), call, die)
            with pytest.raises(KilledError):
                registry.register(given)
    experiment = registry._client.get_experiment_by_name(registry.name).experiment_id
    before = {run.info.run_id for run in registry._client.search_runs([experiment])}
    made = registry.register(given)
    assert (made.version, made.aliases) == (1, ["challenger"])
    assert {run.info.run_id for run in registry._client.search_runs([experiment])} == before
    assert made.run_id in before


def test_without_a_champion_it_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="must have a champion"):
        registry.champion()


def test_a_version_that_there_is_not_is_told_with_those_there_are(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="none; run `make retrain`"):
        registry.registered(1)
    register(registry, tmp_path, "a")
    with pytest.raises(RegistryError, match=r"must have version 7; got none of that number.*there are: 1"):
        registry.registered(7)


def test_a_database_out_of_reach_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and longer than a header")
    with pytest.raises(RegistryError, match="must be in reach"):
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", "x").incumbent("a")
