"""`Pack`: one domain's entities, and what it adds to the API and the command line, under one name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from holdfast.errors import DeclarationError
from holdfast.model.entity import Entity
from holdfast.model.job import Job


@dataclass(frozen=True, slots=True)
class Pack:
    """A namespace: SQL schema, route prefix `/data/<name>/<table>`, branch of revisions.

    Found by entry point `holdfast.packs` and enabled by name in the configuration. What is heavy comes from functions
    that are called when it is needed.
    """

    name: str
    entities: tuple[type[Entity], ...]
    short_paths: Mapping[str, type[Entity]] = field(default_factory=dict)
    """Route below the root (`financial/accounts`) → entity, beside `/data/<name>/<table>`."""
    routes: Callable[[], Any] | None = None
    """Returns a FastAPI router, mounted below `/api/v1` and the root."""
    commands: Callable[[], Any] | None = None
    """Returns a Typer application, mounted as `holdfast <name>`."""
    jobs: tuple[Job, ...] = ()
    """What a worker does in the background; each is also `holdfast jobs run NAME`."""
    health: Callable[..., Any] | None = None
    demo: Callable[[date], Iterable[Entity]] | None = None
    """Returns, for today's date, rows for the demo person of a development store."""
    revisions: str | Path | None = None
    """The package that holds the pack's revision files; an application names a folder, which need not be there yet."""

    def __post_init__(self) -> None:
        """Raises DeclarationError for entities that are none."""
        if not isinstance(self.entities, tuple | list):
            raise DeclarationError(
                "entities is a tuple, and this is none",
                where=f"Pack {self.name!r}",
                hint="Is a comma missing? entities=(Product,)",
            )
        for entity in self.entities:
            if not (isinstance(entity, type) and issubclass(entity, Entity)):
                raise DeclarationError(f"{entity!r} is no entity"[:200], where=f"Pack {self.name!r}")
