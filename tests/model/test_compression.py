"""Smaller forms of a trained network: made, served, measured and judged; damaged ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
import torch

from tasks.artifacts.compression import Compressed, Compression, CompressionConfig, CompressionRules, Form, Ranges
from tasks.artifacts.record import Window
from tasks.artifacts.settings import NetworkConfig, TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.clock import labelled_before, labelled_in
from tasks.errors import BundleError, PackagingError
from tasks.evaluation import compression
from tasks.evaluation.packaged import Packaged, machine, measure
from tasks.model import bundle
from tasks.model.trained import NetworkModel, load_network
from tasks.packaging import package, quantisation
from tasks.serving.predictor import Predictor
from tasks.training import distillation, network
from tasks.training.candidates import Task
from tests.model import toy

pytestmark = pytest.mark.model

FIRST, TRAINING_DAYS, DAYS = date(2013, 1, 1), 28, 28
TEST = FIRST + timedelta(days=TRAINING_DAYS)
LARGE = NetworkConfig(
    k=4, width=32, blocks=2, embedding_width=4, bins=8, epochs=6, batch_rows=64, dropout=0.0, averaging_decay=0.9, learning_rate=0.003
)
CONFIG = CompressionConfig(
    network=LARGE.model_copy(update={"k": 1, "width": 16, "blocks": 1, "embedding_width": 2}),
    teacher_share=1.0,
    ranges=Ranges.STATIC,
    calibration_rows=500,
    seed=1,
)
RULES = CompressionRules(log_loss=0.01, calibration_error=0.02, segment_log_loss=0.05, segment_days=14)
SEGMENTS = {f"kind k{i}": pl.col("kind") == f"k{i}" for i in range(3)}
SPLIT = Split(
    training=Window(first_day=FIRST, last_day=TEST - timedelta(days=1)),
    evaluation=Window(first_day=TEST, last_day=TEST + timedelta(days=DAYS - 1)),
    folds=[],
)


def frame() -> pl.DataFrame:
    rows = toy.rows(100 * (TRAINING_DAYS + DAYS))
    days = [FIRST + timedelta(days=i // 100) for i in range(rows.height)]
    known = [datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=20) for day in days]
    return rows.with_columns(batch_day=pl.Series(days), label_known_at=pl.Series(known, dtype=pl.Datetime("us", "UTC")))


ROWS = frame()
TRAIN = labelled_before(ROWS.lazy(), TEST, "UTC").collect()
EVALUATION = labelled_in(ROWS.lazy(), SPLIT.evaluation.first_day, SPLIT.evaluation.last_day).collect()


def task(rows: pl.DataFrame = ROWS) -> Task:
    return Task(rows.lazy(), "hash", toy.NUMERIC, toy.CATEGORICAL, SPLIT, "UTC", 4.0, 1.0)


def described(digest: str) -> TrainedModel:
    return TrainedModel(
        name="network",
        bundle_digest=digest,
        features_hash="hash",
        split=SPLIT,
        config=TrainingConfig(network=LARGE),
        training_rows=TRAIN.height,
        numeric_features=toy.NUMERIC,
        categorical_features=toy.CATEGORICAL,
        threshold=0.3,
        temperature=1.2,
        folds=[],
        losses=[],
        device="cpu",
        precision="32-true",
        train_seconds=1.0,
        seed=1,
    )


class Made:
    """A trained network, with its package, in a folder."""

    def __init__(self, folder: Path) -> None:
        encoding = toy.fitted(TRAIN)
        labels = TRAIN.get_column("label").to_numpy().astype(np.float32)
        fitted = network.fit(LARGE, *encoding.encode(TRAIN), labels, encoding.cardinalities)
        fitted.network.temperature.fill_(1.2)
        self.folder, self.bundle = folder, folder / "network"
        self.record = described(bundle.write(self.bundle, NetworkModel(fitted.network, encoding, LARGE, fitted.bin_edges).save))
        self.package = self.packaged("original")

    @property
    def model(self) -> NetworkModel:
        return load_network(self.bundle)

    def packaged(self, name: str, damage: Callable[[Any], None] | None = None) -> Path:
        """Package the network, damaged or not."""
        model = self.model
        if damage:
            with torch.no_grad():
                damage(model.network)
        package.write_package(self.bundle, model, self.record, "toy", toy.PAPERS, self.folder / name)
        return self.folder / name

    def int8(self, name: str, ranges: Ranges) -> Path:
        quantisation.write_int8(self.package, ranges, *self.model.preprocessing.encode(TRAIN.head(500)), self.folder / name)
        return self.folder / name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module", params=list(Ranges))
def int8(made: Made, request: pytest.FixtureRequest) -> Path:
    return made.int8(request.param.value, request.param)


@pytest.fixture(scope="module")
def distilled(made: Made) -> Path:
    small = distillation.distil(task(), made.model, made.record, CONFIG, made.folder / "small")
    package.write_package(made.folder / "small", load_network(made.folder / "small"), small, "toy", toy.PAPERS, made.folder / "distilled")
    return made.folder / "distilled"


def judged(made: Made, smaller: Path, rules: CompressionRules = RULES, form: Form = Form.INT8) -> Compression:
    packages = {form: Packaged(smaller)}
    return compression.judge(EVALUATION, Packaged(made.package), packages, SEGMENTS, rules, SPLIT.evaluation, made.record.bundle_digest)


def verdict(made: Made, smaller: Path, rules: CompressionRules = RULES) -> Compressed:
    (found,) = judged(made, smaller, rules).forms
    return found


def test_a_package_tells_nothing_of_where_it_was_made(made: Made) -> None:
    written = (made.package / "model.onnx").read_bytes()
    assert [word for word in (b"network.py", b"/home", b"site-packages", b"torch.nn") if word in written] == []


# --- int8 -------------------------------------------------------------------------------------------------------------


def test_the_shared_weights_are_in_int8_and_the_others_are_not(made: Made, int8: Path) -> None:
    graph = onnx.load(str(int8 / "model.onnx")).graph
    kinds = {weights.name: (weights.data_type, len(weights.dims)) for weights in graph.initializer if np.prod(weights.dims) >= 128}
    assert [axes for kind, axes in kinds.values() if kind == onnx.TensorProto.INT8] == [2] * LARGE.blocks
    assert not [name for name, (kind, axes) in kinds.items() if kind == onnx.TensorProto.FLOAT and axes == 2 and "permute" in name]
    assert len(quantisation.shared_products(made.package / "model.onnx")) == LARGE.blocks
    assert (int8 / "model.onnx").stat().st_size < (made.package / "model.onnx").stat().st_size


def test_the_service_reads_it_as_any_package(made: Made, int8: Path) -> None:
    served, whole = Predictor(int8), Predictor(made.package)
    rows = EVALUATION.select(toy.NUMERIC + toy.CATEGORICAL).head(50).to_dicts()
    found, expected = (predictor.probabilities(predictor.encode(rows)) for predictor in (served, whole))
    assert 0 < np.abs(found - expected).max() < 0.03
    assert served.card["threshold"] == whole.card["threshold"]
    assert (served.card["form"], served.card["form_of"]) == ("int8", whole.digest)
    assert {path.suffix for path in int8.iterdir()} == {".json", ".onnx", ".md"}, "no weights for torch: they would be another model's"
    for name in package.SAID[:-1]:
        assert (int8 / name).read_bytes() == (made.package / name).read_bytes(), name
    card = (int8 / "model_card.md").read_text()
    assert card.startswith((made.package / "model_card.md").read_text())
    assert f"in int8. What is said above was measured in float32, package {whole.digest}" in card


def test_with_static_ranges_a_row_does_not_depend_on_those_beside_it(made: Made) -> None:
    def apart(ranges: Ranges) -> float:
        loaded = Packaged(made.int8(f"beside {ranges.value}", ranges))
        alone = [loaded.predict(EVALUATION[i : i + 1])[0] for i in range(200)]
        return float(np.abs(loaded.predict(EVALUATION.head(200)) - alone).max())

    static, dynamic = apart(Ranges.STATIC), apart(Ranges.DYNAMIC)
    assert static < dynamic / 5, (static, dynamic)  # a sum that is rounded otherwise may still end on the next whole number


def test_the_same_rows_give_the_same_package(made: Made) -> None:
    first, second = made.int8("first", Ranges.STATIC), made.int8("second", Ranges.STATIC)
    assert bundle.digest(first) == bundle.digest(second)


def test_a_model_without_shared_weights_is_told(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "empty", [value], [result])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "empty.onnx"))
    nothing = np.empty((0, 1))
    with pytest.raises(PackagingError, match="shared weights"):
        quantisation.quantise(tmp_path / "empty.onnx", tmp_path / "int8.onnx", Ranges.STATIC, nothing, nothing)  # type: ignore[arg-type]


# --- the small network ------------------------------------------------------------------------------------------------


def test_the_small_network_predicts_what_the_large_one_does(made: Made, distilled: Path) -> None:
    small, large = load_network(distilled).predict(EVALUATION), made.model.predict(EVALUATION)
    assert np.corrcoef(small, large)[0, 1] > 0.98
    assert (distilled / "model.onnx").stat().st_size < (made.package / "model.onnx").stat().st_size / 2


def test_the_record_of_the_small_network(made: Made, tmp_path: Path) -> None:
    small = distillation.distil(task(), made.model, made.record, CONFIG, tmp_path / "small")
    assert small.bundle_digest == bundle.digest(tmp_path / "small")
    assert load_network(tmp_path / "small", small.bundle_digest).config == CONFIG.network == small.config.network
    assert (small.name, small.training_rows, small.folds) == ("distilled", TRAIN.height, [])
    assert (small.threshold, small.temperature) == (made.record.threshold, 1.0)
    assert len(small.losses) == CONFIG.network.epochs


def test_it_learns_from_training_rows_alone_and_from_the_large_network(made: Made, tmp_path: Path) -> None:
    def digest(rows: pl.DataFrame, share: float) -> str:
        quick = CONFIG.network.model_copy(update={"epochs": 1, "batch_rows": 256})
        config = CONFIG.model_copy(update={"teacher_share": share, "network": quick})
        return distillation.distil(task(rows), made.model, made.record, config, tmp_path / "small").bundle_digest

    later = pl.col("batch_day") >= TEST
    other_future = ROWS.with_columns(signal=pl.when(later).then(-pl.col("signal")).otherwise(pl.col("signal")))
    other_labels = ROWS.with_columns(label=1 - pl.col("label"))
    assert digest(ROWS, 1.0) == digest(other_future, 1.0) == digest(other_labels, 1.0)
    assert len({digest(ROWS, 1.0), digest(ROWS, 0.5), digest(ROWS, 0.0)}) == 3


# --- the guard --------------------------------------------------------------------------------------------------------


def test_both_forms_are_accepted_and_measured(made: Made, int8: Path, distilled: Path) -> None:
    for form, folder in ((Form.INT8, int8), (Form.DISTILLED, distilled)):
        found = judged(made, folder, form=form)
        assert found.accepted == [form], found.forms[0].reasons
        assert found.forms[0].package_digest == bundle.digest(folder)
        assert found.forms[0].cost.onnx_bytes == (folder / "model.onnx").stat().st_size < found.forms[0].original_cost.onnx_bytes
        assert found.forms[0].cost.microseconds_a_row > 0 < found.forms[0].cost.rows_per_second
        assert (found.rows, found.days, found.machine) == (EVALUATION.height, DAYS, machine())
        assert {segment.segment for segment in found.forms[0].segments} == set(SEGMENTS)


def _shuffle(net: Any) -> None:
    weight = net.backbone.blocks[0][0].weight
    weight.copy_(weight.flatten()[torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(1))].view_as(weight))


def _forget_the_temperature(net: Any) -> None:
    net.temperature.fill_(3.0)


@pytest.mark.parametrize("damage", [_shuffle, _forget_the_temperature])
def test_damaged_weights_are_refused(made: Made, damage: Callable[[Any], None]) -> None:
    found = verdict(made, made.packaged(damage.__name__, damage))
    assert not found.accepted
    assert any(reason.startswith("log-loss may rise") for reason in found.reasons)


def test_damage_to_one_segment_is_refused_by_its_name(made: Made) -> None:
    """The embedding of one category takes another's place; the limits on all rows are wide, so that the segment alone refuses."""
    values = made.model.preprocessing.categorical[0].values
    code, other = (1 + values.index(name) for name in ("k2", "k0"))

    def damage(net: Any) -> None:
        net.categorical[0].weight[code] = net.categorical[0].weight[other] * 3

    found = verdict(made, made.packaged("one kind", damage), RULES.model_copy(update={"log_loss": 9.0, "calibration_error": 1.0}))
    assert not found.accepted
    assert [reason.split(" may")[0] for reason in found.reasons] == ["log-loss of segment kind k2"]


