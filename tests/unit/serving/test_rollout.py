"""Steps of a rollout: each from what stands, each a row of the trail, and none around the gate."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.audit import Act
from tasks.artifacts.serving import Deployable, Mode, Routing
from tasks.errors import BundleError, LakeError, ServingError, StorageError
from tasks.lake import audit
from tasks.model import bundle
from tasks.serving import rollout, routing
from tasks.serving.revisions import Revisions
from tests.unit.serving import toy

pytestmark = pytest.mark.unit

AT = datetime(2013, 10, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("packages")
    for number in range(4):
        toy.package(home / str(number), float(number))
    return [home / str(number) for number in range(4)]


@dataclass
class House:
    """A serving folder, the registry's word on each version, and what was recorded."""

    folder: Path
    packages: list[Path]
    champion: int = 1
    rows: list[Routing] = field(default_factory=list)

    def deployable(self, version: int) -> Deployable:
        package = self.packages[version]
        is_champion = version == self.champion
        return Deployable(version=version, package_uri=str(package), package_digest=bundle.digest(package), is_champion=is_champion)

    def step(self, mode: Mode, version: int | None = None, share: float = 0.0, **given: Any) -> Routing:
        found = None if version is None else self.deployable(version)
        package = None if version is None else self.packages[version]
        said = {"by": "Ada Example", "reason": "why", "now": AT, "record": self.rows.append} | given
        return rollout.advance(self.folder, found, package, mode, share, **said)

    @property
    def answers(self) -> tuple[int | None, int | None, float, int | None]:
        """Version of the champion, version and share of the canary, version of the shadow."""
        found = routing.read(self.folder)
        assert found is not None
        champion, canary, shadow = (arm and arm.version for arm in (found.champion, found.canary, found.shadow))
        return champion, canary, found.share, shadow


@pytest.fixture
def house(tmp_path: Path, packages: list[Path]) -> House:
    return House(tmp_path / "serving", packages)


def test_a_model_is_let_in_step_by_step(house: House) -> None:
    house.step(Mode.FULL, 1)
    assert house.answers == (1, None, 0.0, None)
    house.step(Mode.SHADOW, 2)
    assert house.answers == (1, None, 0.0, 2)
    house.step(Mode.CANARY, 2, 0.1)
    assert house.answers == (1, 2, 0.1, None), "a canary is no shadow any more"
    house.step(Mode.CANARY, 2, 0.5)
    assert house.answers == (1, 2, 0.5, None)
    house.step(Mode.SHADOW, 3)
    assert house.answers == (1, 2, 0.5, 3), "another model may be shadow beside a canary"
    house.champion = 2
    found = house.step(Mode.FULL, 2)
    assert house.answers == (2, None, 0.0, None)
    assert found.revision == 6
    assert [row.reason for row in house.rows] == [
        "full of version 1: why",
        "shadow of version 2: why",
        "canary of version 2 at 0.1: why",
        "canary of version 2 at 0.5: why",
        "shadow of version 3: why",
        "full of version 2: why",
    ]
    assert house.rows[-1] == found, "the row holds what stands"
    live = Revisions(house.folder, house.packages[0], lambda revision, reason: pytest.fail(reason)).live
    assert (live.revision, live.champion.version) == (6, 2), "a worker serves it"


@pytest.mark.parametrize("before", [(Mode.SHADOW, 2, 0.0), (Mode.CANARY, 2, 0.1)])
def test_an_abort_drops_what_is_tried(house: House, before: tuple[Mode, int, float]) -> None:
    house.step(Mode.FULL, 1)
    house.step(*before)
    found = house.step(Mode.ABORT)
    assert house.answers == (1, None, 0.0, None)
    assert (found.revision, found.reason) == (3, "abort: why")


def test_a_canary_may_step_back_to_shadow(house: House) -> None:
    house.step(Mode.FULL, 1)
    house.step(Mode.CANARY, 2, 0.1)
    house.step(Mode.SHADOW, 2)
    assert house.answers == (1, None, 0.0, 2)


