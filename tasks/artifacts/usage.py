"""Records of what tasks use, what that costs, and what they should ask for."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tasks.artifacts.record import Record


def short_name(task: str) -> str:
    """Return `training.train_network` for `tasks.training.task.train_network`."""
    return task.removeprefix("tasks.").replace(".task.", ".")


class Request(Record):
    """What a task's pod asks for, or should."""

    cpu: float = Field(ge=0, description="Cores")
    mem_mb: float = Field(ge=0)
    gpu: int = Field(0, ge=0)


class TaskUsage(Record):
    """What one run of one task used.

    Memory is that of the task's own process: what a process that it started takes comes on top.
    """

    run: str = Field(description="The execution that it was part of")
    task: str
    started: datetime
    asked: Request
    seconds: float = 0.0
    cpu_seconds: float = Field(0.0, description="Of all cores, with the processes that it started and waited for")
    cores: int = Field(1, ge=1, description="That it could run on")
    peak_host_mb: float = 0.0
    device: str = "cpu"
    devices: int = Field(0, ge=0, description="GPUs that were there, used or not")
    device_seconds: float = Field(0.0, description="Seconds for which GPUs were held, summed over GPUs")
    peak_device_mb: float | None = None
    energy_joules: float | None = Field(None, description="Of processor packages and used GPUs, with what else ran there; None: not told")
    cost: float = Field(0.0, description="By the price list of the policy, or of the domain")
    cached: bool = False

    @property
    def stage(self) -> str:
        """The stage's package: `training` for `tasks.training.task.train_network`."""
        return self.task.split(".")[1]


class Prices(Record):
    """What a cluster bills for what pods ask for, over the time that they run; energy comes on top."""

    currency: str = Field(description="What the prices are in")
    cpu_core_hour: float = Field(ge=0, description="Of a core that a pod asks for, by the hour")
    memory_gib_hour: float = Field(ge=0, description="Of a GiB of memory that it asks for, by the hour")
    gpu_hour: float = Field(ge=0, description="Of a GPU that it asks for, by the hour")
    energy_kwh: float = Field(ge=0, description="Of the energy that its devices took, by the kilowatt hour")

    def of(self, asked: Request, seconds: float, energy_joules: float | None) -> float:
        """Return the cost of a pod."""
        per_hour = asked.cpu * self.cpu_core_hour + asked.mem_mb / 1024 * self.memory_gib_hour + asked.gpu * self.gpu_hour
        return (per_hour * seconds + self.energy_kwh * (energy_joules or 0.0) / 1_000) / 3_600


class SizingRules(Record):
    """How what a task should ask for follows from what its runs used."""

    runs: int = Field(ge=1, description="Newest runs of a task that count")
    shortest_seconds: float = Field(ge=0, description="Shorter runs tell nothing on cores")
    memory_margin: float = Field(ge=0, description="On top of the largest peak, as a share of it")
    cpu_step: float = Field(gt=0, description="Cores are rounded up to a multiple of this")
    memory_step_mb: float = Field(gt=0, description="Memory is rounded up to a multiple of this")


class ResourceAdvice(Record):
    """What a task should ask for, from what its runs used."""

    task: str
    runs: int
    asked: Request
    busy_cores: float | None = Field(description="CPU seconds by second, of the busiest run; None if all were too short to tell")
    peak_host_mb: float
    suggested: Request
    reason: str
