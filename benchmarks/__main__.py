"""`python -m benchmarks [http|sync|sqlite] …`: one of the benchmarks, that of HTTP where none is named."""

from __future__ import annotations

import sys

from benchmarks.http.__main__ import main as http
from benchmarks.sqlite.__main__ import main as sqlite
from benchmarks.sync.__main__ import main as sync

KINDS = {"http": http, "sync": sync, "sqlite": sqlite}

if __name__ == "__main__":
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    sys.exit(KINDS[named](sys.argv[2:]) if named in KINDS else http(sys.argv[1:]))
