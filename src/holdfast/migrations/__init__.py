"""Versioned schema change: revisions as engine-neutral steps, their graph, the runner, their files.

Files are read and ordered here (`graph.py`), never run; the ledger of what was applied is the engine's own, because engines
without SQL have one too. Not here: dialects (an engine's `_ddl`). Open `migrate.py` first.
"""
