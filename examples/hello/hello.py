"""Keep a note, read it, list all: `python hello.py`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from notes import Note

from holdfast import Duplicate, open_platform


async def main() -> None:
    async with open_platform(make=True) as platform:
        with suppress(Duplicate):  # she is there since the last time
            await platform.accounts.add_user("ada@example.com", "Ada")
        scope = await platform.scope_of("ada@example.com")
        note = Note(title="Hello, world")
        async with platform.store.session(scope) as session:
            await session.put(note)
        async with platform.store.session(scope) as session:
            kept = await session.get(Note, note.id)
            print(kept.title, "in version", kept.version)
            for each in (await session.select(Note, sort="title")).items:
                print("-", each.title)
        async with platform.store.session(scope) as session:
            await session.delete(Note, note.id)


asyncio.run(main())
