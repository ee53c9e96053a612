"""May this scope do this to rows of this entity? Pure. Which *rows* it may touch is the engine's to enforce."""

from __future__ import annotations

from typing import Any

from holdfast.changes.change import Operation
from holdfast.errors import Forbidden, InvalidInput, NotSupported
from holdfast.identity.permissions import Permission, allows
from holdfast.identity.principal import Role
from holdfast.model.schema import EntitySchema
from holdfast.tenancy.scope import Scope

_ACTIONS = {
    Operation.CREATE: Permission.CREATE,
    Operation.UPDATE: Permission.UPDATE,
    Operation.DELETE: Permission.DELETE,
}


def authorize_read(scope: Scope, schema: EntitySchema) -> None:
    """Raises Forbidden where the role may not read."""
    _check_realm(scope, schema)
    if not allows(scope.role, Permission.READ) or scope.role < Role(schema.read_role):
        raise Forbidden("this role may not read rows of this entity", where=schema.name)


def authorize_write(scope: Scope, schema: EntitySchema, op: Operation) -> None:
    """Raises Forbidden where the role may not do `op`, NotSupported for a row that only bulk ingestion writes."""
    _check_realm(scope, schema)
    if not (schema.journaled or schema.bookkeeping or schema.visibility == "realm"):
        raise NotSupported(
            "unjournaled rows are appended in bulk", where=schema.name, hint="Use store.ingest(…)."
        )
    if not allows(scope.role, _ACTIONS[op]) or scope.role < Role(schema.write_role):
        raise Forbidden("this role may not change rows of this entity", where=schema.name)


def authorize_ingest(scope: Scope, schema: EntitySchema) -> None:
    """Raises Forbidden where the role may not append rows, NotSupported for rows that go through a session."""
    _check_realm(scope, schema)
    if schema.journaled or schema.bookkeeping:
        raise NotSupported("rows of this entity go through a session", where=schema.name)
    if not allows(scope.role, Permission.CREATE) or scope.role < Role(schema.write_role):
        raise Forbidden("this role may not append rows of this entity", where=schema.name)


def owner_of(scope: Scope, schema: EntitySchema, given: Any) -> Any:
    """Whose a new row is. A person's are their own; only who acts for the whole tenant may name another."""
    if scope.whole_tenant:
        if given is None and scope.user_id is None:
            raise InvalidInput(
                "a row made for the whole tenant names its owner", where=f"{schema.name}.{schema.owner}"
            )
        return given or scope.user_id
    if given is not None and given != scope.user_id:
        raise Forbidden("a row cannot be made in another person's name", where=schema.name)
    return scope.user_id


def _check_realm(scope: Scope, schema: EntitySchema) -> None:
    if scope.is_realm != (schema.visibility == "realm"):
        raise Forbidden(
            "the identity realm and the tenants' rows do not meet in one scope", where=schema.name
        )
