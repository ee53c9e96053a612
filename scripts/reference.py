"""Writes the reference pages from what the code declares: `python scripts/reference.py`, or `--check` to compare only.

Each page lists all there is of its kind: whatever is missing its sentence fails here, not in a reader's hands.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from typer.main import get_group

import holdfast
from holdfast.cli.main import app
from holdfast.engines.memory.engine import MemoryEngine
from holdfast.engines.port import Capability, Engine
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.registry import open_engine
from holdfast.errors import HoldfastError
from holdfast.model import markers, policies
from holdfast.model.markers import Marker
from holdfast.model.merging import MERGE_RULES
from holdfast.model.types import FieldType
from holdfast.runtime.settings import declared_settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MARK = "<!-- Made by `python scripts/reference.py`; change the code, not this page. -->"


# -- settings ---------------------------------------------------------------------------------------------------------


def settings() -> str:
    rows = [
        (
            f"`{each.variable}`",
            f"`{each.name}`",
            f"`{each.default}`" if each.default else "",
            each.sentence,
        )
        for each in declared_settings()
    ]
    return _page(
        "Settings",
        "They come from `holdfast.toml` in the working directory, then `.env` there, then the environment, later ones over "
        "earlier\nones. In `holdfast.toml` a setting has its short name; everywhere else it is the variable. `holdfast "
        "settings` shows what\nholds here, and where it came from.",
        _table(("Variable", "In `holdfast.toml`", "Default", ""), rows),
    )


# -- commands ---------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every verb of the command line, a pack's too where the pack is enabled here."""
    root = get_group(app)
    context = root.make_context("holdfast", ["version"])
    parts = [_command(path, command) for path, command in _leaves(context, root, ("holdfast",))]
    return _page(
        "Commands",
        "`holdfast --help` and `holdfast COMMAND --help` say the same. Commands that print tables take `--json` where "
        "programs read\nthem. A command that fails prints an error's code, message and hint, and exits with 1; wrong usage "
        "exits with 2.",
        "\n".join(parts).rstrip() + "\n",
    )


def _leaves(context: Any, group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _leaves(context, command, (*path, name))
        elif not command.hidden:
            yield " ".join((*path, name)), command


def _command(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([path, *(_placeholder(each) for each in arguments)])
    rows = [
        *((f"`{_placeholder(each)}`", _sentence(each.help, f"{path} {each.name}")) for each in arguments),
        *(
            (
                f"`{', '.join((*each.opts, *each.secondary_opts))}`",
                _sentence(each.help, f"{path} {each.name}"),
            )
            for each in command.params
            if each.param_type_name == "option" and not each.hidden and each.name != "help"
        ),
    ]
    table = f"\n{_table(('', ''), rows)}" if rows else ""
    return f"## `{usage}`\n\n{_sentence(command.help, path)}\n{table}"


def _placeholder(argument: Any) -> str:
    word = str(argument.name).upper()
    return word if argument.required else f"[{word}]"


# -- declarations -----------------------------------------------------------------------------------------------------


WRITTEN = {
    "text": ("str", "Annotated[str, MaxLength(200)]"),
    "choice": ('Literal["open", "done"]',),
    "boolean": ("bool",),
    "integer": ("int", "Annotated[int, Field(ge=0, le=10)]"),
    "float": ("float",),
    "decimal": ("Annotated[Decimal, Digits(15, 2)]",),
    "date": ("date",),
    "instant": ("datetime",),
    "uuid": ("UUID", 'Annotated[UUID, Ref("books")]'),
    "json": ("dict[str, JsonValue]", "list[str]", "JsonValue"),
    "bytes": ("bytes", "Annotated[bytes, MaxLength(1000)]"),
}
"""Kind of field → the annotations that it is written with; each may be `… | None`."""


def declarations() -> str:
    """Markers, policies, field types and merge rules."""
    parts = [
        "## Markers\n\nThey stand in `Annotated[…]` on a field.\n",
        *(_entry(cls) for cls in _classes(markers, Marker)),
        "## Policies\n\nThey stand in `policies=(…)` on an entity. `Owned` or `Shared` must be there.\n",
        *(_entry(cls) for cls in get_args(policies.Policy)),
        "## Field types\n\nWhat a field's annotation becomes, and what the type holds. Each may be `… | None`.\n",
        _table(
            ("Kind", "Written", ""),
            [
                (f"`{_kind(cls)}`", ", ".join(f"`{each}`" for each in WRITTEN[_kind(cls)]), _first(cls))
                for cls in get_args(FieldType)
            ],
        ),
        "## Merge rules\n\nWhat happens to a field that two devices changed, by `Merge(rule)`.\n",
        _table(("Rule", ""), [(f"`{rule}`", said) for rule, said in MERGE_RULES.items()]),
    ]
    return _page("Declarations", "What an entity may say of itself.", "\n".join(parts))


def _classes(module: Any, base: type) -> list[type]:
    found = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, base)]
    return [cls for cls in found if cls is not base and cls.__module__ == module.__name__]


def _entry(cls: type) -> str:
    parameters = ", ".join(map(_parameter, inspect.signature(cls).parameters.values()))
    return f"### `{cls.__name__}({parameters})`\n\n{_doc(cls)}\n"


