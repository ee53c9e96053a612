"""Where the server's files can lie so that its account reaches them: in the home if possible, otherwise in a shelter."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast.engines.postgres.embedded.home import ServerHome
from holdfast.engines.postgres.embedded.installations import Installation
from holdfast.engines.postgres.embedded.shelter import copy_programs, safe_shelter
from holdfast.engines.postgres.embedded.stepdown import Account, Reach, StepDown, account_of, accounts
from holdfast.errors import ConfigurationError

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Who runs the server, from which binaries, on which folder. `account` can write the one and run the other."""

    account: Account
    installation: Installation
    cluster: Path

    @property
    def data(self) -> Path:
        return self.cluster / "data"


def find_place(
    home: ServerHome,
    installation: Installation,
    *,
    prefer: StepDown | None,
    shelters: Sequence[Path],
    progress: Progress,
) -> Place:
    """A place that works, found by trying. Existing data stays where it is. ConfigurationError where there is none."""
    for account, cluster in _options(home, prefer, shelters):
        found = _settle(home, Place(account, installation, cluster), shelters)
        if found is not None:
            _tell(home, found, installation, progress)
            return found
    raise _nowhere(home)


def _options(
    home: ServerHome, prefer: StepDown | None, shelters: Sequence[Path]
) -> Iterator[tuple[Account, Path]]:
    data = home.cluster / "data"
    exists = data.exists()
    candidates = account_of(data, prefer=prefer) if exists else accounts(prefer=prefer)
    for account in candidates:
        yield account, home.cluster
    if exists:
        return
    for account in candidates:
        if account.step_down is not None:
            yield from ((account, shelter / f"cluster-{home.record.home_id}") for shelter in shelters)


def _settle(home: ServerHome, place: Place, shelters: Sequence[Path]) -> Place | None:
    """Give the folder to the account and see whether it can work there; if not, everything is as it was before."""
    inside = place.cluster.is_relative_to(home.home)
    if not inside and not safe_shelter(place.cluster.parent):
        return None
    with contextlib.ExitStack() as undo:
        if inside and place.account.step_down is StepDown.USER:
            undo.callback(_admit(home.home, place.account.gid))
            undo.callback(_admit(home.root, place.account.gid))
        undo.callback(_hand_over(place))
        found = _with_programs(place, shelters)
        if found is not None:
            undo.pop_all()
            _hand_over_data(found)
    return found


def _with_programs(place: Place, shelters: Sequence[Path]) -> Place | None:
    reach = place.account.reach(place.cluster, place.installation.tool("postgres"))
    if reach is Reach.ALL:
        return place
    if reach is not Reach.NOT_PROGRAM or place.account.step_down is None:
        return None
    for shelter in shelters:
        copy = copy_programs(place.installation, shelter)
        if copy and place.account.reach(place.cluster, copy.tool("postgres")) is Reach.ALL:
            return replace(place, installation=copy)
    return None


def _admit(folder: Path, gid: int) -> Callable[[], None]:
    """Let one group, and nobody else, pass through a folder of ours; returns what takes it back."""
    before = folder.stat()
    mode = stat.S_IMODE(before.st_mode)
    others = before.st_uid != os.geteuid() or folder.samefile(pwd.getpwuid(os.geteuid()).pw_dir)
    if others or mode & (stat.S_IXOTH | stat.S_IRWXG):
        return lambda: (
            None
        )  # open already, or another group's or user's, or root's own home: not ours to change
    os.chown(folder, -1, gid)
    folder.chmod(mode | stat.S_IXGRP)

    def take_back() -> None:
        os.chown(folder, -1, before.st_gid)
        folder.chmod(mode)

    return take_back


def _hand_over(place: Place) -> Callable[[], None]:
    """Make the cluster's folder, not yet what is in it, the account's; returns what takes it back."""
    try:
        place.cluster.mkdir(mode=0o700)
    except FileExistsError:
        before = place.cluster.stat()
        place.account.own(place.cluster)
        return lambda: os.chown(place.cluster, before.st_uid, before.st_gid)
    place.account.own(place.cluster)
    return place.cluster.rmdir


def _hand_over_data(place: Place) -> None:
    """Root's own data, made in a namespace, goes to the unprivileged user where namespaces are no longer allowed."""
    if place.data.exists() and place.data.stat().st_uid != place.account.uid:
        place.account.own_tree(place.data)


def _tell(home: ServerHome, place: Place, asked: Installation, progress: Progress) -> None:
    if not place.cluster.is_relative_to(home.home):
        progress(f"An unprivileged user cannot work in {home.home}; the data is kept in {place.cluster}.")
    if place.installation.bin_dir != asked.bin_dir:
        progress(
            f"An unprivileged user cannot run {asked.bin_dir}; a copy is used: {place.installation.bin_dir}."
        )


def _nowhere(home: ServerHome) -> ConfigurationError:
    if os.geteuid() != 0:
        return ConfigurationError(
            "This user cannot keep a database here.",
            where=str(home.cluster),
            hint="Set HOLDFAST_HOME to a folder that belongs to you, on a file system that keeps owners and modes.",
        )
    return ConfigurationError(
        "PostgreSQL does not run as root, and no unprivileged user reaches its files here.",
        where=str(home.cluster),
        hint="Run as an ordinary user, or set HOLDFAST_HOME to a folder that every user can enter, or set DATABASE_URL.",
    )
