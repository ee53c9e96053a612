"""Domain packs: entities, routes, commands and jobs for one field of life each, found by entry point.

Not the core: a pack imports the public names of `holdfast` and nothing below them, and nothing imports a pack.
Open `finance/__init__.py` first.
"""
