"""Run as a script, never imported: enter a user namespace as an unprivileged user, then become another program.

    python namespace_entry.py UID GID PROGRAM [ARGUMENT…]

PostgreSQL refuses to run as uid 0. Inside the namespace this process has the given uid and no capabilities; outside it is
still root, so that files which only root may touch stay within reach. A process of its own is needed because the kernel
moves only processes with a single thread. Exits with 125 where the kernel or a sandbox does not allow it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
REFUSED = 125
CANNOT_EXECUTE = 126


def enter(uid: int, gid: int) -> None:
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny", encoding="ascii")  # the kernel's condition for mapping a group
    (process / "uid_map").write_text(f"{uid} {outside_uid} 1", encoding="ascii")
    (process / "gid_map").write_text(f"{gid} {outside_gid} 1", encoding="ascii")


def main(arguments: list[str]) -> int:
    uid, gid, program, *rest = arguments
    try:
        enter(int(uid), int(gid))
    except OSError as error:
        print(f"no user namespace: {error}", file=sys.stderr)  # noqa: T201
        return REFUSED
    try:
        os.execv(program, [program, *rest])  # noqa: S606
    except OSError as error:
        print(f"cannot execute {program}: {error}", file=sys.stderr)  # noqa: T201
        return CANNOT_EXECUTE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
