"""Who acts for which tenant, and how strongly an engine keeps tenants apart.

Pure values. Not here: enforcement (engines), tokens (identity), roles kept (accounts). Open `scope.py` first.
"""
