"""`python -m benchmarks`: every benchmark there is."""

from __future__ import annotations

import sys

from benchmarks.http.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
