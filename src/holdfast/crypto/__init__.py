"""Sealing: envelopes, the keys under which they lie, blind indexes, key providers, recovery, what proves an erasure.

Nothing here stores a key, opens a transaction or knows an engine: keys are kept behind `vault.KeyStore`. Cryptography itself is
`cryptography`'s and argon2-cffi's; what is here is which key, bound to what, how often, and in which form.
Imported by `store` and everything above it; itself it imports `errors` and `model`. A provider's library is imported in that
provider's module alone. Open `envelope.py` first, then `hierarchy.py` and `vault.py`.
"""
