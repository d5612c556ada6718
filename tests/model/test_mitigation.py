"""Mitigation in training and serving: weights reach the label's loss wherever rows lie, thresholds by group reach the service."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from tasks.artifacts.fairness import FairnessRules, Grouping
from tasks.artifacts.record import Window
from tasks.artifacts.settings import BaselineConfig, NetworkConfig, Outcome, TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.errors import ConfigError
from tasks.model.trained import BlendModel, load_network
from tasks.packaging import package
from tasks.serving.predictor import Predictor
from tasks.training import baselines, candidates, distillation, network
from tasks.training.baselines import Encoded
from tasks.training.candidates import Task
from tasks.training.checkpoints import Checkpoints
from tasks.training.loop import Loop
from tasks.training.reweighing import WEIGHT
from tasks.training.rows import InMemory, OnDisk, gather
from tests.model import killed, toy

pytestmark = pytest.mark.model

KIND = Grouping(name="sort", column="kind")
RULES = FairnessRules(fewest_rows=30, fewest_days=5, fewest_of_a_class=5, near=0.8, limits={})
CONFIG = TrainingConfig(
    network=NetworkConfig(k=2, width=16, blocks=1, embedding_width=4, bins=8, batch_rows=64),
    baselines=BaselineConfig(lightgbm_rounds=20, lightgbm_leaves=4, threads=1),
    device="cpu",
)
FIRST, DAYS = date(2013, 1, 1), 30


def encoded(weights: Any = None, outcomes: bool = False) -> Encoded:
    numbers, codes, labels, _ = killed.inputs()
    rows = Encoded(numbers, codes, labels, weights=weights)
    return replace(rows, outcomes=np.stack([labels, 1 - labels], 1)) if outcomes else rows


def fitted(rows: Any) -> list[Any]:
    found = network.fit_rows(killed.CONFIG, rows, [4], device="cpu")
    return [found.losses, *(tensor.tolist() for tensor in found.network.state_dict().values())]


def some_weights() -> Any:
    return np.random.default_rng(5).uniform(0.3, 3, 1_200).astype(np.float32)


def test_weights_of_one_change_no_bit() -> None:
    assert fitted(InMemory.of(encoded(np.ones(1_200, np.float32)))) == fitted(InMemory.of(encoded()))


@pytest.mark.parametrize("outcomes", [False, True])
@pytest.mark.parametrize("rows_in_memory", [100, 599])
def test_weighted_rows_on_disk_give_the_weights_of_those_in_memory(rows_in_memory: int, outcomes: bool, tmp_path: Path) -> None:
    rows = encoded(some_weights(), outcomes)
    columns = [*rows.numbers.T, *rows.codes.T.astype(np.int32), *rows.targets.T]
    disk = OnDisk(columns, (3, 1, 4 if outcomes else 2), len(rows), rows_in_memory, tmp_path, is_weighted=True)
    assert disk.outcomes == InMemory.of(rows).outcomes == (2 if outcomes else 0)
    assert fitted(disk) == fitted(InMemory.of(rows)) != fitted(InMemory.of(encoded(outcomes=outcomes)))
    disk.close()


def test_the_labels_loss_alone_is_weighted() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(6, 2, 3, generator=generator), torch.randint(0, 2, (6, 3), generator=generator).float()
    weights = torch.tensor([0.0, 2.0, 1.0, 0.5, 4.0, 1.0])
    label, outcomes = Loop._losses(logits, torch.cat([targets, weights[:, None]], 1))
    plain, same = Loop._losses(logits, targets)
    each = torch.stack([Loop._losses(logits[i : i + 1], targets[i : i + 1])[0] for i in range(6)])
    torch.testing.assert_close(label, (each * weights).mean())
    assert torch.equal(outcomes, same)
    assert not torch.equal(label, plain)


def test_a_row_that_counts_twice_is_as_two_rows() -> None:
    """Gradients of a batch of all rows: exactly so, but for the order of sums."""
    rows = toy.rows(60)
    twice = pl.concat([rows, rows.filter(pl.col("kind") == "k1")])
    weighted = rows.with_columns(pl.when(pl.col("kind") == "k1").then(2.0).otherwise(1.0).alias(WEIGHT))
    encoding = toy.fitted(rows)
    logits = torch.randn(60, 2, 1, generator=torch.Generator().manual_seed(1))
    repeated = torch.cat([logits, logits[torch.from_numpy((rows["kind"] == "k1").to_numpy())]])
    label, _ = Loop._losses(logits, torch.from_numpy(Encoded.of(weighted, encoding).targets))
    expected, _ = Loop._losses(repeated, torch.from_numpy(Encoded.of(twice, encoding).targets))
    torch.testing.assert_close(label * 60, expected * len(twice))


@pytest.mark.parametrize("rows_in_memory", [None, 200])
def test_gathered_rows_keep_their_weights(rows_in_memory: int | None, tmp_path: Path) -> None:
    frame = toy.rows(500).with_columns(pl.int_range(pl.len()).cast(pl.Float32).alias(WEIGHT))
    outcomes = [Outcome(column="signal", thresholds=[0.0])]
    _, rows = gather(frame.lazy(), ["gaps"], toy.CATEGORICAL, rows_in_memory, tmp_path, outcomes)
    order = torch.arange(500, dtype=torch.int32)
    targets = torch.cat([part[2] for batch in rows.batches(order, 64) for part, _ in batch.split(64)])
    assert targets[:, -1].tolist() == list(range(500))
    assert rows.outcomes == 1
    rows.close()


def test_lightgbm_takes_the_weights() -> None:
    frame = toy.rows(800)
    encoding = toy.fitted(frame)
    rows = Encoded.of(frame, encoding)
    positives = replace(rows, weights=np.where(rows.labels == 1, 5, 1).astype(np.float32))
    ones = replace(rows, weights=np.ones(800, np.float32))
    plain, same, more = (
        baselines.fit_lightgbm(some, encoding, CONFIG.baselines, [(rows, rows)])[0].predict(frame) for some in (rows, ones, positives)
    )
    np.testing.assert_allclose(same, plain)
    assert more.mean() > plain.mean() + 0.1


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    path = tmp_path_factory.mktemp("features") / "features.parquet"
    day = pl.int_range(pl.len()) // 40
    toy.rows(40 * DAYS).with_columns(
        batch_day=pl.lit(FIRST) + pl.duration(days=day),
        label_known_at=pl.lit(datetime(2013, 1, 1, 20, tzinfo=UTC)) + pl.duration(days=day),
    ).write_parquet(path, row_group_size=100)
    windows = [Window(first_day=FIRST + timedelta(days=n), last_day=FIRST + timedelta(days=n + 4)) for n in (15, 20, 25)]
    training = Window(first_day=FIRST, last_day=FIRST + timedelta(days=24))
    split = Split(training=training, evaluation=windows[-1], folds=windows[:-1])
    features = pl.scan_parquet(path)
    return Task(features, "hash", toy.NUMERIC, toy.CATEGORICAL, split, "UTC", 4.0, 1.0, sensitive=(KIND,), fairness=RULES)


def trained(task: Task, folder: Path, **update: Any) -> TrainedModel:
    config = CONFIG.model_copy(update=update)
    return candidates.train_network(task, config, folder / "network", Checkpoints(folder / "checkpoints", "this one"))


@pytest.fixture(scope="module")
def plain(task: Task, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    folder = tmp_path_factory.mktemp("plain")
    return trained(task, folder), folder / "network"


@pytest.fixture(scope="module")
def by_group(task: Task, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    folder = tmp_path_factory.mktemp("by_group")
    return trained(task, folder, group_thresholds="sort"), folder / "network"


def test_reweighing_makes_probabilities_by_kind_more_alike(task: Task, plain: tuple[TrainedModel, Path], tmp_path: Path) -> None:
    model = trained(task, tmp_path, reweigh="sort")
    assert model.config.reweigh == "sort"
    frame = toy.rows(2_000, seed=1)

    def gap(folder: Path) -> float:
        means = frame.with_columns(p=load_network(folder).predict(frame)).group_by("kind").agg(pl.col("p").mean()).sort("kind")
        return float(means["p"][2] - means["p"][0])

    assert gap(tmp_path / "network") < 0.8 * gap(plain[1])


def test_reweighing_on_disk_and_in_a_blend(task: Task, tmp_path: Path) -> None:
    whole = trained(task, tmp_path / "whole", reweigh="sort")
    assert trained(task, tmp_path / "disk", reweigh="sort", rows_in_memory=300).bundle_digest == whole.bundle_digest
    trained(task, tmp_path / "blend", reweigh="sort", lightgbm_share=0.5)
    trained(task, tmp_path / "unweighted", lightgbm_share=0.5)
    weighted, unweighted = (load_network(tmp_path / name / "network") for name in ("blend", "unweighted"))
    assert isinstance(weighted, BlendModel)
    assert isinstance(unweighted, BlendModel)
    assert weighted.trees.booster.model_to_string() != unweighted.trees.booster.model_to_string()


def test_thresholds_by_group_leave_the_network_as_it_is(
    task: Task, plain: tuple[TrainedModel, Path], by_group: tuple[TrainedModel, Path]
) -> None:
    model, _ = by_group
    assert (model.bundle_digest, model.threshold) == (plain[0].bundle_digest, plain[0].threshold)
    assert (plain[0].grouping, plain[0].group_thresholds) == (None, {})
    assert model.grouping == KIND
    assert sorted(model.group_thresholds) == ["k0", "k1", "k2"]
    assert len({model.threshold, *model.group_thresholds.values()}) == 4


def test_an_attribute_that_is_not_declared_is_told_before_training(task: Task, tmp_path: Path) -> None:
    for update in ({"reweigh": "kind"}, {"group_thresholds": "kind"}):
        with pytest.raises(ConfigError, match=r"one of those declared: 'sort'; got 'kind'"):
            trained(task, tmp_path, **update)
    assert list(tmp_path.glob("checkpoints/*.ckpt")) == []


def packaged(model: tuple[TrainedModel, Path], folder: Path) -> Path:
    record, trained_ = model
    package.write_package(trained_, load_network(trained_), record, "toy", toy.PAPERS, folder)
    return folder


def test_the_service_decides_by_the_group_of_a_row(by_group: tuple[TrainedModel, Path], tmp_path: Path) -> None:
    model = by_group[0]
    predictor = Predictor(packaged(by_group, tmp_path / "package"))
    rows = (
        toy.rows(200, seed=3)
        .drop("label")
        .with_columns(kind=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("new")).otherwise("kind"))
    )
    asked = rows.to_dicts()
    expected = [model.group_thresholds.get(kind, model.threshold) for kind in rows["kind"]]
    probabilities = predictor.probabilities(predictor.encode(asked)).tolist()
    flagged = predictor.flag(asked, probabilities).tolist()
    assert flagged == [p >= threshold for p, threshold in zip(probabilities, expected, strict=True)]
    assert flagged != [p >= model.threshold for p in probabilities]
    assert predictor.flag(asked, expected).all(), "from the threshold itself"


def test_a_package_without_thresholds_by_group_is_as_before(plain: tuple[TrainedModel, Path], tmp_path: Path) -> None:
    folder = packaged(plain, tmp_path / "package")
    card = json.loads((folder / "card.json").read_text())
    assert not {"grouping", "group_thresholds"} & card.keys()
    predictor = Predictor(folder)
    asked = toy.rows(3).drop("label").to_dicts()
    assert predictor.flag(asked, [plain[0].threshold, plain[0].threshold - 1e-9, 1.0]).tolist() == [True, False, True]


def test_the_distilled_network_takes_the_thresholds_over(task: Task, by_group: tuple[TrainedModel, Path], tmp_path: Path) -> None:
    from tasks.usecase import policy

    record, folder = by_group
    small = distillation.distil(task, load_network(folder), record, policy.SMALLER, tmp_path / "small")
    assert (small.grouping, small.group_thresholds, small.threshold) == (KIND, record.group_thresholds, record.threshold)
