"""What a task uses, measured on this process, on a made-up folder of energy counters and on a made-up torch."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks import usage
from tasks.artifacts.usage import Request, SizingRules, TaskUsage
from tasks.usage import Meter, advise, quantity

pytestmark = pytest.mark.unit

ASKED = Request(cpu=2, mem_mb=8192)
RULES = SizingRules(runs=3, shortest_seconds=1.0, memory_margin=0.3, cpu_step=0.5, memory_step_mb=512)
MOST = 10**12  # of a counter, in microjoules


def read(meter: Meter) -> TaskUsage:
    return meter.read("tasks.training.task.toy", "run", ASKED)


# --- host -------------------------------------------------------------------------------------------------------------


def test_time_and_memory_are_those_of_the_task(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    taken = bytearray(200 * 2**20)
    taken[:: 2**12] = b"x" * len(taken[:: 2**12])  # else the pages are not there
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    used = read(meter)
    assert 0.2 <= used.cpu_seconds <= used.seconds + 0.5
    assert used.peak_host_mb > 200
    assert (used.device, used.device_seconds, used.peak_device_mb, used.energy_joules) == ("cpu", 0.0, None, None)
    assert abs(used.started - datetime.now(UTC)) < timedelta(seconds=60)
    del taken
    later = read(Meter(tmp_path))
    assert later.peak_host_mb < used.peak_host_mb - 100, "each task has a peak of its own"


def test_an_ended_process_of_the_task_counts(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-S", "-c", busy], check=True, timeout=60)
    assert read(meter).cpu_seconds >= 0.3


def test_measuring_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tasks.usage import Meter; from tasks.artifacts.usage import Request\n"
        "Meter().read('tasks.x.task.y', 'run', Request(cpu=1, mem_mb=1))\n"
        "print(sorted({'torch', 'polars', 'deltalake', 'flytekit', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout.strip() == "[]"


# --- energy -----------------------------------------------------------------------------------------------------------


def counter(powercap: Path, zone: str, name: str, microjoules: int, most: int = MOST) -> None:
    folder = powercap / zone
    folder.mkdir(parents=True, exist_ok=True)
    for file, value in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", most)):
        (folder / file).write_text(f"{value}\n")


def test_the_energy_of_all_packages_is_told(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    counter(tmp_path, "intel-rapl:0:0", "core", 5)  # a part of its package
    counter(tmp_path, "intel-rapl:0:1", "dram", 0)
    counter(tmp_path, "intel-rapl:1", "package-1", 7)
    meter = Meter(tmp_path)
    counter(tmp_path, "intel-rapl:0", "package-0", 3_500_000)
    counter(tmp_path, "intel-rapl:0:0", "core", 2_000_005)
    counter(tmp_path, "intel-rapl:0:1", "dram", 250_000)
    counter(tmp_path, "intel-rapl:1", "package-1", 1_000_007)
    assert read(meter).energy_joules == pytest.approx(2.5 + 0.25 + 1.0)


def test_a_counter_that_begins_anew_is_followed(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", MOST - 400_000)
    meter = Meter(tmp_path)
    counter(tmp_path, "intel-rapl:0", "package-0", 600_000)
    assert read(meter).energy_joules == pytest.approx(1.0)


def test_a_counter_that_may_have_begun_anew_more_than_once_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 0, most=262_143_328_850)
    meter = Meter(tmp_path)
    counter(tmp_path, "intel-rapl:0", "package-0", 9_000_000, most=262_143_328_850)
    assert meter._energy(500.0, []) == pytest.approx(9.0)
    assert meter._energy(600.0, []) is None


@pytest.mark.parametrize("text", ["", "many\n", None])
def test_a_counter_that_cannot_be_read_tells_nothing(tmp_path: Path, text: str | None) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = Meter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    if text is not None:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(text)
    assert read(meter).energy_joules is None


# --- a device ---------------------------------------------------------------------------------------------------------

GPU = uuid.UUID(int=7)


def fake_torch(allocations: dict[int, int], reset: list[int]) -> SimpleNamespace:
    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_initialized=lambda: True,
            device_count=lambda: len(allocations),
            memory_stats=lambda index: {"allocation.all.allocated": allocations[index]},
            reset_peak_memory_stats=reset.append,
            max_memory_allocated=lambda index: (index + 1) * 512 * 2**20,
            get_device_name=lambda index: f"Toy {index}",
            get_device_properties=lambda index: SimpleNamespace(uuid=uuid.UUID(int=GPU.int + index)),
        )
    )


def test_a_device_counts_when_the_task_used_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allocations, reset, energy = {0: 10, 1: 20}, list[int](), {f"GPU-{GPU}": 5_000, f"GPU-{uuid.UUID(int=8)}": 1_000}
    monkeypatch.setitem(sys.modules, "torch", fake_torch(allocations, reset))
    monkeypatch.setattr(usage, "_gpu_energy", lambda: dict(energy))
    meter = Meter(tmp_path)
    assert reset == [0, 1]
    assert read(meter).device == "cpu", "what an earlier task allocated is not this one's"
    allocations[1] += 1
    energy.update({f"GPU-{GPU}": 9_000, f"GPU-{uuid.UUID(int=8)}": 4_000})
    used = read(meter)
    assert (used.device, used.device_seconds, used.peak_device_mb) == ("Toy 1", used.seconds, 1024.0)
    assert used.energy_joules == pytest.approx(3.0), "of the device used, not of the one beside it"
    allocations[0] += 1
    assert read(meter).device_seconds == pytest.approx(2 * used.seconds, abs=0.5)


def test_a_torch_that_has_not_begun_with_devices_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False)))
    assert read(Meter(tmp_path)).device == "cpu"


# --- what to ask for --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "number"),
    [("2", 2.0), ("500m", 0.5), ("8Gi", 8 * 2.0**30), ("512Mi", 512 * 2.0**20), ("1.5G", 1.5e9), (1, 1.0), (0.5, 0.5), (None, 0.0)],
)
def test_quantities_of_kubernetes(given: str | float | None, number: float) -> None:
    assert quantity(given) == number


def ran(day: int = 1, busy: float = 0.5, peak: float = 900.0, asked: Request = ASKED, **more: float) -> TaskUsage:
    started = datetime(2026, 1, day, tzinfo=UTC)
    more = {"cores": 16, "seconds": 10.0} | more
    cpu_seconds = more["seconds"] * busy
    return TaskUsage(run=f"{day}", task="tasks.a.task.b", started=started, asked=asked, cpu_seconds=cpu_seconds, peak_host_mb=peak, **more)


GPU_ASKED = Request(cpu=4, mem_mb=16384, gpu=1)


@pytest.mark.parametrize(
    ("runs", "suggested", "why"),
    [
        # 900 MB and 30 % are 1,170 MB, so 1.5 GiB
        ([ran(busy=0.6)], Request(cpu=1, mem_mb=1536), "a peak of 900 MB in 1 run, and 30% more; 0.6 cores busy at most"),
        ([ran(1, peak=5000), ran(2, busy=1.52)], Request(cpu=1.5, mem_mb=6656), "5,000 MB in 2 runs, and 30% more; 1.5 cores busy"),
        ([ran(busy=1.06)], Request(cpu=1.5, mem_mb=1536), "1.1 cores"),
        # the fourth newest is forgotten
        ([ran(1, peak=5000), ran(2), ran(3), ran(4)], Request(cpu=0.5, mem_mb=1536), "in 3 runs"),
        ([ran(busy=0.0, peak=0.0)], Request(cpu=0.5, mem_mb=512), "0 MB"),
        ([ran(busy=1.0, seconds=0.9)], Request(cpu=2, mem_mb=1536), "too short to tell of cores"),
        ([ran(1), ran(2, busy=30.0, seconds=0.9)], Request(cpu=0.5, mem_mb=1536), "0.5 cores"),
        # a laptop of two cores cannot tell what four would be good for
        ([ran(busy=1.95, asked=GPU_ASKED, cores=2)], Request(cpu=4, mem_mb=1536, gpu=1), "all of the 2 that were there"),
        ([ran(asked=GPU_ASKED)], Request(cpu=0.5, mem_mb=1536, gpu=1), "no run had a GPU to use"),
        ([ran(asked=GPU_ASKED, devices=1)], Request(cpu=0.5, mem_mb=1536, gpu=0), "no run used the GPU that was there"),
        ([ran(asked=GPU_ASKED, devices=1, device_seconds=9)], Request(cpu=0.5, mem_mb=1536, gpu=1), "in 1 run, and 30% more"),
        # a run that had to do without a GPU says nothing on one that had it
        (
            [ran(1, asked=GPU_ASKED, peak=9000), ran(2, asked=GPU_ASKED, devices=1, device_seconds=9)],
            Request(cpu=0.5, mem_mb=1536, gpu=1),
            "in 1 run,",
        ),
    ],
    ids=[
        "one",
        "largest-of-each",
        "rounded-up",
        "newest",
        "nothing",
        "short",
        "some-short",
        "busy-laptop",
        "no-gpu-there",
        "gpu-idle",
        "gpu-used",
        "gpu-once",
    ],
)
def test_the_suggestion_follows_the_largest_use(runs: list[TaskUsage], suggested: Request, why: str) -> None:
    advice = advise(list(reversed(runs)), RULES)
    assert advice.suggested == suggested
    assert why in advice.reason
    assert advice.asked == runs[-1].asked
