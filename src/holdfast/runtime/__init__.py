"""Configuration and assembly: the only reader of the environment, and the place where the parts are put together.

Not here: what the parts do (each part's own), HTTP (api), arguments and printing (cli). Only the surfaces (`api`, `cli`)
and the front door import it. Open `assembly.py` first, then `settings.py`.
"""
