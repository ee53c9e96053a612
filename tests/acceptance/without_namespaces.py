"""Run as a script by the tests, as root: run a command as most containers would, with no user namespaces to be had.

    python without_namespaces.py COMMAND [ARGUMENT…]

The command is root in a namespace that maps every user to itself, so that it may become another user and change owners;
namespaces below it are forbidden, which touches nothing outside it, and the capabilities that containers lack are dropped.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_CAPBSET_DROP = 24
LACKING = {"CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}


def main(command: list[str]) -> int:
    entered, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWUSER) != 0:  # a container already
            os.execvp(command[0], command)
        os.write(entered[1], b".")
        os.read(go[0], 1)
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
        for number in LACKING.values():
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        os.execvp(command[0], command)
    os.close(entered[1])
    if os.read(entered[0], 1):
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text("0 0 65536", encoding="ascii")
        os.write(go[1], b".")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
