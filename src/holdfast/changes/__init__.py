"""The change log's values: a change, an old value, their commitments.

Pure. Not here: where the log is kept (engines), who writes it (store), who reads it (features). Open `change.py`.
"""
