"""A shelter: a folder that every user can enter and only root can write.

It holds what an unprivileged account cannot reach where it is: the data of a home below a closed folder, and a copy (about
30 MB) of the wheel's binaries. Only root needs one, and only where no user namespace will do.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from holdfast.engines.postgres.embedded.installations import Installation, wheel_root

SHELTERS = (Path("/var/lib/holdfast"), Path("/var/tmp/holdfast"))  # noqa: S108 - made and checked by safe_shelter
"""Where a shelter may be, the best first."""

_ABANDONED_SECONDS = 3600


def safe_shelter(folder: Path) -> bool:
    """Make the folder if need be, and make sure that it is root's alone and not a trap that another user has set."""
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(0o755)  # whatever the umask
        found = folder.lstat()
        open_to_others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == 0
            and not open_to_others
            and os.access(folder, os.W_OK)
        )
    return False


def copy_programs(installation: Installation, shelter: Path) -> Installation | None:
    """The wheel's programs and libraries in the shelter, copied once; None for binaries that are not the wheel's."""
    source = wheel_root(installation.bin_dir)
    if source is None or not safe_shelter(shelter):
        return None
    tree = installation.bin_dir.parent.relative_to(source)
    parts = [tree / "bin", tree / "lib", tree / "share", Path(f"{tree.parts[0]}.libs")]
    parts = [part for part in parts if (source / part).is_dir()]
    final = shelter / f"postgresql-{installation.version}-{_fingerprint(source, parts)}"
    if not final.exists():
        _remove_abandoned(shelter)
        building = Path(tempfile.mkdtemp(prefix="copying-", dir=shelter))
        try:
            _copy(source, parts, building)
            _publish(building, final)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return Installation(installation.version, final / tree / "bin")


def _copy(source: Path, parts: Sequence[Path], target: Path) -> None:
    for part in parts:
        shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("*.a", "__pycache__"))
    for folder, _, files in os.walk(target):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _publish(building: Path, final: Path) -> None:
    try:
        building.rename(final)
    except OSError:
        if not final.is_dir():  # otherwise another launcher was quicker with the same copy
            raise


def _remove_abandoned(shelter: Path) -> None:
    for leftover in shelter.glob("copying-*"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def _fingerprint(source: Path, parts: Sequence[Path]) -> str:
    """Tells one build of the wheel from another, so that a newer one is copied afresh."""
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted((source / part).rglob("*")):
            if path.is_file():
                facts = path.stat()
                digest.update(f"{path.relative_to(source)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]
