"""Candidates of more rows than may be in memory: the network is the same to the bit, the baselines say what they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tasks.artifacts.record import Window
from tasks.artifacts.settings import BaselineConfig, NetworkConfig, TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.errors import TrainingError
from tasks.model.trained import LIGHTGBM, BlendModel, load_network
from tasks.reporting import sections
from tasks.training import candidates, loop, rows
from tasks.training import network as training
from tasks.training.candidates import Task
from tasks.training.checkpoints import Checkpoints
from tests.model import toy

pytestmark = pytest.mark.model

CONFIG = TrainingConfig(
    network=NetworkConfig(k=2, width=16, blocks=1, embedding_width=4, bins=8, batch_rows=64),
    baselines=BaselineConfig(lightgbm_rounds=20, lightgbm_leaves=4, threads=1),
)
FIRST, DAYS = date(2013, 1, 1), 30


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Forty rows a day; the label of every seventh came late or never."""
    path = tmp_path_factory.mktemp("features") / "features.parquet"
    day = pl.int_range(pl.len()) // 40
    late = pl.when(pl.int_range(pl.len()) % 7 == 3).then(9).otherwise(0)
    toy.rows(40 * DAYS).with_columns(
        batch_day=pl.lit(FIRST) + pl.duration(days=day),
        label_known_at=pl.lit(datetime(2013, 1, 1, 20, tzinfo=UTC)) + pl.duration(days=day + late),
        label=pl.when(pl.int_range(pl.len()) % 11 > 0).then("label"),
    ).write_parquet(path, row_group_size=100)
    windows = [Window(first_day=FIRST + timedelta(days=n), last_day=FIRST + timedelta(days=n + 4)) for n in (15, 20, 25)]
    training = Window(first_day=FIRST, last_day=FIRST + timedelta(days=24))
    split = Split(training=training, evaluation=windows[-1], folds=windows[:-1])
    return Task(pl.scan_parquet(path), "hash", toy.NUMERIC, toy.CATEGORICAL, split, "UTC", 4.0, 1.0)


Cores = Callable[[int], None]


