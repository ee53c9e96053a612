"""Run as a script by the tests: start the server of a home, say so in JSON, and wait to be told or killed.

python starter.py HOME OPTIONS      # OPTIONS: JSON object of EmbeddedServer.start's arguments
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from holdfast.engines.postgres.embedded import EmbeddedServer, StepDown
from holdfast.errors import HoldfastError


def arguments(options: dict[str, Any]) -> dict[str, Any]:
    if "bin_dir" in options:
        options["bin_dir"] = Path(options["bin_dir"])
    if "step_down" in options:
        options["step_down"] = StepDown(options["step_down"])
    if "shelters" in options:
        options["shelters"] = [Path(shelter) for shelter in options["shelters"]]
    return options


def say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    lines: list[str] = []
    options = arguments(json.loads(sys.argv[2]))
    try:
        server = EmbeddedServer.start(Path(sys.argv[1]), progress=lines.append, **options)
    except HoldfastError as error:
        say(error=type(error).__name__, message=str(error))
        return
    say(
        pid=server.pid,
        url=server.admin_url,
        adopted=server.adopted,
        data=str(server.data_dir),
        sockets=str(server.socket_dir),
        progress=lines,
    )
    if sys.stdin.readline().strip() == "stop":
        say(stopped=server.stop())


if __name__ == "__main__":
    main()
