"""A package says all that is known of its model, as data; a Bento carries it with the service's rules, and no file is a pickle."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
import yaml

from tasks.artifacts.record import Window
from tasks.artifacts.serving import ClientRow, RequestField, ServiceRules
from tasks.artifacts.settings import NetworkConfig, TrainingConfig
from tasks.artifacts.training import FoldResult, Split, TrainedModel
from tasks.artifacts.vocabulary import Vocabulary
from tasks.contracts import RowRule, Table, column
from tasks.errors import PackagingError
from tasks.model import bundle
from tasks.model.trained import NetworkModel
from tasks.packaging import package
from tasks.packaging.package import Papers
from tests.model import toy
from tests.unit.reporting import factory

pytestmark = pytest.mark.model

FORBIDDEN = {".pkl", ".pickle", ".pt", ".pth", ".pt2", ".bin", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".mar", ".zip", ".h5"}


def is_pickle(data: bytes) -> bool:
    """Return whether bytes are a pickle of any protocol, or an archive with one, as torch writes it."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(is_pickle(archive.read(name)) for name in archive.namelist())
    try:
        *_, (last, _, place) = pickletools.genops(data)
    except Exception:  # of whatever kind: these bytes are no program of pickle's
        return False
    return last.name == "STOP" and place is not None and place < len(data)


