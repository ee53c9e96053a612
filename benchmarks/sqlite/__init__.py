"""What SQLite costs through Holdfast, beside the same statements by hand in the same run.

Not here: HTTP. Open `__main__.py`.
"""
