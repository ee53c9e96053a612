"""The SQL that makes what is missing, or makes it anew: what a finding proposes. Pure."""

from __future__ import annotations

from holdfast.engines.postgres._names import Roles, quoted
from holdfast.engines.postgres.inspection.shape import ForeignKey, Index, Policy, Table


def remake_policy(table: Table, policy: Policy, roles: Roles) -> str:
    """The policy, in the place of one of its name."""
    kind = "" if policy.permissive else "as restrictive "
    to = f"{quoted(roles.runtime)}, {quoted(roles.maintenance)}"
    name, condition = quoted(policy.name), policy.condition
    return (
        f"drop policy if exists {name} on {table.sql_name}; create policy {name} on {table.sql_name} {kind}for all to {to} "
        f"using ({condition}) with check ({condition})"
    )


def drop_index(table: Table, name: str, *, key: str | None) -> str:
    """Without an index, or without the constraint that it serves."""
    if key is not None:
        return drop_constraint(table, name)
    return f"drop index {quoted(table.pack)}.{quoted(name)}"


def drop_constraint(table: Table, name: str) -> str:
    """Without a constraint."""
    return f"alter table {table.sql_name} drop constraint {quoted(name)}"


def make_index(table: Table, index: Index) -> str:
    """The index, or the constraint with its index."""
    columns = ", ".join(map(quoted, index.columns))
    if index.key is not None:
        kind = "primary key" if index.key == "p" else "unique"
        return f"alter table {table.sql_name} add constraint {quoted(index.name)} {kind} ({columns})"
    unique = "unique " if index.unique else ""
    where = f" where {index.where}" if index.where else ""
    return f"create {unique}index {quoted(index.name)} on {table.sql_name} ({columns}){where}"


def make_foreign_key(table: Table, key: ForeignKey, *, anew: bool = False) -> str:
    """The foreign key. Under FORCE a new one looks at no row and passes, so that it is lifted meanwhile."""
    pack, name = key.target.split(".")
    own, other = (", ".join(map(quoted, columns)) for columns in (key.columns, key.target_columns))
    deferred = " deferrable initially deferred" if key.deferred else ""
    add = f"add constraint {quoted(key.name)} foreign key ({own}) references {quoted(pack)}.{quoted(name)} ({other}){deferred}"
    actions = [add]
    if table.walled:
        actions = ["no force row level security", add, "force row level security"]
    if anew:
        actions.insert(0, f"drop constraint {quoted(key.name)}")
    return f"begin; {'; '.join(f'alter table {table.sql_name} {action}' for action in actions)}; commit"
