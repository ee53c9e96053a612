"""Where entities live: the port that every engine keeps, and the engines themselves.

An engine knows physical schema, statements, transactions and native isolation; nothing of HTTP, people or keys. Database
drivers are imported below this package and nowhere else. Open `port.py` first.
"""
