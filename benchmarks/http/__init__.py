"""Four operations over HTTP (read, list of 100, create, update) against every target, interleaved.

It knows a target as a base address, a collection path and bearer tokens: never its inside, never its database.
Imported by `python -m benchmarks` and by tests. Open `__main__.py` first, then `rounds.py`.
"""  # noqa: A005  (reached as benchmarks.http alone)
