"""Schema changes as engine-neutral values. An engine carries each out idempotently through `apply`."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.schema import EntitySchema


@dataclass(frozen=True, slots=True)
class CreateLog:
    """The tenants' counters, the change log, the field history and the idempotency tokens."""

    @property
    def title(self) -> str:
        """One line for people."""
        return "create the counters, the change log and the field history"


@dataclass(frozen=True, slots=True)
class CreateEntity:
    """A table with its keys, references, indexes, row policies, grants and guard."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"create {self.schema.name}"


@dataclass(frozen=True, slots=True)
class CreatePlans:
    """What an engine prepares for the hot paths of a table; named by the schema's digest, so old and new stand side by side."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"prepare the hot paths of {self.schema.name} ({self.schema.digest})"


@dataclass(frozen=True, slots=True)
class DropPlans:
    """Take back the hot paths that `digest` names, once no code of that schema runs."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"drop the hot paths of {self.schema.name} ({self.schema.digest})"


Step = CreateLog | CreateEntity | CreatePlans | DropPlans
