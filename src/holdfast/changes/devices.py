"""How a change names the device that pushed it.

What a device pushes is written down as `sync:<id of the device>`, apart from what the same device writes over REST, because
only of the former does its own database hold a copy already. Followed by `+` it says that the row as it now stands is not
what the device sent: then it goes back to that device as well.
"""

from __future__ import annotations

from uuid import UUID

_SYNC = "sync:"
_RETURNS = "+"


def pushed_by(device: UUID, *, returns: bool = False) -> str:
    """What the changes of a device's push carry."""
    return f"{_SYNC}{device}{_RETURNS if returns else ''}"


def is_pushed_by(name: str | None, device: UUID) -> bool:
    """Whether a change was pushed by this device, in whichever of the two forms."""
    return name in {pushed_by(device), pushed_by(device, returns=True)}


def returning(name: str | None) -> str | None:
    """The same, so that the row goes back to the device that pushed: for what follows from a push and was not sent."""
    if name is None or not name.startswith(_SYNC) or name.endswith(_RETURNS):
        return name
    return name + _RETURNS
