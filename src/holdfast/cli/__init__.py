"""The command line: one file a verb, working in-process, so that it helps when the server is down.

Arguments and printing only: what a verb does is `runtime`'s and the features'. Nothing imports it. Open `main.py` first.
"""
