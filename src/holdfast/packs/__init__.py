"""Domain packs: each one domain's vocabulary, on the public names of `holdfast` alone.

Found by the entry point `holdfast.packs`; nothing imports them. Open a pack's `entities.py` first.
"""
