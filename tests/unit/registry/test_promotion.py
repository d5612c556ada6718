"""Decisions, approvals, promotions and rollbacks: on a real MLflow, with a real trail."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from tasks.artifacts.audit import Act, Approval, ChampionChange
from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.serving import Deployable, Mode
from tasks.errors import BundleError, EvergreenError, LakeError, PromotionRefused, RegistryError
from tasks.lake import audit
from tasks.model import bundle
from tasks.registry import promotion
from tasks.registry.versions import Registry
from tests.unit.registry.versions import decided, judged

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AT = datetime(2013, 10, 1, 8, tzinfo=UTC)
HOURS = 72.0


class KilledError(BaseException):
    """Stands in for a kill: nothing of ours catches it."""


@dataclass
class House:
    """A registry with its lake, and what the tasks do with both."""

    registry: Registry
    folder: Path

    @property
    def lake(self) -> str:
        return str(self.folder / "lake")

    @property
    def aliases(self) -> tuple[int | None, int | None, int | None]:
        champion, challenger, previous = map(self.registry.version_of, ("champion", "challenger", "previous"))
        return champion, challenger, previous

    @property
    def acts(self) -> list[str]:
        """The trail, a word a row: D1 for a decision on version 1, A, P and R."""
        return [f"{row.act.value[0].upper()}{row.subject.split()[-1]}" for row in audit.read(self.lake)]

    def register(self, digest: str, verdict: Verdict = Verdict.PROMOTE, **given: Any) -> int:
        found = judged(self.registry, self.folder, digest, verdict, **given)
        number = self.registry.register(found).version
        promotion.record_decision(self.registry, self.lake, number, found.decision, "a task", AT)
        return number

    def promote(self, number: int, at: datetime = AT) -> None:
        promotion.promote(self.registry, self.lake, number, "a task", at)

    def roll_back(self, number: int, by: str = "Ada Example", reason: str = "late at night") -> None:
        promotion.roll_back(self.registry, self.lake, number, by, reason, AT)

    def dossier(self, number: int) -> str:
        return self.registry.tags()[number]["dossier_digest"]

    def approve(self, number: int, at: datetime = AT) -> Approval:
        given = (number, "Ada Example", "read and sound", self.dossier(number)[:12])
        return promotion.approve(self.registry, self.lake, *given, at, HOURS)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('promotion') / 'mlflow.db'}"


@pytest.fixture
def house(uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> House:
    return House(Registry(uri, re.sub(r"\W+", "-", request.node.name)), tmp_path)


# --- promotion --------------------------------------------------------------------------------------------------------


def test_a_decision_of_promote_makes_champions_in_turn(house: House) -> None:
    assert house.register("a") == 1
    house.promote(1)
    assert house.aliases == (1, None, None)
    house.register("b")
    house.promote(2)
    assert house.aliases == (2, None, 1)
    assert house.acts == ["D1", "P1", "D2", "P2"]
    last = audit.read(house.lake)[-1]
    assert (last.by, last.reason, last.subject) == ("a task", "decision PROMOTE of row 3", f"{house.registry.name} version 2")
    assert promotion.inspect(house.registry, house.lake).is_whole
    assert set(house.registry.anchors()) == {1, 2, 3, 4}


def test_a_repeated_run_does_not_undo_a_rollback(house: House) -> None:
    for digest in "ab":
        house.promote(house.register(digest))
    house.roll_back(1)
    for _ in range(2):
        house.promote(house.register("b"))
    assert house.aliases == (1, None, 2)
    assert house.acts == ["D1", "P1", "D2", "P2", "R1"]


def test_a_decision_that_differs_is_recorded_beside_the_first(house: House) -> None:
    house.register("a", Verdict.HOLD)
    house.register("a", Verdict.HOLD)
    house.register("a", decision=decided("a", Verdict.PROMOTE, None))
    assert house.acts == ["D1", "D1"]
    house.promote(1)
    assert house.aliases == (1, None, None)


def test_a_candidate_that_was_held_back_is_judged_against_the_champion_of_now(house: House) -> None:
    """Its run is done again under other rules, after another one became champion."""
    house.promote(house.register("a"))
    house.register("b", Verdict.HOLD)
    house.promote(house.register("c"))
    for _ in range(2):  # and again it meets the same one
        house.promote(house.register("b"))
        assert house.aliases == (2, None, 3)
    assert house.acts == ["D1", "P1", "D2", "D3", "P3", "D2", "P2"]


def _hold(house: House) -> None:
    house.register("b", Verdict.HOLD)


def _hard_limit(house: House) -> None:
    decision = decided("b", Verdict.HOLD, 1).model_copy(update={"verdict": Verdict.REVIEW})
    house.register("b", Verdict.REVIEW, decision=decision)


def _no_decision(house: House) -> None:
    house.registry.register(judged(house.registry, house.folder, "b", Verdict.PROMOTE))


def _another_candidate(house: House) -> None:
    house.register("b", decision=decided("z", Verdict.PROMOTE, 1))


def _champion_changed(house: House) -> None:
    house.register("b")
    house.promote(house.register("c"))


UNFIT = [
    (_hold, "HOLD: the paired gain over champion"),
    (_hard_limit, "HOLD: the paired gain over champion"),  # a failed criterion that decides HOLD, whatever the verdict says
    (_no_decision, "must have a decision in the audit trail; got none"),
    (_another_candidate, "a decision on another candidate"),
    (_champion_changed, "it compared with version 1, the champion is version 3"),
]


@pytest.mark.parametrize(("prepare", "words"), UNFIT)
def test_what_no_approval_helps_is_refused_by_promotion_and_by_review(house: House, prepare: Callable[[House], None], words: str) -> None:
    house.promote(house.register("a"))
    prepare(house)
    before, acts = house.aliases, house.acts
    with pytest.raises(PromotionRefused, match=words):
        house.promote(2)
    with pytest.raises(PromotionRefused, match=words):
        house.approve(2)
    assert (house.aliases, house.acts) == (before, acts)


def test_of_two_that_promote_at_once_the_second_sees_the_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has written its row and not yet moved the aliases."""
    house.promote(house.register("a"))
    house.register("b")
    house.register("c")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "make_champion", _die)
        with pytest.raises(KilledError):
            house.promote(2)
    assert house.aliases[0] == 1
    with pytest.raises(PromotionRefused, match="compared with version 1, the champion is version 2"):
        house.promote(3)


