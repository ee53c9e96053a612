"""Devices that work offline and meet here: the wire of WatermelonDB, merging, the conflict inbox.

The hub is a reader of the change log and a writer like any other: what a device pushes goes down the store's one write
path, decided under the tenant's counter. Not here: HTTP (api), SQL (engines), who somebody is (accounts). Open `hub.py`
first, then `pushing.py`; the rules by which edits meet are pure and stand in `merge.py`.
"""
