"""Several processes: one setting makes a task torchrun's, two learn what one learns, and killed they go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.settings import NetworkConfig, Processes
from tasks.execution import stage
from tests.flyte.test_local import home  # noqa: F401 - a fixture

pytestmark = [pytest.mark.flyte, pytest.mark.usefixtures("home")]

CONFIG = NetworkConfig(
    k=2, width=16, blocks=1, embedding_width=2, bins=8, epochs=8, batch_rows=64, dropout=0, averaging_decay=0.9, learning_rate=0.01
)
ROWS = 1_001
"""Neither batches nor the processes divide it: the last batch has 41 rows, of which one process gets 21."""
TOGETHER = Processes(nodes=1, per_node=2)


class _Killed(Exception):
    pass


def learn(dropout: float = 0.0, folder: str = "", dies: bool = False) -> list[float]:
    """Train a small network; return its loss by epoch and some of its probabilities.

    With a folder its states are kept there, of which there is one after 50 steps and one after 100; if it dies, then after
    the first.
    """
    import torch

    from tasks.model.network import predict
    from tasks.training import network
    from tasks.training.baselines import Encoded
    from tasks.training.checkpoints import Checkpoints
    from tasks.training.rows import InMemory

    def die(_: Path) -> None:
        if dies:
            raise _Killed

    generator = np.random.default_rng(1)
    numbers = generator.normal(size=(ROWS, 3)).astype(np.float32)
    codes = generator.integers(0, 4, size=(ROWS, 1))
    labels = (generator.random(ROWS) < 1 / (1 + np.exp(-2 * numbers[:, 0] - codes[:, 0] + 1))).astype(np.float32)
    outcomes = (generator.random((ROWS, 2)) < 0.5 + 0.2 * np.tanh(numbers[:, :2])).astype(np.float32)
    part = Checkpoints(Path(folder), "this one", every_seconds=0, keep=die).part("all") if folder else None
    rows = InMemory.of(Encoded(numbers, codes, labels, outcomes))
    fitted = network.fit_rows(CONFIG.model_copy(update={"dropout": dropout}), rows, [4], part)
    found = predict(fitted.network, torch.from_numpy(numbers[:20]), torch.from_numpy(codes[:20]))
    return [*fitted.losses, *found.tolist()]


@stage(cached=False, processes=TOGETHER)
def learn_together(dropout: float, folder: str, dies: bool) -> list[float]:
    """Train a small network in two processes.

    Args:
        dropout: Its rate.
        folder: Where states are kept, empty to keep none.
        dies: Whether it ends with its first state.
    """
    from tests.flyte.test_elastic import learn

    return learn(dropout, folder, dies)


def test_two_processes_learn_what_one_learns() -> None:
    """The same steps, with gradients added in another order."""
    assert learn_together(dropout=0.0, folder="", dies=False) == pytest.approx(learn(), abs=1e-5)


def test_two_that_were_killed_go_on_to_the_same_weights(tmp_path: Path) -> None:
    undisturbed = learn_together(dropout=0.3, folder="", dies=False)
    with pytest.raises(Exception, match="_Killed"):
        learn_together(dropout=0.3, folder=str(tmp_path), dies=True)
    assert list(tmp_path.glob("*.ckpt"))
    assert learn_together(dropout=0.3, folder=str(tmp_path), dies=False) == undisturbed


def test_several_nodes_run_under_the_operator() -> None:
    from flytekitplugins.kfpytorch import Elastic

    @stage(cached=False, processes=Processes(nodes=2, per_node=4))
    def anywhere() -> int:
        """Return a number."""
        return 1

    assert isinstance(anywhere.task_config, Elastic)
    assert (anywhere.task_config.nnodes, anywhere.task_config.nproc_per_node) == (2, 4)
    assert anywhere.task_type == "pytorch"