def _die(*_: object, **__: object) -> None:
    raise KilledError


# --- approval ---------------------------------------------------------------------------------------------------------


def test_a_decision_of_review_takes_an_approval(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.REVIEW)
    with pytest.raises(PromotionRefused, match=r"REVIEW without a valid approval\. To mend"):
        house.promote(2)
    given = house.approve(2)
    assert (given.version, given.dossier_digest, given.expires_at - given.at) == (2, house.dossier(2), timedelta(hours=HOURS))
    house.promote(2, AT + timedelta(hours=HOURS) - timedelta(seconds=1))
    assert house.aliases == (2, None, 1)
    assert house.acts == ["D1", "P1", "D2", "A2", "P2"]
    last = audit.read(house.lake)[-1]
    assert last.reason == "decision REVIEW of row 3, approved by Ada Example in row 4: read and sound"


def _expired(house: House) -> None:
    house.approve(2, AT - timedelta(hours=HOURS))


def _mismatched(house: House) -> None:
    house.approve(2)
    house.registry._tag(2, {"dossier_digest": "0" * 64})


def _newer_decision(house: House) -> None:
    house.approve(2)
    decision = decided("b", Verdict.REVIEW, 1).model_copy(update={"reasons": ["another"]})
    house.register("b", Verdict.REVIEW, decision=decision)


def _newer_dossier(house: House) -> None:
    house.approve(2)
    house.register("b", Verdict.REVIEW, card="another")


