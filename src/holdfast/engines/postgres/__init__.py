"""The PostgreSQL engine: row-level security as the wall, generated functions on the hot paths, 15 or newer.

Here: physical schema, roles, statements, transactions, error translation. Not here: policy, HTTP, plaintext of sealed
fields. Only `engines.registry` and `runtime` import it. Open `engine.py`, then `_ddl.py` and `_plans.py`.
"""
