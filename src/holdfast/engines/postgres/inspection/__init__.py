"""What stands in the database, compared with what was declared, and whatever else would let a login past the wall.

It reads PostgreSQL's catalogs and counts; it changes nothing. Not here: when it is asked (`_inspect.py` puts the parts in
order for the engine), how things are made (`_ddl.py`, `_plans.py`). Only `_inspect.py` imports it. Open `shape.py` first.
"""
