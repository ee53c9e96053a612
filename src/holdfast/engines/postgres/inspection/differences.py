"""A table as declared against the table as it stands: each difference as a finding. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from holdfast.engines.postgres._alter import ASIDE
from holdfast.engines.postgres._names import Roles, quoted
from holdfast.engines.postgres.inspection.catalogs import Standing
from holdfast.engines.postgres.inspection.deparse import Deparsed
from holdfast.engines.postgres.inspection.findings import finding
from holdfast.engines.postgres.inspection.remedies import (
    drop_constraint,
    drop_index,
    make_foreign_key,
    make_index,
    remake_policy,
)
from holdfast.engines.postgres.inspection.shape import Column, ForeignKey, Index, Policy, Table

_KEY = {"p": "primary key", "u": "unique constraint", "x": "exclusion constraint", None: "index"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table, what stands for it, and its conditions as the database spells them (None: they are not compared)."""

    table: Table
    standing: Standing
    spelled: Deparsed | None
    roles: Roles

    def findings(self) -> Iterator[str]:
        """All differences."""
        yield from self._relation()
        yield from self._columns()
        yield from self._checks()
        yield from self._foreign_keys()
        yield from self._indexes()
        yield from self._policies()
        yield from self._grants()

    def _say(self, what: str, fix: str) -> str:
        return finding(f"{self.table.full_name}: {what}", fix)

    def _relation(self) -> Iterator[str]:
        name, relation = self.table.sql_name, self.standing.relation
        if relation["kind"] != "r":
            yield self._say("it is no ordinary table", "restore the table from a backup")
        if self.table.walled and not relation["enabled"]:
            yield self._say("row security is not enabled", f"alter table {name} enable row level security")
        if self.table.walled and not relation["forced"]:
            yield self._say("row security is not forced", f"alter table {name} force row level security")
        if self.table.guarded and not self.standing.guards:
            yield self._say(
                "the guard against writes outside a flush is missing, disabled or changed",
                f"create or replace trigger guard before insert or update or delete on {name} "
                f"for each statement execute function holdfast.guard(); alter table {name} enable trigger guard",
            )

    # -- columns and checks -------------------------------------------------------------------------------------------

    def _columns(self) -> Iterator[str]:
        standing = {record["name"]: record for record in self.standing.columns}
        for column in self.table.columns:
            record = standing.pop(column.name, None)
            if record is None:
                yield self._say(f"column {column.name} is missing", "apply the revision that adds it")
            else:
                yield from self._column(column, record)
        for name in standing:
            if name.startswith(ASIDE) and not standing[name]["not_null"]:
                continue  # set aside by a revision
            yield self._say(
                f"column {name} is not declared",
                f"alter table {self.table.sql_name} drop column {quoted(name)}",
            )

    def _column(self, column: Column, record: Any) -> Iterator[str]:
        alter = f"alter table {self.table.sql_name} alter column {quoted(column.name)}"
        same = record["type"] == column.type or self._is_limited(column, record["type"])
        if not same or record["collation"] != column.collation:
            stands, declared = (
                _typed(record["type"], record["collation"]),
                _typed(column.type, column.collation),
            )
            yield self._say(f"column {column.name} is {stands}, not {declared}", f"{alter} type {declared}")
        if record["not_null"] != column.not_null:
            state, verb = ("may be absent", "set") if column.not_null else ("may not be absent", "drop")
            yield self._say(f"column {column.name} {state}", f"{alter} {verb} not null")
        if record["has_default"] and not column.has_default:
            yield self._say(
                f"column {column.name} has a default, and the store leaves nothing to one",
                f"{alter} drop default",
            )

    def _is_limited(self, column: Column, stands: str) -> bool:
        """Whether a column is wider than declared, of the same kind, and a constraint holds the rest."""
        kinds = {"character varying": "text"}
        kind, declared = (text.partition("(")[0] for text in (stands, column.type))
        names = {record["name"] for record in self.standing.checks}
        return kinds.get(kind, kind) == kinds.get(declared, declared) and column.limit in names

    def _checks(self) -> Iterator[str]:
        """By their spelling; by their columns alone where nothing could be spelled."""
        if self.spelled is None:
            wanted = Counter(check.column for check in self.table.checks)
            standing = Counter(record["columns"] for record in self.standing.checks)
        else:
            wanted = Counter(self.spelled.checks[check.expression] for check in self.table.checks)
            standing = Counter(record["expression"] for record in self.standing.checks)
        for check in self.table.checks:
            key = check.column if self.spelled is None else self.spelled.checks[check.expression]
            if not standing[key]:
                yield self._say(
                    f"the check on {check.column} is missing or changed",
                    f"alter table {self.table.sql_name} add check ({check.expression})",
                )
        limits = {column.limit for column in self.table.columns}
        for record in self.standing.checks:
            key = record["columns"] if self.spelled is None else record["expression"]
            aside = record["columns"].startswith(ASIDE)
            if not wanted[key] and record["name"] not in limits and not aside:
                yield self._say(
                    f"check {record['name']} is not declared", drop_constraint(self.table, record["name"])
                )

    # -- keys and indexes ---------------------------------------------------------------------------------------------

    def _foreign_keys(self) -> Iterator[str]:
        standing = {record["name"]: record for record in self.standing.foreign_keys}
        for key in self.table.foreign_keys:
            record = standing.pop(key.name, None)
            if record is None:
                yield self._say(f"foreign key {key.name} is missing", make_foreign_key(self.table, key))
            elif not _same_key(key, record):
                anew = make_foreign_key(self.table, key, anew=True)
                yield self._say(f"foreign key {key.name} is not as declared", anew)
        for name in standing:
            yield self._say(f"foreign key {name} is not declared", drop_constraint(self.table, name))

    def _indexes(self) -> Iterator[str]:
        standing = {record["name"]: record for record in self.standing.indexes}
        for index in self.table.indexes:
            record, made = standing.pop(index.name, None), make_index(self.table, index)
            if record is None:
                yield self._say(f"{_KEY[index.key]} {index.name} is missing", made)
            elif not self._same_index(index, record):
                drop = drop_index(self.table, index.name, key=record["key"])
                yield self._say(f"{_KEY[index.key]} {index.name} is not as declared", f"{drop}; {made}")
        for name, record in standing.items():
            drop = drop_index(self.table, name, key=record["key"])
            yield self._say(f"{_KEY[record['key']]} {name} is not declared", drop)

    def _same_index(self, index: Index, record: Any) -> bool:
        if index.where is None or self.spelled is None:
            same = (record["predicate"] is None) == (index.where is None)
        else:
            same = record["predicate"] == self.spelled.predicates[index.name]
        return (
            same
            and record["plain"]
            and tuple(record["columns"]) == index.columns
            and record["unique"] == index.unique
            and record["key"] == index.key
        )

    # -- policies and grants ------------------------------------------------------------------------------------------

    def _policies(self) -> Iterator[str]:
        standing = {record["name"]: record for record in self.standing.policies}
        for policy in self.table.policies:
            record = standing.pop(policy.name, None)
            if record is None:
                yield self._say(
                    f"policy {policy.name} is missing", remake_policy(self.table, policy, self.roles)
                )
                continue
            for what in self._policy(policy, record):
                remade = remake_policy(self.table, policy, self.roles)
                yield self._say(f"policy {policy.name} {what}", remade)
        for name in standing:
            yield self._say(
                f"policy {name} is not declared", f"drop policy {quoted(name)} on {self.table.sql_name}"
            )

    def _policy(self, policy: Policy, record: Any) -> Iterator[str]:
        if record["permissive"] != policy.permissive:
            yield (
                "is permissive, not restrictive" if record["permissive"] else "is restrictive, not permissive"
            )
        if record["command"] != "*":
            yield "does not hold for all commands"
        if sorted(record["roles"]) != sorted((self.roles.runtime, self.roles.maintenance)):
            yield f"is for {', '.join(sorted(record['roles']))}, not for the runtime and maintenance logins"
        if self.spelled is None:
            return
        condition = self.spelled.policies[policy.name]
        if record["reading"] != condition:
            yield "has another USING than declared"
        if record["writing"] not in (None, condition):
            yield "has another WITH CHECK than declared"

    def _grants(self) -> Iterator[str]:
        standing = {(r["role"], r["privilege"]) for r in self.standing.grants if r["column_name"] is None}
        for role, privilege in sorted(self.table.grants - standing):
            yield self._say(
                f"{role} lacks {privilege}", f"grant {privilege} on {self.table.sql_name} to {quoted(role)}"
            )
        of_columns = {(r["role"], r["privilege"], r["column_name"]) for r in self.standing.grants}
        for role, privilege, column in sorted(self.table.column_grants - of_columns):
            yield self._say(
                f"{role} lacks {privilege} on column {column}",
                f"grant {privilege} ({quoted(column)}) on {self.table.sql_name} to {quoted(role)}",
            )
        for record in self.standing.grants:
            yield from self._grant(record)

    def _grant(self, record: Any) -> Iterator[str]:
        role, privilege, column = record["role"], record["privilege"], record["column_name"]
        to = "public" if role == "PUBLIC" else quoted(role)
        of = f" on column {column}" if column else ""
        verb = f"{privilege} ({quoted(column)})" if column else privilege
        declared = self.table.column_grants if column else self.table.grants
        if ((role, privilege, column) if column else (role, privilege)) not in declared:
            yield self._say(
                f"{role} holds {privilege}{of}, which is not declared",
                f"revoke {verb} on {self.table.sql_name} from {to}",
            )
        elif record["grantable"]:
            yield self._say(
                f"{role} may pass {privilege}{of} on to others",
                f"revoke grant option for {verb} on {self.table.sql_name} from {to}",
            )


def _typed(kind: str, collation: str | None) -> str:
    return f'{kind} collate "{collation}"' if collation else kind


def _same_key(key: ForeignKey, record: Any) -> bool:
    return (
        tuple(record["columns"]) == key.columns
        and record["target"] == key.target
        and tuple(record["target_columns"]) == key.target_columns
        and record["deferred"] == key.deferred
        and record["valid"]
        and (record["on_delete"], record["on_update"]) == ("a", "a")
    )