def test_a_step_done_again_changes_nothing(house: House) -> None:
    for mode, version, share in ((Mode.FULL, 1, 0.0), (Mode.SHADOW, 2, 0.0), (Mode.CANARY, 2, 0.1), (Mode.ABORT, None, 0.0)):
        first = house.step(mode, version, share)
        assert house.step(mode, version, share, reason="again") == first
    assert len(house.rows) == 4


@pytest.mark.parametrize(
    ("mode", "version", "share", "told"),
    [
        (Mode.FULL, 2, 0.0, "version 2 must be champion in the registry to answer all"),
        (Mode.CANARY, 1, 0.1, "version 1 must be another model than the champion to be canary"),
        (Mode.SHADOW, 1, 0.0, "version 1 must be another model than the champion to be shadow"),
        (Mode.CANARY, 2, 0.0, "share above 0 and below 1"),
        (Mode.CANARY, 2, 1.0, "for all there is --mode full"),
        (Mode.CANARY, 2, float("nan"), "share above 0 and below 1"),
        (Mode.SHADOW, 2, 0.1, "leave --share out"),
        (Mode.FULL, 1, 0.1, "leave --share out"),
        (Mode.SHADOW, None, 0.0, "give --model_version"),
        (Mode.FULL, None, 0.0, "give --model_version"),
    ],
)
def test_a_step_that_may_not_be_taken_is_refused(house: House, mode: Mode, version: int | None, share: float, told: str) -> None:
    first = house.step(Mode.FULL, 1)
    with pytest.raises(ServingError, match=told):
        house.step(mode, version, share)
    assert routing.read(house.folder) == first
    assert len(house.rows) == 1, "nothing was recorded"
    assert len(list((house.folder / "packages").iterdir())) == 1, "nothing was copied"


@pytest.mark.parametrize(("mode", "share"), [(Mode.SHADOW, 0.0), (Mode.CANARY, 0.1)])
def test_without_a_champion_in_the_pointer_nothing_is_tried(house: House, mode: Mode, share: float) -> None:
    with pytest.raises(ServingError, match=f"version 2 must have a champion beside it as {mode.value}.*MODE=full"):
        house.step(mode, 2, share)
    with pytest.raises(ServingError, match="routing to abort"):
        house.step(Mode.ABORT)
    assert routing.read(house.folder) is None


@pytest.mark.parametrize("given", [{"by": " "}, {"reason": ""}])
def test_a_step_says_who_and_why(house: House, given: dict[str, str]) -> None:
    with pytest.raises(ServingError, match=r"--by .* --reason"):
        house.step(Mode.FULL, 1, **given)


def test_all_that_is_wrong_is_told_at_once(house: House) -> None:
    with pytest.raises(ServingError, match=r"--by ''.*no version.*--share 2"):
        house.step(Mode.SHADOW, None, 2.0, by="")


def test_an_altered_package_is_not_routed(house: House, tmp_path: Path) -> None:
    house.step(Mode.FULL, 1)
    shutil.copytree(house.packages[2], tmp_path / "altered")
    (tmp_path / "altered" / "card.json").write_text("{}")
    with pytest.raises(BundleError, match="altered"):
        rollout.advance(
            house.folder, house.deployable(2), tmp_path / "altered", Mode.SHADOW, 0.0, "Ada Example", "why", AT, house.rows.append
        )
    with pytest.raises(BundleError, match="must have the sum"):
        rollout.advance(house.folder, house.deployable(2), house.packages[3], Mode.SHADOW, 0.0, "Ada Example", "why", AT, house.rows.append)
    assert house.answers == (1, None, 0.0, None)
    assert len(list((house.folder / "packages").iterdir())) == 1