@pytest.fixture
def cores() -> Iterator[Cores]:
    """Say how many cores there are."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def network(task: Task, config: TrainingConfig, folder: Path) -> TrainedModel:
    return candidates.train_network(task, config, folder / "network", Checkpoints(folder / "checkpoints", "this one"))


@pytest.mark.parametrize("rows_in_memory", [70, 500, 600])  # the first fold has some 500 rows, all have some 800
def test_the_network_is_that_of_rows_in_memory(rows_in_memory: int, task: Task, tmp_path: Path) -> None:
    whole = network(task, CONFIG, tmp_path / "whole")
    bounded = network(task, CONFIG.model_copy(update={"rows_in_memory": rows_in_memory}), tmp_path / "bounded")
    assert bounded.training_rows > 700
    assert bounded.bundle_digest == whole.bundle_digest
    assert (bounded.folds, bounded.losses, bounded.threshold) == (whole.folds, whole.losses, whole.threshold)
    assert sorted(path.name for path in (tmp_path / "bounded").iterdir()) == ["checkpoints", "network"]


def test_the_baselines_take_an_even_sample_and_say_so(task: Task, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = candidates.train_baselines(task, CONFIG, tmp_path / "whole")
    with caplog.at_level("INFO"):
        sampled = candidates.train_baselines(
            task, CONFIG.model_copy(update={"rows_in_memory": 600 * (1 + CONFIG.folds)}), tmp_path / "sampled"
        )
    assert [m.sampled_from for m in whole] == [None, None, None]
    assert {(m.training_rows, m.sampled_from) for m in sampled} == {(600, whole[0].training_rows)}
    assert f"600 rows, evenly taken from {whole[0].training_rows}" in caplog.text
    assert f"600, evenly taken from {whole[0].training_rows}" in sections.training(sampled)
    assert "evenly taken" not in sections.training(whole)


def test_few_rows_are_no_sample(task: Task, tmp_path: Path) -> None:
    whole = candidates.train_baselines(task, CONFIG, tmp_path / "whole")
    roomy = candidates.train_baselines(task, CONFIG.model_copy(update={"rows_in_memory": 1_200 * (1 + CONFIG.folds)}), tmp_path / "roomy")
    assert [(m.bundle_digest, m.sampled_from) for m in roomy] == [(m.bundle_digest, None) for m in whole]


def test_networks_trained_side_by_side_are_those_trained_one_after_another(task: Task, tmp_path: Path, cores: Cores) -> None:
    cores(1)
    alone = network(task, CONFIG, tmp_path / "alone")
    cores(2)
    together = network(task, CONFIG, tmp_path / "together")
    assert together.bundle_digest == alone.bundle_digest
    assert (together.folds, together.losses, together.threshold) == (alone.folds, alone.losses, alone.threshold)


def test_networks_side_by_side_that_are_killed_again_and_again_come_out_the_same(task: Task, tmp_path: Path, cores: Cores) -> None:
    cores(2)
    whole = network(task, CONFIG, tmp_path / "whole")
    folder, kills = tmp_path / "killed", 0
    for _ in range(40):
        kept: list[Path] = []

        def die(path: Path, kept: list[Path] = kept) -> None:
            kept.append(path)
            if len(kept) == 9:
                raise KeyboardInterrupt

        try:
            again = candidates.train_network(task, CONFIG, folder / "network", Checkpoints(folder / "states", "this one", 0, die))
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills > 5
    assert (again.bundle_digest, again.folds, again.losses) == (whole.bundle_digest, whole.folds, whole.losses)


@pytest.mark.parametrize(("there", "fits", "threads", "expected"), [(1, 3, 1, 1), (2, 3, 1, 2), (16, 3, 1, 3), (16, 3, 6, 2), (4, 3, 8, 1)])
def test_as_many_go_at_once_as_there_are_cores_for(
    there: int, fits: int, threads: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: there)
    config = CONFIG.network.model_copy(update={"threads": threads})
    assert training.at_once(config, fits) == expected
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert training.at_once(config, fits) == 1
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (training.at_once(config, fits), training.at_once(config, fits, "cpu")) == (1, expected)


def test_one_that_fails_ends_those_beside_it(task: Task, tmp_path: Path, cores: Cores, monkeypatch: pytest.MonkeyPatch) -> None:
    cores(2)
    steps = []

    def take(self: loop.Loop, batch: rows.Batch) -> torch.Tensor:
        steps.append(self.steps)
        if self.steps == min(steps) < max(steps):  # the shorter of two
            raise TrainingError("a loss must be finite", "none", "nothing")
        time.sleep(0.01)
        return torch.zeros(())

    monkeypatch.setattr(loop.Loop, "_take", take)
    with pytest.raises(TrainingError, match="must be finite"):
        network(task, CONFIG.model_copy(update={"network": CONFIG.network.model_copy(update={"epochs": 100})}), tmp_path)
    assert len(steps) < max(steps)
    assert len(set(steps)) == 2  # the third never began
    assert torch.get_num_threads() == 2, "as it was"


def test_a_blend_is_the_network_and_lightgbm_on_the_same_folds(task: Task, tmp_path: Path) -> None:
    alone = network(task, CONFIG, tmp_path / "alone")
    blend = network(task, CONFIG.model_copy(update={"lightgbm_share": 0.5}), tmp_path / "blend")
    boosted = candidates.train_baselines(task, CONFIG, tmp_path / "baselines")[0]
    model = load_network(tmp_path / "blend" / "network", blend.bundle_digest)
    assert isinstance(model, BlendModel)
    assert model.trees.booster.model_to_string() == (tmp_path / "baselines" / LIGHTGBM).read_text(), "the baseline, trained again"
    assert blend.temperature == alone.temperature
    for mixed, first, second in zip(blend.folds, alone.folds, boosted.folds, strict=True):
        assert mixed.log_loss < (first.log_loss + second.log_loss) / 2, "log-loss is convex"
        assert mixed.log_loss != first.log_loss
    rows = toy.rows(50)
    parts = load_network(tmp_path / "alone" / "network").predict(rows), model.trees.predict(rows)
    np.testing.assert_allclose(model.predict(rows), sum(parts) / 2)


def test_a_blend_of_more_rows_than_may_be_in_memory_reads_one_encoding(task: Task, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"lightgbm_share": 0.5, "rows_in_memory": 600})
    bounded = network(task, config, tmp_path)
    assert load_network(tmp_path / "network", bounded.bundle_digest).predict(toy.rows(50)).shape == (50,)
