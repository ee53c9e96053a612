"""`holdfast logs`: what the server has said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli._output import say
from holdfast.errors import NotFound
from holdfast.runtime.serving import log_path
from holdfast.runtime.settings import load_settings

_POLL_SECONDS = 0.2


def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines from the end.")] = 50,
) -> None:
    """Show the end of the server's log."""
    path = log_path(load_settings().home)
    if not path.exists():
        raise NotFound("There is no log yet.", where=str(path), hint="`holdfast up` begins one.")
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            say(line.rstrip("\n"))
        if not follow:
            return
        position = file.tell()
    try:
        for text in _following(path, position):
            say(text)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _following(path: Path, position: int) -> Iterator[str]:
    """Complete lines behind `position`, for ever. A log that has become shorter has been begun anew."""
    rest = b""
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position, rest = 0, b""
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                *complete, rest = (rest + file.read(size - position)).split(b"\n")
            position = size
            for line in complete:
                yield line.decode("utf-8", errors="replace")
        else:
            time.sleep(_POLL_SECONDS)
