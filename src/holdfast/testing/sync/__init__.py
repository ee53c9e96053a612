"""Devices for tests of synchronisation: a model of the WatermelonDB client, and scripts that any device can play.

The model (`watermelon.py`) does in memory what the library's 0.28 does to its database, so that thousands of synchronisations
cost a second. Scripts (`script.py`, `scripts.py`) are data: the same ones are played on the model and on the real library, and
the ends compared. The kit (`python -m holdfast.testing.sync URL`, `rules.py`) asks any server whether it keeps the protocol's
rules. Not here: a server, and the real library's driver. Open `watermelon.py` or `rules.py` first.
"""
