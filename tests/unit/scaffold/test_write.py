"""What is written: every file, formatted and free of faults, that an awkward sample gives too, and never over another."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import ConfigError, StorageError
from tasks.scaffold import guess, sample, write
from tasks.scaffold.guess import Asked

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
FIRST_PARTY = 'lint.isort.known-first-party = ["tasks"]'
RUFF = Path(sys.executable).parent / "ruff"


def orders() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "order": [str(i) for i in range(60)],
            "placed": [f"2024-0{1 + i // 25}-{1 + i % 25:02}" for i in range(60)],
            "amount": [f"{i}.5" for i in range(60)],
            "shop": ["a", "b", "c"] * 20,
            "age": [str(20 + i) for i in range(60)],
            "email": [f"x{i}@example.com" for i in range(60)],
            "returned": ["1", "0", "0"] * 20,
        }
    )


def awkward() -> pl.DataFrame:
    """Return columns with names and values that Python and a format could trip over."""
    texts = ['said "so"', "it's", "back\\slash", "naïve — “quoted”", "{tolerance} $name ${x}", "a" * 60, "b" * 60, "c" * 60]
    return pl.DataFrame(
        {
            "Order No.": [str(i) for i in range(80)],
            "class": texts * 10,
            "label": [str(i / 7) for i in range(80)],
            "what a very long heading of a column that nobody would write in earnest, and somebody did": texts[::-1] * 10,
            "constant": ["1"] * 80,
            "negative": [str(-i) for i in range(80)],
            "tiny": [str(i * 1e-9) for i in range(80)],
            "gender": [None, "f", "m", "f"] * 20,
            "free text": [f"note {i}" for i in range(80)],
            "at": [f"2024-03-{1 + i % 28:02} 10:00:00" for i in range(80)],
            "outcome": ["it's late", 'not "late"'] * 40,
        }
    )  # fmt: skip


def bare() -> pl.DataFrame:
    """Return a sample of which only the key, the day and the label can be used."""
    return orders().select("order", "placed", "returned")


def written(frame: pl.DataFrame, out: Path, asked: Asked | None = None, name: str = "orders.csv") -> dict[str, str]:
    said = asked or Asked()
    found = guess.guess(frame, sample.columns(frame), name.split(".")[0], said)
    files = write.render(found, said, frame, out.parent / name)
    write.write(files, out)
    return files


SAMPLES = {"orders": orders, "awkward": awkward, "bare": bare}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_written_is_formatted_and_free_of_faults(tmp_path: Path, name: str) -> None:
    out = tmp_path / "tasks" / "usecase"
    files = written(SAMPLES[name](), out)
    assert set(files) == set(write.FILES) == {path.name for path in out.iterdir()}
    for command in (("format", "--diff"), ("check",)):
        done = subprocess.run(
            [str(RUFF), *command, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "--config", FIRST_PARTY, str(out)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    for path, text in files.items():
        compile(text, path, "exec") if path.endswith(".py") else None


def test_it_has_the_files_of_the_use_case_that_ships() -> None:
    """But what is of the flights alone."""
    own = {"instants.py", "local_times.py", "routes.py"}
    assert {path.name for path in (ROOT / "tasks" / "usecase").iterdir() if path.is_file()} - own <= set(write.FILES)


def settings(policy: str) -> set[str]:
    """Return the public names that a policy sets."""
    named = {
        part.id
        for node in ast.parse(policy).body
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
    return {name for name in named if name.isupper() and not name.startswith("_")}


def test_every_policy_has_the_settings_of_the_one_that_ships(tmp_path: Path) -> None:
    """A stage that asks for one more must find it in every use case."""
    ships = settings((ROOT / "tasks" / "usecase" / "policy.py").read_text())
    second = settings((ROOT / "tests" / "usecases" / "loans" / "usecase" / "policy.py").read_text())
    assert second == ships
    assert settings(written(orders(), tmp_path / "out")["policy.py"]) == ships


def test_what_is_to_be_looked_at_is_marked(tmp_path: Path) -> None:
    files = written(orders(), tmp_path / "out")
    assert {name for name, text in files.items() if "EDIT" not in text} <= {"__init__.py", "requirements.txt", "online.py"}
    assert not any("TODO" in text for text in files.values())


def test_personal_columns_are_restricted_and_no_inputs(tmp_path: Path) -> None:
    files = written(orders(), tmp_path / "out")
    contract, features = files["contract.py"], files["features.py"]
    for name in ("email", "age"):
        (line,) = [part for part in contract.split("\n    # EDIT")[1:] if f"\n    {name}: " in part]
        assert 'sensitivity="restricted"' in line.split("\n    returned")[0]
    assert "age: str = _protected" in features
    assert 'pl.col("email")' not in features
    assert 'Grouping(name="age", column="age")' in files["segments.py"]


def test_a_sample_under_another_name_is_found(tmp_path: Path) -> None:
    files = written(orders(), tmp_path / "out", Asked(name="sales"), "export-2024.csv.gz")
    assert 'Form(called="export-2024", zone="UTC")' in files["source.py"]
    assert str(tmp_path) in files["defaults.py"]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    written(orders(), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(ConfigError, match=r"OUT must be a new folder; got .*out, which is there"):
        written(bare(), tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="OUT must be writable"):
        written(orders(), tmp_path / "file" / "out")
