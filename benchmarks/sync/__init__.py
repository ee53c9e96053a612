"""Sync over HTTP, beside a hand-written twin and the raw ceiling: pulls, pushes, and how soon another device has a write.

It knows a target as a base address, a path and bearer tokens. Imported by `python -m benchmarks` and by tests. Open
`__main__.py` first, then `scenarios.py`.
"""
