"""A PostgreSQL server of our own, started below `HOLDFAST_HOME`, so that a newcomer needs no database to begin with.

This is a launcher for server binaries that are already on the machine (a wheel's or the system's); it is not a driver and
knows nothing of schemas or tenants. The `runtime`, the `cli` and tests may import it. Read `server.py` first.
"""

from __future__ import annotations

from holdfast.engines.postgres.embedded.installations import Installation, installed_bins
from holdfast.engines.postgres.embedded.server import EmbeddedServer, running
from holdfast.engines.postgres.embedded.stepdown import StepDown

__all__ = ["EmbeddedServer", "Installation", "StepDown", "installed_bins", "running"]
