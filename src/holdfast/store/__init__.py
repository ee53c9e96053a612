"""The write path and the read path: authorise, validate, buffer, flush; read, page, render.

Everything that changes a row goes through here, and nothing here can wait until after the commit. Not here: SQL
(engines), HTTP (api), people (accounts). Open `session.py`, then `_flush.py`.
"""
