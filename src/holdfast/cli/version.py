"""`holdfast version`."""

from __future__ import annotations

import platform

from holdfast.cli._output import print_json, say
from holdfast.cli.settings import AsJson
from holdfast.runtime.version import holdfast_version


def version(as_json: AsJson = False) -> None:
    """Print the version of Holdfast and of Python."""
    versions = {"holdfast": holdfast_version(), "python": platform.python_version()}
    if as_json:
        print_json(versions)
    else:
        say(f"Holdfast {versions['holdfast']}, Python {versions['python']}")
