"""Holdfast measured beside its references, in one run, by one command: `python -m benchmarks`.

Not a load test of a deployment: everything is started here, on one machine, and thrown away afterwards.
Nothing imports this package but its own tests. Open `http/__main__.py` first, then `http/rounds.py`.
"""