def pickles_in(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return [path.name for path in files if path.suffix in FORBIDDEN or is_pickle(path.read_bytes())]


class Events(pa.DataFrameModel):
    """A toy table."""

    id: int = column("Number of the event", role="key", ge=1)
    kind: str = column("Which kind", role="feature", isin=["k0", "k1", "k2"])
    size: float = column("How large", role="feature", unit="metres", nullable=True, le=9.0)


class Made(pa.DataFrameModel):
    """The features of an event."""

    signal: float = pa.Field(description="How loud", metadata={"role": "numeric", "group": "sound"})
    gaps: float = pa.Field(description="How long", nullable=True, metadata={"role": "numeric", "group": "sound"})
    flag: float = pa.Field(description="Whether", metadata={"role": "numeric", "group": "sound"})
    kind: str = pa.Field(description="Which kind", metadata={"role": "categorical", "group": "kind"})


EVENTS = Table("events", Events, ("id",), (RowRule("size fits", "a k0 is at most 3 metres", pl.col("size") <= 3),))
PAPERS = Papers(
    tables=[EVENTS],
    features=package.feature_fields(Made, toy.NUMERIC, toy.CATEGORICAL),
    request=ClientRow(
        names=Vocabulary(row="event", rows="events"), key="id", fields=[RequestField(name="kind", kind="string", meaning="Which kind")]
    ),
    model_card="# Model card: toy\n",
)
WINDOWS = [Window.model_validate({"first_day": f"2013-{m:02}-01", "last_day": f"2013-{m:02}-28"}) for m in (1, 2, 3)]
SIZES = NetworkConfig(
    k=2, width=8, blocks=1, embedding_width=2, bins=4, epochs=1, batch_rows=64, dropout=0.0, averaging_decay=0.9, learning_rate=0.01
)


def trained(folder: Path) -> tuple[NetworkModel, TrainedModel]:
    """Return a network that learnt nothing, as a bundle in a folder, and what is known of it."""
    import torch

    from tasks.model.network import Network

    torch.manual_seed(1)
    encoding = toy.fitted(toy.rows())
    counts = [5] * encoding.width
    network = Network(SIZES, [torch.linspace(-2, 2, n) for n in counts], encoding.cardinalities).eval()
    network.temperature.fill_(1.25)
    model = NetworkModel(network, encoding, SIZES, counts)
    record = TrainedModel(
        name="network",
        bundle_digest=bundle.write(folder, model.save),
        features_hash="hash",
        split=Split(training=WINDOWS[0], evaluation=WINDOWS[2], folds=[WINDOWS[1]]),
        config=TrainingConfig(network=SIZES),
        training_rows=1200,
        numeric_features=toy.NUMERIC,
        categorical_features=toy.CATEGORICAL,
        threshold=0.3,
        temperature=1.25,
        folds=[FoldResult(window=WINDOWS[1], rows=280, log_loss=0.5)],
        losses=[],
        device="cpu",
        precision="32-true",
        train_seconds=1.0,
        seed=1,
    )
    return model, record


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    model, record = trained(folder / "network")
    digest = package.write_package(folder / "network", model, record, "toy", PAPERS, folder / "package")
    bundle.verify(folder / "package", digest)
    return folder / "package"


def read(folder: Path, name: str) -> object:
    return json.loads((folder / name).read_text())


def test_the_package_holds_all_that_is_promised(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {
        *("weights.safetensors", "bins.json", "network.json", "preprocessing.json", "model.onnx", "card.json", "manifest.json"),
        *("contract.json", "features.json", "request.json", "calibration.json", "model_card.md"),
    }
    assert set(package.SAID) <= {path.name for path in made.iterdir()}
    assert (made / "model_card.md").read_text() == PAPERS.model_card


def test_the_contract_is_there_as_data(made: Path) -> None:
    [table] = read(made, "contract.json")  # type: ignore[misc]
    assert (table["name"], table["key"], table["is_daily"]) == ("events", ["id"], True)
    assert table["rules"] == [{"name": "size fits", "meaning": "a k0 is at most 3 metres"}]
    fields = {field.name: field for field in map(RequestField.model_validate, table["columns"])}
    assert list(fields) == ["id", "kind", "size"]
    assert (fields["id"].kind, fields["id"].minimum) == ("integer", 1)
    assert fields["kind"].allowed == ["k0", "k1", "k2"]
    assert (fields["size"].unit, fields["size"].maximum, fields["size"].is_nullable) == ("metres", 9.0, True)


def test_any_number_may_be_missing_and_no_category(made: Path) -> None:
    fields = [RequestField.model_validate(field) for field in read(made, "features.json")]  # type: ignore[attr-defined]
    assert [(f.name, f.kind, f.is_required, f.is_nullable) for f in fields] == [
        *((name, "number", False, True) for name in toy.NUMERIC),  # `signal` has no nulls in the contract; the model fills them
        ("kind", "string", True, False),
    ]
    assert [field.name for field in ClientRow.model_validate(read(made, "request.json")).fields] == ["kind"]


def test_how_it_was_calibrated_is_told_and_is_so(made: Path) -> None:
    from safetensors.numpy import load_file

    told = read(made, "calibration.json")
    assert isinstance(told, dict)
    assert (told["method"], told["fitted_on"], told["rows"]) == ("temperature", ["2013-02-01 to 2013-02-28"], 280)
    assert told["parameters"]["temperature"] == float(load_file(made / "weights.safetensors")["temperature"]) == 1.25


def test_equal_models_give_equal_packages(made: Path, tmp_path: Path) -> None:
    model, record = trained(tmp_path / "network")
    later = record.model_copy(update={"train_seconds": 99.0})
    assert package.write_package(tmp_path / "network", model, later, "toy", PAPERS, tmp_path / "package") == bundle.digest(made)


# --- no pickle --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_scan_knows_a_pickle(protocol: int) -> None:
    assert is_pickle(pickle.dumps({"weights": np.arange(3)}, protocol))


def test_the_scan_knows_an_archive_with_a_pickle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model", "w") as archive:
        archive.writestr("data.pkl", pickle.dumps([1]))
    assert is_pickle((tmp_path / "model").read_bytes())


@pytest.mark.parametrize("data", [b"", b"{}", b"[1, 2]", b"import os\n", b"# Model card\n", bytes(range(256))])
def test_the_scan_knows_what_is_none(data: bytes) -> None:
    assert not is_pickle(data)


def test_no_file_of_a_package_is_a_pickle(made: Path) -> None:
    assert pickles_in(made) == []


# --- the Bento --------------------------------------------------------------------------------------------------------

SERVICE = '''"""A service of nothing."""
import bentoml


@bentoml.service(name="evergreen")
class Evergreen:
    """Nothing."""
'''


def sources(root: Path, service: str = SERVICE) -> list[Path]:
    """Write a project whose service does nothing, and return its files."""
    files = {
        "tasks/__init__.py": "",
        "tasks/serving/__init__.py": "",
        "tasks/serving/service.py": service,
        "requirements.lock": "bentoml\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [root / name for name in files if name.endswith(".py")]


@pytest.fixture(scope="module")
def bento(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bento")
    found = sources(folder / "project")
    lock = folder / "project" / "requirements.lock"
    assert package.build_bento(made, factory.LIMITS, "v1", found, folder / "project", lock, folder / "bento") == "evergreen:v1"
    return folder / "bento"


def test_the_bento_lays_out_what_the_service_reads(bento: Path, made: Path) -> None:
    source = bento / "src"
    bundle.verify(bento)
    bundle.verify(source / "model", bundle.digest(made))
    assert ServiceRules.model_validate_json((source / "service.json").read_bytes()) == factory.LIMITS
    assert (source / "requirements.txt").read_text() == "bentoml\n"
    assert (source / "tasks" / "serving" / "service.py").read_text() == SERVICE
    said = yaml.safe_load((bento / "bento.yaml").read_text())
    assert (said["name"], said["version"], said["service"]) == ("evergreen", "v1", package.SERVICE)


def test_no_file_of_a_bento_is_a_pickle(bento: Path) -> None:
    assert pickles_in(bento) == []


def test_a_service_that_cannot_be_imported_is_told(made: Path, tmp_path: Path) -> None:
    found = sources(tmp_path, "import nowhere_to_be_found\n")
    with pytest.raises(PackagingError, match="nowhere_to_be_found"):
        package.build_bento(made, factory.LIMITS, "v1", found, tmp_path, tmp_path / "requirements.lock", tmp_path / "bento")
    assert not (tmp_path / "bento").exists()
    assert "nowhere_to_be_found" not in sys.modules
