"""Checkpoints: a training that was killed goes on to the same bit; a damaged file costs one state, another's is refused."""

from __future__ import annotations

import logging
import multiprocessing
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.errors import TrainingError
from tasks.training import loop, network
from tasks.training.checkpoints import Checkpoints, Part, State
from tests.model import killed

pytestmark = pytest.mark.model


def undisturbed() -> dict[str, Any]:
    fitted = network.fit(killed.CONFIG, *killed.inputs())
    return {"weights": fitted.network.state_dict(), "losses": list(fitted.losses)}


def require_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["losses"] == expected["losses"]
    assert found["weights"].keys() == expected["weights"].keys()
    assert all(torch.equal(found["weights"][name], tensor) for name, tensor in expected["weights"].items())


def test_killed_many_times_the_weights_are_those_of_an_undisturbed_training(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.model.killed"])  # torch is imported once
    generator, kills = random.Random(2013), 0
    while True:
        told, child = context.Pipe(duplex=False)
        process = context.Process(target=killed.train, args=(tmp_path, child))
        process.start()
        child.close()
        try:
            for _ in range(generator.randint(1, 6)):
                told.recv()
        except EOFError:  # it has come to its end
            process.join(60)
            break
        process.kill()  # SIGKILL, wherever it is by now: in a step, or in a write
        process.join(60)
        kills += 1
    assert process.exitcode == 0
    assert kills >= 20
    require_same(torch.load(tmp_path / "result", weights_only=True), undisturbed())


def test_a_finished_part_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(Checkpoints(tmp_path, "this one"), "all")
    first = network.fit(killed.CONFIG, *killed.inputs(), part=part)
    monkeypatch.setattr(loop.Loop, "_take", None)  # a step would fail
    again = network.fit(killed.CONFIG, *killed.inputs(), part=Part(Checkpoints(tmp_path, "this one"), "all"))
    assert again.losses == first.losses
    assert all(torch.equal(a, b) for a, b in zip(again.network.parameters(), first.network.parameters(), strict=True))


def states(folder: Path, count: int) -> Checkpoints:
    checkpoints = Checkpoints(folder, "this one", every_seconds=0)
    for n in range(count):
        checkpoints.save("all", {"step": n, "weights": torch.full((3,), float(n))})
    return checkpoints


def newest(folder: Path) -> Path:
    return max(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)


def found(folder: Path) -> State | None:
    return Checkpoints(folder, "this one").state("all")


def test_a_state_is_a_copy_both_ways(tmp_path: Path) -> None:
    """An optimiser goes on in the tensors that it is given, and another part may be saved meanwhile."""
    checkpoints, weights = Checkpoints(tmp_path, "this one"), torch.zeros(3)
    checkpoints.save("all", {"optimizer": {0: [weights]}})
    weights += 1
    given = checkpoints.state("all")
    assert given is not None
    given["optimizer"][0][0] += 1
    checkpoints.save("fold 1", {"step": 1})
    assert Checkpoints(tmp_path, "this one").state("all") == {"optimizer": {0: [pytest.approx(torch.zeros(3))]}}


def test_a_state_of_another_device_is_left_and_the_training_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Checkpoints(tmp_path, "this one", every_seconds=0, arithmetic="NVIDIA A100")
    first.save("all", {"step": 1})
    with caplog.at_level(logging.WARNING):
        other = Checkpoints(tmp_path, "this one", arithmetic="cpu")
    assert other.state("all") is None
    assert "checkpoint 1 is of NVIDIA A100, this is cpu: the training starts anew" in caplog.text
    other.save("all", {"step": 7})
    again = Checkpoints(tmp_path, "this one", arithmetic="cpu").state("all")
    assert again is not None, "what is kept from now on is newer than what was left"
    assert again["step"] == 7


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-7], lambda data: b"", lambda data: data[:200] + b"x" + data[201:], lambda data: b"x" * 500]
)
def test_a_damaged_file_costs_one_state(damage: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    states(tmp_path, 5)
    path = newest(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        state = found(tmp_path)
    assert state is not None
    assert (state["step"], state["weights"].tolist()) == (3, [3.0] * 3)
    assert "is damaged" in caplog.text


def test_without_a_whole_file_it_starts_anew(tmp_path: Path) -> None:
    states(tmp_path, 5)
    for path in tmp_path.glob("*.ckpt"):
        path.write_bytes(b"")
    assert found(tmp_path) is None


def test_parts_are_kept_beside_each_other(tmp_path: Path) -> None:
    checkpoints = states(tmp_path, 3)
    checkpoints.save("fold 2", {"step": 7})
    again = Checkpoints(tmp_path, "this one")
    first, second = again.state("all"), again.state("fold 2")
    assert first is not None
    assert second is not None
    assert (first["step"], second["step"], again.state("final")) == (2, 7, None)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    states(tmp_path, 1)
    with pytest.raises(TrainingError, match=r"must be of this training, another one; got that of this one"):
        Checkpoints(tmp_path, "another one")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "folder", "this one")
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(TrainingError, match="must be writable"):
        checkpoints.save("all", {"step": 1})


def test_states_are_due_after_a_time(tmp_path: Path) -> None:
    assert not Checkpoints(tmp_path, "this one", every_seconds=60).is_due("all")
    assert Checkpoints(tmp_path, "this one", every_seconds=0).is_due("all")


def test_what_is_written_is_passed_on(tmp_path: Path) -> None:
    passed: list[Path] = []
    Checkpoints(tmp_path, "this one", keep=passed.append).save("all", {"step": 1})
    assert [path.read_bytes()[:9] for path in passed] == [b"evergreen"]
