"""Why a served prediction came out as it did, from the package alone: Shapley values by sampled permutations.

A feature's contribution is what the probability changes by when its value takes the place of the typical one (the training
median; of a category none that is known), averaged over orders in which features do so. The orders come in pairs, one the
other's reverse, which have less spread (Mitchell, Cooper, Frank and Holmes, "Sampling permutations for Shapley value
estimation", JMLR 2022, section 3.3). The contributions of each order, and so their means, add up exactly to the probability
less that of the typical row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.serving.predictor import Encoded, Predictor

_PAIRS = 8
"""Pairs of orders: about a thousand rows of the model for sixty features."""
_SEED = 2013


def contributions(predictor: Predictor, encoded: Encoded) -> tuple[float, npt.NDArray[np.float64]]:
    """Explain one row.

    Args:
        predictor: The model.
        encoded: The row.

    Returns:
        The probability of the typical row; and what each feature adds to it, shape (features,), numeric ones first.
    """
    numeric, features = encoded.values.shape[1], encoded.values.shape[1] + encoded.codes.shape[1]
    typical = predictor.typical()
    orders = _orders(features)
    # ranks[o, f]: when feature f takes its place in order o; at step t those of rank below t have done so.
    ranks = np.argsort(orders, axis=1)
    there = (ranks[:, None, :] < np.arange(features + 1)[None, :, None]).reshape(-1, features)
    rows = Encoded(np.where(there[:, :numeric], encoded.values, typical.values), np.where(there[:, numeric:], encoded.codes, typical.codes))
    found = predictor.probabilities(rows).astype(np.float64).reshape(len(orders), features + 1)
    steps = np.diff(found, axis=1)
    by_feature = np.take_along_axis(steps, ranks, axis=1)
    return float(found[0, 0]), by_feature.mean(axis=0)


def _orders(features: int) -> npt.NDArray[np.int64]:
    """Return orders of the features and their reverses, shape (2 pairs, features): the same for every row and version."""
    generator = np.random.default_rng(_SEED)
    forth = generator.permuted(np.tile(np.arange(features), (_PAIRS, 1)), axis=1)
    return np.concatenate([forth, forth[:, ::-1]])
