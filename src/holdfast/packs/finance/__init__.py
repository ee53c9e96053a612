"""Personal finance: accounts, goals, scenarios, transactions, and their import.

Not a bank and not a ledger: it keeps what a person knows of their money, offline first.
Imported by nobody; the runtime finds it by entry point.
Open `statements/__init__.py` first for the import of bank files.
"""
