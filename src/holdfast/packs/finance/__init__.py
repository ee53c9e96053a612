"""The finance pack: accounts, goals, scenarios and transactions of a person, kept offline and met on the server.

Not here: people, sessions, keys (the platform's). Open `entities.py` first.
"""

from holdfast.packs.finance.pack import PACK

__all__ = ["PACK"]
