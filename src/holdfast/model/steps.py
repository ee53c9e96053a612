"""Schema changes as engine-neutral values. An engine carries each out idempotently through `apply`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from holdfast.errors import SchemaError
from holdfast.model.schema import EntitySchema, describe, restore


@dataclass(frozen=True, slots=True)
class CreateLog:
    """The tenants' counters, the change log, the field history and the idempotency tokens."""

    @property
    def title(self) -> str:
        """One line for people."""
        return "create the counters, the change log and the field history"


@dataclass(frozen=True, slots=True)
class CreateTombstones:
    """What outlives a deleted row for those who hold a copy of it, and each tenant's horizon below which it is gone."""

    @property
    def title(self) -> str:
        """One line for people."""
        return "create the tombstones and the tenants' horizons"


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


Step = CreateLog | CreateTombstones | CreateEntity | CreatePlans | DropPlans

_KINDS = {
    "create_log": CreateLog,
    "create_tombstones": CreateTombstones,
    "create_entity": CreateEntity,
    "create_plans": CreatePlans,
    "drop_plans": DropPlans,
}


def describe_step(step: Step) -> dict[str, Any]:
    """The step as plain JSON values, as it stands in a revision file."""
    kind = next(name for name, known in _KINDS.items() if isinstance(step, known))
    if isinstance(step, CreateLog | CreateTombstones):
        return {"step": kind}
    return {"step": kind, "schema": describe(step.schema)}


def restore_step(plain: Mapping[str, Any]) -> Step:
    """The step that `describe_step` wrote down. Raises SchemaError for one that this release does not know."""
    kind = _KINDS.get(plain.get("step", ""))
    if kind is None:
        raise SchemaError(
            "a revision asks for a step that this release does not know", where=str(plain.get("step"))[:64]
        )
    step: Step = kind(restore(plain["schema"])) if "schema" in plain else kind()
    return step


def checksum(steps: Sequence[Step]) -> str:
    """SHA-256, in hexadecimal, of what the steps say."""
    plain = orjson.dumps([describe_step(step) for step in steps], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(plain).hexdigest()


def replay(steps: Iterable[Step]) -> dict[str, EntitySchema]:
    """The schemas that stand after `steps`, by name."""
    return {step.schema.name: step.schema for step in steps if isinstance(step, CreateEntity)}
