"""The functions that Holdfast makes: those of the hot paths, the guard, the lock of a tenant's counter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from holdfast.engines.postgres._names import Roles, quoted
from holdfast.engines.postgres._plans import plan_functions, plan_signatures
from holdfast.engines.postgres.inspection.findings import finding
from holdfast.model.schema import EntitySchema

_ANEW = "run `holdfast migrate up`, and if it stays so, the function's statement in the .sql file of its revision, as the owner"
_SETTINGS = ["search_path=pg_catalog, pg_temp"]
_VOLATILITIES = {"i": "immutable", "s": "stable", "v": "volatile"}
_BODY = re.compile(r"function (holdfast\.\w+)\(.*?as \$\$(.*?)\$\$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Function:
    """A function as declared; `signature` is schema, name and argument types, unquoted."""

    signature: str
    volatility: str
    body: str
    executors: tuple[str, ...]

    @property
    def name(self) -> str:
        """What findings call it."""
        return self.signature.partition("(")[0]

    @property
    def sql_name(self) -> str:
        """What SQL calls it."""
        pack, name = self.name.split(".")
        return f"{quoted(pack)}.{quoted(name)}({self.signature.partition('(')[2]}"


def functions_of(schemas: Iterable[EntitySchema], roles: Roles) -> list[Function]:
    """Those of the hot paths of `schemas`, and the log's own."""
    plans = [
        function for schema in schemas if schema.visibility != "realm" for function in _plans(schema, roles)
    ]
    return [*_log_functions(roles), *plans]


def _plans(schema: EntitySchema, roles: Roles) -> Iterator[Function]:
    for signature, statement in zip(plan_signatures(schema), plan_functions(schema), strict=True):
        plain = signature.replace('"', "")
        reads = plain.partition(".")[2].startswith(("get_", "list_"))
        yield Function(plain, "s" if reads else "v", statement.split("$plan$")[1], (roles.runtime,))


def _log_functions(roles: Roles) -> list[Function]:
    text = files("holdfast.engines.postgres").joinpath("sql/log.sql").read_text(encoding="utf-8")
    bodies = dict(_BODY.findall(text))
    guard, lock = "holdfast.guard", "holdfast.lock_tenant"
    return [
        Function(f"{guard}()", "v", bodies[guard], ()),
        Function(f"{lock}(uuid)", "v", bodies[lock], (roles.runtime,)),
    ]


def function_findings(
    functions: Iterable[Function], standing: Mapping[str, Any], roles: Roles
) -> Iterator[str]:
    """Each difference between `functions` and what stands under their signatures."""
    for function in functions:
        record = standing.get(function.signature)
        if record is None:
            yield finding(f"function {function.name} is missing", _ANEW)
            continue
        for what, fix in _differences(function, record, roles):
            yield finding(f"function {function.name} {what}", fix)


def _differences(function: Function, record: Any, roles: Roles) -> Iterator[tuple[str, str]]:
    alter = f"alter function {function.sql_name}"
    declared = _VOLATILITIES[function.volatility]
    if record["volatility"] != function.volatility:
        yield f"is {_VOLATILITIES[record['volatility']]}, not {declared}", f"{alter} {declared}"
    if record["definer"]:
        yield "runs as its owner", f"{alter} security invoker"
    if record["settings"] != _SETTINGS:
        yield (
            "has other settings than its pinned search_path",
            f"{alter} reset all; {alter} set search_path = pg_catalog, pg_temp",
        )
    if record["body"] != function.body or record["language"] != "plpgsql":
        yield "has another body than was generated", _ANEW
    if tuple(record["executors"]) != function.executors:
        held = ", ".join(record["executors"]) or "nobody"
        to = ", ".join(function.executors) or "nobody"
        yield f"is executable by {held}, not by {to}", _regrant(function, record["executors"])
    if record["owner"] != roles.owner:
        yield f"belongs to {record['owner']}", f'{alter} owner to "{roles.owner}"'


def _regrant(function: Function, executors: list[str]) -> str:
    others = ", ".join("public" if role == "PUBLIC" else quoted(role) for role in executors)
    steps = [f"revoke all on function {function.sql_name} from {others}"] if others else []
    steps += [
        f"grant execute on function {function.sql_name} to {quoted(role)}" for role in function.executors
    ]
    return "; ".join(steps)
