"""The processes that train one network together, as torchrun tells each of them; alone, there is one.

Reads what torchrun sets and imports nothing: a task asks before anything heavy is there.
"""

from __future__ import annotations

import os


def count() -> int:
    """Return how many processes train together, on all nodes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def count_here() -> int:
    """Return how many of them run on this node."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this one; that of the first, which keeps what is kept, is 0."""
    return int(os.environ.get("RANK", "0"))
