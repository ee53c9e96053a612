"""What a row is and how it lives: entities, field types, markers, policies, queries, schemas and their difference.

Pure: no I/O, no SQL, no clock. Not here: who a person is (`identity`), where rows are kept (`engines`).
Every layer above may import it. Open `entity.py` first, then `schema.py`.
"""
