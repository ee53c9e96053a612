"""The SQLite engine: one file that several processes may use, the standard library's driver, 3.37 or newer.

Here: physical schema, statements, transactions, error translation, how a file is opened. Not here: policy, HTTP. Only this code
keeps tenants apart: isolation is `LIBRARY`. Only `engines.registry` and `runtime` import it. Open `engine.py`, then
`transaction.py` and `_ddl.py`.
"""