def _of_another_version(house: House) -> None:
    house.register("c", Verdict.REVIEW)
    given = house.approve(3)
    about = f"{house.registry.name} version 2"  # someone writes it under the other's name
    audit.append(house.lake, Act.APPROVAL, "Eve", about, "why", given.model_dump_json(), AT)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda house: None, r"REVIEW without a valid approval\. To mend"),  # absent
        (_expired, "row 4 expired at 2013-10-01 08:00 UTC"),
        (_mismatched, "row 4 is for another dossier"),
        (_newer_dossier, "row 4 is for another dossier"),  # of the same decision
        (_newer_decision, "row 4 is from before the newest decision"),
        (_of_another_version, "row 6 is for .* version 3"),
    ],
)
def test_an_approval_that_does_not_hold_is_refused(house: House, prepare: Callable[[House], None], words: str) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.REVIEW)
    prepare(house)
    with pytest.raises(PromotionRefused, match=words):
        house.promote(2)
    assert house.aliases[0] == 1


@pytest.mark.parametrize(
    ("by", "reason", "digits", "words"),
    [
        (" ", "why", 12, "--by is empty"),
        ("Ada", "", 12, "--reason is empty"),
        ("Ada", "why", 11, "--dossier is"),  # one digit too few
        ("Ada", "why", 0, "--dossier is nothing"),
        ("", "", 0, "--by is empty; --reason is empty; --dossier is nothing"),  # all at once
    ],
)
def test_an_approval_names_who_why_and_what_was_read(house: House, by: str, reason: str, digits: int, words: str) -> None:
    house.register("a", Verdict.REVIEW)
    with pytest.raises(PromotionRefused, match=words):
        promotion.review(house.registry, house.lake, 1, by, reason, house.dossier(1)[:digits])


def test_the_dossier_of_another_version_is_not_evidence(house: House) -> None:
    house.register("a", Verdict.REVIEW)
    house.register("b", Verdict.REVIEW)
    with pytest.raises(PromotionRefused, match="--dossier is"):
        promotion.review(house.registry, house.lake, 1, "Ada", "why", house.dossier(2))


def test_an_altered_dossier_is_not_evidence(house: House) -> None:
    house.register("a", Verdict.REVIEW)
    folder = Path(house.registry.tags()[1]["dossier_uri"])
    (folder / "dossier.json").write_text('"all is well"')
    with pytest.raises(BundleError, match="altered"):
        house.approve(1)
    bundle.seal(folder)  # whoever alters it may seal it again
    with pytest.raises(BundleError, match="must have the sum"):
        house.approve(1)


def test_a_version_that_was_champion_is_brought_back_by_a_rollback(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.REVIEW)
    house.approve(2)
    house.promote(2)
    house.roll_back(1)
    with pytest.raises(PromotionRefused, match=r"it was champion before.*make rollback TO=2"):
        house.approve(2)


# --- rollback ---------------------------------------------------------------------------------------------------------


def test_a_rollback_there_and_back(house: House) -> None:
    for digest in "ab":
        house.promote(house.register(digest))
    house.roll_back(1)
    assert house.aliases == (1, None, 2)
    house.roll_back(1)  # nothing to do
    house.roll_back(2)
    assert house.aliases == (2, None, 1)
    assert house.acts == ["D1", "P1", "D2", "P2", "R1", "R2"]
    assert promotion.inspect(house.registry, house.lake).is_whole


@pytest.mark.parametrize(("to", "previous"), [(2, 1), (1, 2)])  # to what the alias names, and to what the trail has
def test_a_rollback_mends_what_was_done_by_hand(house: House, to: int, previous: int) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.REVIEW)
    house.registry._client.set_registered_model_alias(house.registry.name, "champion", "2")
    assert not promotion.inspect(house.registry, house.lake).is_whole
    for _ in range(2):  # the second time there is nothing to do
        house.roll_back(to)
        assert (house.aliases[0], house.aliases[2]) == (to, previous)
        assert house.acts == ["D1", "P1", "D2", f"R{to}"]
    change = ChampionChange.model_validate_json(audit.read(house.lake)[-1].evidence)
    assert (change.version, change.before) == (to, previous)
    assert promotion.inspect(house.registry, house.lake).is_whole


def test_a_rollback_to_what_was_held_back_is_refused_though_an_alias_names_it(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.HOLD)
    house.registry._client.set_registered_model_alias(house.registry.name, "champion", "2")
    with pytest.raises(PromotionRefused, match="HOLD"):
        house.roll_back(2)


