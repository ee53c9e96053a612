"""What an engine costs through Holdfast, beside the same statements by hand in the same run: PostgreSQL and SQLite.

Not here: HTTP. Open `__main__.py`.
"""