def test_only_what_was_judged_and_accepted_is_handed_on(made: Made, int8: Path, distilled: Path, tmp_path: Path) -> None:
    packages = {Form.INT8: int8, Form.DISTILLED: distilled}
    loaded = {form: Packaged(folder) for form, folder in packages.items()}
    both = compression.judge(EVALUATION, Packaged(made.package), loaded, SEGMENTS, RULES, SPLIT.evaluation, "digest")
    assert quantisation.accepted(both, packages) == [Form.INT8, Form.DISTILLED]
    one = both.model_copy(update={"forms": [both.forms[0].model_copy(update={"accepted": False}), both.forms[1]]})
    assert quantisation.accepted(one, packages) == [Form.DISTILLED]
    with pytest.raises(BundleError, match="must have the sum"):
        quantisation.accepted(both, {**packages, Form.INT8: distilled})


def test_a_package_that_gives_no_number_or_was_altered_is_an_error(made: Made, tmp_path: Path) -> None:
    def break_it(net: Any) -> None:
        net.output.weight.fill_(torch.nan)

    broken = made.packaged("broken", break_it)
    with pytest.raises(BundleError, match=f"none for {EVALUATION.height} of {EVALUATION.height} rows"):
        Packaged(broken).predict(EVALUATION)
    (broken / "card.json").write_text(json.dumps({}))
    with pytest.raises(BundleError, match=r"card.json is altered"):
        Packaged(broken)


def test_few_rows_are_repeated_for_the_clock(made: Made) -> None:
    cost = measure({"one": Packaged(made.package)}, EVALUATION.head(3))["one"]
    assert cost.microseconds_a_row > 0 < cost.rows_per_second
