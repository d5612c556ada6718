"""A worker's routing: verified, loaded and warm before it serves, swapped at once, and never worse than what was there."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.serving import Arm, Routing
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.preprocessing import Preprocessing
from tasks.serving import revisions, routing
from tasks.serving.revisions import Live, Loaded, Revisions
from tests.unit.serving import toy

pytestmark = pytest.mark.unit

AT = datetime(2013, 10, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four packages, of which each gives other probabilities; their folders are named by their digests."""
    home = tmp_path_factory.mktemp("packages")
    folders = []
    for bias in range(4):
        digest = toy.package(home / "new", float(bias))
        folders.append((home / "new").rename(home / digest))
    return folders


@dataclass
class Server:
    """A serving folder, and what a worker does with it."""

    folder: Path
    packaged: Path
    stock: list[Path]
    refused: list[tuple[int, str]] = field(default_factory=list)

    def arm(self, number: int) -> Arm:
        digest = self.stock[number].name
        if not (target := routing.package(self.folder, digest)).exists():
            shutil.copytree(self.stock[number], target)
        return Arm(version=number, package_digest=digest)

    def route(self, champion: int | Arm, **given: Any) -> Routing:
        said = {name: self.arm(value) if isinstance(value, int) else value for name, value in {"champion": champion, **given}.items()}

        def make(now: Routing | None) -> Routing:
            held = {"revision": 1 if now is None else now.revision + 1, "by": "Ada Example", "reason": "why", "changed_at": AT}
            return Routing(**(held | said))

        return routing.change(self.folder, make)

    def start(self) -> Revisions:
        return Revisions(self.folder, self.packaged, lambda revision, reason: self.refused.append((revision, reason)))


@pytest.fixture
def server(tmp_path: Path, made: list[Path]) -> Server:
    return Server(tmp_path / "serving", made[0], made)


def answer(loaded: Loaded | None) -> float:
    assert loaded is not None
    return float(loaded.predictor.probabilities(loaded.predictor.encode([toy.ROW]))[0])


