"""What tests of applications and engines use: the conformance suite, a clock, an engine to compare with, strategies, devices.

Shipped, and nothing that runs in production imports it. Not here: Holdfast's own tests (`tests/`), fixtures that start
servers. Whoever writes an engine begins with `conformance/`; whoever writes properties, with `strategies.py`; whoever tests
synchronisation, with `sync/`.
"""
