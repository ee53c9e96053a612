"""Tests of the port alone: nothing of the store is used but its values.

One file a behaviour. Only `suite.py` imports them. Begin with `isolation.py`.
"""