def told(server: Server) -> list[int]:
    return [revision for revision, _ in server.refused]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at what was refused, at once."""
    monkeypatch.setattr(revisions, "_AGAIN_SECONDS", 0.0)


def test_without_a_pointer_the_own_package_serves(server: Server, made: list[Path]) -> None:
    found = server.start()
    assert found.live.revision == 0
    assert found.live.champion.version is None
    assert found.live.champion.digest == made[0].name
    assert not found.poll()
    assert server.refused == []
    assert not server.folder.exists(), "a server without a folder makes none"


def test_a_worker_starts_with_the_pointer(server: Server) -> None:
    server.route(1, canary=2, share=0.25, shadow=3)
    live = server.start().live
    assert (live.revision, live.champion.version, live.share) == (1, 1, 0.25)
    assert answer(live.champion) < answer(live.canary) < answer(live.shadow)


def test_a_new_pointer_is_served_after_a_look(server: Server) -> None:
    found = server.start()
    before = found.live
    server.route(1)
    assert found.live is before
    assert found.poll()
    assert (found.live.revision, found.live.champion.version) == (1, 1)
    assert not found.poll()
    assert answer(before.champion) < answer(found.live.champion), "a request that holds the old one still has its answer"


def test_what_stays_is_not_loaded_again(server: Server) -> None:
    server.route(1, canary=2, share=0.1)
    found = server.start()
    champion, canary = found.live.champion.predictor, found.live.canary.predictor  # type: ignore[union-attr]
    server.route(2, shadow=1)  # both change places
    assert found.poll()
    assert found.live.champion.predictor is canary
    assert found.live.shadow is not None
    assert found.live.shadow.predictor is champion


def test_a_predictor_that_nobody_needs_is_freed(server: Server) -> None:
    server.route(1, canary=2, share=0.1)
    found = server.start()
    champion, canary = (weakref.ref(arm.predictor) for arm in (found.live.champion, found.live.canary) if arm)
    server.route(3)
    assert found.poll()
    gc.collect()
    assert champion() is None
    assert canary() is None


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def altered(server: Server, folder: Path) -> None:
    flip(folder / "model.onnx")


def swapped(server: Server, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(server.stock[3], folder)  # whole, but of another digest


def missing(server: Server, folder: Path) -> None:
    shutil.rmtree(folder)


def foreign(server: Server, folder: Path) -> None:
    (folder / "extra.pkl").write_bytes(b"")


@pytest.mark.parametrize("spoil", [altered, swapped, missing, foreign])
@pytest.mark.parametrize("place", ["champion", "canary", "shadow"])
def test_a_bad_package_is_refused_and_the_old_one_serves(
    server: Server, impatient: None, spoil: Callable[[Server, Path], None], place: str
) -> None:
    server.route(0)
    found = server.start()
    before, expected = found.live, answer(found.live.champion)
    digest = server.arm(1).package_digest
    spoil(server, routing.package(server.folder, digest))
    arm = Arm(version=1, package_digest=digest)
    server.route(**({"champion": 0, "share": 0.1 if place == "canary" else 0.0} | {place: arm}))
    for _ in range(3):
        assert not found.poll()
    assert found.live is before
    assert answer(found.live.champion) == expected
    assert told(server) == [2], "once"
    assert "BundleError" in server.refused[0][1]
    shutil.rmtree(routing.package(server.folder, digest), ignore_errors=True)
    server.arm(1)
    assert found.poll(), "brought back, it serves without a restart"
    assert found.live.revision == 2


def sealed(server: Server, **files: str) -> Arm:
    """Return an arm of a package that is sealed, and not what a predictor needs."""
    folder = server.folder / "packages" / "new"
    shutil.copytree(server.stock[1], folder)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    bundle.seal(folder)
    digest = bundle.digest(folder)
    folder.rename(folder.with_name(digest))
    return Arm(version=9, package_digest=digest)


@pytest.mark.parametrize("files", [{"model_onnx": "no model"}, {"preprocessing_json": "{}"}, {"card_json": "[]"}])
def test_a_sealed_package_that_does_not_load_is_refused(server: Server, files: dict[str, str]) -> None:
    server.route(0)
    found = server.start()
    server.route(0, canary=sealed(server, **files), share=0.5)
    assert not found.poll()
    assert found.live.canary is None
    assert told(server) == [2]


def test_a_model_that_gives_no_probabilities_is_refused(server: Server) -> None:
    server.route(0)
    found = server.start()
    folder = server.folder / "packages" / "new"
    digest = toy.package(folder, float("nan"))
    folder.rename(folder.with_name(digest))
    server.route(0, shadow=Arm(version=9, package_digest=digest))
    assert not found.poll()
    assert told(server) == [2]


def test_a_refused_revision_is_not_loaded_at_every_look(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.route(0)
    found = server.start()
    server.route(0, shadow=Arm(version=9, package_digest="9" * 64))
    assert not found.poll()
    monkeypatch.setattr(revisions, "_ready", None)  # a load would end in a TypeError, and be told
    for _ in range(5):
        assert not found.poll()
    assert told(server) == [2]


def test_a_broken_pointer_is_told_once_and_the_old_one_serves(server: Server, impatient: None) -> None:
    server.route(1)
    found = server.start()
    (server.folder / "routing.json").write_text('{"revision": 2')
    for _ in range(3):
        assert not found.poll()
    assert told(server) == [0]
    assert "must hold a routing" in server.refused[0][1]
    assert len(server.refused[0][1]) <= 500
    shutil.copyfile(server.folder / "history" / "00000001.json", server.folder / "routing.json")
    assert not found.poll(), "what is served already is no news"
    server.route(2)
    assert found.poll()
    (server.folder / "routing.json").write_text("{")
    assert not found.poll()
    assert told(server) == [0, 0], "broken anew, it is told anew"


@pytest.mark.parametrize(("revision", "champion"), [(1, 1), (2, 1), (2, 3)])  # lower; the same of other models
def test_a_pointer_that_goes_back_is_refused(server: Server, revision: int, champion: int) -> None:
    server.route(1)
    server.route(2)
    found = server.start()
    before = found.live
    standing = routing.read(server.folder)
    assert standing is not None
    back = standing.model_copy(update={"revision": revision, "champion": server.arm(champion)})
    (server.folder / "routing.json").write_text(back.model_dump_json())
    assert not found.poll()
    assert found.live is before
    assert told(server) == [revision]
    assert f"revision {revision} after revision 2" in server.refused[0][1]


@pytest.mark.parametrize("lost", ["routing.json", "."])  # the pointer alone; the whole folder, as when it is not mounted
def test_a_lost_pointer_is_no_reason_to_serve_another_model(server: Server, lost: str) -> None:
    server.route(1)
    found = server.start()
    if lost == ".":
        shutil.rmtree(server.folder)
    else:
        (server.folder / lost).unlink()
    assert not found.poll()
    assert found.live.champion.version == 1
    assert told(server) == [0]


@pytest.mark.parametrize("spoilt", ["package", "pointer", "no pointer"])
def test_a_worker_that_starts_with_a_bad_revision_serves_the_last_good_one(server: Server, spoilt: str) -> None:
    server.route(1)
    server.route(2, shadow=Arm(version=8, package_digest="8" * 64))  # this one cannot be served either
    server.route(2, shadow=Arm(version=9, package_digest="9" * 64))
    if spoilt == "pointer":
        (server.folder / "routing.json").write_text("{")
    if spoilt == "no pointer":
        (server.folder / "routing.json").unlink()
    found = server.start()
    assert (found.live.revision, found.live.champion.version) == (1, 1)
    assert told(server) == [3 if spoilt == "package" else 0]


def test_a_worker_that_starts_where_nothing_is_good_serves_its_own_package(server: Server) -> None:
    server.folder.mkdir()
    (server.folder / "routing.json").write_text("{")
    live = server.start().live
    assert (live.revision, live.champion.version) == (0, None)
    assert told(server) == [0]


def test_a_worker_whose_own_package_is_altered_does_not_start(server: Server, tmp_path: Path) -> None:
    shutil.copytree(server.packaged, tmp_path / "own")
    flip(tmp_path / "own" / "model.onnx")
    server.packaged = tmp_path / "own"
    with pytest.raises(BundleError, match="altered"):
        server.start()


def test_nothing_of_an_altered_package_is_parsed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.route(0)
    found = server.start()
    digest = server.arm(1).package_digest
    (routing.package(server.folder, digest) / "card.json").write_text("{}")
    server.route(0, shadow=1)
    parsed: list[Any] = []
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *given, **options: parsed.append(given))
    monkeypatch.setattr(Preprocessing, "model_validate_json", lambda text: parsed.append(text))
    assert not found.poll()
    assert parsed == []
    assert told(server) == [2]


def test_no_request_sees_half_of_a_revision(server: Server) -> None:
    """A reader takes `live` all the while: each time it is of one revision, its models are loaded and give their own answers."""
    for number in range(4):
        server.arm(number)
    server.route(0)
    found = server.start()
    own = {}
    for number in range(4):
        loaded = Loaded(number, "", revisions._ready(server.stock[number], None))
        own[number] = answer(loaded)
    stop, wrong, seen = threading.Event(), list[str](), set[int]()

    def read() -> None:
        while not stop.is_set():
            live = found.live
            number = live.revision
            named = {"champion": number % 4 if number > 1 else 0, "canary": (number + 1) % 4 if number > 1 else None}
            for place, version in named.items():
                loaded = getattr(live, place)
                if (None if loaded is None else loaded.version) != version:
                    wrong.append(f"{place} of revision {number}")
                elif loaded is not None and answer(loaded) != own[version]:
                    wrong.append(f"answer of the {place} of revision {number}")
            seen.add(number)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for revision in range(2, 102):
        server.route(revision % 4, canary=(revision + 1) % 4, share=0.5)
        assert found.poll()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(seen) > 50
    assert found.live.revision == 101


def test_looks_at_once_swap_once(server: Server) -> None:
    found = server.start()
    server.route(1)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(found.poll())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 5 + [True]


def live(made: list[Path], share: float, has_canary: bool = True) -> Live:
    loaded = Loaded(1, "d", None)  # type: ignore[arg-type]  # who is asked does not depend on the model
    return Live(1, loaded, loaded if has_canary else None, share)


entities = st.lists(st.text(max_size=8), min_size=1, max_size=3).map("|".join)


@given(entities, st.floats(0, 1), st.floats(0, 1))
def test_who_the_canary_answers_stays_with_it_as_its_share_grows(entity: str, one: float, other: float) -> None:
    fewer, more = (live([], share).is_canary(entity) for share in sorted((one, other)))
    assert more or not fewer
    assert live([], one).is_canary(entity) == live([], one).is_canary(entity)
    assert not live([], 0.0).is_canary(entity)
    assert live([], 1.0).is_canary(entity)
    assert not live([], 1.0, has_canary=False).is_canary(entity)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_share_of_the_entities_is_that_share(share: float) -> None:
    count = 20_000
    found = np.mean([live([], share).is_canary(f"B6|JFK|{number}") for number in range(count)])
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / count)


def test_the_draw_is_the_documented_one() -> None:
    """Another process, in another language or year, draws the same: the first 8 bytes of blake2b, big-endian, over 2**64."""
    drawn = 0.5184590254887775
    assert not live([], drawn - 1e-9).is_canary("B6|JFK|MCO")
    assert live([], drawn + 1e-9).is_canary("B6|JFK|MCO")


def test_a_pointer_that_cannot_be_read_is_refused(server: Server) -> None:
    server.route(1)
    found = server.start()
    os.unlink(server.folder / "routing.json")
    (server.folder / "routing.json").mkdir()
    assert not found.poll()
    assert "StorageError" in server.refused[0][1]
