"""Server-sent events: the lines of a stream as the numbers that its `head` events carry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import orjson


async def read_heads(lines: AsyncIterator[str]) -> AsyncGenerator[int, None]:
    """The number of each `head`; other events and comments are passed over."""
    kind = ""
    data: list[str] = []
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if kind == "head" and data:
                yield int(orjson.loads("\n".join(data))["number"])
            kind, data = "", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
