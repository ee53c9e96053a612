"""The SQL of steps, for people to read before it runs."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.engines.postgres._ddl import statements
from holdfast.engines.postgres._names import Roles
from holdfast.model.steps import Step


def review_sql(steps: Sequence[Step], *, database: str = "holdfast") -> str:
    """What `apply` runs for `steps` in `database`, statement by statement."""
    roles = Roles.of(database)
    lines = [
        f"-- PostgreSQL, for a database called {database}. Written for review; the steps are what is applied."
    ]
    for step in steps:
        lines.append(f"\n-- {step.title}")
        lines += [statement.strip().rstrip(";") + ";" for statement in statements(step, roles)]
    return "\n".join(lines) + "\n"
