"""Several processes: one setting makes a task torchrun's, and two learn what one learns."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.artifacts.settings import NetworkConfig, Processes
from tasks.execution import stage
from tests.flyte.test_local import home  # noqa: F401 - a fixture

pytestmark = [pytest.mark.flyte, pytest.mark.usefixtures("home")]

CONFIG = NetworkConfig(
    k=2, width=16, blocks=1, embedding_width=2, bins=8, epochs=2, batch_rows=64, dropout=0, averaging_decay=0.9, learning_rate=0.01
)
ROWS = 1_001
"""Neither batches nor the processes divide it: the last batch has 41 rows, of which one process gets 21."""


def learn() -> list[float]:
    """Train a small network; return its loss by epoch and some of its probabilities."""
    import torch

    from tasks.model.network import predict
    from tasks.training import network

    generator = np.random.default_rng(1)
    numbers = generator.normal(size=(ROWS, 3)).astype(np.float32)
    codes = generator.integers(0, 4, size=(ROWS, 1))
    labels = (generator.random(ROWS) < 1 / (1 + np.exp(-2 * numbers[:, 0] - codes[:, 0] + 1))).astype(np.float32)
    fitted = network.fit(CONFIG, numbers, codes, labels, [4])
    found = predict(fitted.network, torch.from_numpy(numbers[:20]), torch.from_numpy(codes[:20]))
    return [*fitted.losses, *found.tolist()]


@stage(cached=False, processes=Processes(nodes=1, per_node=2))
def learn_together() -> list[float]:
    """Train a small network in two processes."""
    from tests.flyte.test_elastic import learn

    return learn()


def test_two_processes_learn_what_one_learns() -> None:
    """The same steps, with gradients added in another order."""
    assert learn_together() == pytest.approx(learn(), abs=1e-5)


def test_several_nodes_run_under_the_operator() -> None:
    from flytekitplugins.kfpytorch import Elastic

    @stage(cached=False, processes=Processes(nodes=2, per_node=4))
    def anywhere() -> int:
        """Return a number."""
        return 1

    assert isinstance(anywhere.task_config, Elastic)
    assert (anywhere.task_config.nnodes, anywhere.task_config.nproc_per_node) == (2, 4)
    assert anywhere.task_type == "pytorch"