def _parameter(parameter: inspect.Parameter) -> str:
    star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
    kind = str(parameter.annotation).strip("'\"").replace("'", '"')
    default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
    return f"{star}{parameter.name}: {kind}{default}"


def _kind(cls: type) -> str:
    return next(str(field.default) for field in fields(cls) if field.name == "kind")


# -- errors -----------------------------------------------------------------------------------------------------------


def error_codes() -> str:
    """Every error of the tree, wherever it is declared."""
    _import_everything()
    rows = [
        (
            f"`{cls.code}`",
            f"`{cls.__name__}`",
            str(cls.status),
            "yes" if cls.retry else "no",
            " ".join(part for part in (_first(cls), cls.default_hint) if part),
        )
        for cls in _public(_tree(HoldfastError))
    ]
    return _page(
        "Error codes",
        "An error says what, where and what to do, never a field's value. HTTP answers it as a problem document "
        "(RFC 9457) with\n`code`, `title`, `where`, `hint` and `retry`; Python raises the class; the command line prints it. "
        "`Retry` says whether the same\ncall may succeed later.",
        _table(("Code", "Class", "HTTP", "Retry", ""), rows),
    )


def _public(classes: Iterable[type[HoldfastError]]) -> Iterator[type[HoldfastError]]:
    """Each once, where two engines have one of the same name; those that nobody outside meets by name are left away."""
    seen: set[tuple[str, str]] = set()
    for cls in classes:
        named = (cls.code, cls.__name__)
        if not cls.__name__.startswith("_") and named not in seen:
            seen.add(named)
            yield cls


def _import_everything() -> None:
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not module.name.startswith("holdfast.testing") and not module.name.endswith("__main__"):
            import_module(module.name)


def _tree(cls: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    yield cls
    # As they stand in their file; whichever files were imported first.
    for child in sorted(
        cls.__subclasses__(), key=lambda each: (each.__module__ != cls.__module__, each.__module__)
    ):
        if child.__module__.startswith("holdfast.") and ".testing." not in child.__module__:
            yield from _tree(child)


# -- capabilities -----------------------------------------------------------------------------------------------------


def capabilities() -> str:
    """Engine × capability, as the engines declare it and the conformance suite proves it."""
    engines: dict[str, Any] = {
        "PostgreSQL": PostgresEngine,
        "SQLite": asyncio.run(_sqlite()),
        "memory": MemoryEngine(),
    }
    head = ("", *(f"`{name}`" for name in engines))
    rows = [
        ("isolates tenants by", *(engine.isolation.name.lower() for engine in engines.values())),
        *(
            (f"`{c.value}`", *("yes" if c in engine.capabilities else "–" for engine in engines.values()))
            for c in Capability
        ),
    ]
    limits = [
        (label, *(_limit(engine.limits, name) for engine in engines.values()))
        for name, label in (
            ("row_bytes", "bytes of a row"),
            ("key_bytes", "bytes of an index's values"),
            ("transaction_items", "items of a transaction"),
            ("transaction_bytes", "bytes of a transaction"),
        )
    ]
    meanings = [(f"`{c.value}`", _capability_doc(c)) for c in Capability]
    return _page(
        "Capabilities",
        "What each engine can do. What it lacks it refuses by name (`not_supported`), and the conformance suite proves both.",
        "\n".join(
            [
                _table(head, rows),
                "## Limits\n",
                _table(head, limits),
                "## What they mean\n",
                _table(("Capability", ""), meanings),
            ]
        ),
    )


async def _sqlite() -> Engine:
    with TemporaryDirectory() as folder:
        engine = await open_engine(f"sqlite:///{folder}/reference.db")
        await engine.aclose()
        return engine


def _limit(limits: Any, name: str) -> str:
    value = getattr(limits, name)
    return "–" if value is None else f"{value:,}"


def _capability_doc(capability: Capability) -> str:
    """The text below a member of the enumeration, which Python does not keep."""
    lines = inspect.getsource(Capability).splitlines()
    at = next(n for n, line in enumerate(lines) if line.strip().startswith(f"{capability.name} ="))
    return lines[at + 1].strip().strip('"')


# -- pages ------------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "commands.md": commands,
    "declarations.md": declarations,
    "errors.md": error_codes,
    "capabilities.md": capabilities,
}


def _page(title: str, lead: str, body: str) -> str:
    return f"# {title}\n\n{MARK}\n\n{lead}\n\n{body.rstrip()}\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *(list(row) for row in rows)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _doc(cls: type) -> str:
    return _sentence(inspect.getdoc(cls), cls.__name__)


def _first(cls: type) -> str:
    return _doc(cls).splitlines()[0]


def _sentence(text: str | None, where: str) -> str:
    if not text or not text.strip():
        raise SystemExit(f"{where} says nothing of itself")
    return inspect.cleandoc(text)


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or say which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args(arguments).check
    stale = []
    for name, render in PAGES.items():
        path, text = FOLDER / name, render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    state = "is out of date" if check else "is written"
    sys.stdout.writelines(f"{name} {state}\n" for name in stale)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
