"""The network: TabM with piecewise-linear embeddings, composed from the authors' packages.

Gorishniy et al., "TabM: Advancing tabular deep learning with parameter-efficient ensembling" (ICLR 2025), and "On
embeddings for numerical features in tabular deep learning" (NeurIPS 2022). Composed by hand rather than by
`TabM.make`, whose one-hot inputs do not export to ONNX with a dynamic batch.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rtdl_num_embeddings
import tabm
import torch
from torch import Tensor, nn

from tasks.artifacts.settings import NetworkConfig

_CLIP = 1e-6  # a logit of 0 or 1 is none


class Dropout(nn.Module):
    """Dropout that draws 16 random bits a value: on a CPU torch's own draws 64, a seventh of a training step.

    Args:
        rate: Share of the values that become zero, to the nearest 65,536th.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.generator: torch.Generator | None = None  # torch's own, unless whoever trains sets another
        steps = round(rate * 65_536)
        self._first_kept, self._scale = steps - 32_768, 65_536 / (65_536 - steps)

    def forward(self, values: Tensor) -> Tensor:
        """Return the values, some of them zero and the others larger, so that the mean stays; all as they are in evaluation."""
        if not self.training:
            return values
        count = values.numel()
        words = torch.empty((count + 3) // 4, dtype=torch.int64, device=values.device).random_(-(2**63), None, generator=self.generator)
        is_kept = words.view(torch.int16)[:count].view(values.shape) >= self._first_kept
        return values * is_kept.to(values.dtype).mul_(self._scale)


class Network(nn.Module):
    """An ensemble of `k` multilayer perceptrons that share most of their weights.

    Args:
        config: Sizes.
        bins: Edges of the bins of each numeric input, for the piecewise-linear embeddings.
        cardinalities: Number of codes of each categorical input.
    """

    def __init__(self, config: NetworkConfig, bins: Sequence[Tensor], cardinalities: Sequence[int]) -> None:
        super().__init__()
        with _one_bin_is_enough():
            self.numeric = rtdl_num_embeddings.PiecewiseLinearEmbeddings(list(bins), config.embedding_width, activation=False, version="B")
        widths = [min(16, max(2, math.ceil(math.sqrt(n)))) for n in cardinalities]
        self.categorical = nn.ModuleList(nn.Embedding(n, w) for n, w in zip(cardinalities, widths, strict=True))
        width = len(bins) * config.embedding_width + sum(widths)
        self.ensemble = tabm.EnsembleView(k=config.k)
        self.backbone = tabm.MLPBackboneBatchEnsemble(
            d_in=width,
            n_blocks=config.blocks,
            d_block=config.width,
            dropout=config.dropout,
            k=config.k,
            tabm_init=True,
            scaling_init="random-signs",
            start_scaling_init_chunks=None,
        )
        for block in self.backbone.modules():
            for name, child in list(block.named_children()):
                if isinstance(child, nn.Dropout):
                    setattr(block, name, Dropout(child.p))
        self.output = tabm.LinearEnsemble(config.width, 1, k=config.k)
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))  # set once the network is trained

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Return the logits of the members, shape (n, k), for inputs of shape (n, width) and (n, categories)."""
        logits: Tensor = self.output(self.hidden(numbers, codes)).squeeze(-1)
        return logits

    def hidden(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Return what the members make of the inputs, shape (n, k, width of a block)."""
        parts = [self.numeric(numbers).flatten(1)]
        parts.extend(embedding(codes[:, i]) for i, embedding in enumerate(self.categorical))
        made: Tensor = self.backbone(self.ensemble(torch.cat(parts, dim=1)))
        return made


class Probability(nn.Module):
    """The network with its last steps: the mean of the members' probabilities, at its temperature. This is what is exported."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Return the probability of the positive class, shape (n,)."""
        mean = torch.sigmoid(self.network(numbers, codes)).mean(dim=1).clamp(_CLIP, 1 - _CLIP)
        return torch.sigmoid(torch.log(mean / (1 - mean)) / self.network.temperature)


@contextmanager
def _one_bin_is_enough() -> Iterator[None]:
    """Silence the package's warning about columns with two values: one bin is what they need."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The .*-th feature has just two bin edges")
        yield


def fit_bins(numbers: Tensor, count: int) -> list[Tensor]:
    """Return the quantile bins of each column of training inputs, shape (n, width)."""
    return bins_of(numbers[sample_for_bins(len(numbers))], numbers.amin(0), numbers.amax(0), count)


def sample_for_bins(rows: int) -> Tensor:
    """Return the numbers of the rows whose quantiles stand for those of all, in rising order."""
    return torch.linspace(0, rows - 1, min(rows, 100_000)).long().clamp_(max=rows - 1)  # float32 rounds beyond 16 million


def bins_of(sample: Tensor, least: Tensor, most: Tensor, count: int) -> list[Tensor]:
    """Return the quantile bins of each column, from a sample of the rows and the extremes of all, shape (width,)."""
    # A rare non-zero value may not be in the sample, and a bin needs an edge on either side.
    rows = torch.cat([sample, least[None], most[None]])
    with _one_bin_is_enough():
        edges = rtdl_num_embeddings.compute_bins(rows, n_bins=count)
    return [edge.contiguous() for edge in edges]


@torch.inference_mode()
def predict(network: Network, numbers: Tensor, codes: Tensor, rows_at_once: int = 512) -> Tensor:
    """Return the probability of the positive class of every row, shape (n,), on the CPU in float32.

    Args:
        network: On any device.
        numbers: Numeric inputs, shape (n, width).
        codes: Categorical inputs, shape (n, categories).
        rows_at_once: Rows of one pass: few, so that a CPU's caches hold them; a GPU is faster with thousands.
    """
    network.eval()
    model = Probability(network)
    device = next(network.parameters()).device
    parts = [
        model(numbers[i : i + rows_at_once].to(device), codes[i : i + rows_at_once].to(device)).float().cpu()
        for i in range(0, len(numbers), rows_at_once)
    ]
    return torch.cat(parts) if parts else torch.empty(0)