def test_a_rollback_to_a_champion_from_before_the_trail_does_nothing(house: House) -> None:
    house.registry.register(judged(house.registry, house.folder, "a", Verdict.PROMOTE))
    house.registry.make_champion(1, None)
    house.roll_back(1)
    assert (house.aliases, house.acts) == ((1, None, None), [])


def test_a_rollback_is_no_way_around_the_gate(house: House) -> None:
    """A version that was held back and never was champion is no earlier champion."""
    house.promote(house.register("a"))
    house.register("b", Verdict.HOLD)
    with pytest.raises(PromotionRefused, match="HOLD"):
        house.roll_back(2)
    assert house.aliases[0] == 1
    assert house.acts == ["D1", "P1", "D2"]


@pytest.mark.parametrize("folder", ["package", "bento"])
@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "altered"])
def test_a_rollback_to_what_is_not_whole_leaves_the_champion(house: House, folder: str, is_gone: bool) -> None:
    for digest in "ab":
        house.promote(house.register(digest))
    place = Path(house.registry.version(1).source).with_name(folder)
    if is_gone:
        place.rename(place.with_name("elsewhere"))
    else:
        (place / "file").write_text("other")
    with pytest.raises(BundleError):
        house.roll_back(1)
    assert house.aliases == (2, None, 1)
    assert house.acts[-1] == "P2"


@pytest.mark.parametrize(
    ("number", "by", "reason", "error"),
    [
        (7, "Ada", "why", RegistryError),  # there is no such version
        (1, " ", "why", PromotionRefused),
        (1, "Ada", "", PromotionRefused),
    ],
)
def test_a_rollback_that_names_nothing_is_refused(house: House, number: int, by: str, reason: str, error: type[EvergreenError]) -> None:
    for digest in "ab":
        house.promote(house.register(digest))
    with pytest.raises(error):
        house.roll_back(number, by, reason)
    assert house.aliases[0] == 2


CALLS = ("make_champion", "anchor", "alias previous", "alias champion")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("act", ["promote", "roll_back"])
def test_what_a_kill_cut_short_the_same_call_finishes(house: House, monkeypatch: pytest.MonkeyPatch, act: str, call: str) -> None:
    """Killed before each of the steps after the row is written."""
    house.promote(house.register("a"))
    house.register("b")
    if act == "roll_back":
        house.promote(2)
    number = 2 if act == "promote" else 1
    with monkeypatch.context() as patch:
        if call.startswith("alias"):
            client = type(house.registry._client)
            real = client.set_registered_model_alias

            def set_alias(self: Any, name: str, alias: str, version: str) -> None:
                if alias == call.split()[1]:
                    raise KilledError
                real(self, name, alias, version)

            patch.setattr(client, "set_registered_model_alias", set_alias)
        else:
            patch.setattr(Registry, call, _die)
        with pytest.raises(KilledError):
            getattr(house, act)(number)
    if call != "anchor":
        report = promotion.inspect(house.registry, house.lake)
        assert not report.is_whole
        assert report.problem.endswith("the act is not finished: if no run is at it, run it again")
    acts = house.acts
    getattr(house, act)(number)
    assert house.aliases == (number, None, 3 - number)
    assert house.acts == acts, "the row was there"
    assert promotion.inspect(house.registry, house.lake).is_whole


def test_an_act_that_was_cut_short_does_not_undo_a_later_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.promote(house.register("a"))
    house.register("b")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "make_champion", _die)
        with pytest.raises(KilledError):
            house.promote(2)
    house.roll_back(1)  # a person would rather not
    house.promote(2)  # the run is done again
    assert house.aliases[0] == 1
    assert house.acts == ["D1", "P1", "D2", "P2", "R1"]


# --- the trail and the registry ---------------------------------------------------------------------------------------


def _rewrite(house: House, rows: pl.DataFrame) -> None:
    """Write the table anew, past the trail's own way."""
    shutil.rmtree(Path(house.lake) / audit.AUDIT)
    write_deltalake(str(Path(house.lake) / audit.AUDIT), rows.to_arrow())


