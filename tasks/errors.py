"""The project's exceptions: what was expected, what was found, where to mend it.

Every error that a user can meet is one of these; anything else that escapes is a defect. They carry no logic.
"""

from __future__ import annotations

import click


class EvergreenError(click.ClickException):
    """Base of all errors that a user can mend. `pyflyte run` shows its message alone and exits with status 1.

    Args:
        expected: What must hold ("`as_of` must be an instant within the data").
        found: What was there instead.
        mend: Where and how to mend it.
    """

    def __init__(self, expected: str, found: str, mend: str) -> None:
        self.expected, self.found, self.mend = expected, found, mend
        super().__init__(f"{expected}; got {found}. To mend: {mend}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """Pickle by the three parts, so that the error survives a process boundary."""
        return type(self), (self.expected, self.found, self.mend)


class SourceError(EvergreenError):
    """A source file is missing, truncated, or lacks a column."""


class ClockError(EvergreenError):
    """`as_of` lies outside the data, or leaves an empty window."""


class ContractViolation(EvergreenError):
    """A frame breaks the contract of the edge that it crosses."""


class BatchAnomaly(EvergreenError):
    """A batch as a whole is not fit to train on; the validation verdict is STOP."""


class ConfigError(EvergreenError):
    """A setting has an unknown name, or a value that is not allowed."""


class SplitError(EvergreenError):
    """Too few days, rows or classes to train and evaluate."""


class TrainingError(EvergreenError):
    """Training did not give a usable model (for example a loss that is not finite)."""


class EvaluationError(EvergreenError):
    """Evaluation cannot be made on these rows."""


class LakeError(EvergreenError):
    """A Delta table is missing, damaged, or of another schema than the contract."""


class StorageError(EvergreenError):
    """A file could not be written: disk full, no permission."""


class BundleError(EvergreenError):
    """A model bundle is incomplete, altered or of another format."""


class PackagingError(EvergreenError):
    """The packaged model does not do what the trained model does."""


class RegistryError(EvergreenError):
    """The model registry is out of reach or lacks the version asked for."""


class PromotionRefused(EvergreenError):
    """A promotion was asked for that the decision does not allow."""


class ServingError(EvergreenError):
    """The service, its pointer, its keys or its log are not as they must be."""
