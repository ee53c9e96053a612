"""A revision: some steps under a name, after others."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.steps import Step, checksum


@dataclass(frozen=True, slots=True)
class Revision:
    """One unit of schema change, applied as a whole."""

    id: str
    branch: str
    message: str
    steps: tuple[Step, ...]

    @property
    def checksum(self) -> str:
        """What the ledger keeps, so that a revision edited after it was applied is noticed."""
        return checksum(self.steps)
