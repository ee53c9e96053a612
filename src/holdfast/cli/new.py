"""`holdfast new`: a folder with an application in it, small enough to be read in a minute."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli._output import say
from holdfast.errors import Conflict, InvalidInput

_FILES = {
    "holdfast.toml": "holdfast.toml.txt",
    "entities.py": "entities.py.txt",
    "test_entities.py": "test_entities.py.txt",
    "README.md": "README.md.txt",
    ".gitignore": "gitignore.txt",
}
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*\Z", re.ASCII)


def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; nothing in it is written over.")],
) -> None:
    """Make a small project: one entity, its settings, a test."""
    if not _NAME.match(folder.resolve().name):
        raise InvalidInput("A project's name is letters, digits, `-`, `_` and `.`.", where=folder.name[:64])
    there = [name for name in (*_FILES, "migrations") if (folder / name).exists()]
    if there or (folder.exists() and not folder.is_dir()):
        raise Conflict(
            "There is something here already, and it is not written over.",
            where=", ".join(there) or str(folder),
            hint="Name a folder that does not exist yet.",
        )
    try:
        _write(folder)
    except OSError as error:
        raise InvalidInput(
            f"The folder cannot be made: {error.strerror or type(error).__name__}.",
            where=str(folder)[:200],
            hint="Name a folder where you may write.",
        ) from error
    here = folder.resolve() == Path.cwd()
    say(f"Made the project {'here' if here else f'in {folder}'}. Then:\n")
    if not here:
        say(f"  cd {shlex.quote(str(folder))}")
    say('  holdfast migrate make -m "first tables"')
    say("  holdfast up")


def _write(folder: Path) -> None:
    (folder / "migrations").mkdir(parents=True)
    for name, source in _FILES.items():
        text = files("holdfast.cli").joinpath("project", source).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("{name}", folder.resolve().name), encoding="utf-8")
