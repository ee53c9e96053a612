"""Holdfast for long: a server under load, watched for what grows, and the state machines of the tests with many seeds.

Not a measurement of speed (`benchmarks.http`), nor of a deployment: everything is started here and thrown away.
Nothing imports this package but its own tests. Open `__main__.py` first, then `watch.py`.
"""
