"""Where the root lies: behind one small interface, `port.KeyProvider`.

A provider wraps tenants' keys and nothing else, so it is asked once a tenant and process, never for a field or a row. The library
of each is an extra and is imported when the provider is opened. Open `port.py` first, then `local.py` for what those share that
hold the root themselves.
"""
