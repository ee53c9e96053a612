"""Files that only their owner reads: mode 0600, replaced as a whole, on the disk before a call returns."""

from __future__ import annotations

import os
import secrets as random
import stat
from pathlib import Path

from holdfast.errors import ConfigurationError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path, *, exposed: str) -> bytes | None:
    """The content, None where there is no such file. Raises ConfigurationError where others can read it; `exposed` says
    what to do then, besides taking their permission away.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"A file of this deployment cannot be read ({type(error).__name__}).",
            where=str(path),
            hint="Run as the user who owns this deployment's files.",
        ) from None
    if mode & _OTHERS:
        raise ConfigurationError(
            "Others can read this secret, so that it is none.",
            where=str(path),
            hint=f"chmod 600 {path}; {exposed}",
        )
    return content


def write_private(path: Path, content: bytes) -> None:
    """Replace a private file as a whole."""
    building = _built(path, content)
    building.replace(path)
    _sync(path.parent)


def write_once(path: Path, content: bytes) -> None:
    """Put the content there unless another process has been faster."""
    building = _built(path, content)
    try:
        os.link(building, path)
    except FileExistsError:
        pass
    finally:
        building.unlink(missing_ok=True)
    _sync(path.parent)


def _built(path: Path, content: bytes) -> Path:
    building = path.with_name(f".{path.name}.{random.token_hex(8)}")
    handle = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return building


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
