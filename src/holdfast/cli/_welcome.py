"""What `up` ends with: lines to paste that work."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.runtime._sources import ENVIRONMENT
from holdfast.runtime.database import is_development
from holdfast.runtime.demo import demo_path
from holdfast.runtime.packs import load_packs
from holdfast.runtime.serving import Served
from holdfast.runtime.settings import Settings
from holdfast.runtime.version import holdfast_version

_PICK = """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'"""


def welcome(settings: Settings, served: Served) -> str:
    """Where it answers, and what to try."""
    lines = [f"Holdfast {holdfast_version()} answers at {served.url}", ""]
    if settings.forgets:
        lines += ["Its store is in memory: nothing is kept when it ends.", ""]
    demo = demo_path(settings.home)
    if is_development(settings) and demo.exists():
        lines += [
            "Try it in another terminal, in this folder:",
            "",
            f"  TOKEN=$(curl -s {served.url}/auth/login -H 'Content-Type: application/json' \\",
            f"    -d @{shlex.quote(_from_here(demo))} | {_PICK})",
            f'  curl -s {served.url}/{_list_path(settings)} -H "Authorization: Bearer $TOKEN"',
            f"  {command(settings)} status",
            "",
        ]
    else:
        lines += [f"  {command(settings)} status", ""]
    return "\n".join([*lines, f"Documentation of the API: {served.url}/docs"])


def command(settings: Settings) -> str:
    """How `holdfast` is called from here, for this home."""
    home = "".join(f"{name}={shlex.quote(value)} " for name, value in _needed(settings))
    called = Path(sys.argv[0])
    if called.name != "holdfast":
        return f"{home}{shlex.quote(_from_here(Path(sys.executable)))} -m holdfast.cli"
    found = shutil.which("holdfast")
    spelled = _from_here(called)
    if found and Path(found).samefile(called) and Path(spelled).is_absolute():
        return f"{home}holdfast"
    # Below this folder it may be on the path of this terminal alone, as `make up` puts it there.
    return f"{home}{shlex.quote(spelled)}"


def _needed(settings: Settings) -> Iterator[tuple[str, str]]:
    """What another terminal must be told: what came neither from a file of this folder nor from a default."""
    if "home" in settings.sources:
        yield "HOLDFAST_HOME", str(settings.home)
    if settings.sources.get("packs") == ENVIRONMENT:
        yield "HOLDFAST_PACKS", ",".join(settings.packs)
    url = settings.database_url
    if url is not None and url.engine == "sqlite" and settings.sources["database_url"] == ENVIRONMENT:
        yield "DATABASE_URL", url.safe


def _from_here(path: Path) -> str:
    """The path as one writes it in the working directory, where it lies below it."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (a link stays a link)
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _list_path(settings: Settings) -> str:
    """A list that the demo person can read."""
    try:
        packs = load_packs(settings.packs)
    except HoldfastError:
        return "openapi.json"
    for pack in packs:
        for path in pack.short_paths:
            return path
        for entity in pack.entities:
            return f"data/{pack.name}/{entity.table}"
    return "auth/tenants"