def test_rows_that_were_cut_off_are_told_by_the_registry(house: House) -> None:
    house.promote(house.register("a"))
    house.promote(house.register("b"))
    rows = pl.DataFrame(audit._rows(house.lake), schema=audit._SCHEMA)
    _rewrite(house, rows.head(3))  # the promotion of version 2
    assert audit.verify(house.lake).is_whole
    report = promotion.inspect(house.registry, house.lake)
    assert (report.is_whole, report.broken_at) == (False, 4)
    _rewrite(house, rows)
    assert promotion.inspect(house.registry, house.lake).is_whole


def _cut(house: House, rows: int) -> None:
    _rewrite(house, pl.DataFrame(audit._rows(house.lake), schema=audit._SCHEMA).head(rows))


def test_a_verdict_does_not_count_once_a_newer_one_was_cut_off(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b")
    house.register("b", decision=decided("b", Verdict.HOLD, 1))
    _cut(house, 3)
    for act in (house.promote, house.roll_back, house.approve, lambda number: house.register("c")):
        with pytest.raises(LakeError, match="row 4, which is missing: the registry names rows up to 4"):
            act(2)
    assert house.aliases[0] == 1
    assert house.acts == ["D1", "P1", "D2"]


def test_a_promotion_does_not_undo_a_rollback_once_both_were_cut_off(house: House) -> None:
    for digest in "ab":
        house.promote(house.register(digest))
    house.roll_back(1)
    _cut(house, 3)
    with pytest.raises(LakeError, match="row 4, which is missing"):
        house.promote(2)
    assert house.aliases[0] == 1


@pytest.mark.parametrize("is_seen", [False, True], ids=["after the trail is read", "before it is read"])
def test_a_promotion_while_the_trail_is_inspected_is_no_fault(house: House, monkeypatch: pytest.MonkeyPatch, is_seen: bool) -> None:
    house.promote(house.register("a"))
    house.register("b")
    real, reads = audit._rows, []

    def rows(lake: str) -> list[dict[str, Any]]:
        reads.append(lake)
        before = real(lake)
        monkeypatch.setattr(audit, "_rows", real)
        house.promote(2)
        monkeypatch.setattr(audit, "_rows", rows)
        return real(lake) if is_seen else before

    monkeypatch.setattr(audit, "_rows", rows)
    report = promotion.inspect(house.registry, house.lake)
    assert (report.is_whole, report.rows) == (True, 4 if is_seen else 3)
    assert len(reads) == 1
    assert house.aliases[0] == 2


def test_a_champion_by_no_act_is_told(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.HOLD)
    house.registry._client.set_registered_model_alias(house.registry.name, "champion", "2")
    report = promotion.inspect(house.registry, house.lake)
    assert (report.is_whole, report.broken_at) == (False, 2)
    assert report.problem == "makes version 1 champion, while the registry has version 2: an alias was moved by hand"
    house.registry._client.delete_registered_model_alias(house.registry.name, "champion")
    assert "the registry has none" in promotion.inspect(house.registry, house.lake).problem


def test_a_registry_from_before_the_trail_is_no_fault(house: House) -> None:
    house.registry.register(judged(house.registry, house.folder, "a", Verdict.PROMOTE))
    house.registry.make_champion(1, None)
    assert promotion.inspect(house.registry, house.lake).is_whole


def test_nothing_is_done_on_a_broken_trail(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b")
    rows = pl.DataFrame(audit._rows(house.lake), schema=audit._SCHEMA)
    _rewrite(house, rows.with_columns(pl.lit("Eve").alias("by")))
    for act in (house.promote, house.roll_back, house.approve):
        with pytest.raises(LakeError, match="row 1, which was changed"):
            act(2)
    assert house.aliases[0] == 1


def deployable(house: House, number: int, mode: Mode = Mode.FULL, at: datetime = AT, **given: float) -> Deployable:
    return house.registry.deployable(number, mode, audit.read(house.lake), at, **given)


def test_a_version_is_named_to_be_routed_to(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b")
    first, second = (deployable(house, number) for number in (1, 2))
    assert (first.version, first.is_champion) == (1, True)
    assert (second.version, second.is_champion) == (2, False)
    bundle.verify(Path(second.package_uri.removeprefix("file://")), second.package_digest)
    with pytest.raises(RegistryError, match="must have version 3"):
        deployable(house, 3)


def test_one_that_was_held_back_may_be_shadow_and_no_canary(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.HOLD)
    house.register("c", Verdict.REVIEW)
    assert deployable(house, 2, Mode.SHADOW).version == 2
    with pytest.raises(PromotionRefused, match=r"version 2 must be fit to answer as canary; got HOLD.*as shadow it may score"):
        deployable(house, 2, Mode.CANARY)
    assert deployable(house, 3, Mode.SHADOW).version == 3


def _nothing(house: House) -> None:
    pass


def _review(house: House) -> None:
    house.register("b", Verdict.REVIEW)


def _review_expired(house: House) -> None:
    _review(house)
    house.approve(2, AT - timedelta(hours=HOURS))


def _review_newer_decision(house: House) -> None:
    _review(house)
    _newer_decision(house)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_no_decision, r"version 2 must be fit to answer as canary; got no decision in the audit trail.*make retrain.*as shadow it may"),
        (_another_candidate, "a decision on another candidate"),
        (_review, r"REVIEW without a valid approval\..*make approve VERSION=2"),
        (_review_expired, "expired at 2013-10-01 08:00 UTC"),
        (_review_newer_decision, "from before the newest decision"),
        (_hard_limit, "HOLD"),
    ],
)
def test_a_canary_needs_what_a_champion_needs(house: House, prepare: Callable[[House], None], words: str) -> None:
    house.promote(house.register("a"))
    prepare(house)
    assert deployable(house, 2, Mode.SHADOW).version == 2
    for share in (0.001, 0.999):
        with pytest.raises(PromotionRefused, match=words):
            deployable(house, 2, Mode.CANARY, share=share)


