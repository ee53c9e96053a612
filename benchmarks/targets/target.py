"""What the benchmark asks of a target: to start, to be filled, to answer at one collection, and to stop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a target runs. `home` is an empty folder of its own; `core` is the one to stay on."""

    admin_url: str
    home: Path
    core: int | None


@dataclass(frozen=True, slots=True)
class Seeded:
    """One tenant: a bearer token that acts in it, and the ids of its accounts."""

    token: str
    ids: list[str]


class Target(Protocol):
    """A server of financial accounts.

    `GET` and `POST` of `collection` list and create; `GET` and `PATCH` of `collection/<id>` read and update. An answer
    is the whole account as JSON, and a list is `{"items": […]}` in the order of ids.
    """

    name: str
    collection: str

    def missing(self) -> str | None:
        """Why this target cannot be measured here; None where it can."""

    def start(self, config: ServerConfig) -> str:
        """Start the server on a database of its own and return its base URL once it answers."""

    def pid(self) -> int:
        """The process that, with all below it, is charged with the server's CPU time."""

    def seed(self, rows: int, tenants: int) -> list[Seeded]:
        """Add `tenants` new tenants that hold `rows` accounts between them. Called again, it adds others."""

    def stop(self) -> None:
        """Stop the server. One that has not been started, or has stopped, is no error."""
