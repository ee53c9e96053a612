"""The SQL of steps, for people to read before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.engines.postgres._acts import Act, Batches, Concurrently, Ddl, Probe, Seen, When, window
from holdfast.engines.postgres._alter import sql_table
from holdfast.engines.postgres._migrator import acts_of
from holdfast.engines.postgres._names import Roles
from holdfast.model.steps import CreateEntity, CreatePlans, DropPlans, Step

_FUNCTION = ("create or replace function", "drop function")


def review_sql(steps: Sequence[Step], *, database: str = "holdfast", functions: bool = True) -> str:
    """What `apply` runs for `steps` in `database`, statement by statement: first what changes tables, behind it the functions
    that are generated, or without `functions` how many there are.
    """
    return schema_sql(steps, database=database) + functions_sql(steps, database=database, shown=functions)


def schema_sql(steps: Sequence[Step], *, database: str = "holdfast") -> str:
    """What changes tables."""
    first = (
        f"-- PostgreSQL, for a database called {database}. Written for review; the steps are what is applied."
    )
    return "\n".join([first, *_part(steps, database, functions=False)]) + "\n"


def functions_sql(
    steps: Sequence[Step], *, database: str = "holdfast", shown: bool = True, why: str = ""
) -> str:
    """The functions that are generated, under a heading; or how many there are. Empty where there are none."""
    lines = _part(steps, database, functions=True)
    count = sum(line.startswith(_FUNCTION) for line in lines)
    if not count:
        return ""
    if not shown:
        return f"\n-- and {count} generated functions (--functions shows them)\n"
    return "\n".join([f"\n\n-- GENERATED FUNCTIONS{why}: {count}", *lines]) + "\n"


def _part(steps: Sequence[Step], database: str, *, functions: bool) -> list[str]:
    roles = Roles.of(database)
    lines = []
    for step in steps:
        if isinstance(step, CreatePlans | DropPlans) == functions:
            lines.append(f"\n-- {step.title}")
            lines += _lines(step, roles)
    return lines


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