def other_inputs(house: House, folder: Path, features: list[str]) -> int:
    toy.package(folder, 7.0, categorical_features=features)
    house.packages = [*house.packages, folder]
    return len(house.packages) - 1


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.CANARY])
@pytest.mark.parametrize(
    ("features", "told"),
    [
        (["carrier", "origin", "dest", "gate"], "it reads gate besides"),  # callers do not send it
        (["carrier", "origin"], "it does not read dest"),  # it would be refused as unknown
        (["carrier", "origin", "gate"], "it reads gate besides; it does not read dest"),
    ],
)
def test_a_model_of_other_categories_is_not_tried(house: House, tmp_path: Path, mode: Mode, features: list[str], told: str) -> None:
    first = house.step(Mode.FULL, 1)
    number = other_inputs(house, tmp_path / "other", features)
    with pytest.raises(ServingError, match=rf"version {number} must read the champion's categories.*{told}.*MODE=full"):
        house.step(mode, number, 0.1 if mode == Mode.CANARY else 0.0)
    assert routing.read(house.folder) == first
    assert len(list((house.folder / "packages").iterdir())) == 1, "nothing was copied"
    house.champion = number
    house.step(Mode.FULL, number)
    assert house.answers[0] == number, "alone it may answer: its callers send what it reads"


def test_the_order_of_categories_is_no_difference(house: House, tmp_path: Path) -> None:
    house.step(Mode.FULL, 1)
    number = other_inputs(house, tmp_path / "other", ["dest", "carrier", "origin"])
    house.step(Mode.SHADOW, number)
    assert house.answers == (1, None, 0.0, number)


def test_packages_that_nobody_names_are_dropped(house: House) -> None:
    house.step(Mode.FULL, 1)
    packages = house.folder / "packages"
    rollout.stock(house.folder, house.packages[0], house.deployable(0).package_digest)  # of a step that was cut short
    (packages / f".{'0' * 64}.partial").mkdir()
    (packages / "notes").mkdir()
    house.step(Mode.SHADOW, 2)
    kept = {house.deployable(version).package_digest for version in (1, 2)}
    assert {path.name for path in packages.iterdir()} == kept | {"notes"}, "what is no package is not ours"
    for _ in range(5):  # the history keeps ten revisions
        house.step(Mode.SHADOW, 3)
        house.step(Mode.ABORT)
    assert {path.name for path in packages.iterdir()} == {house.deployable(version).package_digest for version in (1, 3)} | {"notes"}


def test_what_cannot_be_dropped_does_not_undo_the_step(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(folder: Path) -> list[Routing]:
        raise OSError("read-only file system")

    monkeypatch.setattr(routing, "earlier", fail)
    house.step(Mode.FULL, 1)
    assert house.answers == (1, None, 0.0, None)
    assert "were left: " in caplog.text
    assert "read-only file system" in caplog.text


def test_a_package_that_was_dropped_meanwhile_is_copied_again(house: House) -> None:
    """Between the copy and the pointer another process may have dropped it, as nobody named it yet."""
    house.step(Mode.FULL, 1)
    digest = house.deployable(2).package_digest
    real = routing.change

    def change(folder: Path, make: Any) -> Routing:
        shutil.rmtree(routing.package(folder, digest))
        return real(folder, make)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing, "change", change)
        house.step(Mode.SHADOW, 2)
    bundle.verify(routing.package(house.folder, digest), digest)


def test_a_copy_that_was_altered_is_mended(house: House) -> None:
    house.step(Mode.FULL, 1)
    copy = routing.package(house.folder, house.deployable(1).package_digest)
    (copy / "card.json").unlink()
    house.step(Mode.FULL, 1)
    bundle.verify(copy, copy.name)


def test_a_package_that_is_there_is_not_copied_again(house: House) -> None:
    digest = house.deployable(1).package_digest
    rollout.stock(house.folder, house.packages[1], digest)
    before = routing.package(house.folder, digest).stat().st_ino
    rollout.stock(house.folder, house.packages[1], digest)
    assert routing.package(house.folder, digest).stat().st_ino == before


