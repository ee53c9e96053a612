"""The generated functions of the hot paths as they stand: made anew where this release generates them otherwise.

A function's name carries its schema's digest, and nothing of how it was generated: a release that generates it otherwise keeps
its arguments, its answer and its meaning, and `holdfast migrate up` puts the new body in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.engines.postgres._alter import ASIDE
from holdfast.engines.postgres._ddl import statements
from holdfast.engines.postgres._names import Roles, quoted
from holdfast.engines.postgres._plans import VERBS, plan_functions, plan_signatures
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import CreatePlans

_STANDING = """select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as signature,
  format('"%s"."%s"', n.nspname, p.proname) as name, p.prosrc as body
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where n.nspname = any($1::text[]) and p.proname ~ $2"""
_NAMED = f"^({'|'.join(VERBS)})_.+_[0-9a-f]{{8}}$"


async def refresh_plans(connection: Any, schemas: Sequence[EntitySchema], roles: Roles) -> list[str]:
    """Make the functions of those of `schemas` whose bodies differ; returns the schemas' names."""
    bodies = {row["name"]: row["body"] for row in await _standing(connection, schemas)}
    made = []
    for schema in schemas:
        names = [signature.partition("(")[0] for signature in plan_signatures(schema)]
        wanted = [text.split("$plan$")[1] for text in plan_functions(schema)]
        if names and all(name in bodies for name in names) and [bodies[n] for n in names] != wanted:
            async with connection.transaction():
                for text in statements(CreatePlans(schema), roles):
                    await connection.execute(text)
            made.append(schema.name)
    return made


async def _standing(connection: Any, schemas: Sequence[EntitySchema]) -> list[Any]:
    packs = sorted({schema.pack for schema in schemas})
    return list(await connection.fetch(_STANDING, packs, _NAMED))


async def open_set_aside(connection: Any, roles: Roles) -> None:
    """Let the maintenance into the tables that an earlier release has set aside: whoever is forgotten is forgotten there too."""
    names = await connection.fetch(_SHUT, roles.maintenance)
    for record in names:
        await connection.execute(
            f"grant usage on schema {quoted(record['name'])} to {quoted(roles.maintenance)}"
        )


_SHUT = f"""select n.nspname::text as name from pg_namespace n
 where starts_with(n.nspname, '{ASIDE}') and pg_has_role(n.nspowner, 'usage')
   and not has_schema_privilege($1, n.oid, 'usage')"""
