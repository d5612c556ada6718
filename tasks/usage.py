"""What a task uses: time, processors, memory, devices and energy; and what it should ask for.

Works in a pod and on a laptop alike, and imports nothing heavy: of torch it asks only what is imported already. Prices,
the history and what is shown of it stay out.
"""

from __future__ import annotations

import functools
import math
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.artifacts.usage import Request, ResourceAdvice, SizingRules, TaskUsage

POWERCAP = Path("/sys/class/powercap")
_MOST_WATTS = 500.0  # of a processor package, with room: tells for how long its counter of energy cannot have gone round twice
_NOISE = 0.1  # of a step: one busy core measures as 1.02
_IDLE_CORES = 0.9  # of all cores: busier than this, a task would have taken more

_UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


class Meter:
    """Measures from when it is made until it is read."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._powercap = powercap
        _reset_peak()
        self._allocations = _allocations(reset=True)
        self._packages, self._gpus = _package_energy(powercap), _gpu_energy()
        self._began = datetime.now(UTC)
        self._cpu, self._clock = _cpu_seconds(), time.perf_counter()

    def read(self, task: str, run: str, asked: Request) -> TaskUsage:
        """Return what was used since.

        Args:
            task: Its full name.
            run: The execution that it is part of.
            asked: What its pod asks for.
        """
        seconds, cpu = time.perf_counter() - self._clock, _cpu_seconds() - self._cpu
        used = [index for index, count in _allocations().items() if count > self._allocations.get(index, 0)]
        cuda = sys.modules["torch"].cuda if used else None
        return TaskUsage(
            run=run,
            task=task,
            started=self._began,
            asked=asked,
            seconds=seconds,
            cpu_seconds=cpu,
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            peak_host_mb=_peak_mb(),
            device=cuda.get_device_name(used[0]) if cuda else "cpu",
            devices=_devices(),
            device_seconds=seconds * len(used),
            peak_device_mb=max(cuda.max_memory_allocated(index) for index in used) / 2**20 if cuda else None,
            energy_joules=self._energy(seconds, [f"GPU-{cuda.get_device_properties(index).uuid}" for index in used] if cuda else []),
        )

    def _energy(self, seconds: float, used: Sequence[str]) -> float | None:
        """Return the energy of all processor packages and of the GPUs used; None if no counter can tell."""
        after = _package_energy(self._powercap)
        parts = [
            ((after[name][0] - first) % (most + 1)) / 1e6  # a counter that came to its end begins at 0
            for name, (first, most) in self._packages.items()
            if name in after and seconds * _MOST_WATTS < most / 1e6
        ]
        if used:
            gpus = _gpu_energy()
            parts += [(gpus[gpu] - self._gpus[gpu]) / 1e3 for gpu in used if gpu in gpus and gpu in self._gpus]
        return sum(parts) if parts else None


def _cpu_seconds() -> float:
    """Return the processor time of this process and of the ended ones that it started."""
    times = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in times)


def _reset_peak() -> None:
    """Start a new peak of resident memory, where the kernel allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Return the peak of resident memory since the last reset, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):  # a sandbox may leave the line out
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _devices() -> int:
    """Return how many GPUs this process could use, without asking a library."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _allocations(*, reset: bool = False) -> dict[int, int]:
    """Return GPU to the number of allocations that torch has made on it; none if torch has not begun to use them.

    Args:
        reset: Whether to start a new peak of device memory, too.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found = {}
    for index in range(torch.cuda.device_count()):
        found[index] = int(torch.cuda.memory_stats(index).get("allocation.all.allocated", 0))
        if reset:
            torch.cuda.reset_peak_memory_stats(index)
    return found


def _package_energy(powercap: Path) -> dict[str, tuple[int, int]]:
    """Return processor package to its counter of energy and where that begins anew, in microjoules.

    Intel's RAPL, which AMD's processors have as well; Linux shows it to root alone unless told otherwise. A package's counter
    leaves out the memory's, which some processors have.
    """
    found = {}
    for zone in sorted(powercap.glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            if (zone / "name").read_text().startswith(("package", "dram")):
                found[zone.name] = (int((zone / "energy_uj").read_text()), int((zone / "max_energy_range_uj").read_text()))
    return found


@functools.cache
def _gpu_handles() -> dict[str, Any]:
    """Return GPU to what NVML knows it by; none without GPU or driver."""
    if not _devices():
        return {}
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return {_text(pynvml.nvmlDeviceGetUUID(handle)): handle for handle in handles}
    except pynvml.NVMLError:
        return {}


def _gpu_energy() -> dict[str, int]:
    """Return GPU to its energy since the driver was loaded, in millijoules; those of Volta and later tell it."""
    found = {}
    for gpu, handle in _gpu_handles().items():
        import pynvml

        with suppress(pynvml.NVMLError):
            found[gpu] = int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def quantity(given: str | float | None) -> float:
    """Return a quantity of Kubernetes, such as `500m` or `8Gi`, as a number; 0 for none."""
    words = str(given or 0)
    number = words.rstrip("mkMGTi")
    return float(number) * _UNITS.get(words[len(number) :], 1.0)


def advise(runs: Sequence[TaskUsage], rules: SizingRules) -> ResourceAdvice:
    """Return what a task should ask for: its largest use, rounded up, with a margin of memory.

    Args:
        runs: At least one run of the task, in any order; of these the newest count. Once a run held a GPU, only such runs count.
        rules: Margin and steps.
    """
    newest = sorted(runs, key=lambda run: run.started)[-rules.runs :]
    asked = newest[-1].asked
    counted = [run for run in newest if run.device_seconds > 0] or newest
    peak = max(run.peak_host_mb for run in counted)
    why = f"a peak of {peak:,.0f} MB in {len(counted)} run{'s' * (len(counted) != 1)}, and {rules.memory_margin:.0%} more"
    cpu, busy = asked.cpu, None
    if told := [run for run in counted if run.seconds >= rules.shortest_seconds]:
        busiest = max(told, key=lambda run: run.cpu_seconds / run.seconds)
        busy = busiest.cpu_seconds / busiest.seconds
        why += f"; {busy:.1f} cores busy at most"
        if busiest.cores < asked.cpu and busy > _IDLE_CORES * busiest.cores:
            why += f", all of the {busiest.cores} that were there, fewer than it asks for"
        else:
            cpu = _rounded_up(busy, rules.cpu_step)
    else:
        why += "; too short to tell of cores"
    gpu = asked.gpu
    if asked.gpu and not any(run.devices for run in counted):
        why += "; no run had a GPU to use"
    elif asked.gpu and not any(run.device_seconds for run in counted):
        gpu = 0
        why += "; no run used the GPU that was there"
    memory = _rounded_up(peak * (1 + rules.memory_margin), rules.memory_step_mb)
    return ResourceAdvice(
        task=newest[-1].task,
        runs=len(counted),
        asked=asked,
        busy_cores=busy,
        peak_host_mb=peak,
        suggested=Request(cpu=cpu, mem_mb=memory, gpu=gpu),
        reason=why,
    )


def _rounded_up(value: float, step: float) -> float:
    return max(1, math.ceil(value / step - _NOISE)) * step