def test_several_may_copy_at_once(house: House) -> None:
    digest, failed = house.deployable(1).package_digest, list[Exception]()

    def work() -> None:
        try:
            rollout.stock(house.folder, house.packages[1], digest)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    bundle.verify(routing.package(house.folder, digest), digest)
    assert [path.name for path in (house.folder / "packages").iterdir()] == [digest]


def test_a_folder_that_cannot_be_written_is_told(house: House) -> None:
    house.folder.mkdir()
    (house.folder / "packages").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="must be writable"):
        house.step(Mode.FULL, 1)
    assert routing.read(house.folder) is None


def test_what_is_not_recorded_is_not_done(house: House) -> None:
    house.step(Mode.FULL, 1)

    def fail(made: Routing) -> None:
        raise LakeError("the audit trail must be whole", "row 3", "bring it back")

    with pytest.raises(LakeError):
        house.step(Mode.SHADOW, 2, record=fail)
    assert house.answers == (1, None, 0.0, None)
    house.step(Mode.SHADOW, 2)
    assert house.answers == (1, None, 0.0, 2), "the lock is free, and the same call does it"


def test_a_broken_pointer_is_not_stepped_over(house: House) -> None:
    house.step(Mode.FULL, 1)
    (house.folder / "routing.json").write_text("{")
    for mode, version in ((Mode.FULL, 1), (Mode.ABORT, None)):
        with pytest.raises(ServingError, match="must hold a routing"):
            house.step(mode, version)


def test_each_step_is_a_row_of_the_trail(house: House, tmp_path: Path) -> None:
    record = rollout.recorder(str(tmp_path / "lake"), "toy")
    house.step(Mode.FULL, 1, record=record)
    found = house.step(Mode.CANARY, 2, 0.1, record=record)
    first, second = audit.read(str(tmp_path / "lake"))
    assert (second.act, second.by, second.subject, second.reason) == (
        Act.ROUTING,
        "Ada Example",
        "toy routing 2",
        "canary of version 2 at 0.1: why",
    )
    assert Routing.model_validate_json(second.evidence) == found
    assert (first.subject, first.at) == ("toy routing 1", AT)


def follow(house: House, version: int) -> Routing | None:
    given = (house.deployable(version), house.packages[version], "Ada Example", "late at night", AT, house.rows.append)
    return rollout.follow(house.folder, *given)


def test_a_rollback_is_followed_by_what_is_served(house: House) -> None:
    house.step(Mode.FULL, 1)
    house.champion = 2
    house.step(Mode.FULL, 2)
    house.step(Mode.CANARY, 3, 0.1)
    house.champion = 1
    found = follow(house, 1)
    assert house.answers == (1, None, 0.0, None)
    assert found is not None
    assert found.reason == "full of version 1: late at night"
    assert follow(house, 1) == found, "done again it changes nothing"


def test_where_nothing_is_routed_there_is_nothing_to_bring_back(house: House) -> None:
    assert follow(house, 1) is None
    assert not house.folder.exists()
    assert house.rows == []


def begin(house: House) -> str:
    given = (house.deployable(house.champion), house.packages[house.champion], "make serve", AT, house.rows.append)
    return rollout.begin(house.folder, *given)


def test_a_server_starts_with_the_champion(house: House) -> None:
    assert begin(house) == begin(house) == "revision 1: champion version 1"
    house.champion = 2
    assert begin(house) == "revision 2: champion version 2", "promoted since"
    house.step(Mode.SHADOW, 3)
    house.champion = 1
    assert begin(house) == "revision 3: champion version 2, shadow version 3", "a rollout is not ended by a restart"
    house.step(Mode.ABORT)
    assert begin(house) == "revision 5: champion version 1"


def test_a_start_does_not_let_in_what_was_sent_back(house: House) -> None:
    begin(house)
    house.step(Mode.CANARY, 2, 0.1)
    house.champion = 2  # promoted while it answers a share
    house.step(Mode.ABORT)
    assert begin(house) == "revision 3: champion version 1", "the guard or a person had a reason"
    house.step(Mode.FULL, 2)
    assert begin(house) == "revision 4: champion version 2"
