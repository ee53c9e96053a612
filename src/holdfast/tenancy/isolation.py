"""How strongly an engine keeps tenants apart: a value that is printed, demanded and tested, never a footnote."""

from __future__ import annotations

from enum import IntEnum


class Isolation(IntEnum):
    """From weakest to strongest. Never claim one that the medium does not enforce."""

    LIBRARY = 1
    """Only this code keeps tenants apart."""
    FILE = 2
    """A file per tenant."""
    CREDENTIAL = 3
    """Credentials that reach one tenant's keys only."""
    DATABASE = 4
    """The database itself, by row-level security on a role that cannot bypass it."""
