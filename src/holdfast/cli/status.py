"""`holdfast status`: what stands and runs here."""

from __future__ import annotations

from typing import Any

from holdfast.cli._output import print_json, print_table, say
from holdfast.cli._running import with_platform
from holdfast.cli.settings import AsJson

_LOUD = ("running", "failing", "overdue")


def status(as_json: AsJson = False) -> None:
    """Show the engine and its isolation, the tables, the tenants' heads, the pool, versions and migrations."""
    from holdfast.runtime.status import read_status

    found = with_platform(read_status, checked=False)
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    server, database = found["server"], found["database"]
    migrations, tenants = found["migrations"], found["tenants"]
    at = f"answers at {server['url']} (process {server['pid']})" if server else "is not running"
    pool = database.get("pool")
    rows = [
        ("Holdfast", f"{found['versions']['holdfast']}, Python {found['versions']['python']}"),
        ("Server", at),
        (
            "Database",
            f"{database['server']}{', embedded' if database['embedded'] else ''}, {database['url']}",
        ),
        ("Isolation", f"{database['isolation']} ({found['isolation_means']})"),
        *([("Pool", f"at most {pool['max']} connections")] if pool else []),
        ("Migrations", _migrations(migrations)),
        ("Jobs", _jobs(found["jobs"])),
        ("Health", _health(found["health"])),
    ]
    print_table(["", ""], rows)
    say()
    print_table(
        ["Table", "Rows are", "Journaled", "Synced", "State"],
        [
            (t["name"], t["visibility"], _yes(t["journaled"]), _yes(t["synced"]), t["state"])
            for t in found["tables"]
        ],
    )
    tables = tuple(f"{table['name']}: " for table in found["tables"])
    for finding in found["findings"]:
        if not finding.startswith(tables):
            say(f"  {finding}")
    say()
    print_table(["Tenant", "Slug", "Head"], [(t["id"], t["slug"], t["head"]) for t in tenants["shown"]])
    if tenants["more"]:
        say("and more: `holdfast tenants list` shows all.")


def _jobs(found: dict[str, Any] | None) -> str:
    if found is None:
        return "unknown, migrations are pending"
    at = [f"process {worker['pid']} on {worker['host']}" for worker in found["workers"]]
    said = [f"{len(found[state])} {state}: {', '.join(found[state])}" for state in _LOUD if found[state]]
    return "; ".join([f"{found['declared']} declared", *(at or ["no worker runs"]), *said])


def _migrations(found: dict[str, Any]) -> str:
    pending, half = found["pending"], found["half"]
    if half:
        return f"half applied or half taken back: {', '.join(half)}; see `holdfast migrate status`"
    return (
        f"{len(pending)} pending: {', '.join(pending)}"
        if pending
        else f"{found['applied']} applied, none pending"
    )


def _health(found: dict[str, Any]) -> str:
    if found["status"] == "ok":
        return "ok"
    why = ", ".join(str(found[name]) for name in ("problem", "where") if found.get(name))
    said = f"failing: {', '.join(found.get('failing', []))}{f' ({why})' if why else ''}"
    return f"{said}. {found['hint']}" if found.get("hint") else said


def _yes(value: bool) -> str:
    return "yes" if value else "no"
