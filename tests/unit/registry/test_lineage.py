"""From a version, or a prediction, back to the files of the source; and what the registry's tags keep from upkeep."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot, TableVersion
from tasks.artifacts.lineage import SourceUse
from tasks.errors import LakeError, RegistryError
from tasks.lake import manifest, tables
from tasks.lake.ledger import UNDATED
from tasks.lake.snapshots import read_snapshot
from tasks.registry import lineage
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit

DAYS = [date(2013, 1, d) for d in range(1, 5)]
DIGEST = "0123456789ab" + "c" * 52


@pytest.fixture
def snapshot(tmp_path: Path) -> DataSnapshot:
    """Of one table, read from a file that was changed in between, and of one without days."""
    lake = str(tmp_path / "lake")
    tables.overwrite_days(f"{lake}/flights", pl.DataFrame({"x": range(4), "batch_day": DAYS}), DAYS)
    version = tables.version_of(f"{lake}/flights")
    tables.overwrite_days(f"{lake}/flights", pl.DataFrame({"x": [9] * 4, "batch_day": DAYS}), DAYS)
    states = ["old", "old", "new", "new"]
    read = [("flights", day, "flights.csv", state, 1) for day, state in zip(DAYS, states, strict=True)]
    entries = [
        {"table": table, "batch_day": day, "source": "feed", "file": file, "fingerprint": state}
        | {"rows_read": rows, "rows": rows, "quarantined": 0, "content_hash": "0"}
        for table, day, file, state, rows in [*read, ("planes", UNDATED, "planes.csv", "p", 3)]
    ]
    table = TableVersion(name="flights", uri=f"{lake}/flights", version=version, rows=4, content_hash="f")
    return factory.snapshot().model_copy(update={"tables": [table], "manifest": manifest.write(lake, "abc", entries)})


MODEL = factory.model("network")


@pytest.fixture
def versions(snapshot: DataSnapshot) -> dict[int, dict[str, str]]:
    judged = {"verdict": "HOLD", "evaluation_first_day": "2013-06-03", "evaluation_last_day": "2013-06-30"}
    tags = (
        lineage.tags(snapshot, "team@example.com", MODEL)
        | judged
        | {"features_hash": MODEL.features_hash, "candidate_digest": MODEL.bundle_digest}
    )
    return {1: {"owner": "x"}, 2: tags | {"package_digest": "f" * 64}, 3: tags | {"package_digest": DIGEST}}


def test_a_version_leads_to_the_states_of_the_files(versions: dict[int, dict[str, str]]) -> None:
    found = lineage.trace("flights", versions, 2, "")
    assert (found.version, found.verdict, found.prediction_id) == (2, "HOLD", None)
    assert found.code_commit == versions[2]["code_commit"]
    assert found.lock_hash == versions[2]["lock_hash"]
    old, new = (
        SourceUse(table="flights", source="feed", file="flights.csv", fingerprint=f, first_day=a, last_day=b, days=2, rows=2)
        for f, a, b in (("old", DAYS[0], DAYS[1]), ("new", DAYS[2], DAYS[3]))
    )
    planes = SourceUse(table="planes", source="feed", file="planes.csv", fingerprint="p", first_day=None, last_day=None, days=0, rows=3)
    assert found.files == [old, new, planes]


def test_the_snapshot_that_the_tags_name_can_be_read_again(versions: dict[int, dict[str, str]]) -> None:
    again = lineage.trace("flights", versions, 2, "").snapshot
    frame = read_snapshot(again, lambda frames, as_of: dict(frames))["flights"].collect()
    assert frame.get_column("x").sort().to_list() == [0, 1, 2, 3]  # not the nines that came later
    assert max(len(value) for value in versions[2].values()) < 5_000  # MLflow's limit in its older databases


def test_a_prediction_leads_to_the_version_that_made_it(versions: dict[int, dict[str, str]]) -> None:
    prediction = f"{DIGEST[:12]}-e0f55f2d13e446babcd1764298e7e0a5"
    found = lineage.trace("flights", versions, 0, prediction)
    assert (found.version, found.prediction_id) == (3, prediction)
    lines = [line.split(maxsplit=1) for line in repr(found).strip().splitlines()]
    steps = ["prediction", "version", "evaluated", "code", "lock", "snapshot", "manifest", "table", "file", "file", "file"]
    assert [line[0] for line in lines] == steps
    assert lines[0][1] == prediction


@pytest.mark.parametrize(
    ("version", "prediction", "told"),
    [
        (0, "", "must be given; got neither"),
        (2, f"{DIGEST[:12]}-1", "must be given; got both"),
        (7, "", "must have version 7; got none of that number. To mend: choose one of the versions there are: 1, 2, 3"),
        (-1, "", "must have version -1"),
        (1, "", "version 1 of flights must name its lineage; got no tag 'snapshot'"),
        (0, "e0f55f2d13e446babcd1764298e7e0a5", "of the form <12 digits of a digest>-<anything>"),  # of an earlier service
        (0, "0123456789ab-", "of the form"),
        (0, f"{DIGEST[:11]}%-1", "of the form"),
        (0, "aaaaaaaaaaaa-1", "package of digest aaaaaaaaaaaa...; got none"),
    ],
)
def test_what_leads_nowhere_is_refused(versions: dict[int, dict[str, str]], version: int, prediction: str, told: str) -> None:
    with pytest.raises(RegistryError) as caught:
        lineage.trace("flights", versions, version, prediction)
    assert told in str(caught.value)


def test_two_packages_of_one_prefix_are_refused(versions: dict[int, dict[str, str]]) -> None:
    with pytest.raises(RegistryError, match="got versions 3, 4"):
        lineage.trace("flights", versions | {4: versions[3]}, 0, f"{DIGEST[:12]}-1")


def test_tags_of_another_form_are_refused(versions: dict[int, dict[str, str]]) -> None:
    versions[2]["snapshot"] = '{"source": "feed"}'
    with pytest.raises(RegistryError, match="tags of another form"):
        lineage.trace("flights", versions, 2, "")


def test_a_manifest_that_is_gone_is_told(versions: dict[int, dict[str, str]], snapshot: DataSnapshot) -> None:
    Path(snapshot.manifest).unlink()
    with pytest.raises(LakeError, match="must be a snapshot's manifest"):
        lineage.trace("flights", versions, 2, "")


def test_what_is_named_is_named_by_any_version(versions: dict[int, dict[str, str]], caplog: pytest.LogCaptureFixture) -> None:
    earlier = {"snapshot_hash": "early", "tables": "flights@1, planes@0"}  # before there was a tag of the whole snapshot
    with caplog.at_level(logging.WARNING, logger="tasks.registry.lineage"):
        found = lineage.named(versions | {4: earlier})
    assert found.tables == {"flights": [1], "planes": [0]}
    assert found.manifests == sorted([factory.SNAPSHOT_HASH, "early"])
    assert caplog.messages == ["version 1 names no snapshot: nothing is kept for it"]


@pytest.mark.parametrize("tag", ["flights", "flights@", "@3", "flights@newest", ""])
def test_a_tag_that_cannot_be_read_stops_upkeep(tag: str) -> None:
    with pytest.raises(RegistryError, match="the tag tables of version 1"):
        lineage.named({1: {"snapshot_hash": "x", "tables": tag}})


def test_a_version_is_recalled_with_its_settings(versions: dict[int, dict[str, str]], snapshot: DataSnapshot) -> None:
    found, recipe = lineage.recall("flights", versions, 3)
    assert found == snapshot.model_copy(update={"quarantined": []})
    assert (recipe.config, recipe.split, recipe.bundle_digest) == (MODEL.config, MODEL.split, MODEL.bundle_digest)
    with pytest.raises(RegistryError, match="must name its lineage; got no tag 'config'"):
        lineage.recall("flights", {1: {"owner": "x"}}, 1)
    with pytest.raises(RegistryError, match="must have version 9"):
        lineage.recall("flights", versions, 9)


def test_a_training_done_again_is_the_same_or_says_what_differs(versions: dict[int, dict[str, str]]) -> None:
    _, recipe = lineage.recall("flights", versions, 3)
    same = lineage.compare(recipe, MODEL.split, MODEL)
    unknown = lineage.compare(recipe.model_copy(update={"code_commit": "unknown"}), MODEL.split, MODEL)
    assert [told.split(",")[0] for told in unknown.differs] == ["code commit unknown"]
    assert (same.is_identical, same.differs) == (True, [])
    assert "the same weights to the bit" in repr(same)
    update = {"device": "cuda", "precision": "bf16-mixed", "bundle_digest": "e" * 64, "features_hash": "other"}
    other = lineage.compare(recipe.model_copy(update={"lock_hash": "old"}), MODEL.split, MODEL.model_copy(update=update))
    assert not other.is_identical
    assert [told.split(" ")[0] for told in other.differs] == ["features", "device", "lock"]
    assert f"device {MODEL.device}, {MODEL.precision}, now cuda, bf16-mixed" in repr(other)
