"""`python -m benchmarks [http|sync|engines] …`: one of the benchmarks, that of HTTP where none is named."""

from __future__ import annotations

import sys

from benchmarks.engines.__main__ import main as engines
from benchmarks.http.__main__ import main as http
from benchmarks.sync.__main__ import main as sync

KINDS = {"http": http, "sync": sync, "engines": engines}

if __name__ == "__main__":
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    sys.exit(KINDS[named](sys.argv[2:]) if named in KINDS else http(sys.argv[1:]))
