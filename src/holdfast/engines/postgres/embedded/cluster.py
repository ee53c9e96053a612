"""Make a new database cluster, in one step as others see it: it is built beside its place and renamed into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from holdfast.engines.postgres.embedded.home import sync_folder
from holdfast.engines.postgres.embedded.places import Place
from holdfast.errors import ConfigurationError, Unavailable

SUPERUSER = "postgres"

_BUILDING = "initdb-"
_SECONDS = 180.0
_FIRST_WITH_BUILTIN_LOCALE = 17

# For a developer's machine or a small server: what PostgreSQL would choose anyway is written down, so that every machine gets
# it. They stand in postgresql.conf and not on the command line, so that ALTER SYSTEM goes before them.
_SETTINGS = """
# Written by Holdfast when this cluster was made; ALTER SYSTEM goes before it.
shared_buffers = 128MB
max_connections = 100
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
jit = off
"""


def data_major(data: Path) -> int | None:
    """The major version that this data is of; None where there is no data."""
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii"))
    except FileNotFoundError:
        if data.exists():
            raise ConfigurationError(
                "This folder is not a database: PG_VERSION is missing.",
                where=str(data),
                hint="Put it back from a backup, or begin with an empty HOLDFAST_HOME.",
            ) from None
        return None


def create_cluster(place: Place, password: str, *, durable: bool) -> None:
    """Run initdb. `durable` waits for the disk. Killed at any moment, it leaves only what the next call removes."""
    _remove_leftovers(place.cluster)
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=place.cluster))
    try:
        place.account.own(building)
        _initdb(place, building, password, durable=durable)
        (building / "data").rename(place.data)
        sync_folder(place.cluster)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _initdb(place: Place, building: Path, password: str, *, durable: bool) -> None:
    secret = building / "password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="ascii")
    place.account.own(secret)  # initdb reads it as the account
    for locale in _locales(place.installation.major):
        answer = _run_initdb(place, building, [*locale, *([] if durable else ["--no-sync"])])
        if answer.returncode == 0:
            _add_settings(building / "data" / "postgresql.conf")
            return
    raise Unavailable(
        f"initdb could not make the database: {_reason(answer)}",
        where=str(place.cluster),
        hint="Look at free space and at the file system of this folder, then try again.",
    )


def _run_initdb(place: Place, building: Path, options: list[str]) -> subprocess.CompletedProcess[str]:
    command = [
        place.installation.tool("initdb"),
        f"--pgdata={building / 'data'}",
        f"--username={SUPERUSER}",
        f"--pwfile={building / 'password'}",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--data-checksums",
        *options,
    ]
    try:
        return place.account.run(command, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"initdb has not ended within {_SECONDS:.0f} seconds.", where=str(place.cluster)
        ) from error


def _locales(major: int) -> list[list[str]]:
    """Ways to say: order by bytes, case by Unicode. The last one, order and case by bytes, works everywhere."""
    if major >= _FIRST_WITH_BUILTIN_LOCALE:
        return [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
    return [["--locale=C", "--lc-ctype=C.UTF-8"], ["--locale=C"]]


def _add_settings(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(_SETTINGS)
        file.flush()
        os.fsync(file.fileno())


def _reason(answer: subprocess.CompletedProcess[str]) -> str:
    lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
    errors = [line for line in lines if "error:" in line or "FATAL:" in line]
    return (errors or lines)[-1].strip()


def _remove_leftovers(cluster: Path) -> None:
    for leftover in cluster.glob(f"{_BUILDING}*"):
        # An initdb whose launcher was killed may still be writing here; what it adds now goes with the next start.
        shutil.rmtree(leftover, ignore_errors=True)