def test_a_promoted_or_approved_one_may_be_canary(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b")
    house.register("c", Verdict.REVIEW)
    house.approve(3)
    for number in (2, 3):
        assert deployable(house, number, Mode.CANARY, share=0.999).version == number


def test_an_unapproved_one_may_have_the_share_that_the_policy_gives(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.REVIEW)
    house.registry.register(judged(house.registry, house.folder, "c", Verdict.PROMOTE))
    house.register("d", Verdict.HOLD)
    assert deployable(house, 2, Mode.CANARY, share=0.05, unapproved_share=0.05).version == 2
    for number, share in ((2, 0.06), (2, float("nan")), (3, 0.01), (4, 0.01)):  # beyond it; no share; no decision; held back
        with pytest.raises(PromotionRefused):
            deployable(house, number, Mode.CANARY, share=share, unapproved_share=0.05)
    with pytest.raises(PromotionRefused, match="REVIEW"):
        deployable(house, 2, Mode.CANARY, unapproved_share=0.05)  # of a share that is not told


def test_one_that_is_or_was_champion_may_be_canary(house: House) -> None:
    house.register("a", Verdict.REVIEW)
    house.approve(1)
    house.promote(1)
    later = AT + timedelta(hours=2 * HOURS)
    assert deployable(house, 1, Mode.CANARY, later).is_champion, "its approval did its work"
    house.promote(house.register("b"))
    assert deployable(house, 1, Mode.CANARY, later).version == 1


def test_an_alias_moved_by_hand_makes_nobody_answer_all(house: House) -> None:
    house.promote(house.register("a"))
    house.register("b", Verdict.HOLD)
    house.registry._client.set_registered_model_alias(house.registry.name, "champion", "2")
    assert not deployable(house, 2).is_champion
    assert not deployable(house, 1).is_champion, "until registry and trail agree again"


def test_a_champion_from_before_the_trail_may_answer_all(house: House) -> None:
    house.registry.register(judged(house.registry, house.folder, "a", Verdict.PROMOTE))
    house.registry.make_champion(1, None)
    assert deployable(house, 1).is_champion
    assert deployable(house, 1, Mode.CANARY).is_champion, "what may answer all may answer a share"
