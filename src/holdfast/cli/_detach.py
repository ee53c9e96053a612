"""`holdfast up --detach`: start the server in a session of its own, and wait until it answers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import typer

from holdfast.cli._output import note
from holdfast.cli._serve import listening_socket
from holdfast.runtime.serving import Served, Serving, find_served, log_path, open_log
from holdfast.runtime.settings import Settings

_POLL_SECONDS = 0.05


def detach(settings: Settings, *, worker: bool) -> Served:
    """The server, answering. What it says while it starts is shown; where it fails, this command fails alike."""
    Serving.take(settings.home).release()
    with listening_socket(settings):
        pass  # a port that is taken is better said before anything begins
    log = open_log(settings.home)
    try:
        said = _Said(log_path(settings.home))
        child = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-m", "holdfast.cli", "up", "--detached", "--port", str(settings.port)),
                *(() if worker else ("--no-worker",)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    try:
        return _ready(settings.home, child, said)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        note("Stopped before it served.")
        raise typer.Exit(130) from None


def _ready(home: Path, child: subprocess.Popen[bytes], said: _Said) -> Served:
    while True:
        ended = child.poll()
        for line in said.new_lines():
            note(line)
        if ended is not None:
            raise typer.Exit(ended or 1)
        served = find_served(home)
        if served is not None and served.ready and served.pid == child.pid:
            return served
        time.sleep(_POLL_SECONDS)


class _Said:
    """The lines that a log has gained since this was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size

    def new_lines(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            file.seek(self._position)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                self._position += len(raw)
                yield raw.decode("utf-8", errors="replace").rstrip("\n")
