"""The embedded server: start or adopt it, find it, stop it.

`EmbeddedServer.start` is the life of a start, top to bottom: take the home's lock; adopt a server that is there; find a
place that its account can reach; make the cluster if there is none; launch; remember.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from holdfast.engines.postgres.embedded.cluster import SUPERUSER, create_cluster, data_major
from holdfast.engines.postgres.embedded.home import (
    Lease,
    ServerHome,
    explained,
    find_home,
    in_use,
    load_home,
    locked,
    prepare_home,
)
from holdfast.engines.postgres.embedded.installations import choose
from holdfast.engines.postgres.embedded.launch import launch, remove_sockets
from holdfast.engines.postgres.embedded.places import Progress, find_place
from holdfast.engines.postgres.embedded.postmaster import Postmaster, answers, find_running, stop_postmaster
from holdfast.engines.postgres.embedded.shelter import SHELTERS
from holdfast.engines.postgres.embedded.stepdown import StepDown
from holdfast.errors import ConfigurationError, Unavailable

_POLL_SECONDS = 0.05


def _silent(_: str) -> None:
    """Progress that nobody reads."""


class EmbeddedServer:
    """A PostgreSQL server that runs for one home. Made by `start` or found by `running`; used as a context, it stops."""

    def __init__(
        self, home: ServerHome, postmaster: Postmaster, *, adopted: bool, lease: Lease | None
    ) -> None:
        """Private: a server that is up, and this process's share in it (None for a mere onlooker)."""
        self.adopted = adopted
        """True where the server was up already: another process started it, or its starter was killed."""
        self.home = home.home
        self.data_dir = home.cluster / "data"
        self.log_path = home.log_path
        self.pid = postmaster.pid
        self.port = postmaster.port
        self.socket_dir = Path(postmaster.sockets)
        self._home = home
        self._lease = lease
        self._process = psutil.Process(postmaster.pid)

    def __repr__(self) -> str:
        return f"EmbeddedServer(home={str(self.home)!r}, port={self.port}, pid={self.pid}, adopted={self.adopted})"

    @property
    def admin_url(self) -> str:
        """The superuser's URL, password included: for `DATABASE_ADMIN_URL`, never for a log."""
        return f"postgresql://{SUPERUSER}:{self._home.password()}@127.0.0.1:{self.port}/postgres"

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        bin_dir: Path | None = None,
        progress: Callable[[str], None] = _silent,
        settings: Mapping[str, str] | None = None,
        step_down: StepDown | None = None,
        shelters: Sequence[Path] = SHELTERS,
        timeout: float = 120.0,
    ) -> Self:
        """Start the server of this home, or adopt the one that runs; make its database where there is none.

        `bin_dir` names other binaries than the wheel's. `settings` are server settings for this run alone (tests turn
        fsync off). `step_down` allows only that way of leaving root; `shelters` are where data goes that an
        unprivileged user cannot reach in the home. Blocks for at most about `timeout` seconds, plus initdb's.
        ConfigurationError says what to change; Unavailable that the same call may succeed later.
        """
        prepared = prepare_home(home)
        settings = settings or {}
        with explained(prepared.home), locked(prepared, timeout=timeout):
            server_home = load_home(prepared)
            data = server_home.cluster / "data"
            major = data_major(data)
            installation = choose(bin_dir, data_major=major)
            running_now = _settled(data, timeout=timeout, progress=progress)
            if running_now is not None:
                return cls(server_home, running_now, adopted=True, lease=Lease(server_home))
            if major is None and server_home.record.initialised:
                raise _lost(data)
            server_home = _claimed(server_home)
            place = find_place(
                server_home, installation, prefer=step_down, shelters=shelters, progress=progress
            )
            server_home = _remember_place(server_home, place.cluster)
            if not place.data.exists():
                progress("Making a new database; this takes a few seconds, once.")
                create_cluster(place, server_home.password(), durable=settings.get("fsync") != "off")
            server_home = server_home.remember(initialised=True)
            progress(f"Starting PostgreSQL {place.installation.version}.")
            server_home, postmaster = launch(server_home, place, settings, timeout=timeout, progress=progress)
            return cls(server_home, postmaster, adopted=False, lease=Lease(server_home))

    def stop(self, *, fast: bool = True, force: bool = False, timeout: float = 30.0) -> bool:
        """Stop the server, unless another process uses it too; whether it is down now.

        `fast` ends open sessions; otherwise they are waited for, for up to `timeout` seconds, and then ended. `force`
        stops it whoever uses it. Stopping what has stopped is no error. Unavailable where it does not end.
        """
        self.release()
        if not self._home.root.exists():
            return self._stop_orphan()
        with explained(self.home), locked(self._home, timeout=timeout):
            if in_use(self._home) and not force:
                return find_running(self.data_dir) is None
            patience = [] if fast else [(signal.SIGTERM, timeout)]
            ladder = [*patience, (signal.SIGINT, timeout), (signal.SIGQUIT, 10.0)]
            current = find_running(self.data_dir)
            if current and not stop_postmaster(self.data_dir, current.pid, ladder):
                raise Unavailable("PostgreSQL does not stop.", where=str(self.log_path))
            remove_sockets(self._home)
        return True

    def _stop_orphan(self) -> bool:
        """The home has been removed or moved under the running server; there is nothing left to end in good order."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=10.0)
        return True

    def release(self) -> None:
        """Give up this process's share and leave the server running."""
        if self._lease is not None:
            self._lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def running(home: Path) -> EmbeddedServer | None:
    """The server that runs for this home, found without starting or making anything. It takes no share in it."""
    found = find_home(home)
    with explained(home):
        postmaster = find_running(found.cluster / "data") if found else None
    if found is None or postmaster is None or not (postmaster.ready and answers(postmaster)):
        return None
    return EmbeddedServer(found, postmaster, adopted=True, lease=None)


def _settled(data: Path, *, timeout: float, progress: Progress) -> Postmaster | None:
    """The server of this data once it is ready; None once there is none. A server may be starting, or stopping."""
    deadline = time.monotonic() + timeout
    told = False
    while (found := find_running(data)) is not None:
        if found.ready and answers(found):
            return found
        if not told:
            progress(f"PostgreSQL is {found.status or 'starting'}; waiting for it.")
            told = True
        if time.monotonic() > deadline:
            raise Unavailable(
                f"PostgreSQL has been {found.status or 'starting'} for {timeout:.0f} seconds.",
                where=str(data),
                hint="It may be recovering after a crash: try again in a while.",
            )
        time.sleep(_POLL_SECONDS)
    return None


def _claimed(home: ServerHome) -> ServerHome:
    """Two servers on one folder destroy it, and neither can see the other from within its container. The lease can."""
    namespace = Path("/proc/self/ns/pid")
    here = str(namespace.readlink()) if namespace.is_symlink() else None
    if home.record.processes not in {None, here} and in_use(home):
        raise ConfigurationError(
            "Another container uses the database of this home.",
            where=str(home.home),
            hint="Give each container a HOLDFAST_HOME of its own, or let them share a server through DATABASE_URL.",
        )
    return home.remember(processes=here)


def _remember_place(home: ServerHome, cluster: Path) -> ServerHome:
    outside = None if cluster == home.root / "cluster" else str(cluster)
    return home.remember(cluster=outside)


def _lost(data: Path) -> ConfigurationError:
    return ConfigurationError(
        "The database of this home is gone.",
        where=str(data),
        hint="Put it back from a backup. To begin with an empty database, begin with an empty HOLDFAST_HOME.",
    )
