"""The served model: rows of a request and frames give the same to the bit, however many come together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.fairness import Grouping
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.serving.predictor import _AT_ONCE, Predictor, rounded
from tests.unit.serving import toy

pytestmark = pytest.mark.unit

ROWS = st.lists(
    st.fixed_dictionaries(
        {"carrier": st.sampled_from(["B6", "DL", "ZZ"]), "origin": st.just("JFK"), "dest": st.sampled_from(["LAX", "nowhere"])},
        optional={"distance": st.none() | st.floats(-1e6, 1e6, width=32), "wind": st.none() | st.integers(-5, 99)},
    ),
    min_size=1,
    max_size=9,
)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("toy") / "package"
    return Predictor(folder, toy.package(folder))


@given(rows=ROWS)
def test_rows_alone_together_and_as_a_frame_give_the_same(rows: list[dict[str, Any]], predictor: Predictor) -> None:
    together = predictor.probabilities(predictor.encode(rows))
    alone = [predictor.probabilities(predictor.encode([row]))[0] for row in rows]
    types = {"distance": pl.Float32, "wind": pl.Float32} | dict.fromkeys(toy.CATEGORICAL, pl.String)
    frame = pl.DataFrame([{name: row.get(name) for name in types} for row in rows], schema=types)
    assert together.tolist() == alone == predictor.predict(frame).tolist()


def test_a_frame_of_several_passes_gives_the_same(predictor: Predictor) -> None:
    """However many rows a day has, a pass of the network takes no more than some thousand."""
    rng = np.random.default_rng(1)
    count = 2 * _AT_ONCE + 3
    drawn = {"distance": rng.uniform(80, 5_000, count), "wind": rng.uniform(0, 50, count)}
    named = {
        "carrier": rng.choice(["B6", "DL"], count),
        "origin": rng.choice(["EWR", "JFK"], count),
        "dest": rng.choice(["LAX", "MCO"], count),
    }
    frame = pl.DataFrame(drawn | named)
    passes = list[int]()
    run = predictor._session.run

    class Session:
        def run(self, names: list[str], given: dict[str, Any]) -> Any:
            passes.append(len(given["numbers"]))
            return run(names, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "_session", Session())
        found = predictor.predict(frame)
    assert passes == [_AT_ONCE, _AT_ONCE, 4]
    assert found.shape == (count,)
    assert np.array_equal(found[-50:], predictor.predict(frame.tail(50)))
    assert np.array_equal(found[:50], predictor.predict(frame.head(50)))


def test_values_that_are_not_known_are_missing_or_code_0(predictor: Predictor) -> None:
    encoded = predictor.encode([toy.ROW | {"carrier": "ZZ"}])
    assert np.isnan(encoded.values[0]).tolist() == [False, True]
    assert encoded.codes[0].tolist() == [0, 2, 2]


def test_another_package_than_the_expected_one_is_refused_unread(tmp_path: Path) -> None:
    toy.package(tmp_path / "package")
    with pytest.raises(BundleError, match="must have the sum"):
        Predictor(tmp_path / "package", "0" * 64)


def test_what_clients_send_is_read_with_its_names(tmp_path: Path) -> None:
    toy.package(tmp_path / "package", client=toy.fields())
    client = Predictor(tmp_path / "package").client
    assert client is not None
    assert (client.names.rows, client.key, len(client.fields)) == ("flights", "flight_id", 5)
    toy.package(tmp_path / "silent", client=None)
    assert Predictor(tmp_path / "silent").client is None


def test_a_package_of_before_rows_had_names_is_told(tmp_path: Path) -> None:
    toy.package(tmp_path / "package")
    (tmp_path / "package" / "request.json").write_text("[]")
    bundle.seal(tmp_path / "package")
    with pytest.raises(BundleError, match=r"request.json must say names, key and fields.*package the model again"):
        Predictor(tmp_path / "package")


def test_a_model_that_gives_no_probability_does_not_get_warm(tmp_path: Path) -> None:
    toy.package(tmp_path / "package", bias=float("nan"))
    with pytest.raises(BundleError, match="must give probabilities"):
        Predictor(tmp_path / "package").warm()


def test_decisions_are_by_the_threshold_of_the_group(tmp_path: Path) -> None:
    grouping = Grouping(name="carrier", column="carrier").model_dump()
    toy.package(tmp_path / "package", threshold=0.5, grouping=grouping, group_thresholds={"B6": 0.2})
    predictor = Predictor(tmp_path / "package")
    rows = [toy.ROW, toy.ROW | {"carrier": "UA"}]
    assert predictor.flag(rows, [0.3, 0.3]).tolist() == [True, False]
    assert predictor.flag(pl.DataFrame(rows), [0.1, 0.6]).tolist() == [False, True]


def test_groups_by_a_number_take_any_number(tmp_path: Path) -> None:
    grouping = Grouping(name="distance", column="distance", cut=500, below="near", above="far").model_dump()
    toy.package(tmp_path / "package", threshold=0.5, grouping=grouping, group_thresholds={"near": 0.2})
    rows = [toy.ROW | {"distance": distance} for distance in (200, 200.5, None, 900)]
    assert Predictor(tmp_path / "package").flag(rows, [0.3] * 4).tolist() == [True, True, False, False]


def test_what_is_answered_has_six_digits() -> None:
    assert rounded(np.array([0.12345678, 1e-9], np.float32)).tolist() == [0.123457, 0.0]
