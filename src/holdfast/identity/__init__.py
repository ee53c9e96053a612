"""Who somebody is and what they may do: principals, roles, passwords, tokens, refresh families, limits on attempts.

Not the realm: nothing here stores, sends, or reads a clock; `accounts` keeps users and sessions and asks this for decisions.
Imported by every layer above it; itself it imports `errors` only. Names are imported from their modules, not from here.
Open `principal.py` first, then `tokens.py` for the strict verifier and `refresh.py` for rotation and replay.
"""
