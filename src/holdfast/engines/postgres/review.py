"""The SQL of steps, for people to read before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.engines.postgres._acts import Act, Batches, Concurrently, Ddl, Probe, Seen, When, window
from holdfast.engines.postgres._alter import sql_table
from holdfast.engines.postgres._migrator import acts_of
from holdfast.engines.postgres._names import Roles
from holdfast.model.steps import CreateEntity, Step


def review_sql(steps: Sequence[Step], *, database: str = "holdfast") -> str:
    """What `apply` runs for `steps` in `database`, statement by statement."""
    roles = Roles.of(database)
    lines = [
        f"-- PostgreSQL, for a database called {database}. Written for review; the steps are what is applied."
    ]
    for step in steps:
        lines.append(f"\n-- {step.title}")
        lines += _lines(step, roles)
    return "\n".join(lines) + "\n"


def sql_lines(steps: Sequence[Step], roles: Roles) -> list[str]:
    """The same, a statement or a remark a line."""
    return [line for step in steps for line in (f"-- {step.title}", *_lines(step, roles))]


def _lines(step: Step, roles: Roles) -> Iterator[str]:
    for act in acts_of(step, roles):
        if isinstance(step, CreateEntity) and isinstance(act, Ddl) and act.when is not None:
            continue  # a table that was set aside under this very schema comes back instead
        yield from _act(act, roles)


def _act(act: Act, roles: Roles) -> Iterator[str]:
    match act:
        case Ddl(text=text, when=when):
            yield from _condition(when)
            yield _statement(text)
        case Concurrently(text=text, when=when):
            yield from _condition(when)
            yield "-- outside of a transaction"
            yield _statement(text)
        case Probe(source=source, message=message, when=when):
            yield from _condition(when)
            yield f"-- refused where this counts any: {message}"
            yield _statement(f"select count(*) from {source}")
        case Batches(table=table, target=target, value=value, condition=condition):
            yield "-- in batches through the key, each under its tenant's counter"
            yield _statement(f"update {table} r set {target} = {value} where {condition}")
        case Seen(tables=tables, acts=acts):
            names = [sql_table(table) for table in tables if table != "@members"]
            yield "-- the owner sees the rows meanwhile, where row security is forced"
            yield from (_statement(window(name, roles.owner)[0]) for name in names)
            for each in acts:
                yield from _act(each, roles)
            yield from (_statement(window(name, roles.owner)[1]) for name in names)


def _condition(when: When | None) -> Iterator[str]:
    if when is not None:
        yield f"-- only if {when.words}:"


def _statement(text: str) -> str:
    return text.strip().rstrip(";") + ";"
