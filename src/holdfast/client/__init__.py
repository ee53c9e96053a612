"""A client for devices and services: sign in, pull, push, and hear that there is something to pull.

    async with Client("https://data.example.com", device="till-4") as client:
        await client.sign_in("someone@example.com", password)
        pulled = await client.pull(cursor)
        pushed = await client.push(changes, pulled.cursor)

It speaks the wire of `clients/watermelondb/holdfast.js`, and imports nothing of a server: `holdfast[client]` brings httpx and
no more. Not here: a local database; what is kept and what is still to be sent is the caller's. Errors are those of
`holdfast.errors`, with the server's codes. Open `client.py`.
"""

from holdfast.client.changes import Changes, Page, Pulled, Pushed, TableChanges
from holdfast.client.client import Client
from holdfast.client.tokens import Tokens
from holdfast.client.transport import Patience

__all__ = ["Changes", "Client", "Page", "Patience", "Pulled", "Pushed", "TableChanges", "Tokens"]
