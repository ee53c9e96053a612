"""Principals, permissions, passwords and tokens: rules about people, pure.

Not here: where people are kept (accounts), how a token travels (api). Open `principal.py`, then `tokens.py`.
"""
