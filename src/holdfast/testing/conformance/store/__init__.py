"""Tests of the store on the engine: sessions, history, cascades, cursors.

One file a behaviour. Only `suite.py` imports them. Begin with `sessions.py`.
"""
