"""The identity realm, kept in the store: people, tenants, memberships, sessions, and what happens at the door.

Not here: the rules themselves (`identity`), HTTP (`api`), any engine's own words: everything is read and written through
`store` in the realm's scope. Imported by `runtime`, `api` and `cli`. Open `accounts.py` first, then `sessions.py`.
"""
