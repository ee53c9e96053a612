"""The routes of every declared entity: create, read, list, change, delete, answered in bytes.

Not here: what a row may hold (model), who may touch it (store). Only `api/app.py` imports it. Open `routes.py`.
"""
